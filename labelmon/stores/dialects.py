"""Where engines differ, and nowhere else: how an instant, a text and a time range are written in SQL.

Every instant becomes whole milliseconds since 1970, UTC; a naive one is read as UTC. SQLite itself keeps no
finer than milliseconds. Text that is no instant, and NULL, become NULL and are left out of every range.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    Double,
    Integer,
    Numeric,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    type_coerce,
)
from sqlalchemy.types import TIMESTAMP, TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SQLITE_MATCHES = "labelmon_matches"  # the function (text, pattern) that our SQLite connections have


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

    def number(self, column: ColumnElement[Any], kind: str) -> ColumnElement[float]:
        """The value as a double; NULL where it is no finite number."""
        ...

    def matches(self, text: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
        """Whether a text holds a pattern of `labelmon.patterns`."""
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
        texts = _texts_near(column, start_ms, end_ms)
        numbers = and_(column >= literal(start_ms / 1000 - 1, Double), column < literal(end_ms / 1000 + 1, Double))
        return or_(texts, numbers)

    def text(self, column: ColumnElement[Any], kind: str) -> ColumnElement[str]:
        return column if kind.upper() in {"TEXT", "VARCHAR"} else cast(column, Text)

    def number(self, column: ColumnElement[Any], kind: str) -> ColumnElement[float]:  # noqa: ARG002
        # A cast makes 12 of '12 apples'. A comparison with a number does not: it reads a text as one only if all of
        # it is one, so that only true numbers equal their own cast.
        number = cast(column, Double)
        return case((and_(number == column, _finite(number)), number), else_=None)

    def matches(self, text: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
        # Not REGEXP: SQLAlchemy gives every connection one of its own, and that one backtracks.
        matched: ColumnElement[int] = getattr(func, SQLITE_MATCHES)(text, pattern, type_=Integer)
        return matched == literal_column("1")


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

    def number(self, column: ColumnElement[Any], kind: str) -> ColumnElement[float]:  # noqa: ARG002
        number = func.try_cast_double(column, type_=Double)
        return case((_finite(number), number), else_=None)

    def matches(self, text: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
        return func.regexp_matches(text, pattern, type_=Boolean)  # its ~ wants the whole text to match


class Postgres:
    """PostgreSQL: typed columns; `kind` is as psycopg displays it, such as `timestamptz` or `varchar(20)`.

    Constants are written out rather than bound: two parameters of one value are two expressions to a GROUP BY.
    """

    name = "postgresql"

    def epoch_ms(self, column: ColumnElement[Any], kind: str) -> ColumnElement[int]:
        base = _base(kind)
        if base in _MOMENTS:
            return _postgres_ms(column)
        if base in _NUMBERS:
            number = cast(column, Double) * literal_column("1000", Double)
            sane = func.abs(number) < literal_column("9e15", Double)  # neither NaN nor infinity is an instant
            return case((sane, cast(func.round(number), BigInteger)), else_=None)
        # There is no TRY_CAST: only what is sure to be an instant may reach the cast, which is why CASE stands inside.
        written = cast(column, Text)
        iso = written.op("~", is_comparison=True)(literal_column(f"'{_ISO_8601}'", Text))
        return _postgres_ms(cast(case((iso, written), else_=None), TIMESTAMP(timezone=True)))

    def near(self, column: ColumnElement[Any], kind: str, start_ms: int, end_ms: int) -> ColumnElement[bool]:
        base = _base(kind)
        low, high = _moment(start_ms), _moment(end_ms)
        if base in ("timestamptz", "timestamp"):
            aware = base == "timestamptz"
            type_ = TIMESTAMP(timezone=aware)
            low, high = (moment if aware else moment.replace(tzinfo=None) for moment in (low, high))
            return and_(column >= literal(low, type_), column < literal(high, type_))
        if base == "date":
            return and_(column >= literal(low.date(), Date), column <= literal(high.date(), Date))
        if base in _NUMBERS:  # of the column's own type, or its index stays unused
            number = _NUMBERS[base]
            low_s, high_s = start_ms // 1000 - 1, -(-end_ms // 1000) + 1
            return and_(column >= literal(low_s, number), column < literal(high_s, number))
        if base in _TEXTS:
            return _texts_near(column, start_ms, end_ms)
        return literal(True)

    def text(self, column: ColumnElement[Any], kind: str) -> ColumnElement[str]:
        base = _base(kind)
        if base in _TEXTS:
            written: ColumnElement[str] = type_coerce(column, Text)
        else:
            written = cast(func.trim_scale(column) if base == "numeric" else column, Text)
        # Byte order, as SQLite and DuckDB have it: a database's own collation may sort otherwise and call two
        # different labels equal.
        return written.collate("C")

    def number(self, column: ColumnElement[Any], kind: str) -> ColumnElement[float]:
        if _base(kind) in _NUMBERS:
            return case((_finite(column), cast(column, Double)), else_=None)
        written = func.trim(cast(column, Text), type_=Text)
        decimal = written.op("~", is_comparison=True)(literal_column(f"'{_DECIMAL}'", Text))
        return cast(case((decimal, written), else_=None), Double)

    def matches(self, text: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
        return text.op("~", is_comparison=True)(literal(pattern, Text))


_MOMENTS = frozenset({"timestamptz", "timestamp", "date"})
_NUMBERS: dict[str, TypeEngine[Any]] = {
    **dict.fromkeys(("int2", "int4", "int8"), BigInteger()),
    **dict.fromkeys(("float4", "float8"), Double()),
    "numeric": Numeric(),
}
# Short enough that the cast behind it can neither overflow nor underflow.
_DECIMAL = "^[+-]?([0-9]{1,99}([.][0-9]{0,99})?|[.][0-9]{1,99})([eE][+-]?[0-9]{1,2})?$"
_TEXTS = frozenset({"text", "varchar"})
_YEAR = "(?!0000)[0-9]{4}"
_LEAP = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
_DAY_OF_YEAR = "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?"
_OFFSET = "([Zz]|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)"
# Only days that the calendar has, so that the cast behind it cannot fail.
_ISO_8601 = f"^({_YEAR}-{_DAY_OF_YEAR}|{_LEAP}-02-29)([T ]{_CLOCK} ?{_OFFSET}?)?$"


def _base(kind: str) -> str:
    return kind.partition("(")[0]


def _postgres_ms(column: ColumnElement[Any]) -> ColumnElement[int]:
    # date_part gives seconds as a double: right to the microsecond, but 0.123 may come as 0.12299998. Half a
    # microsecond more and the floor is the millisecond that the instant lies in.
    seconds = func.date_part(literal_column("'epoch'"), column, type_=Double)
    whole = func.floor(seconds * literal_column("1000", Double) + literal_column("0.0005", Double), type_=Double)
    return case((func.isfinite(column), cast(whole, BigInteger)), else_=None)


def _finite(number: ColumnElement[Any]) -> ColumnElement[bool]:
    """Neither infinite nor, as engines order it above all numbers, NaN."""
    return func.abs(number) < literal_column("1e300")


def _texts_near(column: ColumnElement[Any], start_ms: int, end_ms: int) -> ColumnElement[bool]:
    """A range of ISO 8601 texts; a day of slack covers every UTC offset."""
    low = (_moment(start_ms) - timedelta(days=1)).strftime("%Y-%m-%d")
    high = (_moment(end_ms) + timedelta(days=2)).strftime("%Y-%m-%d")
    return and_(column >= literal(low, Text), column < literal(high, Text))


def _moment(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


DIALECTS: dict[str, Dialect] = {"sqlite": Sqlite(), "duckdb": DuckDb(), "postgresql": Postgres()}

# TRY_CAST has no SQLAlchemy function form; these macros are created on every DuckDB connection.
DUCKDB_MACROS = (
    "CREATE OR REPLACE TEMP MACRO try_cast_timestamptz(x) AS TRY_CAST(x AS TIMESTAMPTZ)",
    "CREATE OR REPLACE TEMP MACRO try_cast_double(x) AS TRY_CAST(x AS DOUBLE)",
)
