"""Roles that a check can do without: what they read as where nobody maps them, and numbers and flags where they do."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import func

from labelmon.check import Check, Column, EventSlo, Part
from labelmon.checks import check_named
from labelmon.model import Relation, StoreSpec
from labelmon.pseudonyms import Pseudonyms
from labelmon.reading import describe, read_counts
from labelmon.stores import Series, Span, open_store
from labelmon.stores.needs import why_off
from labelmon.stores.series import part_series, series_for
from tests.world import dataset, relation, target

SPAN = Span(start_ms=0, end_ms=10_000, width=None)
COUNTS = {
    "heavy": Column(lambda row: row.weight > 2),
    "weight": Column(lambda row: func.coalesce(row.weight, -1.0)),
    "random": Column(lambda row: row.selection == "random"),
    "unknown": Column(lambda row: row.selection.is_(None)),
    "gold": Column(lambda row: row.gold.is_(True)),
    "plain": Column(lambda row: row.gold.is_(False)),
}
OPTIONAL = {"weight": 1.5, "selection": None, "gold": None, "stratum": "all"}
CHECK: Check = replace(
    check_named("label_accuracy"),
    counts={"good": Column(lambda row: row.label == row.truth), **COUNTS},
    keys=(),
    where=None,
    optional=OPTIONAL,
    slo=EventSlo(good="good", target=0.95),
    parts=(
        Part(name="strata", keys=("stratum",), counts=COUNTS, estimate=lambda _counts, _moment: ()),
        Part(name="people", keys=("auditor",), counts=COUNTS, estimate=lambda _counts, _moment: ()),
    ),
)
BASE = ("item", "label", "truth", "audited_at")
# weight, selection and gold as files and loose columns may hold them, then what they are read as.
WRITTEN = [
    ("4", "random", "true"),
    (" 2.5 ", "active", "0"),
    ("12 apples", "", "maybe"),
    ("", "random", "No"),
    ("1e1", "random", "Y"),
    ("inf", "random", "1"),
    ("NaN", "random", "f"),
    ("1e999", "random", "T"),
    ("-3", "random", "1.0"),
]
ENGINES = ["sqlite", "csv", "duckdb", "postgresql"]


def stored(folder: Path, engine: str, request: pytest.FixtureRequest) -> StoreSpec:
    rows = [(f"i{n}", "x", "x", "1970-01-01T00:00:05Z", *row) for n, row in enumerate(WRITTEN)]
    names = [*BASE, "weight", "selection", "gold"]
    columns = ", ".join(f"{name} {'VARCHAR' if engine == 'duckdb' else 'TEXT'}" for name in names)
    marks = ", ".join("?" * len(names))
    if engine == "sqlite":
        with sqlite3.connect(folder / "s.db") as db:
            db.execute(f"CREATE TABLE audits ({columns})")
            db.executemany(f"INSERT INTO audits VALUES ({marks})", rows)
        db.close()
        return StoreSpec(name="s", url=f"sqlite:///{folder}/s.db")
    if engine == "duckdb":
        with duckdb.connect(folder / "s.duckdb") as duck:
            duck.execute(f"CREATE TABLE audits ({columns})")
            duck.executemany(f"INSERT INTO audits VALUES ({marks})", rows)
        return StoreSpec(name="s", url=f"duckdb:///{folder}/s.duckdb")
    if engine == "csv":
        lines = [",".join(f'"{value}"' for value in row) for row in rows]
        (folder / "audits.csv").write_text("\n".join([",".join(names), *lines]) + "\n")
        return StoreSpec(name="s", files={"audits": str(folder / "audits.csv")})
    cluster = request.getfixturevalue("postgres")
    schema = cluster.schema()
    with cluster.connect(schema) as served, served.cursor() as cursor:
        cursor.execute(f"CREATE TABLE audits ({columns})")
        cursor.executemany(f"INSERT INTO audits VALUES ({', '.join(['%s'] * len(names))})", rows)
    return StoreSpec(name="s", url=cluster.url(schema=schema))


TYPES = {
    "sqlite": ("REAL", "INTEGER"),
    "duckdb": ("DECIMAL(9, 3)", "BOOLEAN"),
    "postgresql": ("numeric", "boolean"),
    "postgresql-floats": ("float8", "int2"),
}


@pytest.mark.parametrize("engine", TYPES)
def test_typed_columns_read_alike(tmp_path: Path, engine: str, request: pytest.FixtureRequest) -> None:
    weight, gold = TYPES[engine]
    whole = gold in ("INTEGER", "int2")
    yes, no = ("1", "0") if whole else ("true", "false")
    no_number = "'NaN'" if engine.startswith("postgresql") else "NULL"
    columns = f"item TEXT, label TEXT, truth TEXT, audited_at TEXT, selection TEXT, weight {weight}, gold {gold}"
    row = "('i', 'x', 'x', '1970-01-01T00:00:05Z', 'random', {}, {})"
    rows = ", ".join(row.format(*pair) for pair in (("2.5", yes), ("4", no), ("NULL", "NULL"), (no_number, yes)))
    script = (f"CREATE TABLE audits ({columns})", f"INSERT INTO audits VALUES {rows}")
    spec = StoreSpec(name="s", url=f"{engine}:///{tmp_path}/s.db")
    if engine == "sqlite":
        with sqlite3.connect(tmp_path / "s.db") as db:
            db.executescript(";".join(script))
        db.close()
    elif engine == "duckdb":
        with duckdb.connect(tmp_path / "s.db") as duck:
            duck.execute(";".join(script))
    else:
        cluster = request.getfixturevalue("postgres")
        schema = cluster.schema()
        with cluster.connect(schema) as served:
            served.execute(script[0])
            served.execute(script[1])
        spec = StoreSpec(name="s", url=cluster.url(schema=schema))

    got = counted(spec, series(CHECK, "weight", "selection", "gold"))

    assert (got["rows"], got["weight"], got["heavy"], got["gold"], got["plain"]) == (4, 6.5 - 2, 2, 2, 1)


def series(check: Check, *roles: str, part: str = "") -> Series:
    audits: Relation = relation("audits", "audits", *BASE, *roles)
    whole = series_for(check, dataset(relations={"audits": audits}), target(0.95))
    return next(s for s in part_series(whole) if s.part == part) if part else whole


def counted(spec: StoreSpec, counting: Series) -> dict[str, float]:
    with open_store(spec).snapshot() as reader:
        types = describe(reader, counting, {})
        counts = read_counts(reader, counting, types, SPAN, 10_000, Pseudonyms(keys=(b"k" * 32,)))
    return {name: counts.total(name) or 0.0 for name in counts.ops} | {
        "groups": "|".join(str(row[1]) for row in counts.records()) if len(counts.keys) > 1 else ""
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_numbers_and_flags_are_what_they_say(tmp_path: Path, engine: str, request: pytest.FixtureRequest) -> None:
    got = counted(stored(tmp_path, engine, request), series(CHECK, "weight", "selection", "gold"))

    # Numbers: 4, 2.5, 10 and -3; the other five are none, each -1 in the sum.
    assert got["weight"] == pytest.approx(4 + 2.5 + 10 - 3 - 5)
    assert (got["heavy"], got["random"], got["gold"], got["plain"]) == (3, 7, 5, 3)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_role_that_nobody_maps_reads_as_declared(tmp_path: Path, engine: str, request: pytest.FixtureRequest) -> None:
    spec = stored(tmp_path, engine, request)
    got = counted(spec, series(CHECK))
    by_stratum = counted(spec, series(CHECK, part="strata"))

    nine = len(WRITTEN)
    assert (got["rows"], got["weight"], got["unknown"]) == (nine, 1.5 * nine, nine)
    assert (got["heavy"], got["random"], got["gold"], got["plain"]) == (0, 0, 0, 0)
    assert (by_stratum["rows"], by_stratum["groups"]) == (nine, "all")


def test_only_declared_roles_may_be_missing() -> None:
    audits = relation("audits", "audits", *BASE)
    watched = dataset(relations={"audits": audits})
    needy = replace(CHECK, optional={role: None for role in OPTIONAL if role != "weight"})

    assert why_off(CHECK, watched) == ""
    assert why_off(needy, watched) == "needs role audits.weight"
    assert [s.part for s in part_series(series(CHECK))] == ["strata"]  # nothing stands in for an auditor


def test_what_a_missing_role_reads_as_is_part_of_the_definition() -> None:
    other = replace(CHECK, optional={**OPTIONAL, "weight": 1.0})

    assert series(CHECK).definition == series(CHECK).definition
    assert series(CHECK).definition != series(other).definition


def test_a_required_role_cannot_be_optional() -> None:
    with pytest.raises(ValueError, match="need optional roles of audits, got 'truth'"):
        replace(CHECK, optional={"truth": None})
