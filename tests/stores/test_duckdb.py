"""DuckDB reads the declared files and its own database, and nothing else on the machine."""

from __future__ import annotations

import gzip
import json
import threading
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import text

from labelmon.errors import StoreError
from labelmon.model import Relation, StoreSpec
from labelmon.stores import open_store


@pytest.fixture(params=["files", "database"])
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSpec:
    (tmp_path / "private.csv").write_text("a\nhunter2\n")
    if request.param == "files":
        (tmp_path / "audits.csv").write_text("item,label\ni,x\n")
        return StoreSpec(name="s", files={"audits": str(tmp_path / "audits.csv")})
    with duckdb.connect(tmp_path / "s.duckdb") as db:
        db.execute("CREATE TABLE audits AS SELECT 'i' AS item, 'x' AS label")
    return StoreSpec(name="s", url=f"duckdb:///{tmp_path}/s.duckdb")


FILE_READERS = [
    "SELECT * FROM read_csv('/etc/passwd', header = false)",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('{folder}/private.csv')",
    "SELECT * FROM '{folder}/private.csv'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM read_csv('https://example.com/x.csv')",
]
WRITES = [
    "ATTACH '{folder}/other.duckdb'",
    "ATTACH ':memory:' AS other",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/audits.csv'",
    "EXPORT DATABASE '{folder}/out'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit = '10GB'",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "PRAGMA threads = 8",
    "CREATE TABLE t AS SELECT 1",
    "CREATE TEMP VIEW audits AS SELECT 1",
    "DROP VIEW audits",
]


@pytest.mark.parametrize("query", FILE_READERS)
def test_a_query_cannot_read_another_file(spec: StoreSpec, tmp_path: Path, query: str) -> None:
    with open_store(spec).snapshot() as reader, pytest.raises(StoreError) as failed:
        reader.fetch(text(f"SELECT * FROM ({query.format(folder=tmp_path)}) AS source"))

    assert failed.value.reason in ("forbidden", "missing_table")
    assert not failed.value.retryable
    assert "hunter2" not in str(failed.value)


@pytest.mark.parametrize("write", WRITES)
def test_a_query_can_do_nothing_but_select(spec: StoreSpec, tmp_path: Path, write: str) -> None:
    before = sorted(tmp_path.iterdir())
    behind = f"SELECT 1) AS source; {write.format(folder=tmp_path)}; SELECT * FROM (SELECT 1 AS a"
    for query in (write.format(folder=tmp_path), behind):
        relation = Relation(name="audits", store="s", columns={}, query=query)
        with open_store(spec).snapshot() as reader:
            with pytest.raises(StoreError) as failed:
                reader.columns(relation)
            with pytest.raises(StoreError) as direct:
                reader.fetch(text(query))

            assert reader.fetch(text("SELECT item, label FROM audits")) == [("i", "x")]
    assert str(failed.value) == "store s: forbidden: a relation's query must be one SELECT"
    assert direct.value.reason in ("forbidden", "query_error")  # the last one is no SQL by itself
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "write", [write for write in WRITES if not write.startswith(("ATTACH ':mem", "CREATE", "DROP", "PRAGMA"))]
)
def test_the_engine_itself_is_locked_too(
    spec: StoreSpec, tmp_path: Path, write: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelmon.stores.duck.Duck._only_reads", lambda *_: None)
    with open_store(spec).snapshot() as reader, pytest.raises(StoreError):
        reader.fetch(text(write.format(folder=tmp_path)))

    assert not (tmp_path / "out.csv").exists()


def test_our_own_variables_are_no_tables(spec: StoreSpec) -> None:
    import pandas as pd

    frame = pd.DataFrame({"a": ["hunter2"]})
    with open_store(spec).snapshot() as reader, pytest.raises(StoreError) as failed:
        reader.fetch(text("SELECT * FROM frame"))

    assert len(frame) == 1
    assert failed.value.reason == "missing_table"


def test_globs_take_in_new_files_at_each_snapshot(tmp_path: Path) -> None:
    rows = [{"item": f"i{n}", "label": "x"} for n in range(3)]
    (tmp_path / "in").mkdir()
    for n, row in enumerate(rows):
        (tmp_path / "in" / f"a[{n}].csv").write_text(f"item,label\n{row['item']},x\n")
        with gzip.open(tmp_path / f"b{n}.csv.gz", "wt") as file:
            file.write(f"item,label\n{row['item']},x\n")
        duckdb.sql(f"COPY (SELECT 'i{n}' AS item, 'x' AS label) TO '{tmp_path}/c{n}.parquet' (FORMAT parquet)")
        (tmp_path / f"d{n}.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "it's.tsv").write_text("item\tlabel\ni0\tx\n")
    views = {"a": "**/a*.csv", "b": "b*.csv.gz", "c": "c?.parquet", "d": "d[0-9].jsonl", 'e"': "it's.tsv"}
    store = open_store(StoreSpec(name="s", files={view: f"{tmp_path}/{path}" for view, path in views.items()}))

    def counts() -> list[int]:
        with store.snapshot() as reader:
            return [
                reader.fetch(text(f'SELECT count(*) FROM "{v.replace(chr(34), chr(34) * 2)}"'))[0][0] for v in views
            ]

    before = counts()
    (tmp_path / "b9.csv.gz").write_bytes((tmp_path / "b0.csv.gz").read_bytes())

    assert before == [3, 3, 3, 3, 1]
    assert counts() == [3, 4, 3, 3, 1]


def test_a_glob_without_files_says_so(tmp_path: Path) -> None:
    store = open_store(StoreSpec(name="s", files={"audits": str(tmp_path / "audits*.csv")}))
    with pytest.raises(StoreError, match=r"^store s: no file matches audits\*.csv$") as failed, store.snapshot():
        pass

    assert failed.value.reason == "unreachable"


def test_what_does_not_fit_into_memory_spills(spec: StoreSpec) -> None:
    wide = "SELECT DISTINCT hash(i) || repeat('x', 60) AS x FROM range(3000000) t(i)"
    with open_store(spec).snapshot() as reader:
        assert reader.fetch(text(f"SELECT count(*) FROM ({wide})")) == [(3_000_000,)]


def test_a_failed_statement_does_not_spoil_the_next_one(spec: StoreSpec) -> None:
    with open_store(spec).snapshot() as reader:
        for sql in ("SELECT nothing FROM audits", "SELECT CAST(item AS INTEGER) FROM audits", "SELECT * FROM nowhere"):
            with pytest.raises(StoreError):
                reader.fetch(text(sql))

            assert reader.fetch(text("SELECT item, label FROM audits")) == [("i", "x")]


def test_snapshots_of_several_threads_do_not_disturb_each_other(spec: StoreSpec) -> None:
    store, found = open_store(spec), []

    def read() -> None:
        for _ in range(5):
            with store.snapshot() as reader:
                found.extend(reader.fetch(text("SELECT item, current_setting('TimeZone') FROM audits")))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [("i", "UTC")] * 20


@pytest.mark.parametrize("name", ["memory", "temp", "it's", "select"])
def test_a_database_may_have_any_name(tmp_path: Path, name: str) -> None:
    with duckdb.connect(tmp_path / f"{name}.duckdb") as db:
        db.execute("CREATE TABLE audits AS SELECT 'i' AS item")
    with open_store(StoreSpec(name="s", url=f"duckdb:///{tmp_path}/{name}.duckdb")).snapshot() as reader:
        relation = Relation(name="audits", store="s", columns={}, table="main.audits")

        assert reader.columns(relation) == {"item": "VARCHAR"}
