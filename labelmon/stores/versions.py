"""Dataset versions: which are the newest, and what their rows say.

A version is newer if it was released later, where `released_at` is mapped, and else if its name is longer or, of one
length, later in order: v9 comes before v10, and 2026-01 before 2026-02.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Subquery,
    and_,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
)

from labelmon.stores.dialects import Dialect
from labelmon.stores.rows import Types, filters_of, read_role, role_of, source_of
from labelmon.stores.series import Series

_YES, _NO = literal_column("1", Integer), literal_column("0", Integer)


def newest_rows(series: Series, dialect: Dialect, types: Types, at_ms: int) -> Subquery:
    """The rows of the newest version of each purpose: `t` (now), `version`, `purpose` and `label`."""
    rows = _known(series, dialect, types, at_ms)
    ranked = _ranked(rows, by_purpose=True)
    same = and_(rows.c.version == ranked.c.version, rows.c.purpose == ranked.c.purpose)
    return (
        select(literal(at_ms, BigInteger).label("t"), rows.c.version, rows.c.purpose, rows.c.label)
        .select_from(rows.join(ranked, same))
        .where(ranked.c.place == 1)
        .subquery("rows_")
    )


def version_pairs(series: Series, dialect: Dialect, types: Types, at_ms: int) -> Subquery:
    """A row per item of the two newest versions: its label in each, whether it is in them, and their names.

    An item that a version holds twice has there the label that comes first in order.
    """
    rows = _known(series, dialect, types, at_ms)
    ranked = _ranked(rows, by_purpose=False)
    two = select(ranked.c.version, ranked.c.place).where(ranked.c.place <= 2).cte("lm_two")

    def of(place: int, value: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.min(case((two.c.place == place, value), else_=None))

    items = (
        select(
            rows.c.item,
            of(1, rows.c.label).label("label"),
            of(2, rows.c.label).label("other_label"),
            func.coalesce(of(1, _YES), _NO).label("in_newer"),
            func.coalesce(of(2, _YES), _NO).label("in_older"),
        )
        .select_from(rows.join(two, rows.c.version == two.c.version))
        .group_by(rows.c.item)
        .subquery("items")
    )
    named = [select(two.c.version).where(two.c.place == place).scalar_subquery() for place in (1, 2)]
    return select(
        literal(at_ms, BigInteger).label("t"),
        named[0].label("version"),
        named[1].label("other_version"),
        *[column for column in items.c if column.name != "item"],
    ).subquery("rows_")


def _known(series: Series, dialect: Dialect, types: Types, at_ms: int) -> CTE:
    """Every row of a version that is out by now; a purpose that is not said is ''."""
    relation = series.relation
    source: FromClause = source_of(relation)
    item, version, label = (role_of(relation, dialect, types, source, role) for role in ("item", "version", "label"))
    purpose = read_role(series, dialect, types, source, "purpose")
    released: ColumnElement[Any] = literal(0, BigInteger)
    conditions = [*filters_of(relation, dialect, types, source), version.is_not(None), item.is_not(None)]
    if "released_at" in relation.columns:
        released = role_of(relation, dialect, types, source, "released_at")
        conditions.append(or_(released.is_(None), released <= at_ms))
    return (
        select(
            item.label("item"),
            version.label("version"),
            label.label("label"),
            func.coalesce(purpose, literal_column("''")).label("purpose"),
            released.label("released"),
        )
        .where(*conditions)
        .cte("lm_known")
    )


def _ranked(rows: CTE, *, by_purpose: bool) -> CTE:
    """Versions with their `place`, 1 being the newest."""
    keys = [rows.c.version, *([rows.c.purpose] if by_purpose else [])]
    names = select(*keys, func.max(rows.c.released).label("released")).group_by(*keys).cte("lm_names")
    order = (func.coalesce(names.c.released, -1).desc(), func.length(names.c.version).desc(), names.c.version.desc())
    place = func.row_number().over(partition_by=names.c.purpose if by_purpose else None, order_by=order)
    return select(*[column for column in names.c if column.name != "released"], place.label("place")).cte("lm_ranked")
