"""The statements: SELECT keys, sums FROM rows of a span GROUP BY bucket, keys, pushed down into the store.

Each is built in two steps. An inner query turns the relation into rows of roles (text, milliseconds, numbers),
kept to the span by a condition an index can use; the outer one decides exactly and counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnClause,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    text,
)

from labelmon.check import Deadline, Event, Item, Snapshot, quantile_column
from labelmon.counts import BUCKET, OTHER, ROWS
from labelmon.model import Relation
from labelmon.roles import RELATIONS, Kind
from labelmon.stores.dialects import Dialect
from labelmon.stores.series import Series, Span, roles_read

CLASS_ROLES = frozenset({"label", "truth", "predicted", "corrected_label", "expected_class"})
YEAR_2000_MS = 946_684_800_000

Types = Mapping[str, Mapping[str, str]]  # relation name -> column -> engine type


def statement(series: Series, dialect: Dialect, types: Types, span: Span, at_ms: int) -> Select[Any]:
    """The counts of `series` over `span`, as of `at_ms`: rows after it do not exist.

    Returns rows of (bucket start in milliseconds, *keys, *columns in the order of `series.ops`).
    """
    rows = _rows(series, dialect, types, span, at_ms)
    check = series.check
    view = _View(rows, at_ms)
    conditions = [rows.c.t >= span.start_ms, rows.c.t < span.end_ms, rows.c.t <= at_ms]
    if check.where is not None:
        conditions.append(check.where(view))
    conditions += [rows.c[key] == value for key, value in series.scope.items()]
    width = span.width * 1000 if span.width else None
    bucket: ColumnElement[Any] = rows.c.t - rows.c.t % width if width else literal(span.start_ms, BigInteger)
    keys = [_key(series, key, rows.c[key]).label(key) for key in series.keys]
    if any(c.quantiles for c in check.counts.values()):
        return _with_quantiles(series, view, conditions, span)
    sums = [_aggregate(series, name, view).label(name) for name in check.counts]
    picked = select(bucket.label(BUCKET), *keys, func.count().label(ROWS), *sums)
    return picked.where(*conditions).group_by(
        *([bucket] if width else []), *[_key(series, k, rows.c[k]) for k in series.keys]
    )


def earliest_statement(series: Series, dialect: Dialect, types: Types, relation: Relation, at_ms: int) -> Select[Any]:
    """The instant (ms) of the relation's earliest row under the dataset's filter, within [2000, at]."""
    role = _instant_role(series, relation)
    source = _source(relation)
    instant = dialect.epoch_ms(column_of(source, relation, role), types[relation.name][relation.columns[role]])
    return (
        select(func.min(instant))
        .select_from(source)
        .where(*_filters(relation, dialect, types, source), instant >= YEAR_2000_MS, instant <= at_ms)
    )


def _instant_role(series: Series, relation: Relation) -> str:
    if relation is series.labels or isinstance(series.check.time, Item):
        return "stored_at" if "stored_at" in relation.columns and series.check.needs_labels else "labeled_at"
    match series.check.time:
        case Event(instant=role) | Deadline(start=role) | Snapshot(since=role):
            return role
        case _:
            raise AssertionError("every time kind names its instant")


class _View:
    """A check's row over the inner query."""

    def __init__(self, rows: Subquery, at_ms: int) -> None:
        self._rows, self._at_ms = rows, at_ms

    def __getattr__(self, role: str) -> ColumnElement[Any]:
        if role == "at_ms":
            return literal(self._at_ms, BigInteger)
        return self._rows.c[role]


def _rows(series: Series, dialect: Dialect, types: Types, span: Span, at_ms: int) -> Subquery:
    """The inner query: `t` (the instant that decides the bucket, ms) and the roles the check reads."""
    wanted = tuple(dict.fromkeys((*roles_read(series.check), *series.keys, *series.scope)))
    match series.check.time:
        case Event(instant=role):
            relation = series.relation
            source = _source(relation)
            picked = {r: _role(relation, dialect, types, source, r) for r in wanted}
            raw = column_of(source, relation, role)
            kind = types[relation.name][relation.columns[role]]
            return (
                select(dialect.epoch_ms(raw, kind).label("t"), *[e.label(r) for r, e in picked.items()])
                .select_from(source)
                .where(
                    *_filters(relation, dialect, types, source),
                    dialect.near(raw, kind, span.start_ms, span.end_ms),
                )
                .subquery("rows_")
            )
        case Deadline(start=role):
            delay = round((series.within or 0.0) * 1000)
            return _items(series, dialect, types, (span.start_ms - delay, span.end_ms - delay), at_ms, role, delay)
        case Snapshot(since=role):
            return _items(series, dialect, types, (YEAR_2000_MS, at_ms + 1), at_ms, role, 0)
        case Item():
            return _settled(series, dialect, types, span, at_ms)


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
    items = _source(relation)
    raw = column_of(items, relation, role)
    kind = types[relation.name][relation.columns[role]]
    arrived = dialect.epoch_ms(raw, kind)
    wanted = dict.fromkeys((*roles_read(series.check), *series.keys, *series.scope))
    picked = {r: _role(relation, dialect, types, items, r) for r in wanted if r != role}
    columns = [(arrived + delay).label("t"), arrived.label(role), *[e.label(r) for r, e in picked.items()]]
    if delay:
        columns.append((arrived + delay).label("deadline_ms"))
    where = [*_filters(relation, dialect, types, items), dialect.near(raw, kind, *arrivals)]
    if labels is None:
        return select(*columns).select_from(items).where(*where).subquery("rows_")
    partner = _source(labels, "labels_")
    label_role = next((r for r in ("stored_at", "labeled_at") if r in labels.columns), None)
    if label_role:
        known = dialect.epoch_ms(column_of(partner, labels, label_role), types[labels.name][labels.columns[label_role]])
        first = func.min(case((known <= at_ms, known), else_=None))
    else:  # labels without times: known since ever
        first = func.min(case((column_of(partner, labels, "item").is_not(None), 0), else_=None))
    has_label = [column_of(partner, labels, "label").is_not(None)]
    on = and_(
        _same(dialect, types, (items, relation), (partner, labels)),
        *_filters(labels, dialect, types, partner),
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
    """One row per item that settles: at its `overlap`-th distinct annotator, or `settle` after its first label.

    All labels known at that moment count, of each annotator the last; older labels of touched items included.
    """
    relation = series.relation
    settle, source = round(series.settle * 1000), _source(relation)
    raw = column_of(source, relation, "labeled_at")
    kind = types[relation.name][relation.columns["labeled_at"]]
    item_raw = column_of(source, relation, "item")
    touched = (
        select(item_raw)
        .select_from(source)
        .where(
            *_filters(relation, dialect, types, source),
            dialect.near(raw, kind, span.start_ms - settle, span.end_ms),
        )
    )
    wanted = [r for r in dict.fromkeys((*roles_read(series.check), *series.keys)) if r not in ("item", "label")]
    instant = dialect.epoch_ms(raw, kind)
    known = (
        select(
            instant.label("at"),
            _role(relation, dialect, types, source, "item").label("item"),
            _role(relation, dialect, types, source, "annotator").label("annotator"),
            _role(relation, dialect, types, source, "label").label("label"),
            *[_role(relation, dialect, types, source, r).label(f"r_{r}") for r in wanted],
        )
        .select_from(source)
        .where(
            *_filters(relation, dialect, types, source),
            item_raw.in_(touched),
            instant <= at_ms,
            column_of(source, relation, "label").is_not(None),
            column_of(source, relation, "annotator").is_not(None),
        )
        .cte("known")
    )
    firsts = (
        select(known.c.item, known.c.annotator, func.min(known.c.at).label("at"))
        .group_by(known.c.item, known.c.annotator)
        .cte("firsts")
    )
    place = func.row_number().over(partition_by=firsts.c.item, order_by=(firsts.c.at, firsts.c.annotator))
    ranked = select(firsts.c.item, firsts.c.at, place.label("place")).cte("ranked")
    first, full = (
        func.min(ranked.c.at),
        func.min(case((ranked.c.place == series.overlap, ranked.c.at), else_=None)),
    )
    settled_ms = case((full < first + settle, full), else_=first + settle)
    settled = select(ranked.c.item, first.label("first"), settled_ms.label("t")).group_by(ranked.c.item).cte("settled")
    latest = func.row_number().over(
        partition_by=(known.c.item, known.c.annotator), order_by=(known.c.at.desc(), known.c.label)
    )
    ratings = (
        select(*known.c, settled.c.first, settled.c.t, latest.label("place"))
        .select_from(known.join(settled, known.c.item == settled.c.item))
        .where(known.c.at <= settled.c.t)
        .cte("ratings")
    )
    return (
        select(
            ratings.c.t,
            ratings.c.item,
            ratings.c.first.label("first_label_ms"),
            ratings.c.t.label("settled_ms"),
            func.count().label("ratings"),
            func.count(ratings.c.label.distinct()).label("classes"),
            *[func.min(ratings.c[f"r_{r}"]).label(r) for r in wanted],
        )
        .where(ratings.c.place == 1)
        .group_by(ratings.c.item, ratings.c.first, ratings.c.t)
        .subquery("rows_")
    )


def _with_quantiles(series: Series, view: _View, conditions: list[ColumnElement[bool]], span: Span) -> Select[Any]:
    """Order statistics in the store: rank, then weigh the two neighbours of (n - 1) q (type 7)."""
    check = series.check
    values = {name: c.expression(view) for name, c in check.counts.items()}
    ranks = [
        func.row_number().over(order_by=values[name]).label(f"{name}_rank")
        for name, c in check.counts.items()
        if c.quantiles
    ]
    ranked = (
        select(*[e.label(name) for name, e in values.items()], *ranks, func.count().over().label("n"))
        .where(*conditions)
        .subquery("ranked")
    )
    columns: list[ColumnElement[Any]] = []
    for name, counted in check.counts.items():
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


def _aggregate(series: Series, name: str, view: _View) -> ColumnElement[Any]:
    counted = series.check.counts[name]
    value = counted.expression(view)
    if isinstance(value.type, Boolean):
        value = case((value, 1), else_=0)
    return getattr(func, counted.op.value)(value)  # type: ignore[no-any-return]


def _key(series: Series, key: str, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """A key as it is grouped: unknown is '', and classes that nobody declared fold into `other` in the store."""
    known = func.coalesce(value, literal_column("''"))
    if key in CLASS_ROLES and series.classes:
        return case((known.in_(series.classes), known), else_=literal_column(f"'{OTHER}'"))
    return known


def _source(relation: Relation, alias: str = "source") -> FromClause:
    names = dict.fromkeys((*relation.columns.values(), *relation.where))
    columns: list[ColumnClause[Any]] = [column(name) for name in names]
    if relation.query:
        return text(relation.query.strip().rstrip(";")).columns(*columns).subquery(alias)
    schema, _, name = relation.table.rpartition(".")
    return table(name, *columns, schema=schema or None).alias(alias)


def column_of(source: FromClause, relation: Relation, role: str) -> ColumnElement[Any]:
    """The raw column that plays `role`."""
    return source.c[relation.columns[role]]


def _role(relation: Relation, dialect: Dialect, types: Types, source: FromClause, role: str) -> ColumnElement[Any]:
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


def _filters(relation: Relation, dialect: Dialect, types: Types, source: FromClause) -> list[ColumnElement[bool]]:
    found = []
    for name, wanted in relation.where.items():
        value = dialect.text(source.c[name], types[relation.name].get(name, ""))
        found.append(or_(*[value == one for one in wanted]))
    return found


def _same(
    dialect: Dialect, types: Types, left: tuple[FromClause, Relation], right: tuple[FromClause, Relation]
) -> ColumnElement[bool]:
    """Equality of the item ids; raw where the types agree, so that an index on them can be used."""
    sides = [
        (column_of(source, relation, "item"), types[relation.name][relation.columns["item"]])
        for source, relation in (left, right)
    ]
    (a, a_kind), (b, b_kind) = sides
    return a == b if a_kind == b_kind else dialect.text(a, a_kind) == dialect.text(b, b_kind)
