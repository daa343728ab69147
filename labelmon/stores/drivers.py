"""What an engine must bring to be a label store, and how what its driver says becomes a StoreError."""

from __future__ import annotations

import threading
from typing import Any, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from labelmon.errors import StoreError
from labelmon.model import Relation
from labelmon.stores.dialects import Dialect


class Driver(Protocol):
    """One engine's way to connect, to read from one moment and to be stopped.

    `grace` is how many seconds past the statement timeout the client waits for a server that keeps it itself.
    """

    dialect: Dialect
    grace: float

    def engine(self) -> Engine:
        """Where connections come from; none is opened yet."""
        ...

    def prepare(self, connection: Connection) -> None:
        """Begin the one read-only transaction, and shut every door that counting does not need."""
        ...

    def columns(self, connection: Connection, relation: Relation) -> dict[str, str]:
        """Column name to engine type, in order."""
        ...

    def interrupt(self, raw: Any, finished: threading.Event) -> None:
        """Stop the running statement, from another thread."""
        ...

    def recover(self, connection: Connection) -> None:
        """After a failed statement: back to where the next one of the snapshot can run."""
        ...

    def reason(self, error: BaseException, default: str) -> tuple[str, str]:
        """Why a statement failed, and what of the driver's words may be shown: names of a schema at most."""
        ...


def source_of(relation: Relation) -> str:
    """What stands behind FROM for a relation."""
    if relation.query:
        return f"({relation.query.strip().rstrip(';')}) AS source"
    return ".".join('"' + part.replace('"', '""') + '"' for part in relation.table.split("."))


# What embedded engines say, and the reason we give.
_REASONS = (
    ("unable to open database", "unreachable"),
    ("not a database", "unreachable"),
    ("no such table", "missing_table"),
    ("operations are disabled by configuration", "forbidden"),
    ("configuration has been locked", "forbidden"),
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
# The driver's own text is kept only where it names nothing but schema.
_SCHEMA_REASONS = frozenset({"missing_table", "missing_column"})
_FINAL_REASONS = _SCHEMA_REASONS | {"forbidden", "unsafe_role"}


def embedded_reason(error: BaseException, default: str) -> tuple[str, str]:
    """`Driver.reason` of SQLite and DuckDB, which say what is wrong in words only."""
    said = str(error)
    reason = next((reason for sign, reason in _REASONS if sign in said.lower()), default)
    return reason, said.splitlines()[0][:200] if reason in _SCHEMA_REASONS else ""


def store_error(store: str, driver: Driver, error: SQLAlchemyError, default: str = "query_error") -> StoreError:
    """A driver's error as ours, without a label's text, a password or a value."""
    origin = getattr(error, "orig", None) or error
    reason, shown = driver.reason(origin, default)
    detail = f": {shown}" if shown else f" ({type(origin).__name__})"
    return StoreError(
        f"store {store}: {reason.replace('_', ' ')}{detail}", reason=reason, retryable=reason not in _FINAL_REASONS
    )
