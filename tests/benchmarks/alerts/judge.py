"""What the product's rules say of simulated audits, minute by minute and for all runs at once.

Windows begin where the product's `Pace` has them begin. The arithmetic of `window_count` and `burning_tiers` is
written again for arrays; tests hold it to the product's own, run by run and minute by minute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from labelmon.alerting.plain import workbook
from labelmon.alerting.rules import MOSTLY_BAD, evidence_needed, material_burn, recent_windows, tiers_of
from labelmon.estimators.burn import HYSTERESIS, RETURN
from labelmon.estimators.proportion import fewest_events
from labelmon.model import DAY, Severity
from labelmon.profiles import DEFAULT_ALERTING, Alerting, BurnTier, Profile
from labelmon.recount import Pace
from tests.benchmarks.alerts.streams import Counts, Stream
from tests.benchmarks.alerts.walks import decided

MINUTE = 60
BEGIN = 19_000 * DAY  # the first minute of every stream, in seconds since 1970
WORKBOOK = workbook()
STARTED = 24 * 60  # when the daemon starts, in minutes: it reads a day that the store has already
VISIBILITY = 2 * MINUTE  # windows end so long before they are looked at: two buckets, the product's default
PACE = Pace(
    bucket=MINUTE,
    coarse=3600,
    lateness=2 * DAY,
    visibility=float(VISIBILITY),
    recount_interval=3600.0,
    reconcile_interval=float(DAY),
    longest=30 * DAY,
    timezone="UTC",
)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the page's and the ticket's expression hold at each evaluation, [minutes, runs]."""

    page: np.ndarray
    ticket: np.ndarray


def budget_of(objective: float) -> float:
    """The share of audits that may be wrong, as the product computes it."""
    return 1.0 - objective


@cache
def begins_of(minutes: int, window: int) -> np.ndarray:
    """Where the windows of so many seconds begin that end with each minute; those from before the stream, with it."""
    ends = range(BEGIN + MINUTE, BEGIN + (minutes + 1) * MINUTE, MINUTE)
    return np.array([max(0, PACE.window_start(end, window) - BEGIN) // MINUTE for end in ends])


class Windows:
    """Sums over the windows that end with each minute."""

    def __init__(self, stream: Stream) -> None:
        self._minutes = len(stream.events)
        self._sums = {name: _running(getattr(stream, name)) for name in ("events", "errors")}
        self._known: dict[int, tuple[Counts, Counts]] = {}
        self._rate: np.ndarray | None = None

    def counts(self, window: int) -> tuple[Counts, Counts]:
        """(events, errors) of a window of so many seconds, [minutes, runs]."""
        if window not in self._known:
            begins = begins_of(self._minutes, window)
            events, errors = (sums[1:] - sums[begins] for sums in (self._sums["events"], self._sums["errors"]))
            self._known[window] = events, errors
        return self._known[window]

    def rate(self, period: int = 30 * DAY) -> np.ndarray:
        """Events a second over the objective's window, as far as there is history, [minutes, runs]."""
        length = np.arange(1, self._minutes + 1) - begins_of(self._minutes, period)
        return np.asarray(self.counts(period)[0] / (length * MINUTE)[:, None])

    def expected(self, window: int) -> np.ndarray:
        """Events of a window: what the long run promises, or what is in it now if that is more; [minutes, runs]."""
        if self._rate is None:
            self._rate = self.rate()
        return np.maximum(self._rate * window, self.counts(window)[0])


def judged(stream: Stream, objective: float, effect: float = 1.0, alerting: Alerting = DEFAULT_ALERTING) -> Verdict:
    """What the generated rules say; counts are divided by the design effect `effect` before they prove anything."""
    windows, budget = Windows(stream), budget_of(objective)
    may_page = windows_may_page(windows, budget, effect, alerting)
    per_month = windows.expected(DAY) * 30 / effect
    severities = (Severity.PAGE, Severity.TICKET)
    walks = decided(stream, budget, [alerting.burns(severity) for severity in severities], per_month, effect)
    held = []
    for severity, walked in zip(severities, walks, strict=True):
        found = np.zeros(stream.shape, bool)
        for tier in tiers_of(alerting.profiles[0], severity):
            found |= tier_holds(windows, tier, budget, effect, evidence_needed(alerting, severity))
        if severity is Severity.PAGE:
            found &= may_page
        recent = set(recent_windows(alerting, severity)) & set(alerting.profiles[0].windows)
        still = np.flatnonzero(_ahead(walked))
        least = material_burn(alerting, severity)
        burning = []
        for window in sorted(recent):
            n, k = (counts.ravel()[still] for counts in windows.counts(window))
            burning.append(_material(n, k, budget, least))
        found.ravel()[still[np.logical_or.reduce(burning)]] = True
        held.append(found)
    return Verdict(page=held[0], ticket=held[1])


def plain(stream: Stream, objective: float, profile: Profile = WORKBOOK) -> Verdict:
    """The rule of Google's workbook over the same buckets: both burn rates above the factor, and nothing else."""
    windows, budget = Windows(stream), budget_of(objective)

    def any_of(tiers: Sequence[BurnTier]) -> np.ndarray:
        found = np.zeros(stream.shape, bool)
        for tier in tiers:
            at = _maybe(windows, tier.long, tier.burn * budget)
            at = at[_above(windows, tier.long, tier.burn, budget, at)]
            found.ravel()[at[_above(windows, tier.short, tier.burn, budget, at)]] = True
        return found

    return Verdict(page=any_of(profile.page), ticket=any_of(profile.ticket))


def tier_holds(windows: Windows, tier: BurnTier, budget: float, effect: float, needed: float) -> np.ndarray:
    """Material, proven and still happening, as tiers.burning_tiers has it."""
    at = _maybe(windows, tier.long, min(tier.burn * budget, MOSTLY_BAD))
    n, k = (counts.ravel() for counts in windows.counts(tier.long))
    at = at[_material(n[at], k[at], budget, tier.burn)]
    at = at[evidence(k[at] / effect, n[at] / effect, budget) > needed]
    n, k = (counts.ravel()[at] for counts in windows.counts(tier.short))
    at = at[(n == 0) | _material(n, k, budget, tier.burn)]
    held = np.zeros(windows.counts(tier.long)[0].size, bool)
    held[at] = True
    return held.reshape(windows.counts(tier.long)[0].shape)


def evidence(errors: np.ndarray, events: np.ndarray, budget: float) -> np.ndarray:
    """proportion.evidence_nats of arrays; events above 0."""
    good = events - errors
    with np.errstate(divide="ignore", invalid="ignore"):
        nats = errors * np.log(errors / (events * budget))
        nats = nats + np.where(good > 0, good * np.log(good / (events * (1 - budget))), 0.0)
    return np.where(errors > events * budget, nats, 0.0)


def windows_may_page(windows: Windows, budget: float, effect: float, alerting: Alerting) -> np.ndarray:
    """Whether windows may page beside the e-CUSUM, as burn.choose_instrument has it, [minutes, runs].

    The daemon starts at the minute STARTED and reads what the store has by then.

    Raises
    ------
    ValueError : where any run would leave the quickest profile; the grid has none that does.
    """
    profile = alerting.profiles[0]
    most = windows.expected(max(tier.long for tier in profile.page)) / effect
    room = most[STARTED:]
    needed = fewest_events(budget, alerting.alpha_of(Severity.PAGE))
    # With so much room the quickest profile is chosen whatever was chosen before.
    if not (room >= needed * HYSTERESIS).all():
        raise ValueError(f"too few audits for the profile {profile.name}: {room.min():g} in a window, need {needed}")
    bad = most * budget / max(1.0, effect)
    marks = np.where(bad >= RETURN, 1, np.where(bad < 1.0, 0, -1)).astype(np.int8)
    marks[: STARTED + 1] = bad[STARTED] >= 1.0
    told = np.where(marks >= 0, np.arange(len(marks), dtype=np.int32)[:, None], 0)
    np.maximum.accumulate(told, axis=0, out=told)
    return np.asarray(np.take_along_axis(marks, told, axis=0) == 1)


def _ahead(walked: np.ndarray) -> np.ndarray:
    """Walks of plain events do not wait for rows to become visible: they are ahead of the windows."""
    ahead = VISIBILITY // MINUTE
    return np.concatenate([walked[ahead:], np.repeat(walked[-1:], ahead, axis=0)])


def _material(n: np.ndarray, k: np.ndarray, budget: float, burn: float) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = k / n
    return np.asarray((n > 0) & ((ratio / budget > burn) | (ratio > MOSTLY_BAD)))


def _maybe(windows: Windows, window: int, share: float) -> np.ndarray:
    """Flat places where the error ratio may be above `share`: most are far below, which is quick to see."""
    n, k = windows.counts(window)
    return np.flatnonzero((k > 0) & (k > n * (share * (1 - 1e-6))))


def _above(windows: Windows, window: int, burn: float, budget: float, at: np.ndarray) -> np.ndarray:
    """Whether the burn rate of a window is above `burn` at the flat places `at`; without events it is not."""
    n, k = (counts.ravel()[at] for counts in windows.counts(window))
    ratio = np.divide(k, n, out=np.zeros(n.shape), where=n > 0)
    return np.asarray(ratio / budget > burn)


def _running(counts: Counts) -> Counts:
    return np.concatenate([np.zeros((1, counts.shape[1]), np.int32), np.cumsum(counts, axis=0, dtype=np.int32)])


Judge = Callable[[Stream], Verdict]
