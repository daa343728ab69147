"""Since when the items of some rows are known to another relation."""

from __future__ import annotations

from sqlalchemy import Subquery, func, select

from labelmon.model import Relation
from labelmon.roles import INSTANTS
from labelmon.stores.dialects import Dialect
from labelmon.stores.rows import Types, column_of, filters_of, source_of
from labelmon.stores.series import Series, Span


def firsts_of(
    series: Series, partner: Relation, dialect: Dialect, types: Types, span: Span, role: str
) -> tuple[Subquery, bool]:
    """`item` and the instant `first` of the partner's first row of it, for the items whose rows fall in the span.

    Also whether `item` is as the relation has it, else it is text. It is a table to be joined rather than a look-up
    per row, so that no engine reads all items for each label.
    """
    relation = series.relation
    rows, items = source_of(relation, "touched"), source_of(partner, "firsts_")
    kinds = [types[r.name][r.columns["item"]] for r in (relation, partner)]
    raw = kinds[0] == kinds[1]
    mine, theirs = (
        column_of(source, r, "item") if raw else dialect.text(column_of(source, r, "item"), kind)
        for source, r, kind in ((rows, relation, kinds[0]), (items, partner, kinds[1]))
    )
    near = dialect.near(
        column_of(rows, relation, role), types[relation.name][relation.columns[role]], span.start_ms, span.end_ms
    )
    among = select(mine).select_from(rows).where(*filters_of(relation, dialect, types, rows), near)
    since = INSTANTS[partner.name]
    instant = dialect.epoch_ms(column_of(items, partner, since), types[partner.name][partner.columns[since]])
    found = (
        select(theirs.label("item"), func.min(instant).label("first"))
        .select_from(items)
        .where(*filters_of(partner, dialect, types, items), theirs.in_(among))
        .group_by(theirs)
        .subquery("firsts")
    )
    return found, raw
