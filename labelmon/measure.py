"""From counts to what is said about them: estimates with their states, windows, budgets, profiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from labelmon.check import Check, EventSlo
from labelmon.counts import Counts
from labelmon.model import (
    DAY,
    HOUR,
    Dataset,
    Estimate,
    Measurement,
    Objective,
    SloStatus,
    State,
    scope_label,
)
from labelmon.point import Point, bounds, combined, estimates
from labelmon.profiles import Alerting
from labelmon.recount import floor_to
from labelmon.standing import event_status, gauge_status, unmeasured

COMBINED = "combined "  # no scope begins like this: a scope is key=value


@dataclass(frozen=True, kw_only=True)
class Board:
    """All measurements and objectives of a dataset at one moment."""

    measurements: tuple[Measurement, ...]
    slos: tuple[SloStatus, ...]


def measure(dataset: Dataset, points: Iterable[Point], now: float, alerting: Alerting) -> Board:
    """What the ledger says as of `now`; a point whose store failed keeps its last counts and says so."""
    listed = list(points)
    made: dict[int, list[Measurement]] = {}
    slos: dict[int, SloStatus] = {}
    effects = DesignEffects()
    # Parts first: what they say of the design of a sample goes into the estimate of the whole.
    for place, point in sorted(enumerate(listed), key=lambda found: not found[1].series.part):
        if point.sampled_at is None:
            if not point.series.part:
                slos[place] = unmeasured(dataset, point)
                made[place] = [_error(dataset, point)]
            continue
        start, end = _reach(point, now)
        effect = effects.of(point.check, point.objective)
        made[place] = _estimated(dataset, point, start, end, effect) if point.estimated else []
        effects.note(point.check, point.objective, made[place])
        if point.series.part:
            continue
        if isinstance(point.check.slo, EventSlo):
            effect = effects.of(point.check, point.objective)
            slos[place] = event_status(dataset, point, (start, end), now, alerting, effect)
        else:
            slos[place] = gauge_status(dataset, point, now)
    return Board(
        measurements=(*(m for _, found in sorted(made.items()) for m in found), *_together(dataset, listed, now)),
        slos=tuple(status for _, status in sorted(slos.items())),
    )


def _together(dataset: Dataset, points: Sequence[Point], now: float) -> list[Measurement]:
    """The estimates that need several tables of a check, for each of its objectives.

    They are made anew when a part was counted again, not with every cycle of the check's own counts.
    """
    groups: dict[tuple[str, str], dict[str, Point]] = {}
    for point in points:
        if point.check.combine and point.sampled_at is not None and point.narrowed:
            groups.setdefault((point.check.name, scope_label(point.objective.scope)), {})[point.series.part] = point
    found: list[Measurement] = []
    for (_, scope), group in groups.items():
        whole = group.get("")
        if whole is None:
            continue
        stamp = tuple((part, p.line.version, *_reach(p, now)) for part, p in sorted(group.items()) if part)
        slot = f"{COMBINED}{scope}"
        if slot not in whole.memo or whole.memo[slot][0] != stamp or not stamp:
            tables = {part: _counted(p, *_reach(p, now)).where(**p.keys_scope) for part, p in group.items()}
            made = combined(dataset, whole.check, whole.objective, tables, whole.sampled_at or now)
            whole.memo[slot] = (stamp, made)
        found += whole.memo[slot][1]
    return found


@dataclass(kw_only=True)
class DesignEffects:
    """The design effect of each objective, as the estimates of its check or of a part of it say."""

    known: dict[tuple[str, str], float] = field(default_factory=dict)

    def note(self, check: Check, objective: Objective, found: Iterable[Measurement]) -> None:
        """Remembers the effect if it is among the estimates `found`."""
        name = check.slo.design_effect if isinstance(check.slo, EventSlo) else ""
        for estimate in (m.estimate for m in found if name):
            if estimate.statistic == name and not estimate.labels and estimate.value is not None:
                self.known[check.name, scope_label(objective.scope)] = estimate.value

    def of(self, check: Check, objective: Objective) -> float | None:
        """The effect, above 0; None as long as nothing says it."""
        return self.known.get((check.name, scope_label(objective.scope)))


def _reach(point: Point, now: float) -> tuple[int, int]:
    """[start, end) of what an estimate is made of: the newest sample, all history, or the objective's window."""
    if point.series.is_snapshot:
        newest = int(point.line.starts[-1]) if len(point.line.starts) else 0
        return newest, newest + 1
    if point.check.sharp and not point.series.part:
        return 0, int(now) + 1
    if point.check.history and not point.series.part:  # the hour that has begun is in it, as far as it is counted
        return 0, floor_to(now - point.pace.visibility, HOUR) + HOUR
    start, end = bounds(point.objective, now, point.pace)
    # The buckets of a part are days: the one that has begun is in it too, as far as it is counted.
    return start, end + point.pace.bucket if point.series.part else end


def _estimated(dataset: Dataset, point: Point, start: int, end: int, design_effect: float | None) -> list[Measurement]:
    assert point.sampled_at is not None  # noqa: S101  callers look first
    series, scope = point.series, scope_label(point.objective.scope)
    stamp = (floor_to(end, point.rest),) if point.rest else (point.line.version, start, end)
    known = point.memo.get(scope)
    if (series.grain or point.rest) and known and known[0] == stamp:
        return known[1]
    hourly = point.check.history and not point.check.sharp and not series.part
    at = float(end) if hourly else point.sampled_at
    counts = _counted(point, start, end).where(**point.keys_scope)
    made = estimates(dataset, series, point.objective, counts, at, design_effect, _lag(point, at))
    point.memo[scope] = (stamp, made)
    return made


def _lag(point: Point, now: float) -> float:
    """After how many seconds rows are there to be seen, as far as labelmon has watched them arrive.

    A store that is filled in batches is given the longest time of its last two weeks, and a fifth more; elsewhere an
    hour in twenty that came late says nothing about the others.
    """
    start = int(now) - 14 * DAY
    usual = point.line.arrival_lag(start)
    if usual is None:
        return point.pace.visibility
    watched = point.line.arrival_lag(start, 1.0 if usual > HOUR else 0.95) or 0.0
    return max(point.pace.visibility, 1.2 * watched if usual > HOUR else watched)


def _counted(point: Point, start: int, end: int) -> Counts:
    """The counts of [start, end), by bucket where estimators tell buckets apart."""
    return point.line.history(start, end) if point.series.by_bucket else point.line.counts(start, end)


def _error(dataset: Dataset, point: Point) -> Measurement:
    estimate = Estimate(
        statistic=point.check.main.name,
        value=None,
        state=State.ERROR,
        reason=point.failure or "not sampled yet",
    )
    return Measurement(
        dataset=dataset.name, check=point.check.name, estimate=estimate, labels=dict(point.objective.scope)
    )
