"""The statements: SELECT keys, sums FROM rows of a span GROUP BY bucket, keys, pushed down into the store.

Each is built in two steps. An inner query turns the relation into rows of roles (text, milliseconds, numbers),
kept to the span by a condition an index can use; the outer one decides exactly and counts.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
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
    select,
)

from labelmon.check import PARTNER, Deadline, Event, Item, Snapshot, Stages, Versions, Vote, quantile_column
from labelmon.counts import BUCKET, OTHER, ROWS
from labelmon.model import Relation
from labelmon.roles import CLASS_ROLES, INSTANTS
from labelmon.stores.audited import audited_rules
from labelmon.stores.compared import VERDICTS, verdict
from labelmon.stores.dialects import Dialect
from labelmon.stores.firsts import firsts_of
from labelmon.stores.folds import item_fold
from labelmon.stores.ratings import ratings_of
from labelmon.stores.rows import Types, column_of, filters_of, read_role, role_of, same_item, source_of, wanted_roles
from labelmon.stores.rules import VALIDATOR, by_rule, judged, rules_counted
from labelmon.stores.series import Series, Span, partner_roles, reads
from labelmon.stores.stages import stage_rows
from labelmon.stores.versions import newest_rows, version_pairs
from labelmon.stores.votes import votes_of

YEAR_2000_MS = 946_684_800_000
SHOWN = 64  # characters of a value that is not in the schema


def statement(series: Series, dialect: Dialect, types: Types, span: Span, at_ms: int) -> Select[Any]:
    """The counts of `series` over `span`, as of `at_ms`: rows after it do not exist.

    Returns rows of (bucket start in milliseconds, *keys, *columns in the order of `series.ops`).
    """
    rows = _rows(series, dialect, types, span, at_ms)
    view = _View(rows, at_ms, series)
    conditions = [rows.c.t >= span.start_ms, rows.c.t < span.end_ms, rows.c.t <= at_ms]
    if series.where is not None and VALIDATOR not in series.keys:  # which rows count is each rule's own to say
        conditions.append(series.where(view))
    conditions += [rows.c[key] == value for key, value in series.scope.items()]
    if any(c.quantiles for c in series.counts.values()):
        return _with_quantiles(series, view, conditions, span)
    width = span.width * 1000 if span.width else None
    bucket: ColumnElement[Any] = rows.c.t - rows.c.t % width if width else literal(span.start_ms, BigInteger)
    if VALIDATOR in series.keys:
        views = [_View(rows, at_ms, series, rule) for rule in range(len(series.rules))]
        return by_rule(series, views, conditions, bucket)
    # Keys and values are written out below the GROUP BY: two bound parameters of one value are two expressions.
    keys = {key: _key(series, key, getattr(view, key)).label(f"k_{key}") for key in series.keys}
    values = {name: _value(series, name, view).label(f"v_{name}") for name in series.counts}
    flat = select(bucket.label(BUCKET), *keys.values(), *values.values()).where(*conditions).subquery("flat")
    grouped = [flat.c[f"k_{key}"] for key in keys]
    counted = (
        select(
            flat.c[BUCKET] if width else literal(span.start_ms, BigInteger).label(BUCKET),
            *[column_.label(key) for key, column_ in zip(keys, grouped, strict=True)],
            func.count().label(ROWS),
            *[getattr(func, series.counts[name].op.value)(flat.c[f"v_{name}"]).label(name) for name in values],
        )
        .select_from(flat)
        .group_by(*([flat.c[BUCKET]] if width else []), *grouped)
    )
    return counted if series.most is None else _most_of(counted, series, series.most)


def _most_of(counted: Select[Any], series: Series, most: int) -> Select[Any]:
    """The groups of each bucket with most rows, at most so many."""
    groups = counted.subquery("groups")
    order = (groups.c[ROWS].desc(), *[groups.c[key] for key in series.keys])
    place = func.row_number().over(partition_by=groups.c[BUCKET], order_by=order)
    ranked = select(*groups.c, place.label("place")).subquery("ranked")
    kept = [column_ for column_ in ranked.c if column_.name != "place"]
    return select(*kept).where(ranked.c.place <= most)


def earliest_statement(series: Series, dialect: Dialect, types: Types, relation: Relation, at_ms: int) -> Select[Any]:
    """The instant (ms) of the relation's earliest row under the dataset's filter, within [2000, at]."""
    role = _instant_role(series, relation)
    source = source_of(relation)
    instant = dialect.epoch_ms(column_of(source, relation, role), types[relation.name][relation.columns[role]])
    return (
        select(func.min(instant))
        .select_from(source)
        .where(*filters_of(relation, dialect, types, source), instant >= YEAR_2000_MS, instant <= at_ms)
    )


def _instant_role(series: Series, relation: Relation) -> str:
    if relation is series.labels or isinstance(series.time, Item):
        return "stored_at" if "stored_at" in relation.columns and series.labels is not None else "labeled_at"
    match series.time:
        case Event(instant=role) | Vote(instant=role) | Deadline(start=role) | Snapshot(since=role):
            return role
        case _:
            raise AssertionError("every time kind names its instant")


class _View:
    """A check's row over the inner query."""

    def __init__(self, rows: Subquery, at_ms: int, series: Series, rule: int = 0) -> None:
        self._rows, self._at_ms, self._series, self._rule = rows, at_ms, series, rule

    def __getattr__(self, role: str) -> ColumnElement[Any]:
        if role == "at_ms":
            return literal(self._at_ms, BigInteger)
        if role in {"in_schema", "offending"}:
            return self._judged(role)
        if role == "kept":
            return self._rows.c[f"kept_{self._rule}"]
        if role in {"rules_judged", "rules_broken"}:
            return rules_counted(self._rows, self._series.rules, broken=role == "rules_broken")
        if role in VERDICTS:
            return verdict(role, self, self._series.comparison)
        return self._rows.c[role]

    def _judged(self, what: str) -> ColumnElement[Any]:
        """Whether a row is in the schema, or what in it is not."""
        series = self._series
        roles = [
            (self._rows.c[role], allowed)
            for role in series.schema_roles
            if (allowed := series.schema_versions if role == "schema_version" else series.classes)
        ]
        if what == "in_schema":
            return and_(*[func.coalesce(value, literal_column("''")).in_(allowed) for value, allowed in roles])
        known = [(func.coalesce(value, literal_column("''")), allowed) for value, allowed in roles]
        wrong = [(value.not_in(allowed), func.substr(value, 1, SHOWN)) for value, allowed in known]
        return case(*wrong, else_=literal_column("''"))


def _rows(  # noqa: PLR0911  one time kind, one return
    series: Series, dialect: Dialect, types: Types, span: Span, at_ms: int
) -> Subquery:
    """The inner query: `t` (the instant that decides the bucket, ms) and the roles the check reads."""
    match series.time:
        case Event(instant=role):
            if series.rules and series.relation is not series.labels and series.labels is not None:
                return audited_rules(series, dialect, types, span, role)
            return (judged if series.rules else _events)(series, dialect, types, span, role)
        case Vote(instant=role):
            return votes_of(series, dialect, types, span, at_ms, role)
        case Deadline(start=role):
            delay = round((series.within or 0.0) * 1000)
            return _items(series, dialect, types, (span.start_ms - delay, span.end_ms - delay), at_ms, role, delay)
        case Stages():
            return stage_rows(series, dialect, types, at_ms)
        case Versions(pairs=pairs):
            return (version_pairs if pairs else newest_rows)(series, dialect, types, at_ms)
        case Snapshot(since=role):
            return _items(series, dialect, types, (0, at_ms + 1), at_ms, role, 0)
        case Item(pairs=True):
            return _pairs(series, dialect, types, span, at_ms)
        case Item():
            return _settled(series, dialect, types, span, at_ms)


def _events(series: Series, dialect: Dialect, types: Types, span: Span, role: str) -> Subquery:
    relation = series.relation
    source: FromClause = source_of(relation)
    picked = [read_role(series, dialect, types, source, r).label(r) for r in wanted_roles(series)]
    raw = column_of(source, relation, role)
    kind = types[relation.name][relation.columns[role]]
    if "fold" in series.keys:
        picked.append(cast(item_fold(role_of(relation, dialect, types, source, "item")), Text).label("fold"))
    if series.partner is not None:
        partner = source_of(series.partner, "partner_")
        same = same_item(dialect, types, (source, relation), (partner, series.partner))
        there = exists(
            select(literal(1)).select_from(partner).where(same, *filters_of(series.partner, dialect, types, partner))
        )
        picked.append(case((there, 1), else_=0).label("partner_known"))
        at = dialect.epoch_ms(raw, kind)
        for wanted in partner_roles(series.table, series.where):
            value = _last_of(series, dialect, types, source, series.partner, wanted, at)
            picked.append(value.label(PARTNER + wanted))
    joined = source
    if series.partner is not None and reads(series.table, {"partner_first_ms"}):
        firsts, is_raw = firsts_of(series, series.partner, dialect, types, span, role)
        item = column_of(source, relation, "item")
        mine = item if is_raw else dialect.text(item, types[relation.name][relation.columns["item"]])
        joined = source.outerjoin(firsts, mine == firsts.c.item)
        picked.append(firsts.c.first.label("partner_first_ms"))
    return (
        select(dialect.epoch_ms(raw, kind).label("t"), *picked)
        .select_from(joined)
        .where(
            *filters_of(relation, dialect, types, source),
            dialect.near(raw, kind, span.start_ms, span.end_ms),
        )
        .subquery("rows_")
    )


def _last_of(
    series: Series,
    dialect: Dialect,
    types: Types,
    source: FromClause,
    relation: Relation,
    role: str,
    at: ColumnElement[int],
) -> ColumnElement[Any]:
    """What the partner's last row of the item says that was there at `at`; NULL without one."""
    partner = source_of(relation, "last_")
    instant = INSTANTS[relation.name]
    when = dialect.epoch_ms(column_of(partner, relation, instant), types[relation.name][relation.columns[instant]])
    value = role_of(relation, dialect, types, partner, role)
    same = same_item(dialect, types, (source, series.relation), (partner, relation))
    return (
        select(value)
        .select_from(partner)
        .where(same, *filters_of(relation, dialect, types, partner), when <= at)
        .order_by(when.desc(), case((value.is_(None), 1), else_=0), value)  # engines differ in where NULL sorts
        .limit(1)
        .scalar_subquery()
    )


def _items(
    series: Series,
    dialect: Dialect,
    types: Types,
    arrivals: tuple[int, int],
    at_ms: int,
    role: str,
    delay: int,
) -> Subquery:
    """Rows that arrived in `arrivals` with the first label of each; repeats of an item row count once."""
    relation, labels = series.relation, series.labels
    items = source_of(relation)
    raw = column_of(items, relation, role)
    kind = types[relation.name][relation.columns[role]]
    arrived = dialect.epoch_ms(raw, kind)
    picked = {r: read_role(series, dialect, types, items, r) for r in wanted_roles(series) if r != role}
    columns = [(arrived + delay).label("t"), arrived.label(role), *[e.label(r) for r, e in picked.items()]]
    if delay:
        columns.append((arrived + delay).label("deadline_ms"))
    where = [*filters_of(relation, dialect, types, items), dialect.near(raw, kind, *arrivals)]
    if labels is None:
        return select(*columns).select_from(items).where(*where).subquery("rows_")
    partner = source_of(labels, "labels_")
    label_role = next((r for r in ("stored_at", "labeled_at") if r in labels.columns), None)
    if label_role:
        known = dialect.epoch_ms(column_of(partner, labels, label_role), types[labels.name][labels.columns[label_role]])
        first = func.min(case((known <= at_ms, known), else_=None))
    else:  # labels without times: known since ever
        first = func.min(case((column_of(partner, labels, "item").is_not(None), 0), else_=None))
    has_label = [column_of(partner, labels, "label").is_not(None)]
    on = and_(
        same_item(dialect, types, (items, relation), (partner, labels)),
        *filters_of(labels, dialect, types, partner),
        *has_label,
    )
    group = [column_of(items, relation, "item"), raw, *picked.values()]
    return (
        select(*columns, first.label("first_label_ms"))
        .select_from(items.outerjoin(partner, on))
        .where(*where)
        .group_by(*group)
        .subquery("rows_")
    )


def _settled(series: Series, dialect: Dialect, types: Types, span: Span, at_ms: int) -> Subquery:
    """One row per item that settles."""
    ratings, wanted = ratings_of(series, dialect, types, span, at_ms)
    return (
        select(
            ratings.c.t,
            ratings.c.item,
            ratings.c.first.label("first_label_ms"),
            ratings.c.t.label("settled_ms"),
            func.count().label("ratings"),
            func.count(ratings.c.label.distinct()).label("classes"),
            item_fold(ratings.c.item).label("fold"),
            *[func.min(ratings.c[f"r_{r}"]).label(r) for r in wanted],
        )
        .where(ratings.c.place == 1)
        .group_by(ratings.c.item, ratings.c.first, ratings.c.t)
        .subquery("rows_")
    )


def _pairs(series: Series, dialect: Dialect, types: Types, span: Span, at_ms: int) -> Subquery:
    """One row per pair of annotators of an item that settles, each pair once."""
    ratings, wanted = ratings_of(series, dialect, types, span, at_ms)
    counted = [ratings.c.place == 1]
    numbers: list[ColumnElement[Any]] = []
    if "label_number" in wanted:  # a rating that is no number is none
        counted.append(ratings.c.r_label_number.is_not(None))
        numbers.append(func.min(ratings.c.r_label_number).label("number"))
    # There is one row per item and annotator already: the GROUP BY tells SQLite how many rows to expect, without
    # which it compares every rating with every other (20,000 ratings: over a minute against half a second).
    rated = (
        select(
            ratings.c.item,
            ratings.c.annotator,
            func.min(ratings.c.label).label("label"),
            func.min(ratings.c.t).label("t"),
            *numbers,
        )
        .where(*counted)
        .group_by(ratings.c.item, ratings.c.annotator)
        .cte("lm_rated")
    )
    sizes = select(rated.c.item, func.count().label("ratings")).group_by(rated.c.item).cte("lm_sizes")
    one, other = rated.alias("one"), rated.alias("other")
    pairs = one.join(other, and_(one.c.item == other.c.item, one.c.annotator < other.c.annotator))
    return (
        select(
            one.c.t,
            one.c.item,
            cast(item_fold(one.c.item), Text).label("fold"),
            cast(sizes.c.ratings, Text).label("ratings"),
            one.c.annotator,
            other.c.annotator.label("other_annotator"),
            one.c.label,
            other.c.label.label("other_label"),
            *([one.c.number.label("label_number"), other.c.number.label("other_number")] if numbers else []),
        )
        .select_from(pairs.join(sizes, one.c.item == sizes.c.item))
        .subquery("rows_")
    )


def _with_quantiles(series: Series, view: _View, conditions: list[ColumnElement[bool]], span: Span) -> Select[Any]:
    """Order statistics in the store: rank, then weigh the two neighbours of (n - 1) q (type 7)."""
    values = {name: c.expression(view) for name, c in series.counts.items()}
    ranks = [
        func.row_number().over(order_by=values[name]).label(f"{name}_rank")
        for name, c in series.counts.items()
        if c.quantiles
    ]
    ranked = (
        select(*[e.label(name) for name, e in values.items()], *ranks, func.count().over().label("n"))
        .where(*conditions)
        .subquery("ranked")
    )
    columns: list[ColumnElement[Any]] = []
    for name, counted in series.counts.items():
        if not counted.quantiles:
            columns.append(getattr(func, counted.op.value)(ranked.c[name]).label(name))
            continue
        below = ranked.c[f"{name}_rank"] - 1
        for q in counted.quantiles:
            place = (ranked.c.n - 1) * literal(q)
            weight = case(
                (and_(below <= place, below + 1 > place), below + 1 - place),
                (and_(below > place, below - 1 <= place), place - (below - 1)),
                else_=0.0,
            )
            columns.append(func.sum(ranked.c[name] * weight).label(quantile_column(name, q)))
    return select(literal(span.start_ms, BigInteger).label(BUCKET), func.count().label(ROWS), *columns)


def _value(series: Series, name: str, view: _View) -> ColumnElement[Any]:
    """What a counted column adds up: a condition counts as 1 or 0."""
    value = series.counts[name].expression(view)
    return case((value, 1), else_=0) if isinstance(value.type, Boolean) else value


def _key(series: Series, key: str, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """A key as it is grouped: unknown is '', and classes that nobody declared fold into `other` in the store."""
    known = func.coalesce(value, literal_column("''"))
    if key.removeprefix(PARTNER) in CLASS_ROLES and series.classes:
        return case((known.in_(series.classes), known), else_=literal_column(f"'{OTHER}'"))
    return known
