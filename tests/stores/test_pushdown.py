"""What is counted in the store equals what pandas counts in memory, on every engine and every way to write a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings

from labelmon.checks import check_named
from labelmon.errors import StoreError
from labelmon.model import StoreSpec
from labelmon.pseudonyms import Pseudonyms
from labelmon.reading import describe, read_counts
from labelmon.stores import Series, Span, open_store
from labelmon.stores.series import series_for
from tests.postgres import Cluster
from tests.world import dataset, target

DAY_MS = 1_790_000_000_000 - 1_790_000_000_000 % 86_400_000
ENGINES = ["sqlite", "csv", "csv.gz", "parquet", "jsonl", "duckdb", "postgresql", "postgresql-typed"]
COLUMNS = {
    "items": ["item", "arrived_at", "priority"],
    "annotations": ["item", "label", "annotator", "labeled_at"],
    "audits": ["item", "label", "truth", "audited_at"],
}
LABELS = st.sampled_from(["None", "none", "NA", "yes", "01", "x", "ä", "", None])
OFFSETS = st.integers(-3_600_000, 2 * 3_600_000)


def text(ms: int | None, style: int) -> str | None:
    if ms is None:
        return None
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return [
        moment.isoformat(timespec="milliseconds"),
        moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        moment.replace(tzinfo=None).isoformat(" ", timespec="milliseconds"),  # naive: UTC
    ][style]


Tables = dict[str, list[tuple[object, ...]]]
Put = Callable[[Path, str, Tables], StoreSpec]


@pytest.fixture
def put(request: pytest.FixtureRequest) -> Put:
    """Makes a store of an engine; a server is started when the first test asks for one."""

    def made(folder: Path, engine: str, tables: Tables) -> StoreSpec:
        if engine.startswith("postgresql"):
            return served(request.getfixturevalue("postgres"), tables, typed=engine.endswith("typed"))
        return store(folder, engine, tables)

    return made


def served(postgres: Cluster, tables: Tables, *, typed: bool) -> StoreSpec:
    schema = postgres.schema()
    with postgres.connect(schema) as db:
        db.execute("SET TimeZone = 'UTC'")
        for name, rows in tables.items():
            kinds = [f"{c} {'timestamptz' if typed and c.endswith('_at') else 'text'}" for c in COLUMNS[name]]
            db.execute(f"CREATE TABLE {name} ({', '.join(kinds)})")
            with db.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * len(kinds))})", rows)
    return StoreSpec(name="s", url=postgres.url(schema=schema))


def store(folder: Path, engine: str, tables: Tables) -> StoreSpec:
    if engine == "duckdb":
        path = folder / "s.duckdb"
        path.unlink(missing_ok=True)
        with duckdb.connect(path) as db:
            for name, rows in tables.items():
                db.execute(f"CREATE TABLE {name} ({', '.join(c + ' VARCHAR' for c in COLUMNS[name])})")
                for row in rows:
                    db.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)
        return StoreSpec(name="s", url=f"duckdb:///{path}")
    if engine == "sqlite":
        path = folder / "s.db"
        path.unlink(missing_ok=True)
        db = sqlite3.connect(path)
        for name, rows in tables.items():
            db.execute(f"CREATE TABLE {name} ({', '.join(c + ' TEXT' for c in COLUMNS[name])})")
            db.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(COLUMNS[name]))})", rows)
        db.commit()
        db.close()
        return StoreSpec(name="s", url=f"sqlite:///{path}")
    files = {}
    for name, rows in tables.items():
        frame = pd.DataFrame(rows, columns=COLUMNS[name], dtype=object)
        path = folder / f"{name}.{engine}"
        if engine.startswith("csv"):
            frame.to_csv(path, index=False)
        elif engine == "jsonl":
            path.write_text(
                "".join(json.dumps(dict(zip(COLUMNS[name], row, strict=True))) + "\n" for row in rows) or "{}\n"
            )
        else:
            typed = ", ".join(f"CAST({c} AS VARCHAR) AS {c}" for c in COLUMNS[name])
            frame.to_csv(folder / "t.csv", index=False)
            duckdb.sql(
                f"COPY (SELECT {typed} FROM read_csv('{folder}/t.csv', all_varchar=true, header=true)) TO '{path}' (FORMAT parquet)"
            )
        files[name] = str(path)
    return StoreSpec(name="s", files=files)


def counted(spec: StoreSpec, series: Series, span: Span, at_ms: int):
    with open_store(spec).snapshot() as reader:
        types = describe(reader, series, {})
        return read_counts(reader, series, types, span, at_ms, Pseudonyms(keys=(b"k" * 32,)))


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(LABELS, LABELS, OFFSETS | st.none(), st.integers(0, 2)), min_size=1, max_size=25))
def test_audits_count_as_pandas_counts(tmp_path_factory, put: Put, engine, rows) -> None:
    folder = tmp_path_factory.mktemp("s")
    absent = "" if engine in ("csv", "csv.gz", "parquet") else None  # an empty CSV field is NULL
    audits = [
        (f"i{n}", a, b, text(None if t is None else DAY_MS + t, style)) for n, (a, b, t, style) in enumerate(rows)
    ]
    spec = put(
        folder, engine, {"audits": audits, "items": [("i", None, None)], "annotations": [("i", None, None, None)]}
    )
    series = series_for(check_named("label_accuracy"), dataset(), target(0.95))
    span = Span(start_ms=DAY_MS, end_ms=DAY_MS + 3_600_000, width=60)
    got = counted(spec, series, span, DAY_MS + 7_200_000)

    frame = pd.DataFrame([(a, b, t) for a, b, t, _ in rows], columns=["label", "truth", "t"], dtype=object)
    if absent is not None:
        frame = frame.replace({"label": {"": None}, "truth": {"": None}})
    frame = frame[frame.label.notna() & frame.truth.notna() & frame.t.notna()]
    frame = frame[(frame.t >= 0) & (frame.t < 3_600_000)]
    expected: dict[int, list[int]] = {}
    for label, truth, t in frame.itertuples(index=False):
        slot = expected.setdefault(DAY_MS + t - t % 60_000, [0, 0])
        slot[0] += 1
        slot[1] += label == truth
    assert {int(b): [int(r), int(g)] for b, r, g, *_ in got.records()} == expected


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrivals=st.lists(st.integers(0, 7_200_000), min_size=1, max_size=15),
    labels=st.lists(st.tuples(st.integers(0, 20), st.integers(-600_000, 7_200_000)), max_size=25),
)
def test_deadlines_and_backlog_count_as_pandas_counts(tmp_path_factory, put: Put, engine, arrivals, labels) -> None:
    folder = tmp_path_factory.mktemp("s")
    items = [(f"i{n}", text(DAY_MS + t, n % 3), "low") for n, t in enumerate(arrivals)]
    annotations = [(f"i{n}", "x", "p", text(DAY_MS + t, n % 3)) for n, t in labels] or [
        ("none", "x", "p", text(DAY_MS, 0))
    ]
    # Every row twice: duplicates count once.
    spec = put(folder, engine, {"items": items * 2, "annotations": annotations * 2, "audits": [("i", "x", "x", None)]})
    at = DAY_MS + 7_000_000
    first: dict[int, int] = {}
    for n, t in labels:
        if DAY_MS + t <= at:
            first[n] = min(first.get(n, t), t)

    latency = series_for(check_named("label_latency"), dataset(), target(0.9, within=1800.0, scope={"within": "30m"}))
    got = counted(spec, latency, Span(start_ms=DAY_MS, end_ms=DAY_MS + 7_200_000, width=None), at)
    due = [n for n, t in enumerate(arrivals) if DAY_MS + t + 1_800_000 <= at and t + 1_800_000 < 7_200_000]
    in_time = [n for n in due if n in first and first[n] <= arrivals[n] + 1_800_000]
    assert (got.rows, got.total("good")) == (len(due), len(in_time))

    backlog = series_for(check_named("label_backlog"), dataset(), target(0.9))
    waiting = counted(spec, backlog, Span(start_ms=0, end_ms=at + 1), at)
    ages = pd.Series(
        [(at - DAY_MS - t) for n, t in enumerate(arrivals) if DAY_MS + t <= at and n not in first], dtype=float
    )
    assert waiting.rows == len(ages)
    if len(ages):
        assert waiting.total("age_p50") == pytest.approx(ages.quantile(0.5))
        assert waiting.total("age_p99") == pytest.approx(ages.quantile(0.99))
        assert waiting.total("oldest") == at - ages.max()


def test_epoch_numbers_are_instants_too(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "s.db")
    db.execute("CREATE TABLE audits (item, label, truth, audited_at)")
    db.executemany("INSERT INTO audits VALUES ('i', 'x', 'x', ?)", [(DAY_MS // 1000 + 5,), (DAY_MS / 1000 + 5.25,)])
    db.commit()
    db.close()
    series = series_for(check_named("label_accuracy"), dataset(), target(0.95))

    got = counted(
        StoreSpec(name="s", url=f"sqlite:///{tmp_path}/s.db"),
        series,
        Span(start_ms=DAY_MS, end_ms=DAY_MS + 60_000),
        DAY_MS + 60_000,
    )

    assert got.rows == 2


@pytest.mark.parametrize("engine", ["sqlite", "duckdb", "postgresql"])
def test_stores_cannot_be_written(tmp_path: Path, put: Put, engine: str) -> None:
    from sqlalchemy import text as sql

    spec = put(tmp_path, engine, {"audits": [], "items": [], "annotations": []})
    with open_store(spec).snapshot() as reader, pytest.raises(StoreError):
        reader.fetch(sql("INSERT INTO audits VALUES ('a', 'b', 'c', 'd')"))


@pytest.mark.parametrize("engine", ["sqlite", "csv", "postgresql"])
def test_a_statement_that_takes_too_long_is_interrupted(tmp_path: Path, put: Put, engine: str) -> None:
    from sqlalchemy import text as sql

    spec = put(tmp_path, engine, {"audits": [("a", "b", "c", "d")], "items": [], "annotations": []})
    slow = StoreSpec(name="s", url=spec.url, files=spec.files, statement_timeout=0.3)
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT max(i) FROM n"
    )
    with open_store(slow).snapshot() as reader, pytest.raises(StoreError) as failed:
        reader.fetch(sql(endless))

    assert failed.value.reason == "timeout"


@pytest.mark.parametrize("engine", ["csv", "duckdb", "postgresql"])
def test_an_error_never_shows_a_labels_text(tmp_path: Path, put: Put, engine: str) -> None:
    from sqlalchemy import text as sql

    spec = put(
        tmp_path,
        engine,
        {
            "audits": [("secret-patient", "b", "c", "d")],
            "items": [("i", None, None)],
            "annotations": [("i", "x", "p", None)],
        },
    )
    with open_store(spec).snapshot() as reader, pytest.raises(StoreError) as failed:
        reader.fetch(sql("SELECT CAST(item AS INTEGER) FROM audits"))

    assert "secret-patient" not in str(failed.value)
