"""The rules that an audited label keeps or breaks: each audit with the label that it saw."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Subquery, and_, func, literal_column, select

from labelmon.stores.dialects import Dialect
from labelmon.stores.rows import Types, column_of, filters_of, read_role, role_of, source_of, wanted_roles
from labelmon.stores.rules import judged
from labelmon.stores.series import Series, Span


def audited_rules(series: Series, dialect: Dialect, types: Types, span: Span, role: str) -> Subquery:
    """One row per audit of the span: `t`, its roles, and `kept_<n>` of the item's last label like the audited one.

    An audit whose label is not there any more, or came only later, has no row.
    """
    relation, labels = series.relation, series.labels
    if labels is None:
        raise AssertionError("rules are those of labels")
    source = source_of(relation, "audits_")
    raw = column_of(source, relation, role)
    kind = types[relation.name][relation.columns[role]]
    here = [*filters_of(relation, dialect, types, source), dialect.near(raw, kind, span.start_ms, span.end_ms)]
    wanted = [r for r in wanted_roles(series) if r not in ("item", "label")]
    item, label = (role_of(relation, dialect, types, source, r) for r in ("item", "label"))
    audits = (
        select(
            dialect.epoch_ms(raw, kind).label("t"),
            item.label("item"),
            label.label("label"),
            *[read_role(series, dialect, types, source, r).label(r) for r in wanted],
            func.row_number().over(order_by=item).label("n"),
        )
        .where(*here)
        .cte("lm_audits")
    )
    before = Span(start_ms=0, end_ms=span.end_ms)
    known = judged(replace(series, relation=labels), dialect, types, before, "labeled_at", items=select(audits.c.item))
    flags = [column for column in known.c if column.name.startswith("kept_")]
    latest = [known.c.t.desc(), *[func.coalesce(flag, literal_column("2")) for flag in flags]]
    place = func.row_number().over(partition_by=audits.c.n, order_by=latest)
    same = and_(audits.c.item == known.c.item, audits.c.label == known.c.label, known.c.t <= audits.c.t)
    seen = (
        select(*[column for column in audits.c if column.name != "n"], *flags, place.label("place"))
        .select_from(audits.join(known, same))
        .subquery("seen")
    )
    kept = [column for column in seen.c if column.name != "place"]
    return select(*kept).where(seen.c.place == 1).subquery("rows_")
