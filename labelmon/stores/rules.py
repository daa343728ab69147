"""Labels held to the rules that their dataset declares: each row judged in the store, counted by rule.

A row keeps a rule (1), breaks it (0) or is not judged by it (NULL), as where a role has no value.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Subquery,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    union_all,
)

from labelmon.check import Row
from labelmon.counts import BUCKET, ROWS
from labelmon.model import Rule, RuleKind
from labelmon.roles import RELATIONS, Kind
from labelmon.stores.dialects import Dialect
from labelmon.stores.rows import Types, column_of, filters_of, role_of, same_item, source_of
from labelmon.stores.series import Series, Span

_YES, _NO = literal_column("1", Integer), literal_column("0", Integer)
VALIDATOR = "validator"


def judged(
    series: Series,
    dialect: Dialect,
    types: Types,
    span: Span,
    role: str,
    *,
    items: Select[Any] | None = None,
) -> Subquery:
    """One row per label of the span: `t`, and `kept_<n>` for the n-th rule of the series.

    With `items`, a statement that names items as text, only theirs, each with its `item` and `label`.
    """
    judge = _Judge(series, dialect, types, source_of(series.relation))
    unique = next((rule for rule in series.rules if rule.kind is RuleKind.UNIQUE), None)
    flags = [judge.kept(rule).label(f"kept_{place}") for place, rule in enumerate(series.rules) if rule is not unique]
    values = [judge.value(r).label(f"u_{place}") for place, r in enumerate(unique.roles)] if unique else []
    named = [judge.role(r).label(r) for r in ("item", "label")] if items is not None else []
    among = [judge.role("item").in_(items)] if items is not None else []
    rows = select(judge.instant(role).label("t"), *named, *flags, *values).where(*judge.within(span, role), *among)
    if unique is None:
        return rows.select_from(judge.source).subquery("rows_")
    # The first row with its values is fine, later ones are not. Of rows of one instant one is: all the same which,
    # unless they differ in other rules, so that these decide in every engine alike.
    base = rows.select_from(judge.source).subquery("base")
    firsts = _firsts(series, dialect, types, span, role, unique, items)
    told = [base.c[value.name] for value in values]
    order = [func.coalesce(base.c[flag.name], literal_column("2")) for flag in flags]
    place = func.row_number().over(partition_by=(base.c.t, *told), order_by=order or [base.c.t])
    again = or_(base.c.t > firsts.c.first, place > literal_column("1"))
    known = and_(*[value.is_not(None) for value in told])
    kept = case((and_(known, again), _NO), (known, _YES), else_=null())
    same = and_(*[value == firsts.c[value.name] for value in told])
    return (
        select(
            base.c.t,
            *[base.c[column.name] for column in (*named, *flags)],
            kept.label(f"kept_{series.rules.index(unique)}"),
        )
        .select_from(base.outerjoin(firsts, same))
        .subquery("rows_")
    )


def rules_counted(rows: Subquery, rules: Sequence[Rule], *, broken: bool) -> ColumnElement[Any]:
    """How many rules judge a row, or how many it breaks."""
    flags = [rows.c[f"kept_{place}"] for place in range(len(rules))]
    hits = [flag == _NO if broken else flag.is_not(None) for flag in flags]
    return reduce(operator.add, [case((hit, _YES), else_=_NO) for hit in hits])


def by_rule(
    series: Series, views: Sequence[Row], conditions: Sequence[ColumnElement[bool]], bucket: ColumnElement[Any]
) -> Select[Any]:
    """The counts of each rule, in one pass over the rows: a view sees them as one rule does."""
    columns = []
    for place, view in enumerate(views):
        counts = series.where(view) if series.where else literal(True)
        columns.append(case((counts, _YES), else_=_NO).label(f"n_{place}"))
        for name, counted in series.counts.items():
            value = counted.expression(view)
            number = case((value, _YES), else_=_NO) if isinstance(value.type, Boolean) else value
            columns.append(case((counts, number), else_=null()).label(f"v_{place}_{name}"))
    flat = select(bucket.label(BUCKET), *columns).where(*conditions).subquery("flat")
    sums = [
        *[func.sum(flat.c[f"n_{place}"]).label(f"n_{place}") for place in range(len(views))],
        *[
            getattr(func, counted.op.value)(flat.c[f"v_{place}_{name}"]).label(f"v_{place}_{name}")
            for place in range(len(views))
            for name, counted in series.counts.items()
        ],
    ]
    wide = select(flat.c[BUCKET], *sums).group_by(flat.c[BUCKET]).cte("lm_wide")
    tall = union_all(
        *[
            select(
                wide.c[BUCKET],
                cast(literal(rule.name), Text).label(VALIDATOR),
                wide.c[f"n_{place}"].label(ROWS),
                *[wide.c[f"v_{place}_{name}"].label(name) for name in series.counts],
            )
            for place, rule in enumerate(series.rules)
        ]
    ).subquery("tall")
    return select(*tall.c).where(tall.c[ROWS] > literal_column("0"))


def _firsts(
    series: Series,
    dialect: Dialect,
    types: Types,
    span: Span,
    role: str,
    unique: Rule,
    items: Select[Any] | None,
) -> Subquery:
    """When the values of the unique roles came first, for those that may come in the span."""
    all_rows = _Judge(series, dialect, types, source_of(series.relation, "earlier"))
    touched = _Judge(series, dialect, types, source_of(series.relation, "touched"))
    lead = "item" if "item" in unique.roles else unique.roles[0]
    among = column_of(all_rows.source, series.relation, lead).in_(
        select(column_of(touched.source, series.relation, lead))
        .select_from(touched.source)
        .where(*touched.within(span, role), *([touched.role("item").in_(items)] if items is not None else []))
    )
    values = [all_rows.value(r).label(f"u_{place}") for place, r in enumerate(unique.roles)]
    known = (
        select(all_rows.instant(role).label("t"), *values)
        .select_from(all_rows.source)
        .where(*filters_of(series.relation, dialect, types, all_rows.source), among)
        .subquery("known")
    )
    told = [known.c[value.name] for value in values]
    return select(*told, func.min(known.c.t).label("first")).group_by(*told).subquery("firsts")


class _Judge:
    """The rules as SQL over the rows of one source."""

    def __init__(self, series: Series, dialect: Dialect, types: Types, source: FromClause) -> None:
        self.source = source
        self._series, self._relation, self._dialect, self._types = series, series.relation, dialect, types

    def instant(self, role: str) -> ColumnElement[int]:
        return self._dialect.epoch_ms(*self._raw(role))

    def role(self, role: str) -> ColumnElement[Any]:
        """What plays `role`, as it is written."""
        return role_of(self._relation, self._dialect, self._types, self.source, role)

    def within(self, span: Span, role: str) -> list[ColumnElement[bool]]:
        near = self._dialect.near(*self._raw(role), span.start_ms, span.end_ms)
        return [*filters_of(self._relation, self._dialect, self._types, self.source), near]

    def value(self, role: str) -> ColumnElement[Any]:
        """What plays `role`; an empty text is no value."""
        read = self.role(role)
        return func.nullif(read, literal_column("''")) if self._kind(role) is Kind.TEXT else read

    def kept(self, rule: Rule) -> ColumnElement[Any]:
        """1, 0 or NULL."""
        if rule.kind is RuleKind.KNOWN_ITEMS:
            return self._known_item()
        value = self.value(rule.roles[0])
        match rule.kind:
            case RuleKind.REQUIRED:
                return case((value.is_not(None), _YES), else_=_NO)
            case RuleKind.RANGE:  # what is written and no number is in no range
                value = func.nullif(self._dialect.text(*self._raw(rule.roles[0])), literal_column("''"))
                number = role_of(self._relation, self._dialect, self._types, self.source, rule.roles[0])
                good = and_(number >= literal(rule.least), number <= literal(rule.most))
            case RuleKind.PATTERN:
                good = self._dialect.matches(value, rule.pattern)
            case RuleKind.VERSIONS:
                good = value.in_(self._series.schema_versions)
            case _:
                good = value.in_(self._series.classes)
        return case((value.is_(None), null()), (good, _YES), else_=_NO)

    def _known_item(self) -> ColumnElement[Any]:
        items = self._series.partner
        assert items is not None  # noqa: S101  why_off looks first
        partner = source_of(items, "partner_")
        same = same_item(self._dialect, self._types, (self.source, self._relation), (partner, items))
        there = exists(
            select(literal(1)).select_from(partner).where(same, *filters_of(items, self._dialect, self._types, partner))
        )
        return case((self.value("item").is_(None), null()), (there, _YES), else_=_NO)

    def _raw(self, role: str) -> tuple[ColumnElement[Any], str]:
        relation = self._relation
        return column_of(self.source, relation, role), self._types[relation.name][relation.columns[role]]

    def _kind(self, role: str) -> Kind:
        return RELATIONS[self._relation.name].kind(role)
