"""The whole catalogue over stores with every role: engines agree, and odd data get a state and a reason."""

from __future__ import annotations

import math
import random
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from labelmon.checks import catalogue, check_named
from labelmon.config.datasets import default_objective
from labelmon.model import Compared, Comparison, Dataset, Owner, Relation, Rule, RuleKind, State, StoreSpec, Tier
from labelmon.once import Reading, measure_once
from labelmon.pseudonyms import Pseudonyms
from labelmon.roles import RELATIONS, Kind
from labelmon.stores import open_store
from labelmon.stores.needs import why_off
from tests.full_store import day
from tests.postgres import Cluster

AT = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
CLASSES = ("x", "y", "z")
Rows = Mapping[str, list[dict[str, object]]]
KINDS = {Kind.TEXT: "TEXT", Kind.INSTANT: "TEXT", Kind.NUMBER: "DOUBLE PRECISION", Kind.FLAG: "BOOLEAN"}


def columns(name: str) -> str:
    return ", ".join(f"{role} {KINDS[RELATIONS[name].kind(role)]}" for role in RELATIONS[name].names)


def tuples(name: str, rows: Iterable[Mapping[str, object]]) -> list[tuple[object, ...]]:
    return [tuple(row.get(role) for role in RELATIONS[name].names) for row in rows]


def in_sqlite(folder: Path, rows: Rows) -> StoreSpec:
    with closing(sqlite3.connect(folder / "s.db")) as db, db:
        for name in RELATIONS:
            db.execute(f"CREATE TABLE {name} ({columns(name)})")
            marks = ", ".join("?" * len(RELATIONS[name].names))
            db.executemany(f"INSERT INTO {name} VALUES ({marks})", tuples(name, rows.get(name, ())))
    return StoreSpec(name="s", url=f"sqlite:///{folder / 's.db'}")


def in_duckdb(folder: Path, rows: Rows) -> StoreSpec:
    with duckdb.connect(folder / "s.duckdb") as db:
        for name in RELATIONS:
            db.execute(f"CREATE TABLE {name} ({columns(name)})")
            marks = ", ".join("?" * len(RELATIONS[name].names))
            if rows.get(name):
                db.executemany(f"INSERT INTO {name} VALUES ({marks})", tuples(name, rows[name]))
    return StoreSpec(name="s", url=f"duckdb:///{folder / 's.duckdb'}")


def in_postgres(postgres: Cluster, rows: Rows) -> StoreSpec:
    schema = postgres.schema()
    with postgres.connect(schema) as db, db.cursor() as cursor:
        for name in RELATIONS:
            db.execute(f"CREATE TABLE {name} ({columns(name)})")
            marks = ", ".join(["%s"] * len(RELATIONS[name].names))
            cursor.executemany(f"INSERT INTO {name} VALUES ({marks})", tuples(name, rows.get(name, ())))
    return StoreSpec(name="s", url=postgres.url(schema=schema))


def watched(classes: tuple[str, ...] = CLASSES) -> Dataset:
    """Every relation with every role, and the default objective of every check."""
    return Dataset(
        name="full",
        pipeline="p",
        owner=Owner(),
        tier=Tier.STANDARD,
        relations={
            name: Relation(name=name, store="s", table=name, columns={role: role for role in roles.names})
            for name, roles in RELATIONS.items()
        },
        objectives={check.name: (default_objective(check),) for check in catalogue()},
        classes=classes,
    )


RULES = (
    Rule(kind=RuleKind.CLASSES, roles=("label",)),
    Rule(kind=RuleKind.VERSIONS, roles=("schema_version",)),
    Rule(kind=RuleKind.REQUIRED, roles=("tool",)),
    Rule(kind=RuleKind.REQUIRED, roles=("expires_at",)),
    Rule(kind=RuleKind.PATTERN, roles=("label",), pattern="^[xyz]$"),
    Rule(kind=RuleKind.RANGE, roles=("cost",), least=0.0, most=0.5),
    Rule(kind=RuleKind.KNOWN_ITEMS, roles=("item",)),
    Rule(kind=RuleKind.UNIQUE, roles=("item", "annotator")),
)


def ruled(classes: tuple[str, ...] = CLASSES) -> Dataset:
    """As `watched`, with rules of every kind instead of validations."""
    whole = watched(classes)
    relations = {name: relation for name, relation in whole.relations.items() if name != "validations"}
    return replace(whole, relations=relations, validators=RULES, schema_versions=("v1",))


COMPARISONS = (Comparison(kind=Compared.NUMBER, within=1.0), Comparison(kind=Compared.SCORE, at_least=0.5))


def compared(classes: tuple[str, ...] = CLASSES) -> list[Dataset]:
    """Datasets whose labels are no classes, with the checks that the other two leave out."""
    found = []
    for comparison in COMPARISONS:
        dataset = replace(watched(classes), comparison=comparison)
        mine = [
            check
            for check in catalogue()
            if not why_off(check, dataset) and why_off(check, watched(classes)) and why_off(check, ruled(classes))
        ]
        found.append(replace(dataset, objectives={check.name: (default_objective(check),) for check in mine}))
    return found


def readings_of(spec: StoreSpec, classes: tuple[str, ...] = CLASSES) -> tuple[Reading, ...]:
    """What is measured of validations, of rules that the store itself checks, and of labels that are no classes."""
    return tuple(measured(spec, dataset) for dataset in (watched(classes), ruled(classes), *compared(classes)))


def measured(spec: StoreSpec, dataset: Dataset) -> Reading:
    return measure_once(dataset, {"s": open_store(spec)}, catalogue(), AT, Pseudonyms(keys=(b"k" * 32,)))


MORE: dict[str, dict[str, tuple[object, ...]]] = {
    "items": {"expected_class": ("x", "y", None), "cohort": ("c1", "c2", None)},
    "labels": {
        "confidence": (0.3, 0.75, 1.0, 1.5, -0.25, None),
        "rollout": ("canary", "all", None),
        "comment": ("hm", "", None),
    },
    "audits": {"auditor": ("v", "w", None)},
    "reviews": {"author": ("v", "w", None)},
}


def busy(seed: int, items: int = 250) -> dict[str, list[dict[str, object]]]:
    """Rows of every relation with gaps, repeats, odd values and values outside the schema."""
    rng = random.Random(seed)

    def some(*values: object) -> object:
        return rng.choice(values)

    rows: dict[str, list[dict[str, object]]] = {name: [] for name in RELATIONS}
    for n in range(items):
        item, when = f"i{n}", rng.randrange(28)
        queued = {"queued_at": some(day(when, 3), day(when, 5), None), "stage": some("triage", "review", None)}
        rows["items"].append({"item": item, "arrived_at": day(when, 3), "priority": some("high", "low", None)} | queued)
        rows["predictions"] += [
            {"item": some(item, f"stranger{n}"), "predicted": some("x", "y", "X"), "predicted_at": day(when, hour)}
            for hour in rng.sample(range(24), rng.randrange(3))
        ]
        for _ in range(rng.randrange(4)):
            labeled = day(when, rng.randrange(4, 20))
            rows["labels"].append(
                {
                    "item": some(*[item] * 9, f"nobody{n}"),
                    "label": some("x", "x", "y", "z", "None", "", None),
                    "labeled_at": labeled,
                    "stored_at": labeled,
                    "started_at": some(day(when, 6), day(when, 3), labeled, None),
                    "annotator": some("p", "q", "r", None),
                    "label_source": some("human", "auto", None),
                    "cost": some(0.25, 1.0, 0.0, -1.0, None),
                    "expires_at": some(day(27), "2027-01-01T00:00:00Z", None),
                    "tool": some("t", "", None),
                    "schema_version": some("v1", "v2", None),
                }
            )
            rows["audits"].append(
                {
                    "item": some(item, f"gone{n}"),
                    "label": some("x", "y", None),
                    "truth": some("x", "x", "y"),
                    "audited_at": day(when, 21),
                    "annotator": some("p", "q"),
                    "seeded": some(True, False, None),
                    "gold": some(True, False, None),
                    "weight": some(1.0, 2.5, None, -1.0),
                    "stratum": some("a", "b", None),
                    "selection": some("random", "active", None),
                    "cluster": some("c1", "c2", None),
                }
            )
        rows["labels"] += [
            {
                "item": f"{item}-{who}",
                "label": some("x", "x", "y", "z") if who else some("y", "z"),
                "labeled_at": f"{day(when, 20)[:14]}30:00Z",
                "started_at": f"{day(when, 20)[:14]}{rng.randrange(25, 30)}:{rng.randrange(60):02d}Z",
                "annotator": f"team{who}",
            }
            for who in range(6)
        ]
        rows["audits"] += [
            {
                "item": f"{item}-{who}",
                "label": "x",
                "truth": some("x", "x", "x", "y"),
                "audited_at": day(when, 22),
                "annotator": f"team{who}",
                "gold": some(True, False),
            }
            for who in range(6)
        ]
        rows["reviews"].append(
            {"item": item, "label": some("x", "y", None), "corrected_label": some("x", "y"), "reviewed_at": day(when)}
        )
        rows["validations"].append(
            {"item": item, "rule": some("r1", "r2"), "passed": some(True, True, False, None), "checked_at": day(when)}
            | {"false_fail": some(True, False, None)}
        )
        rows["versions"].append({"item": item, "version": some("1", "2"), "label": some("x", "y"), "purpose": "train"})
        rows["versions"] += [  # v10 is newer than v9, and what is not out yet is no version
            {"item": item, "version": version, "label": label, "purpose": purpose, "released_at": out}
            for version, label, purpose, out in (
                ("v9", "x", "train", day(2)),
                ("v10", "xyN"[n % 3], "train", day(20)),
                ("v10", "xxy"[n % 3], "test", day(20)),
                ("v11", "z", "train", "2026-05-01T00:00:00Z"),
            )
            if n % 5 or version == "v9"
        ]
    rows["costs"] = [
        {
            "period": day(n),
            "amount": 10.0 + n,
            "budget": some(20.0, None),
            "category": some("labels", "tools", None),
            "label_source": some("human", "auto", None),
        }
        for n in range(28)
    ]
    rows["pairs"] = [
        {
            "item": f"i{n % 60}",
            "score": (0.2, 0.5, 0.9, None)[n % 4],
            "annotator": "pq"[n % 2],
            "second_annotator": ("r", None)[n % 5 == 0],
            "compared_at": day(n),
        }
        for n in range(200)
    ]
    # What was added later is drawn apart, so that the rest stays what it was.
    more = random.Random(seed + 1000)
    for name, roles in MORE.items():
        for row in rows[name]:
            row |= {role: more.choice(values) for role, values in roles.items()}
    for n in range(items):  # enough labels of one prediction to compare weeks
        when = n % 28
        rows["predictions"].append({"item": f"p{n}", "predicted": "x", "predicted_at": day(when, 1)})
        rows["labels"].append({"item": f"p{n}", "label": some("x", "x", "y"), "labeled_at": day(when, 2)})
    return rows


def told(*readings: Reading) -> dict[object, object]:
    """Every measurement under what it is about; values to nine digits. What only a later reading says is its own."""
    assert [reading.failures for reading in readings] == [()] * len(readings)
    first, *rest = readings
    said = {m.check for m in first.measurements}
    found = {}
    for m in (*first.measurements, *(m for later in rest for m in later.measurements if m.check not in said)):
        e = m.estimate
        numbers = [None if value is None else float(f"{value:.9g}") for value in (e.value, e.low, e.high, e.n)]
        key = (m.check, e.statistic, m.window, *sorted({**m.labels, **e.labels}.items()))
        assert key not in found, key
        found[key] = (*numbers, e.state, e.reason)
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_the_engines_agree_on_every_check(tmp_path: Path, postgres: Cluster, seed: int) -> None:
    rows = busy(seed)

    sqlite = told(*readings_of(in_sqlite(tmp_path, rows)))

    checks = {key[0] for key in sqlite}
    assert checks == {check.name for check in catalogue()}
    assert sum(values[4] is State.OK for values in sqlite.values()) > 100
    assert told(*readings_of(in_duckdb(tmp_path, rows))) == sqlite
    assert told(*readings_of(in_postgres(postgres, rows))) == sqlite


def nulls(seed: int) -> Rows:
    """Only what identifies a row and places it in time."""
    required = {"item", *(role for relation in RELATIONS.values() for role in relation.required)}
    kept = required - {"label", "truth", "predicted", "corrected_label", "passed", "amount"}
    return {name: [{k: v for k, v in row.items() if k in kept} for row in many] for name, many in busy(seed).items()}


def same_class(seed: int) -> Rows:
    fixed = dict.fromkeys(("label", "truth", "predicted", "corrected_label"), "x")
    return {
        name: [row | {k: v for k, v in fixed.items() if k in row} for row in many] for name, many in busy(seed).items()
    }


def thousand_classes(seed: int) -> Rows:
    found = busy(seed, 1000)
    for many in found.values():
        for n, row in enumerate(many):
            row |= {role: f"c{n % 1000}" for role in ("label", "truth", "predicted", "corrected_label") if role in row}
    return found


ODD: dict[str, Callable[[], Rows]] = {
    "nothing": dict,
    "one row": lambda: {name: many[:1] for name, many in busy(3).items()},
    "all NULL": lambda: nulls(4),
    "one class": lambda: same_class(5),
    "a thousand classes": lambda: thousand_classes(6),
}


@pytest.mark.parametrize("classes", [CLASSES, ()], ids=["declared", "undeclared"])
@pytest.mark.parametrize("odd", ODD)
def test_odd_data_get_a_state_and_a_reason(tmp_path: Path, odd: str, classes: tuple[str, ...]) -> None:
    readings = readings_of(in_sqlite(tmp_path, ODD[odd]()), classes)

    for reading in readings:
        assert reading.failures == ()
        said = {m.check for m in reading.measurements}
        assert said | set(reading.off) == {check.name for check in catalogue()}
    for m in (m for reading in readings for m in reading.measurements):
        e = m.estimate
        assert (e.state is State.OK) == (e.reason == ""), m
        assert e.value is not None or e.state is not State.OK, m
        numbers = [number for number in (e.value, e.low, e.high, e.n) if number is not None]
        assert all(math.isfinite(number) for number in numbers), m
        ends = [end for end in (e.low, e.value, e.high) if end is not None]
        assert ends == sorted(ends), m


@pytest.mark.parametrize("check", [check.name for check in catalogue()])
def test_nothing_at_all_is_no_evidence(tmp_path: Path, check: str) -> None:
    """Of nothing, a share is neither 0 nor 1: only what is counted may be 0."""
    readings = readings_of(in_sqlite(tmp_path, {}))

    mine = [m.estimate for reading in readings for m in reading.measurements if m.check == check]
    assert mine
    main = check_named(check).main
    for e in mine:
        if e.statistic == main.name and main.metric.rsplit("_", 1)[-1] in {"ratio", "nats", "seconds"}:
            assert e.value is None, e
            assert e.state in {State.INSUFFICIENT, State.NOT_COMPUTABLE}, e
