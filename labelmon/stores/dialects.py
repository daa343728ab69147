"""Where engines differ, and nowhere else: how an instant, a text and a time range are written in SQL.

Every instant becomes whole milliseconds since 1970, UTC; a naive one is read as UTC. SQLite itself keeps no
finer than milliseconds. Text that is no instant, and NULL, become NULL and are left out of every range.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import BigInteger, ColumnElement, Double, Integer, Text, and_, case, cast, func, literal, or_
from sqlalchemy.types import TIMESTAMP

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Dialect(Protocol):
    """What the statements need to know of an engine; `kind` is a column type as the engine names it."""

    name: str

    def epoch_ms(self, column: ColumnElement[Any], kind: str) -> ColumnElement[int]:
        """Milliseconds since 1970 of an instant; NULL where it is none."""
        ...

    def near(self, column: ColumnElement[Any], kind: str, start_ms: int, end_ms: int) -> ColumnElement[bool]:
        """True for all rows in [start_ms, end_ms), in a form that an index or row group can use."""
        ...

    def text(self, column: ColumnElement[Any], kind: str) -> ColumnElement[str]:
        """The value as text; numbers in their shortest form."""
        ...


class Sqlite:
    """SQLite: any value in any column, so each row's own type decides."""

    name = "sqlite"

    def epoch_ms(self, column: ColumnElement[Any], kind: str) -> ColumnElement[int]:  # noqa: ARG002
        # %s and the fraction of %f come from the same internal millisecond count, so they never disagree;
        # julianday() would be 40 us off and put 12:00:00 into the bucket before.
        whole = cast(func.strftime("%s", column), Integer) * 1000
        part = cast(func.substr(func.strftime("%f", column), 4), Integer)
        return case(
            (func.typeof(column) == "text", whole + part),
            (func.typeof(column).in_(("integer", "real")), cast(func.round(column * 1000.0), Integer)),
            else_=None,
        )

    def near(self, column: ColumnElement[Any], kind: str, start_ms: int, end_ms: int) -> ColumnElement[bool]:  # noqa: ARG002
        # Texts sort after numbers in SQLite, so each branch is a range of one type and both can use an index.
        # A day of slack covers every UTC offset.
        low = (_moment(start_ms) - timedelta(days=1)).strftime("%Y-%m-%d")
        high = (_moment(end_ms) + timedelta(days=2)).strftime("%Y-%m-%d")
        texts = and_(column >= literal(low, Text), column < literal(high, Text))
        numbers = and_(column >= literal(start_ms / 1000 - 1, Double), column < literal(end_ms / 1000 + 1, Double))
        return or_(texts, numbers)

    def text(self, column: ColumnElement[Any], kind: str) -> ColumnElement[str]:
        return column if kind.upper() in {"TEXT", "VARCHAR"} else cast(column, Text)


class DuckDb:
    """DuckDB: typed columns; files are read as text unless the format has types."""

    name = "duckdb"

    def epoch_ms(self, column: ColumnElement[Any], kind: str) -> ColumnElement[int]:
        if kind.startswith(("TIMESTAMP", "DATE")):
            return func.epoch_ms(column, type_=BigInteger)
        if kind == "VARCHAR":
            instant = func.epoch_ms(func.try_cast_timestamptz(column), type_=BigInteger)
            seconds = func.try_cast_double(column, type_=Double)
            return func.coalesce(instant, cast(func.round(seconds * 1000), BigInteger))
        return cast(func.round(column * 1000), BigInteger)

    def near(self, column: ColumnElement[Any], kind: str, start_ms: int, end_ms: int) -> ColumnElement[bool]:
        if kind.startswith("TIMESTAMP"):
            aware = "TIME ZONE" in kind
            low, high = (_moment(ms) if aware else _moment(ms).replace(tzinfo=None) for ms in (start_ms, end_ms))
            type_ = TIMESTAMP(timezone=aware)
            return and_(column >= literal(low, type_), column < literal(high, type_))
        return literal(True)

    def text(self, column: ColumnElement[Any], kind: str) -> ColumnElement[str]:
        return column if kind == "VARCHAR" else cast(column, Text)


def _moment(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


DIALECTS: dict[str, Dialect] = {"sqlite": Sqlite(), "duckdb": DuckDb()}

# TRY_CAST has no SQLAlchemy function form; these macros are created on every DuckDB connection.
DUCKDB_MACROS = (
    "CREATE OR REPLACE TEMP MACRO try_cast_timestamptz(x) AS TRY_CAST(x AS TIMESTAMPTZ)",
    "CREATE OR REPLACE TEMP MACRO try_cast_double(x) AS TRY_CAST(x AS DOUBLE)",
)
