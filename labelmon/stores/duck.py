"""DuckDB as a label store: its own files, or CSV, Parquet and JSON through it. It can read those and nothing else."""

from __future__ import annotations

import glob
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

from labelmon.errors import StoreError
from labelmon.model import Relation, StoreSpec
from labelmon.stores.dialects import DIALECTS, DUCKDB_MACROS
from labelmon.stores.drivers import embedded_reason, source_of

DUCKDB_MEMORY = "128MB"  # reading one line of JSON takes 112
DUCKDB_THREADS = 2
_CONFIG = {
    "memory_limit": DUCKDB_MEMORY,
    "threads": DUCKDB_THREADS,
    "preserve_insertion_order": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",  # else an unknown table's name is looked for among our variables
}
# DuckDB reads a CSV through 32 MB a thread and scan; four scans in one statement would burst the memory limit.
_CSV = "all_varchar = true, header = true, buffer_size = 4194304"
_READERS = {
    ".parquet": "read_parquet({paths})",
    ".csv": f"read_csv({{paths}}, {_CSV})",
    ".tsv": f"read_csv({{paths}}, {_CSV}, delim = '\t')",
    ".jsonl": "read_json({paths}, format = 'newline_delimited')",
    ".ndjson": "read_json({paths}, format = 'newline_delimited')",
    ".json": "read_json({paths})",
}
_OWN_CATALOGS = frozenset({"main", "memory", "system", "temp"})
_READY = "labelmon_ready"


class Duck:
    """A database in memory that sees one DuckDB file, attached read-only, or views on the declared files.

    Every snapshot has an instance of its own: settings are the instance's, and must be locked before the first
    statement of a user's query runs.
    """

    dialect = DIALECTS["duckdb"]
    grace = 0.0

    def __init__(self, spec: StoreSpec, database: str = "") -> None:
        self._store, self._files, self._database = spec.name, spec.files, database

    def engine(self) -> Engine:
        config = {**_CONFIG, "temp_directory": f"{tempfile.gettempdir()}/labelmon-duckdb"}
        engine = create_engine("duckdb:///:memory:", connect_args={"config": config}, poolclass=NullPool)
        event.listen(engine, "before_cursor_execute", self._only_reads)
        return engine

    def prepare(self, connection: Connection) -> None:
        for setup in self._setup():
            connection.exec_driver_sql(setup)
        for step in ("COMMIT", "BEGIN TRANSACTION"):  # so that `recover` loses no view
            connection.exec_driver_sql(step)
        connection.info[_READY] = True

    def _setup(self) -> list[str]:
        found = {view: self._expanded(path) for view, path in self._files.items()}
        steps = [f"SET allowed_paths = {_list(sorted({path for paths in found.values() for path in paths}))}"]
        if self._database:
            name = Path(self._database).stem
            catalog = _name(f"{name}_" if name in _OWN_CATALOGS else name)
            steps += [f"ATTACH {_quoted(self._database)} AS {catalog} (READ_ONLY)", f"USE {catalog}"]
        steps += ["SET enable_external_access = false", "SET TimeZone = 'UTC'", *DUCKDB_MACROS]
        steps += [
            f"CREATE OR REPLACE TEMP VIEW {_name(view)} AS SELECT * FROM {file_reader(self._files[view], paths)}"
            for view, paths in found.items()
        ]
        return [*steps, "SET lock_configuration = true"]

    def _expanded(self, path: str) -> list[str]:
        paths = [path] if Path(path).is_file() else sorted(glob.glob(path, recursive=True))  # noqa: PTH207  absolute
        if not paths:
            raise StoreError(f"store {self._store}: no file matches {Path(path).name}", reason="unreachable")
        return paths

    def _only_reads(
        self,
        connection: Connection,
        _cursor: Any,
        sql: str,
        _values: Any,
        _context: Any,
        _many: bool,  # noqa: FBT001
    ) -> None:
        """DuckDB runs several statements as gladly as one, so that a query could close its parenthesis and write."""
        if not connection.info.get(_READY):
            return
        try:
            kinds = [parsed.type for parsed in duckdb.extract_statements(sql)]
        except duckdb.Error:
            return  # the engine will say so itself
        if kinds != [duckdb.StatementType.SELECT]:
            raise StoreError(
                f"store {self._store}: forbidden: a relation's query must be one SELECT",
                reason="forbidden",
                retryable=False,
            )

    def columns(self, connection: Connection, relation: Relation) -> dict[str, str]:
        described = connection.execute(text(f"DESCRIBE SELECT * FROM {source_of(relation)}"))
        return {str(name): str(kind) for name, kind, *_ in described}

    def interrupt(self, raw: Any, finished: threading.Event) -> None:  # noqa: ARG002
        raw.interrupt()

    def recover(self, connection: Connection) -> None:
        """A failed statement aborts the transaction. Another one sees the same: nobody can write to the file now."""
        raw: Any = connection.connection.driver_connection
        with suppress(duckdb.Error):
            raw.execute("ROLLBACK")
            raw.execute("BEGIN TRANSACTION")

    def reason(self, error: BaseException, default: str) -> tuple[str, str]:
        return embedded_reason(error, default)


def file_reader(path: str, paths: list[str]) -> str:
    """The DuckDB table function for the files of a path or glob: by its ending, gz allowed; CSV values stay text.

    Raises
    ------
    StoreError : for an ending nobody reads.
    """
    suffixes = [suffix for suffix in Path(path).suffixes if suffix in _READERS]
    if not suffixes:
        raise StoreError(
            f"{Path(path).name}: need a file ending in {', '.join(_READERS)} (or one of these and .gz)",
            reason="unsupported",
            retryable=False,
        )
    return _READERS[suffixes[-1]].format(paths=_list(paths))


def _list(paths: list[str]) -> str:
    return f"[{', '.join(map(_quoted, paths))}]"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
