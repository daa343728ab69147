"""SQLite as a label store: a file opened for reading only."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from labelmon.model import Relation, StoreSpec
from labelmon.patterns import matcher
from labelmon.stores.dialects import DIALECTS, SQLITE_MATCHES
from labelmon.stores.drivers import embedded_reason, source_of


class _Stoppable(sqlite3.Connection):
    """A connection whose own function ends too when it is interrupted; SQLite waits for it otherwise."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.stopped = threading.Event()

    def matches(self, text: str | None, pattern: str) -> bool | None:
        return None if text is None else matcher(pattern)(text, self.stopped.is_set)


class Sqlite:
    """One SQLite file."""

    dialect = DIALECTS["sqlite"]
    grace = 0.0

    def __init__(self, spec: StoreSpec, database: str) -> None:
        self._database, self._timeout = database, spec.statement_timeout

    def engine(self) -> Engine:
        def connect() -> sqlite3.Connection:
            uri = f"{Path(self._database).resolve().as_uri()}?mode=ro"
            opened = sqlite3.connect(
                uri,
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=self._timeout,
                factory=_Stoppable,
            )
            opened.create_function(SQLITE_MATCHES, 2, opened.matches, deterministic=True)
            return opened

        return create_engine("sqlite://", creator=connect, poolclass=NullPool)

    def prepare(self, connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.exec_driver_sql("BEGIN")

    def columns(self, connection: Connection, relation: Relation) -> dict[str, str]:
        if relation.table:
            named = text("SELECT name, type FROM pragma_table_info(:t)").bindparams(t=relation.table)
            declared = connection.execute(named).all()
            if declared:
                return {str(name): str(kind) for name, kind in declared}
        cursor = connection.execute(text(f"SELECT * FROM {source_of(relation)} LIMIT 0"))
        return {str(name): "" for name in cursor.keys()}  # noqa: SIM118  a result, not a dict

    def interrupt(self, raw: Any, finished: threading.Event) -> None:  # noqa: ARG002
        raw.stopped.set()
        with suppress(sqlite3.ProgrammingError):  # closed in the meantime
            raw.interrupt()

    def recover(self, connection: Connection) -> None:
        """A failed SELECT leaves the transaction as it was; only our own function must run again."""
        raw: Any = connection.connection.driver_connection
        raw.stopped.clear()

    def reason(self, error: BaseException, default: str) -> tuple[str, str]:
        return embedded_reason(error, default)
