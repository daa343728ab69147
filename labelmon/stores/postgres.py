"""PostgreSQL through psycopg: as a label store, one read-only snapshot by a role that can do nothing else."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import errors
from psycopg.types.numeric import FloatLoader
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from labelmon.errors import StoreError
from labelmon.model import Relation, StoreSpec
from labelmon.stores.dialects import DIALECTS
from labelmon.stores.drivers import source_of

DRIVER = "postgresql+psycopg"
# How a URL may begin; all of them use psycopg.
SCHEMES = frozenset({"postgresql", "postgres", DRIVER})
# A network that swallows packets must not hold a thread for the two hours that TCP would wait.
CONNECTING = {
    "application_name": "labelmon",
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_GRACE = 2.0  # seconds that a server has to keep statement_timeout itself, and then to obey a cancel
_FILE_ROLES = ("pg_read_server_files", "pg_write_server_files", "pg_execute_server_program")
_START = "labelmon_start"


def postgres_url(url: str) -> URL:
    """The URL with the driver we bring."""
    return make_url(url).set(drivername=DRIVER)


class Postgres:
    """One PostgreSQL database."""

    dialect = DIALECTS["postgresql"]
    grace = _GRACE

    def __init__(self, spec: StoreSpec, url: URL) -> None:
        self._store, self._url = spec.name, url.set(drivername=DRIVER)
        self._timeout_ms = max(1, round(spec.statement_timeout * 1000))

    def engine(self) -> Engine:
        # Nothing is prepared on the server: poolers in transaction mode would lose it.
        return create_engine(self._url, connect_args={**CONNECTING, "prepare_threshold": None}, poolclass=NullPool)

    def prepare(self, connection: Connection) -> None:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        raw: Any = connection.connection.driver_connection
        raw.adapters.register_loader("numeric", FloatLoader)  # a sum of bigint is numeric; counts are floats anyway
        settings = {"TimeZone": "UTC", "DateStyle": "ISO", "statement_timeout": str(self._timeout_ms)}
        for name, value in settings.items():
            connection.execute(text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value})
        self._refuse_power(connection)
        connection.exec_driver_sql(f"SAVEPOINT {_START}")

    def _refuse_power(self, connection: Connection) -> None:
        """A relation's `query` is text from a config: the role behind it must not be able to read or run files."""
        reaches = text(
            "SELECT rolname, rolsuper FROM pg_catalog.pg_roles WHERE (rolsuper OR rolname = ANY(:file_roles))"
            " AND pg_catalog.pg_has_role(session_user, oid, 'MEMBER') ORDER BY rolsuper DESC, rolname"
        )
        found = connection.execute(reaches, {"file_roles": list(_FILE_ROLES)}).all()
        if found:
            power = "a superuser" if found[0].rolsuper else f"a member of {', '.join(name for name, _ in found)}"
            raise StoreError(
                f"store {self._store}: the url's role is {power}, which labelmon refuses to read as; make it one that "
                "can only read: CREATE ROLE labelmon LOGIN PASSWORD '...'; GRANT SELECT ON the tables TO labelmon",
                reason="unsafe_role",
                retryable=False,
            )

    def columns(self, connection: Connection, relation: Relation) -> dict[str, str]:
        # A bound value makes it the extended protocol, which takes one statement only.
        none = text(f"SELECT * FROM {source_of(relation)} LIMIT :none")
        with connection.execute(none, {"none": 0}) as result:
            described: Any = result.cursor
            return {column.name: column.type_display for column in described.description}

    def interrupt(self, raw: Any, finished: threading.Event) -> None:
        with suppress(psycopg.Error, OSError):
            raw.cancel_safe(timeout=_GRACE)
        if not finished.wait(_GRACE):  # nobody there to obey: end our own waiting
            with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(raw.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)

    def recover(self, connection: Connection) -> None:
        """A failed statement aborts the transaction; the snapshot itself outlives a return to its start."""
        connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {_START}")

    def reason(self, error: BaseException, default: str) -> tuple[str, str]:
        if not isinstance(error, psycopg.Error):
            return default, ""
        if default == "unreachable":
            return _refused(str(error))
        said = error.diag.message_primary or ""
        for kinds, reason, shown in _REASONS:
            if isinstance(error, kinds):
                return reason, said[:200] if shown else ""
        return default, ""


# What the server says by its SQLSTATE, the reason we give, and whether its text names nothing but schema and types.
_REASONS: tuple[tuple[tuple[type[psycopg.Error], ...], str, bool], ...] = (
    ((errors.UndefinedTable, errors.InvalidSchemaName), "missing_table", True),
    ((errors.UndefinedColumn,), "missing_column", True),
    ((errors.InsufficientPrivilege,), "permission_denied", True),
    ((errors.ReadOnlySqlTransaction,), "forbidden", True),
    ((errors.UndefinedFunction, errors.DatatypeMismatch, errors.CannotCoerce), "query_error", True),
    ((errors.QueryCanceled,), "timeout", False),
    ((errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure), "locked", False),
    ((errors.OutOfMemory, errors.DiskFull), "out_of_memory", False),
    ((errors.InterfaceError, errors.OperationalError), "unreachable", False),
)


def _refused(said: str) -> tuple[str, str]:
    """Why there is no connection. A refused login comes without a code, only in words."""
    words = said.lower()
    if "authentication failed" in words or "no password supplied" in words or "no pg_hba.conf entry" in words:
        return "permission_denied", "the server refuses the url's role, its password or this host"
    if "does not exist" in words:
        return "unreachable", "the server has no such database or role"
    if "too many" in words or "remaining connection slots" in words:
        return "unreachable", "the server has no connection left"
    return "unreachable", ""
