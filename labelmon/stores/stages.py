"""How long items take from stage to stage: one row per item and stage that it has begun, by duration."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Integer, Subquery, Text, and_, case, func, literal_column, select, union_all

from labelmon.bins import BINS, EDGES_MS, SKEWED, bin_name
from labelmon.check import Stages
from labelmon.model import Relation
from labelmon.stores.dialects import Dialect
from labelmon.stores.rows import Types, column_of, filters_of, role_of, same_item, source_of
from labelmon.stores.series import Series

# What happens to an item, in order: (stage that it ends, relation, role).
_MILESTONES = (
    ("arrived", "items", "arrived_at"),
    ("queued", "items", "queued_at"),
    ("started", "labels", "started_at"),
    ("labelled", "labels", "labeled_at"),
    ("stored", "labels", "stored_at"),
    ("validated", "validations", "checked_at"),
)
_NO_LABEL_YET = {"started"}  # counts before its row has a label


def stages_of(series: Series) -> dict[str, tuple[str, str]]:
    """(begin, end) of each stage as milestones, by its name; '' is the whole way from arrival to a label.

    A label is there once it is stored, where that is known, as for every other check. A stage begins with the
    last milestone before its end that is mapped; validation begins with the label, stored or not.
    """
    mapped = {r.name: r.columns for r in series.relations}
    there = [name for name, relation, role in _MILESTONES if role in mapped.get(relation, {})]
    found = {"": ("arrived", "stored" if "stored" in there else "labelled")}
    for before, after in pairwise(there):
        begin = "labelled" if after == "validated" and "labelled" in there else before
        if (begin, after) != found[""]:
            found[after] = (begin, after)
    return found


def stage_rows(series: Series, dialect: Dialect, types: Types, at_ms: int) -> Subquery:
    """Rows of `t` (arrival), `step` (stage), `bin` (of the duration so far) and `until_ms` (NULL while it lasts).

    Of several labels or validations of an item the first counts. What comes after `at_ms` has not happened; an
    item whose stage's begin is not known is not in that stage.
    """
    times = _milestones(series, dialect, types, at_ms)
    chosen = stages_of(series)
    names = union_all(*[select(literal_column(f"'{name}'", Text).label("step")) for name in chosen]).subquery("steps")
    ends = {name: (times.c[begin], times.c[end]) for name, (begin, end) in chosen.items()}
    since = case(*[(names.c.step == literal_column(f"'{n}'"), begin) for n, (begin, _) in ends.items()], else_=None)
    until = case(*[(names.c.step == literal_column(f"'{n}'"), end) for n, (_, end) in ends.items()], else_=None)
    now = literal_column(str(at_ms), times.c.arrived.type)
    # `1 = 1`: a cross join that every engine takes and no linter of SQLAlchemy's suspects.
    spread = (
        select(
            times.c.arrived.label("t"),
            names.c.step.label("step"),
            until.label("until_ms"),
            (func.coalesce(until, now) - since).label("lasted"),
        )
        .select_from(times.join(names, literal_column("1=1")))
        .where(since.is_not(None))
        .subquery("spread")
    )
    return select(spread.c.t, spread.c.step, spread.c.until_ms, _bin(spread.c.lasted).label("bin")).subquery("rows_")


def _milestones(series: Series, dialect: Dialect, types: Types, at_ms: int) -> Subquery:
    """One row per item that arrived of late: when it first came to each milestone, in ms."""
    time = series.time
    if not isinstance(time, Stages) or series.labels is None:
        raise AssertionError("stages are those of items and their labels")
    items = source_of(series.relation)
    arrived = role_of(series.relation, dialect, types, items, "arrived_at")
    raw = column_of(items, series.relation, "arrived_at")
    kind = types[series.relation.name][series.relation.columns["arrived_at"]]
    group: list[ColumnElement[Any]] = [column_of(items, series.relation, "item"), raw]
    columns: list[ColumnElement[Any]] = [arrived.label("arrived")]
    if "queued_at" in series.relation.columns:
        queued = role_of(series.relation, dialect, types, items, "queued_at")
        columns.append(case((queued <= at_ms, queued), else_=None).label("queued"))
        group.append(column_of(items, series.relation, "queued_at"))
    joined: Any = items
    for relation in filter(None, (series.labels, series.partner)):
        source = source_of(relation, f"{relation.name}_")
        joined = joined.outerjoin(
            source,
            and_(
                same_item(dialect, types, (items, series.relation), (source, relation)),
                *filters_of(relation, dialect, types, source),
            ),
        )
        columns += [
            _first(series, relation, role, dialect, types, source, at_ms).label(name)
            for name, of, role in _MILESTONES
            if of == relation.name and role in relation.columns
        ]
    start_ms = at_ms - time.reach * 1000
    return (
        select(*columns)
        .select_from(joined)
        .where(
            *filters_of(series.relation, dialect, types, items),
            dialect.near(raw, kind, start_ms, at_ms + 1),
            arrived >= start_ms,
            arrived <= at_ms,
        )
        .group_by(*group)
        .subquery("times")
    )


def _first(
    series: Series, relation: Relation, role: str, dialect: Dialect, types: Types, source: Any, at_ms: int
) -> ColumnElement[int]:
    """The first instant of `role` among an item's rows, up to now."""
    instant = role_of(relation, dialect, types, source, role)
    counts = [instant <= at_ms]
    name = next(n for n, of, r in _MILESTONES if (of, r) == (relation.name, role))
    if relation is series.labels and name not in _NO_LABEL_YET:
        counts.append(column_of(source, relation, "label").is_not(None))
    return func.min(case((and_(*counts), instant), else_=None))


def _bin(lasted: ColumnElement[int]) -> ColumnElement[str]:
    """The bin of a duration by halving: eight comparisons, and no engine's logarithm decides."""

    def among(low: int, high: int) -> ColumnElement[str]:
        if high - low == 1:
            return literal_column(f"'{bin_name(low)}'", Text)
        middle = (low + high) // 2
        return case(
            (lasted < literal_column(str(EDGES_MS[middle]), Integer), among(low, middle)), else_=among(middle, high)
        )

    return case((lasted < literal_column("0", Integer), literal_column(f"'{SKEWED}'", Text)), else_=among(0, BINS))
