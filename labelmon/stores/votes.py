"""What the majority of an item's labels says, and whether that is the truth."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Subquery, case, func, select

from labelmon.stores.compared import VERDICTS, verdict
from labelmon.stores.dialects import Dialect
from labelmon.stores.folds import item_fold
from labelmon.stores.rows import Types, column_of, filters_of, read_role, source_of
from labelmon.stores.series import Series, Span

PLACES = 1 << 15  # labels that may share the first place of an item


class _Roles:
    """A check's row over the relation itself."""

    def __init__(self, series: Series, dialect: Dialect, types: Types, source: FromClause) -> None:
        self._given = series, dialect, types, source

    def __getattr__(self, role: str) -> ColumnElement[Any]:
        if role in VERDICTS:
            return verdict(role, self, self._given[0].comparison)
        return read_role(*self._given, role)


def votes_of(series: Series, dialect: Dialect, types: Types, span: Span, at_ms: int, role: str) -> Subquery:
    """One row per item at its last row: each label's share of the votes, and the chance that the winner is right."""
    relation = series.relation
    source = source_of(relation)
    raw = column_of(source, relation, role)
    kind = types[relation.name][relation.columns[role]]
    instant = dialect.epoch_ms(raw, kind)
    item_raw = column_of(source, relation, "item")
    filters = filters_of(relation, dialect, types, source)
    if not span.whole:
        near = dialect.near(raw, kind, span.start_ms, span.end_ms)
        filters.append(item_raw.in_(select(item_raw).select_from(source).where(*filters, near)))
    item, label, truth = (read_role(series, dialect, types, source, r) for r in ("item", "label", "truth"))
    # A vote is taken among the rows that the check itself counts.
    among = series.check.where
    counting: list[ColumnElement[bool]] = [label.is_not(None), truth.is_not(None)]
    counting += [among(_Roles(series, dialect, types, source))] if among else []
    tally = (
        select(
            item.label("item"),
            label.label("label"),
            func.min(truth).label("truth"),
            func.max(instant).label("t"),
            func.count().label("n"),
        )
        .select_from(source)
        .where(*filters, instant <= at_ms, *counting)
        .group_by(item, label)
        .cte("lm_tally")
    )
    # The winner's row is the one with most votes: packed into one number, with how many labels share the place and
    # how many of these are right, it is a plain maximum. Ranks would sort all items.
    right = func.sum(case((tally.c.label == tally.c.truth, 1), else_=0))
    places = (
        select(
            tally.c.item,
            func.max(tally.c.t).label("t"),
            func.sum(tally.c.n).label("votes"),
            (tally.c.n * PLACES * PLACES + func.count() * PLACES + right).label("packed"),
        )
        .group_by(tally.c.item, tally.c.n)
        .cte("lm_places")
    )
    best = (
        select(
            places.c.item,
            func.max(places.c.t).label("t"),
            func.sum(places.c.votes).label("votes"),
            (func.max(places.c.packed) % (PLACES * PLACES)).label("place"),
        )
        .group_by(places.c.item)
        .cte("lm_best")
    )
    winners = best.c.place % PLACES
    return select(
        best.c.t,
        best.c.votes,
        (winners * PLACES * 1.0 / (best.c.place - winners)).label("good"),
        item_fold(best.c.item).label("fold"),
    ).subquery("rows_")
