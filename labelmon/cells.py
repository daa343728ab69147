"""A cell: the counts of one bucket and one combination of keys, as the ledger keeps it; and how cells compact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from labelmon.counts import BUCKET, Counts, Op

Values = tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Counts of [start, start + width) seconds under `keys`; `values` in the order of the series' columns.

    `lag` is how long after the bucket's end its first row became visible, in seconds; None where nobody
    watched (a first start, a backfill). Of a state it is how long after the bucket's end it was sampled: before it, so
    at most 0.
    """

    start: int
    width: int
    keys: tuple[str, ...]
    values: Values
    lag: float | None = None


def cells_of(counts: Counts, width: int, lag_at: float | None = None) -> list[Cell]:
    """The cells of bucketed counts; `bucket` is in milliseconds. `lag_at` is the moment they were first seen."""
    keys = [key for key in counts.keys if key != BUCKET]
    found = []
    for record in counts.frame[[BUCKET, *keys, *counts.ops]].itertuples(index=False, name=None):
        start = int(record[0]) // 1000
        values = tuple(None if value != value else float(value) for value in record[1 + len(keys) :])  # noqa: PLR0124  NaN
        lag = None if lag_at is None else max(0.0, lag_at - start - width)
        found.append(
            Cell(
                start=start,
                width=width,
                keys=tuple(map(str, record[1 : 1 + len(keys)])),
                values=values,
                lag=lag,
            )
        )
    return found


def nothing(keys: int, ops: Sequence[Op]) -> Cell:
    """A cell of a state with no rows, under `keys` empty keys; where and when are for the caller to say."""
    return Cell(start=0, width=0, keys=("",) * keys, values=tuple(0.0 if op is Op.SUM else None for op in ops))


def merge_values(ops: Sequence[Op], left: Values, right: Values) -> Values:
    """Two rows of values as one; of LAST columns the right one counts."""
    return tuple(_merge(op, a, b) for op, a, b in zip(ops, left, right, strict=True))


def compact(
    cells: Iterable[Cell], ops: Sequence[Op], bounds: Callable[[int], tuple[int, int]], *, snapshot: bool
) -> list[Cell]:
    """Cells merged into the larger buckets that `bounds(start)` -> (start, width) names.

    Of a snapshot the last sample wins: states are not added up.
    """
    merged: dict[tuple[int, tuple[str, ...]], Cell] = {}
    last: dict[int, int] = {}
    for cell in sorted(cells, key=lambda cell: (cell.start, cell.keys)):
        start, width = bounds(cell.start)
        slot = (start, cell.keys)
        if snapshot:
            if last.get(start, cell.start) != cell.start:  # a later sample of the bucket replaces all of the earlier
                for old in [key for key in merged if key[0] == start]:
                    del merged[old]
            last[start] = cell.start
            later = cell.start + cell.width - start - width
            merged[slot] = replace(cell, start=start, width=width, lag=None if cell.lag is None else cell.lag + later)
            continue
        known = merged.get(slot)
        merged[slot] = replace(
            cell,
            start=start,
            width=width,
            values=cell.values if known is None else merge_values(ops, known.values, cell.values),
            lag=cell.lag if known is None else _least(known.lag, cell.lag),
        )
    return list(merged.values())


def grid(width: int) -> Callable[[int], tuple[int, int]]:
    """Buckets of `width` seconds aligned to UTC."""
    return lambda start: (start - start % width, width)


def local_days(timezone: str) -> Callable[[int], tuple[int, int]]:
    """The local days of a time zone: 23 or 25 hours long when clocks change."""
    zone = ZoneInfo(timezone)

    def bounds(start: int) -> tuple[int, int]:
        day = datetime.fromtimestamp(start, zone).date()
        edges = [int(datetime(d.year, d.month, d.day, tzinfo=zone).timestamp()) for d in (day, day + timedelta(days=1))]
        return edges[0], edges[1] - edges[0]

    return bounds


def coarse_width(timezone: str) -> int:
    """Seconds of the ledger's coarse buckets: an hour, or 15 minutes in zones with part-hour offsets."""
    zone = ZoneInfo(timezone)
    offsets = (datetime(2026, month, 1, tzinfo=UTC).astimezone(zone).utcoffset() for month in range(1, 13))
    whole = all(offset is not None and offset.total_seconds() % 3600 == 0 for offset in offsets)
    return 3600 if whole else 900


def totals(cells: Iterable[Cell]) -> Mapping[int, list[float]]:
    """Per bucket start, the sums of all columns over keys (for comparing, so min and max are added too)."""
    found: dict[int, list[float]] = {}
    for cell in cells:
        row = found.setdefault(cell.start, [0.0] * len(cell.values))
        for index, value in enumerate(cell.values):
            row[index] += value or 0.0
    return found


def _merge(op: Op, a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return b if a is None else a
    match op:
        case Op.SUM:
            return a + b
        case Op.MIN:
            return min(a, b)
        case Op.MAX:
            return max(a, b)
        case Op.LAST:
            return b


def _least(a: float | None, b: float | None) -> float | None:
    known = [value for value in (a, b) if value is not None]
    return min(known) if known else None
