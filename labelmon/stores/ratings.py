"""The ratings behind an item's agreement: which count, and when the item settles."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CTE, BigInteger, ColumnElement, Select, case, func, literal, select

from labelmon.stores.dialects import Dialect
from labelmon.stores.rows import Types, column_of, filters_of, read_role, source_of, wanted_roles
from labelmon.stores.series import Series, Span


def ratings_of(series: Series, dialect: Dialect, types: Types, span: Span, at_ms: int) -> tuple[CTE, list[str]]:
    """Every rating known when its item settles; `place` 1 is the one that counts of an annotator: the last.

    An item settles at its `overlap`-th distinct annotator, or `settle` after its first label; older labels of
    touched items count too. Of the whole store, nothing settles and every label counts.
    """
    relation, source = series.relation, source_of(series.relation)
    settle = round(series.settle * 1000)
    filters = filters_of(relation, dialect, types, source)
    wanted = [r for r in wanted_roles(series) if r not in ("item", "label", "annotator")]
    item, label, person = (read_role(series, dialect, types, source, r) for r in ("item", "label", "annotator"))
    picked = [read_role(series, dialect, types, source, r).label(f"r_{r}") for r in wanted]
    instant: ColumnElement[Any] = literal(span.start_ms, BigInteger)
    if not series.untimed:
        raw = column_of(source, relation, "labeled_at")
        kind = types[relation.name][relation.columns["labeled_at"]]
        instant = dialect.epoch_ms(raw, kind)
        filters.append(instant <= at_ms)
        if not span.whole:
            item_raw = column_of(source, relation, "item")
            near = dialect.near(raw, kind, span.start_ms - settle, span.end_ms)
            touched = select(item_raw).select_from(source).where(*filters_of(relation, dialect, types, source), near)
            filters.append(item_raw.in_(touched))
    known = (
        select(instant.label("at"), item.label("item"), label.label("label"), person.label("annotator"), *picked)
        .select_from(source)
        .where(*filters, label.is_not(None), person.is_not(None))
        .cte("lm_known")
    )
    if span.whole or series.untimed:
        start = literal(span.start_ms, BigInteger)
        settled = select(known.c.item, func.min(known.c.at).label("first"), start.label("t")).group_by(known.c.item)
    else:
        settled = _settling(series, known, settle)
    when = settled.cte("lm_settled")
    latest = func.row_number().over(
        partition_by=(known.c.item, known.c.annotator), order_by=(known.c.at.desc(), known.c.label)
    )
    ratings = select(*known.c, when.c.first, when.c.t, latest.label("place")).select_from(
        known.join(when, known.c.item == when.c.item)
    )
    if not (span.whole or series.untimed):
        ratings = ratings.where(known.c.at <= when.c.t)
    return ratings.cte("lm_ratings"), wanted


def _settling(series: Series, known: CTE, settle: int) -> Select[Any]:
    """When each item settles, `t`, and its first label."""
    firsts = (
        select(known.c.item, known.c.annotator, func.min(known.c.at).label("at"))
        .group_by(known.c.item, known.c.annotator)
        .cte("lm_firsts")
    )
    place = func.row_number().over(partition_by=firsts.c.item, order_by=(firsts.c.at, firsts.c.annotator))
    ranked = select(firsts.c.item, firsts.c.at, place.label("place")).cte("lm_ranked")
    first = func.min(ranked.c.at)
    full = func.min(case((ranked.c.place == series.overlap, ranked.c.at), else_=None))
    settled_ms = case((full < first + settle, full), else_=first + settle)
    return select(ranked.c.item, first.label("first"), settled_ms.label("t")).group_by(ranked.c.item)
