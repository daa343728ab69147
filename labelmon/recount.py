"""When to count again, how far back, and what of the old counts to keep. Pure: no store, no clock.

Hot: every cycle recounts [hot - tail, now], tail = max(2 buckets, visibility). A row that becomes visible
within `visibility` of its instant first shows at a cycle c whose predecessor `hot` was before that moment, so
its instant is after hot - visibility: it is never missed, and windows that end at now - visibility never see
it half-arrived.

Full: [full - lateness - 1 bucket, now], every `recount_interval` and first after every start. `full` only
moves with a committed full recount, so downtime of any length is covered. (Counting from now - lateness after
a restart would leave out what arrived late while the daemon was down.)

All: the whole store at first, later the longest objective window: the reconcile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from labelmon.cells import Cell, coarse_width, compact, grid, local_days, totals
from labelmon.counts import ROWS, Op
from labelmon.ledger import SeriesState
from labelmon.model import DAY, HOUR, Dataset


class Reach(StrEnum):
    """How far back a recount goes."""

    HOT = "hot"
    FULL = "full"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The times that rule a dataset's ledger, in seconds."""

    bucket: int
    coarse: int
    lateness: int
    visibility: float
    recount_interval: float
    reconcile_interval: float
    longest: int
    timezone: str

    def window_end(self, now: float) -> int:
        """Where every window ends: whole buckets that had `visibility` to become visible."""
        return floor_to(now - self.visibility, self.bucket)

    def window_start(self, end: int, window: int) -> int:
        """Where a window begins: exact below a day, else on the coarse grid that older cells are kept in."""
        return floor_to(end - window, self.coarse if window >= DAY else self.bucket)

    def coarse_before(self, now: float) -> int:
        """Cells before this are kept coarse: older than `lateness`, and than any window that is exact."""
        return floor_to(now - max(self.lateness, DAY + HOUR) - self.visibility, self.coarse)

    def daily_before(self, now: float) -> int:
        """Cells before this are kept as local days: no window reaches them."""
        day, _ = local_days(self.timezone)(int(now) - self.longest - 2 * DAY)
        return floor_to(day, self.coarse)


def pace_of(dataset: Dataset, bucket: int, windows: Iterable[int]) -> Pace:
    """The pace of a dataset whose longest window, of objectives and alerts, is the longest of `windows`."""
    visibility = 2.0 * bucket if dataset.visibility is None else dataset.visibility
    longest = max([HOUR, *windows])
    recount = dataset.recount_interval
    return Pace(
        bucket=bucket,
        coarse=coarse_width(dataset.timezone),
        lateness=dataset.lateness,
        visibility=visibility,
        recount_interval=max(900.0, dataset.lateness / 48) if recount is None else recount,
        reconcile_interval=dataset.reconcile_interval,
        longest=longest,
        timezone=dataset.timezone,
    )


def reach_due(state: SeriesState, now: float, pace: Pace, *, just_started: bool) -> Reach:
    """How far back this cycle must count."""
    if state.full is None or state.reconciled is None or now - state.reconciled >= pace.reconcile_interval:
        return Reach.ALL
    if just_started or now - state.full >= pace.recount_interval:
        return Reach.FULL
    return Reach.HOT


def recount_from(reach: Reach, state: SeriesState, now: float, pace: Pace) -> int | None:
    """The first second to count; None stands for the store's earliest row."""
    match reach:
        case Reach.HOT:
            hot = min(now, state.hot if state.hot is not None else now)
            return floor_to(hot - max(2 * pace.bucket, pace.visibility), pace.bucket)
        case Reach.FULL:
            full = min(now, state.full if state.full is not None else now)
            return floor_to(full - pace.lateness - pace.bucket, pace.bucket)
        case Reach.ALL if state.full is None:
            return None
        case Reach.ALL:
            start = floor_to(now - pace.longest, pace.coarse) - pace.coarse
            return max(start, state.daily_before or 0)


def spans(start: int, now: float, pace: Pace, coarse_before: int) -> list[tuple[int, int, int]]:
    """(start, end, width) of what to count to cover [start, now]: coarse before `coarse_before`, fine after."""
    end = floor_to(now, pace.bucket) + pace.bucket
    if start >= coarse_before:
        return [(start, end, pace.bucket)]
    return [(floor_to(start, pace.coarse), coarse_before, pace.coarse), (coarse_before, end, pace.bucket)]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The cells from the recounted start on, and what became of the old ones."""

    cells: list[Cell]
    drop: list[Cell]
    put: list[Cell]
    held: bool
    corrected: float
    kept: int


def settle_cells(
    old: Sequence[Cell],
    new: Sequence[Cell],
    *,
    ops: dict[str, Op],
    joined: bool,
    protected_until: Callable[[], int | None],
    old_before: float | None,
    was_held: bool,
) -> Outcome:
    """Which cells stand after a recount: the new ones, but what only retention took away stays.

    A bucket whose rows became fewer (for joined counts: any sum) is kept as it was if it starts at or before
    `protected_until()`, the instant of the store's earliest row; None means everything is protected (an empty
    relation). A reconcile passes `old_before`: if what lies before it would lose more than half of its rows,
    those cuts are held, unless they were held the last time too.
    """
    names = list(ops)
    rows = names.index(ROWS)
    # A relabel leaves the rows and changes the good ones; of a join, purged partners look the same.
    sums = [i for i, name in enumerate(names) if ops[name] is Op.SUM] if joined else [rows]
    before, after = totals(old), totals(new)
    nothing = [0.0] * len(names)
    lowered = [s for s, row in before.items() if any(after.get(s, nothing)[i] < row[i] for i in sums)]
    keep: set[int] = set()
    if lowered:
        limit = protected_until()
        keep = {start for start in lowered if limit is None or start <= limit}
    held = False
    if old_before is not None:
        aged = [s for s in {*before, *after} if s < old_before and s not in keep]
        had = sum(before.get(s, nothing)[rows] for s in aged)
        has = sum(after.get(s, nothing)[rows] for s in aged)
        if has < had / 2 and not was_held:
            held = True
            keep |= {s for s in lowered if s < old_before}
    corrected = 0.0
    if old_before is not None:
        corrected = sum(
            abs(before.get(s, nothing)[rows] - after.get(s, nothing)[rows])
            for s in {*before, *after}
            if s < old_before and s not in keep
        )
    lags = {(cell.start, cell.keys): cell.lag for cell in old}
    fresh = [
        replace(cell, lag=lags[cell.start, cell.keys]) if (cell.start, cell.keys) in lags else cell
        for cell in new
        if cell.start not in keep
    ]
    cells = [*(cell for cell in old if cell.start in keep), *fresh]
    drop, put = difference(old, cells)
    return Outcome(cells=cells, drop=drop, put=put, held=held, corrected=corrected, kept=len(keep))


def difference(old: Sequence[Cell], new: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """(cells to drop, cells to put) that turn `old` into `new`; a changed cell is dropped and put."""
    before = {(cell.start, cell.keys): cell for cell in old}
    after = {(cell.start, cell.keys): cell for cell in new}
    drop = [cell for slot, cell in before.items() if after.get(slot) != cell]
    put = [cell for slot, cell in after.items() if before.get(slot) != cell]
    return drop, put


def compacted(
    cells: Sequence[Cell],
    ops: Sequence[Op],
    pace: Pace,
    coarse_before: int,
    daily_before: int,
    *,
    snapshot: bool,
) -> list[Cell]:
    """`cells` with those before the two borders in their larger buckets."""
    fine = [cell for cell in cells if cell.start >= coarse_before]
    hours = [cell for cell in cells if daily_before <= cell.start < coarse_before]
    days = [cell for cell in cells if cell.start < daily_before]
    return [
        *compact(days, ops, local_days(pace.timezone), snapshot=snapshot),
        *compact(hours, ops, grid(pace.coarse), snapshot=snapshot),
        *fine,
    ]


def floor_to(instant: float, width: int) -> int:
    """The start of the UTC-aligned bucket that holds `instant`."""
    whole = int(instant // 1)
    return whole - whole % width
