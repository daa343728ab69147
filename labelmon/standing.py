"""Where an objective stands: its budget, and by which windows and e-CUSUMs it is judged."""

from __future__ import annotations

from labelmon import naming
from labelmon.check import Event, EventSlo, GaugeSlo
from labelmon.counts import ROWS
from labelmon.estimators.burn import budget_remaining, choose_instrument, choose_profile, window_count
from labelmon.estimators.proportion import sufficiency
from labelmon.model import (
    DAY,
    CusumRatio,
    Dataset,
    ObjectiveKind,
    Severity,
    SloStatus,
    State,
    scope_label,
)
from labelmon.point import Point, estimates
from labelmon.profiles import Alerting, Mode
from labelmon.recount import floor_to
from labelmon.slices import Slices, Tally, verdict, whole_slices
from labelmon.walk import walked

RECENT = 3 * DAY  # what is called the rate of now: shorter, and a night would decide


def event_status(
    dataset: Dataset,
    point: Point,
    window: tuple[int, int],
    now: float,
    alerting: Alerting,
    design_effect: float | None,
) -> SloStatus:
    """Where an objective on events stands: its budget over `window`, [start, end), its profile and what judges it."""
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
    # Bad events that come by the batch fill a window by themselves: n / effect bounds their mean, not their clumps, so
    # they count once more.
    bad = _expected(point, judged.longest_page, recent, end) / (effect * max(1.0, effect)) * budget if judged else None
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


def gauge_status(dataset: Dataset, point: Point, now: float) -> SloStatus:
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


def unmeasured(dataset: Dataset, point: Point) -> SloStatus:
    """Of an objective that was never sampled: an error, and why."""
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
