"""A dataset's past, moment by moment, out of the ledger: what its objectives and gauges were as far as cells tell.

A cell is known from its end on, so that nothing is seen before it happened. Where the ledger has compacted cells to
hours or local days, moments are as far apart, and a window shorter than a cell is one cell: the newest. A window
above a day that begins within a local day begins with the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from labelmon.buckets import bucket_width
from labelmon.cells import local_days
from labelmon.check import Check, EventSlo
from labelmon.exporter import Sample
from labelmon.ledger import Ledger, SeriesState
from labelmon.measure import Board, measure
from labelmon.model import DAY, HOUR, Dataset, scope_label
from labelmon.point import Memo, Point
from labelmon.profiles import Alerting
from labelmon.reading import Target, targets_of
from labelmon.recount import Pace, floor_to, pace_of
from labelmon.samples import measured_samples, slo_samples
from labelmon.schedule import max_age
from labelmon.stores import Series
from labelmon.timeline import Timeline, timeline

DESIGN_STANDS = 6 * HOUR  # a design effect is of the objective's whole window, and slow to make


@dataclass(frozen=True, kw_only=True)
class ByDay(Pace):
    """The pace where cells are local days: windows begin and end with them."""

    def window_end(self, now: float) -> int:
        return local_days(self.timezone)(floor_to(now - self.visibility, 1))[0]

    def window_start(self, end: int, window: int) -> int:
        return local_days(self.timezone)(end - window)[0]


@dataclass(kw_only=True)
class Past:
    """One series' history: `ends` says from when on each of its cells is known."""

    series: Series
    state: SeriesState
    line: Timeline
    ends: NDArray[np.int64] = field(init=False)
    memo: Memo = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ends = np.maximum.accumulate(self.line.starts + self.line.widths)

    def until(self, at: float) -> Timeline:
        """What was known at `at`; its version is the number of cells, so that memos hold as long as it does."""
        count = int(np.searchsorted(self.ends, at, side="right"))
        line = self.line
        return replace(
            line,
            starts=line.starts[:count],
            widths=line.widths[:count],
            codes=line.codes[:count],
            values=line.values[:count],
            lags=line.lags[:count],
            version=count,
        )


@dataclass(kw_only=True)
class Replay:
    """One dataset's past; ask for its moments in order, since profiles have a hysteresis."""

    dataset: Dataset
    alerting: Alerting
    pace: Pace
    targets: tuple[Target, ...]
    pasts: dict[str, Past]
    missing: dict[str, str]  # check -> why nothing of it is replayed
    off: dict[str, str]  # check -> why it does not run
    profiles: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def reach(self) -> int | None:
        """From when on the ledger knows anything; None if it knows nothing."""
        starts = [past.state.history_start for past in self.pasts.values() if len(past.ends)]
        return min((start for start in starts if start is not None), default=None)

    def _until(self, border: str) -> int:
        """Up to when windows below a day reach into the cells before `border`, a watermark of the ledger."""
        latest = max((getattr(p.state, border) or 0 for p in self.pasts.values() if not p.series.part), default=0)
        return latest + DAY if latest else 0

    def moments(self, since: float, until: float, step: float) -> Iterator[float]:
        """When to look in [since, until]: `step` seconds apart, or as far as the cells are wide where that is more.

        Each moment lies `visibility` after a border of cells, so that the newest cell before it counts.
        """
        end = floor_to(since - self.pace.visibility, self.pace.bucket)
        while end + self.pace.visibility <= until:
            if end + self.pace.visibility >= since:
                yield end + self.pace.visibility
            grain = self.grain(end + self.pace.visibility)
            if grain == DAY:
                start, width = local_days(self.pace.timezone)(end)
                end = start + width
            else:
                width = multiple(grain, step)
                end = floor_to(end, width) + width

    def grain(self, at: float) -> int:
        """Seconds of the cells that windows which end around `at` are made of."""
        end = at - self.pace.visibility
        if end < self._until("daily_before"):
            return DAY
        return self.pace.coarse if end < self._until("coarse_before") else self.pace.bucket

    def look(self, at: float) -> tuple[Board, list[Sample]]:
        """Where objectives stood at `at`, and the samples of gauges: value, interval, observations, objective."""
        points, sampled = [], {}
        for target in self.targets:
            past = self.pasts.get(target.series.name)
            point = None if past is None else self._point(target, past, at)
            if point is not None:
                points.append(point)
                if not point.series.part:
                    sampled[point.check.name] = point.sampled_at or at
        board = measure(self.dataset, points, at, self.alerting)
        for status in board.slos:
            self.profiles[status.check, status.scope_label] = status.judged_by
        checks = {point.check.name: point.check for point in points}
        samples = [
            sample
            for m in board.measurements
            if not isinstance(checks[m.check].slo, EventSlo)
            for sample in measured_samples(m, checks[m.check], sampled.get(m.check, at))
        ]
        for status in board.slos:
            if not isinstance(checks[status.check].slo, EventSlo):
                samples += slo_samples(status, checks[status.check])
        return board, samples

    def _point(self, target: Target, past: Past, at: float) -> Point | None:
        """The target as of `at`; None before its history, and where its last sample had expired by then."""
        line, began = past.until(at), past.state.history_start
        if began is None or began > at:
            return None
        sampled_at = at
        if target.series.is_snapshot:
            newest = line.newest
            if newest is None or at - newest > max_age(self.dataset) + self.pace.visibility:
                return None
            sampled_at = float(newest)
        check = target.check
        return Point(
            check=check,
            objective=target.objective,
            line=line,
            history=began,
            failure="",
            sampled_at=sampled_at,
            judged_by=self.profiles.get((check.name, scope_label(target.objective.scope)), ""),
            series=target.series,
            pace=self._pace(target.series, at),
            keys_scope=target.keys_scope,
            narrowed=target.narrowed,
            # Of an event check only the objective is asked for; an effect of its sample's design is an estimate.
            estimated=not isinstance(check.slo, EventSlo) or bool(check.slo.design_effect),
            rest=DESIGN_STANDS if isinstance(check.slo, EventSlo) and not target.series.part else 0,
            memo=past.memo,
        )

    def _pace(self, series: Series, at: float) -> Pace:
        grain = self.grain(at)
        if grain == DAY and not series.part:
            return ByDay(**vars(self.pace))
        width = max(series.grain or 0, grain, self.pace.bucket)
        return replace(self.pace, bucket=width, coarse=max(width, self.pace.coarse))


def replay_of(dataset: Dataset, catalogue: Sequence[Check], ledger: Ledger, alerting: Alerting) -> Replay:
    """All that the ledger holds of a dataset for the checks of `catalogue` that have alerts."""
    targets, off = targets_of(dataset, catalogue)
    targets = [target for target in targets if _asked(target)]
    bucket = bucket_width(alerting.shortest_window)
    windows = [t.objective.window for t in targets if t.objective.window is not None]
    windows += [w for profile in alerting.profiles for w in profile.windows]
    pasts: dict[str, Past] = {}
    missing: dict[str, str] = {}
    for target in targets:
        series = target.series
        if series.name in pasts:
            continue
        state = ledger.known(dataset.name, series.name, series.definition)
        line = None if state is None else timeline(series.keys, series.ops, ledger.cells(state.id))
        if state is None or line is None or not len(line.starts):
            if not series.part:
                missing[target.check.name] = _why_missing(series)
            continue
        pasts[series.name] = Past(series=series, state=state, line=line)
    return Replay(
        dataset=dataset,
        alerting=alerting,
        pace=pace_of(dataset, bucket, windows),
        targets=tuple(targets),
        pasts=pasts,
        missing=missing,
        off=dict(off),
    )


def _asked(target: Target) -> bool:
    """Whether alerts need the series; of an event check's parts only what may speak of its sample's design."""
    slo = target.check.slo
    if isinstance(slo, EventSlo):
        return not target.series.part or bool(slo.design_effect)
    return bool(slo.thresholds)


def _why_missing(series: Series) -> str:
    if series.is_snapshot:
        return "a state as of each moment: only a running daemon keeps it, and the ledger holds no sample of it"
    return "the ledger holds no count of it as it is configured now; run labelmon backfill"


def multiple(width: int, step: float) -> int:
    """The least multiple of `width` that is not below `step`."""
    return width * max(1, -int(-step // width))
