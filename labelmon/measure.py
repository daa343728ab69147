"""From counts to what is said about them: estimates with their states, windows, budgets, profiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from labelmon import naming
from labelmon.check import Check, Event, EventSlo, GaugeSlo, Moment
from labelmon.counts import ROWS, Counts
from labelmon.durations import format_duration
from labelmon.estimators.burn import budget_remaining, choose_instrument, choose_profile, window_count
from labelmon.estimators.proportion import sufficiency
from labelmon.model import (
    DAY,
    HOUR,
    Alerting,
    CusumRatio,
    Dataset,
    Estimate,
    Measurement,
    Mode,
    Objective,
    ObjectiveKind,
    Severity,
    SloStatus,
    State,
    scope_label,
)
from labelmon.recount import Pace, floor_to
from labelmon.slices import Slices, Tally, verdict, whole_slices
from labelmon.stores import Series
from labelmon.timeline import Timeline
from labelmon.walk import walked

# The last estimates of a series that is counted by the hour or the day, under what they were made of.
Memo = dict[str, tuple[tuple[object, ...], list[Measurement]]]
RECENT = 3 * DAY  # what is called the rate of now: shorter, and a night would decide
COMBINED = "combined "  # no scope begins like this: a scope is key=value


@dataclass(frozen=True, kw_only=True)
class Point:
    """One objective to be measured: its counts, and what is known about them."""

    check: Check
    objective: Objective
    line: Timeline
    history: int | None
    series: Series
    failure: str
    sampled_at: float | None
    judged_by: str  # SloStatus.judged_by of the last cycle
    pace: Pace
    keys_scope: Mapping[str, str] = field(default_factory=dict)
    narrowed: bool = True
    estimated: bool = True  # whether its estimates are asked for, or only where its objective stands
    rest: int = 0  # seconds for which estimates stand although counts moved on
    memo: Memo = field(default_factory=dict)
    slices: dict[str, Slices] = field(default_factory=dict)
    recounted: float | None = None  # when older cells were last counted again; None for states, which never are


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
                slos[place] = _unmeasured(dataset, point)
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
            slos[place] = _event_status(dataset, point, (start, end), now, alerting, effect)
        else:
            slos[place] = _gauge_status(dataset, point, now)
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


def estimates(
    dataset: Dataset,
    series: Series,
    objective: Objective,
    counts: Counts,
    at: float,
    design_effect: float | None = None,
    lag: float = 0.0,
) -> list[Measurement]:
    """The estimates of a series' counts, as measurements under the objective's scope and window."""
    check = series.check
    window = ""
    if isinstance(check.slo, EventSlo) or (not series.is_snapshot and not check.history):
        window = "all" if objective.window is None else format_duration(objective.window)
    moment = replace(_moment(dataset, check, objective, at, design_effect), lag=lag)
    return [
        Measurement(dataset=dataset.name, check=check.name, estimate=e, window=window, labels=dict(objective.scope))
        for e in (series.table.estimate(counts, moment) if series.table.estimate else ())
    ]


def combined(
    dataset: Dataset, check: Check, objective: Objective, tables: Mapping[str, Counts], at: float
) -> list[Measurement]:
    """What a check says of its counts and those of its parts together."""
    if check.combine is None or "" not in tables:
        return []
    window = "all" if objective.window is None else format_duration(objective.window)
    return [
        Measurement(dataset=dataset.name, check=check.name, estimate=e, window=window, labels=dict(objective.scope))
        for e in check.combine(tables, _moment(dataset, check, objective, at))
    ]


def _moment(
    dataset: Dataset, check: Check, objective: Objective, at: float, design_effect: float | None = None
) -> Moment:
    return Moment(
        at=at,
        budget=objective.budget or None,
        classes=dataset.classes,
        ordinal=dataset.ordinal,
        timezone=dataset.timezone,
        settings={setting.name: setting.default for setting in check.settings} | dict(objective.settings),
        design_effect=design_effect,
        calendar=dataset.calendar,
    )


def bounds(objective: Objective, now: float, pace: Pace) -> tuple[int, int]:
    """[start, end) of the objective's window in event time, seconds."""
    end = pace.window_end(now)
    return (0 if objective.window is None else pace.window_start(end, objective.window)), end


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


def _event_status(
    dataset: Dataset,
    point: Point,
    window: tuple[int, int],
    now: float,
    alerting: Alerting,
    design_effect: float | None,
) -> SloStatus:
    objective, pace = point.objective, point.pace
    start, end = window
    budget = objective.budget or 0.0
    events, errors = _events(point, start, end)
    known = max(0, end - (point.history if point.history is not None else end))
    span = max(1, known if objective.window is None else end - start)
    covered = min(span, known)
    effect = design_effect or 1.0
    rate = events / max(covered, 1)
    profile = _profile(point, alerting, rate, end, effect)
    chosen = next((p for p in alerting.profiles if p.name == profile), None)
    tiers = chosen or (alerting.profiles[0] if profile == naming.NONE_BAD else None)
    windows = tiers.windows if tiers else ()
    counted = []
    for width in windows:
        n, k = _events(point, pace.window_start(end, width), end)
        counted.append(window_count(width, n, k, budget, effect))
    state, reason = sufficiency(events / effect, budget, "events" if effect == 1 else "effective events")
    if state is State.OK and profile == naming.THRESHOLD_ONLY:
        state, reason = State.INSUFFICIENT, "no alert window has the power to judge so few or so late events"
    judged = chosen if alerting.mode is Mode.EVIDENCE else None
    # A burst stays in the objective's rate for a month; windows must not page on what is sparse by now.
    recent = min(rate, _recent_rate(point, end, known))
    bad = _expected(point, judged.longest_page, recent, end) / effect * budget if judged else None
    return SloStatus(
        dataset=dataset.name,
        check=point.check.name,
        scope=objective.scope,
        objective=objective,
        events=events,
        errors=errors,
        budget_remaining=budget_remaining(events, errors, budget),
        history=covered / span,
        state=state,
        reason=reason,
        profile=profile,
        windows=tuple(counted),
        design_effect=design_effect,
        instrument=None if bad is None else choose_instrument(bad, point.judged_by.partition(" ")[2]),
        expected_bad=bad,
        cusums=_cusums(point, rate, (end, now), alerting, effect) if judged else (),
    )


def _cusums(
    point: Point, rate: float, ends: tuple[int, float], alerting: Alerting, effect: float
) -> tuple[CusumRatio, ...]:
    end, now = ends
    check = point.check
    assert isinstance(check.slo, EventSlo)  # noqa: S101  callers dispatch on the kind of objective
    # An event that no other row can change counts as soon as it is seen: of half a bucket, half is right.
    # Deadlines, items and joins would show what is only late as wrong, so they wait as windows do.
    if isinstance(check.time, Event) and not check.needs_labels and not check.partner:
        end = max(end, floor_to(now, point.pace.bucket) + point.pace.bucket)
    return walked(
        point.line,
        check.slo,
        (point.pace.window_start(end, min(30 * DAY, point.pace.longest)), end),  # older cells may not be at hand
        point.keys_scope,
        budget=point.objective.budget or 0.0,
        events_per_30d=_expected(point, DAY, rate, end) * 30,
        effect=effect,
        alerting=alerting,
    )


def _recent_rate(point: Point, end: int, known: int) -> float:
    """Events a second of late; `known` seconds of history there are."""
    start = point.pace.window_start(end, RECENT)
    return _events(point, start, end)[0] / max(1, min(end - start, known))


def _expected(point: Point, window: int, rate: float, end: int) -> float:
    """Events of a window: at least those that are in it now.

    What is in the window now counts as much as what the long run promises: a stream that has just picked up can be
    judged at once, and one that pauses for the night is not given up.
    """
    return max(rate * window, _events(point, point.pace.window_start(end, window), end)[0])


def _profile(point: Point, alerting: Alerting, rate: float, end: int, effect: float) -> str:
    if point.objective.kind is ObjectiveKind.NONE_BAD:
        return naming.NONE_BAD
    if alerting.mode is Mode.PLAIN:
        return alerting.profiles[0].name
    budget = point.objective.budget or 0.0
    lag = point.line.arrival_lag(end - 7 * DAY)
    if lag is None:
        # Nobody has watched rows arrive yet: how old the newest row is bounds the lag from what is seen.
        # A pause of three mean gaps is what a quiet stream does by itself one time in twenty.
        newest = point.line.newest
        lag = 0.0 if newest is None or rate <= 0 else max(0.0, end - newest - 3 / rate)
    return choose_profile(
        alerting.profiles,
        expected=lambda window: _expected(point, window, rate, end) / effect,
        lag=lag,
        budget=budget,
        alpha=alerting.alpha_of(Severity.PAGE),
        current=point.judged_by.partition(" ")[0],
        otherwise=naming.THRESHOLD_ONLY,
    )


def _events(point: Point, start: int, end: int) -> tuple[float, float]:
    """(events, errors) in [start, end)."""
    slo = point.check.slo
    assert isinstance(slo, EventSlo)  # noqa: S101  callers dispatch on the kind of objective
    totals = point.line.totals(start, end, point.keys_scope)
    return totals[ROWS], slo.errors(totals.__getitem__)


def _gauge_status(dataset: Dataset, point: Point, now: float) -> SloStatus:
    """The budget of a gauge: bad over judged time slices of its window, against the share that may be bad."""
    tally = _sliced(dataset, point, now)
    state, reason, left = State.OK, "", None
    if tally is None:
        state, reason = State.NOT_COMPUTABLE, "no time slice of it can be judged by itself"
    elif tally.unseen:
        # Half a window would be another number, so it waits for the whole.
        state, reason = State.INSUFFICIENT, f"{tally.unseen} of {tally.slices} time slices wait to be judged"
    elif not tally.judged:
        state, reason = State.INSUFFICIENT, f"none of {tally.slices} time slices could be judged"
    else:
        left = budget_remaining(tally.judged, tally.bad, point.objective.bad_slices)
    return SloStatus(
        dataset=dataset.name,
        check=point.check.name,
        scope=point.objective.scope,
        objective=point.objective,
        events=float(tally.judged) if tally else 0.0,
        errors=float(tally.bad) if tally else 0.0,
        budget_remaining=left,
        history=tally.judged / tally.slices if tally and tally.slices else 0.0,
        state=state,
        reason=reason,
    )


def _sliced(dataset: Dataset, point: Point, now: float) -> Tally | None:
    series, objective, slo = point.series, point.objective, point.check.slo
    width = point.check.slice_width
    # `window: all` reaches back to cells that are local days: no hour is left in them, and no day of UTC.
    if width is None or objective.window is None or not isinstance(slo, GaugeSlo):
        return None
    # A state is known the moment it is sampled; rows need to become visible.
    end = int(now) if series.is_snapshot else point.pace.window_end(now)
    span = whole_slices(point.pace.window_start(end, objective.window), end, width)

    def judge(low: int, high: int, at: float) -> int:
        counts = point.line.counts(low, high).where(**point.keys_scope)
        found = [m.estimate for m in estimates(dataset, series, objective, counts, at)]
        return verdict(found, slo.statistic, objective)

    slices = point.slices.setdefault(scope_label(objective.scope), Slices())
    return slices.look(point.line, span, judge, latest=series.is_snapshot, counted=point.recounted)


def _unmeasured(dataset: Dataset, point: Point) -> SloStatus:
    return SloStatus(
        dataset=dataset.name,
        check=point.check.name,
        scope=point.objective.scope,
        objective=point.objective,
        events=0.0,
        errors=0.0,
        budget_remaining=None,
        history=0.0,
        state=State.ERROR,
        reason=point.failure,
    )


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
