"""A relation's rows as SQL: its source, the roles of its columns, its filter, and whether two rows share an item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnClause,
    ColumnElement,
    Double,
    FromClause,
    Text,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    null,
    or_,
    table,
    text,
)
from sqlalchemy.types import TypeEngine

from labelmon.model import Relation
from labelmon.roles import RELATIONS, Kind
from labelmon.stores.compared import NUMBERS
from labelmon.stores.dialects import Dialect
from labelmon.stores.series import Series, derived, roles_read

_TYPES: dict[Kind, TypeEngine[Any]] = {
    Kind.TEXT: Text(),
    Kind.INSTANT: BigInteger(),
    Kind.NUMBER: Double(),
    Kind.FLAG: Boolean(),
}
_YES = ("true", "t", "yes", "y", "1", "1.0")
_NO = ("false", "f", "no", "n", "0", "0.0")

Types = Mapping[str, Mapping[str, str]]  # relation name -> column -> engine type


def wanted_roles(series: Series) -> tuple[str, ...]:
    """The roles that a series reads or groups by."""
    judged = series.schema_roles if series.judges_schema else ()
    named = (*roles_read(series.table, series.where, series.comparison), *series.keys, *series.scope, *judged)
    return tuple(role for role in dict.fromkeys(named) if not derived(role))


def source_of(relation: Relation, alias: str = "source") -> FromClause:
    """The relation's table or query, with the columns that roles and filters name."""
    names = dict.fromkeys((*relation.columns.values(), *relation.where))
    columns: list[ColumnClause[Any]] = [column(name) for name in names]
    if relation.query:
        return text(relation.query.strip().rstrip(";")).columns(*columns).subquery(alias)
    schema, _, name = relation.table.rpartition(".")
    return table(name, *columns, schema=schema or None).alias(alias)


def column_of(source: FromClause, relation: Relation, role: str) -> ColumnElement[Any]:
    """The raw column that plays `role`."""
    return source.c[relation.columns[role]]


def read_role(series: Series, dialect: Dialect, types: Types, source: FromClause, role: str) -> ColumnElement[Any]:
    """`role_of` in the series' relation; where the check can do without the role, what it then reads as."""
    if base := NUMBERS.get(role):
        column_ = column_of(source, series.relation, base)
        return dialect.number(column_, types[series.relation.name][series.relation.columns[base]])
    if role in series.relation.columns:
        return role_of(series.relation, dialect, types, source, role)
    type_, value = _TYPES[RELATIONS[series.relation.name].kind(role)], series.check.optional[role]
    return cast(null() if value is None else literal(value, type_, literal_execute=True), type_)


def role_of(relation: Relation, dialect: Dialect, types: Types, source: FromClause, role: str) -> ColumnElement[Any]:
    """The value that plays `role`, as its kind: text, milliseconds, a number or a flag; NULL where it is none."""
    raw, kind = column_of(source, relation, role), types[relation.name][relation.columns[role]]
    match RELATIONS[relation.name].kind(role):
        case Kind.TEXT:
            return dialect.text(raw, kind)
        case Kind.INSTANT:
            return dialect.epoch_ms(raw, kind)
        case Kind.FLAG:
            return _flag(dialect.text(raw, kind))
        case Kind.NUMBER:
            return dialect.number(raw, kind)


def _flag(written: ColumnElement[str]) -> ColumnElement[bool]:
    """True, false or, for anything else, NULL: files and SQLite keep flags as words or digits."""
    word = func.lower(func.trim(written))
    return case((word.in_(_YES), literal_column("1=1", Boolean)), (word.in_(_NO), literal_column("1=0", Boolean)))


def filters_of(relation: Relation, dialect: Dialect, types: Types, source: FromClause) -> list[ColumnElement[bool]]:
    """The dataset's own `where`."""
    found = []
    for name, wanted in relation.where.items():
        value = dialect.text(source.c[name], types[relation.name].get(name, ""))
        found.append(or_(*[value == one for one in wanted]))
    return found


def same_item(
    dialect: Dialect, types: Types, left: tuple[FromClause, Relation], right: tuple[FromClause, Relation]
) -> ColumnElement[bool]:
    """Equality of the item ids; raw where the types agree, so that an index on them can be used."""
    sides = [
        (column_of(source, relation, "item"), types[relation.name][relation.columns["item"]])
        for source, relation in (left, right)
    ]
    (a, a_kind), (b, b_kind) = sides
    return a == b if a_kind == b_kind else dialect.text(a, a_kind) == dialect.text(b, b_kind)
