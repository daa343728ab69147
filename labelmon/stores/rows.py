"""A relation's rows as SQL: its source, the roles of its columns, its filter, and whether two rows share an item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnClause,
    ColumnElement,
    FromClause,
    cast,
    column,
    or_,
    table,
    text,
)

from labelmon.model import Relation
from labelmon.roles import RELATIONS, Kind
from labelmon.stores.dialects import Dialect
from labelmon.stores.series import DERIVED, Series, roles_read

Types = Mapping[str, Mapping[str, str]]  # relation name -> column -> engine type


def wanted_roles(series: Series) -> tuple[str, ...]:
    """The mapped roles that a series reads or groups by."""
    judged = series.schema_roles if series.judges_schema else ()
    named = (*roles_read(series.table, series.where), *series.keys, *series.scope, *judged)
    return tuple(role for role in dict.fromkeys(named) if role not in DERIVED)


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


def role_of(relation: Relation, dialect: Dialect, types: Types, source: FromClause, role: str) -> ColumnElement[Any]:
    """The value that plays `role`, as its kind: text, milliseconds, a number or a flag."""
    raw, kind = column_of(source, relation, role), types[relation.name][relation.columns[role]]
    match RELATIONS[relation.name].kind(role):
        case Kind.TEXT:
            return dialect.text(raw, kind)
        case Kind.INSTANT:
            return dialect.epoch_ms(raw, kind)
        case Kind.FLAG:
            return cast(raw, Boolean)
        case Kind.NUMBER:
            return raw


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
