"""Engines that can only read: one snapshot transaction at a time, under a timeout, errors without secrets."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Executable, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from labelmon.errors import StoreError
from labelmon.model import Relation, StoreSpec
from labelmon.stores.dialects import DIALECTS, DUCKDB_MACROS, Dialect

DUCKDB_MEMORY = "128MB"
DUCKDB_THREADS = 2
_READERS = {
    ".parquet": "read_parquet({path})",
    ".csv": "read_csv({path}, all_varchar = true, header = true)",
    ".tsv": "read_csv({path}, all_varchar = true, header = true, delim = '\t')",
    ".jsonl": "read_json({path}, format = 'newline_delimited')",
    ".ndjson": "read_json({path}, format = 'newline_delimited')",
    ".json": "read_json({path})",
}


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One snapshot of a store: everything read through it belongs to one moment."""

    store: str
    dialect: Dialect
    connection: Connection = field(repr=False)
    timeout: float

    def columns(self, relation: Relation) -> dict[str, str]:
        """Column name to engine type of a relation's table or query, in order.

        Raises
        ------
        StoreError : `missing_table`, `query_error`, `permission_denied`.
        """
        source = f"SELECT * FROM {_from(relation)}"
        if self.dialect.name == "duckdb":
            return {str(name): str(kind) for name, kind, *_ in self.fetch(text(f"DESCRIBE {source}"))}
        if self.dialect.name == "sqlite" and relation.table:
            declared = self.fetch(text("SELECT name, type FROM pragma_table_info(:t)").bindparams(t=relation.table))
            if declared:
                return {str(name): str(kind) for name, kind in declared}
        with self._guarded():
            cursor = self.connection.execute(text(f"{source} LIMIT 0"))
            return {str(name): "" for name in cursor.keys()}  # noqa: SIM118  a result, not a dict

    def fetch(self, statement: Executable) -> Sequence[tuple[Any, ...]]:
        """All rows of a (small, grouped) result.

        Raises
        ------
        StoreError : whatever went wrong, as a reason; `timeout` past the statement timeout.
        """
        with self._guarded():
            return [tuple(row) for row in self.connection.execute(statement)]

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Interrupts the statement at its timeout and turns driver errors into StoreError."""
        expired = threading.Event()
        raw = self.connection.connection.driver_connection

        def interrupt() -> None:
            expired.set()
            with suppress(sqlite3.ProgrammingError):  # closed in the meantime
                raw.interrupt()  # type: ignore[union-attr]

        timer = threading.Timer(self.timeout, interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield
        except SQLAlchemyError as error:
            if expired.is_set():
                raise StoreError(
                    f"store {self.store}: a statement ran into statement_timeout ({self.timeout:g} s)",
                    reason="timeout",
                ) from None
            raise _store_error(self.store, error) from None
        finally:
            timer.cancel()


@dataclass(frozen=True, kw_only=True)
class Store:
    """A label store; `snapshot` opens it, reads and closes it again."""

    spec: StoreSpec
    dialect: Dialect
    engine: Engine = field(repr=False)

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        """One read-only transaction on a connection of its own.

        Raises
        ------
        StoreError : `unreachable` if the store cannot be opened; see `Reader` for the rest.
        """
        try:
            connection = self.engine.connect()
        except SQLAlchemyError as error:
            raise _store_error(self.spec.name, error, default="unreachable") from None
        except OSError as error:  # duckdb raises its own IOError before SQLAlchemy can wrap it
            raise StoreError(
                f"store {self.spec.name}: cannot be opened ({type(error).__name__})", reason="unreachable"
            ) from None
        with connection:
            reader = Reader(
                store=self.spec.name,
                dialect=self.dialect,
                connection=connection,
                timeout=self.spec.statement_timeout,
            )
            with reader._guarded():  # noqa: SLF001
                for setup in self._setup():
                    connection.exec_driver_sql(setup)
            yield reader
            connection.rollback()

    def _setup(self) -> Iterator[str]:
        if self.dialect.name == "sqlite":
            yield "PRAGMA query_only = ON"
            yield "BEGIN"
            return
        yield "SET TimeZone = 'UTC'"
        yield from DUCKDB_MACROS
        for name, path in self.spec.files.items():
            yield f'CREATE OR REPLACE TEMP VIEW "{name}" AS SELECT * FROM {file_reader(path)}'


def open_store(spec: StoreSpec) -> Store:
    """The store of a spec; nothing is connected yet.

    Raises
    ------
    StoreError : `unsupported` for a URL of another engine.
    """
    if spec.files:
        engine = _duckdb(":memory:", read_only=False)
        return Store(spec=spec, dialect=DIALECTS["duckdb"], engine=engine)
    url = make_url(spec.url)
    backend = url.get_backend_name()
    if backend == "sqlite":
        return Store(spec=spec, dialect=DIALECTS["sqlite"], engine=_sqlite(url.database or "", spec))
    if backend == "duckdb":
        return Store(spec=spec, dialect=DIALECTS["duckdb"], engine=_duckdb(url.database or "", read_only=True))
    raise StoreError(
        f"store {spec.name}: need a sqlite or duckdb url or files, got {backend}",
        reason="unsupported",
        retryable=False,
    )


def file_reader(path: str) -> str:
    """The DuckDB table function for a path or glob: by its ending, gz allowed; all CSV values stay text.

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
    quoted = "'" + path.replace("'", "''") + "'"
    return _READERS[suffixes[-1]].format(path=quoted)


def _sqlite(database: str, spec: StoreSpec) -> Engine:
    def connect() -> sqlite3.Connection:
        uri = f"{Path(database).resolve().as_uri()}?mode=ro"
        return sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=spec.statement_timeout
        )

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _duckdb(database: str, *, read_only: bool) -> Engine:
    config = {
        "memory_limit": DUCKDB_MEMORY,
        "threads": DUCKDB_THREADS,
        "temp_directory": f"{tempfile.gettempdir()}/labelmon-duckdb",
        "preserve_insertion_order": "false",
    }
    return create_engine(
        f"duckdb:///{database}", connect_args={"read_only": read_only, "config": config}, poolclass=NullPool
    )


def _from(relation: Relation) -> str:
    if relation.query:
        return f"({relation.query.strip().rstrip(';')}) AS source"
    return ".".join('"' + part.replace('"', '""') + '"' for part in relation.table.split("."))


# What drivers say, and the reason we give. Their own text is kept only where it names nothing but schema.
_REASONS = (
    ("unable to open database", "unreachable"),
    ("not a database", "unreachable"),
    ("no such table", "missing_table"),
    ("does not exist", "missing_table"),
    ("no files found", "unreachable"),
    ("cannot open file", "unreachable"),
    ("permission denied", "permission_denied"),
    ("no such column", "missing_column"),
    ("referenced column", "missing_column"),
    ("database is locked", "locked"),
    ("could not set lock", "locked"),
    ("interrupted", "timeout"),
    ("out of memory", "out_of_memory"),
    ("disk i/o error", "unreachable"),
)
_SCHEMA_REASONS = frozenset({"missing_table", "missing_column"})


def _store_error(store: str, error: SQLAlchemyError, default: str = "query_error") -> StoreError:
    origin = getattr(error, "orig", None) or error
    said = str(origin)
    reason = next((reason for sign, reason in _REASONS if sign in said.lower()), default)
    detail = f": {said.splitlines()[0][:200]}" if reason in _SCHEMA_REASONS else f" ({type(origin).__name__})"
    return StoreError(
        f"store {store}: {reason.replace('_', ' ')}{detail}",
        reason=reason,
        retryable=reason not in _SCHEMA_REASONS,
    )
