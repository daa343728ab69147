"""How far a distribution over classes has moved from a baseline: KL, PSI and JS divergence, in nats."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import sqrt
from statistics import NormalDist
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from labelmon.check import Estimator, Moment, Setting
from labelmon.counts import BUCKET, ROWS, Counts
from labelmon.estimators.breakdown import census
from labelmon.model import Estimate, State

Array = NDArray[np.float64]
FEWEST = 30
TRAILING = 4  # weeks

SETTINGS = (
    Setting(
        name="period",
        help="What is compared: the last week or the last day; the hour that has begun is its last.",
        default="week",
        choices=("week", "day"),
    ),
    Setting(
        name="baseline",
        help=(
            "With what: `trailing`, the four weeks before (of the same weekday where the period is a day), or "
            "`previous`, the last period before that holds any row."
        ),
        default="trailing",
        choices=("trailing", "previous"),
    ),
    Setting(
        name="direction",
        help="Whose divergence from whom: a class that vanishes weighs more in one, a new one in the other.",
        default="current_from_baseline",
        choices=("current_from_baseline", "baseline_from_current"),
    ),
    Setting(name="prior", help="Pseudo-count added to every class before KL and PSI.", default=0.5),
)


def kl_divergence(p: Array, q: Array) -> float | None:
    """KL(p || q) in nats of two distributions over K classes; None where it is infinite.

    References
    ----------
    S. Kullback, R. A. Leibler (1951), Ann. Math. Statist. 22:79.

    Examples
    --------
    >>> round(kl_divergence(np.array([0.36, 0.48, 0.16]), np.full(3, 1 / 3)), 7)
    0.0852996
    """
    held = p > 0
    if bool((q[held] == 0).any()):
        return None
    return float((p[held] * np.log(p[held] / q[held])).sum())


def population_stability(p: Array, q: Array) -> float | None:
    """PSI, the sum of both KL divergences; None where it is infinite."""
    there, back = kl_divergence(p, q), kl_divergence(q, p)
    return None if there is None or back is None else there + back


def js_divergence(p: Array, q: Array) -> float:
    """Jensen-Shannon divergence in nats, in [0, ln 2]; finite for any two (Lin 1991, IEEE Trans. IT 37:145)."""
    middle = (p + q) / 2
    return ((kl_divergence(p, middle) or 0.0) + (kl_divergence(q, middle) or 0.0)) / 2


def drift_of(key: str) -> Estimator:
    """An estimator over the counts by `bucket` and `key`: the last period against its baseline."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        current, baseline, classes = _periods(counts, moment, key)
        n, m = float(current.sum()), float(baseline.sum())
        found = [census("label_count", n, n)]
        found += [
            census("label_count", float(rows), float(rows), {"class": label})
            for label, rows in zip(classes, current, strict=True)
            if rows > 0
        ]
        if n == 0 or m == 0:
            reason = "nothing in the period" if n == 0 else "nothing in the baseline"
            names = ("kl_divergence_nats", "psi", "js_divergence")
            none = [Estimate(statistic=s, value=None, n=n, state=State.INSUFFICIENT, reason=reason) for s in names]
            return (*none, *found)
        return (*_divergences(current, baseline, classes, moment), *found)

    return estimate


def _divergences(current: Array, baseline: Array, classes: list[str], moment: Moment) -> Iterator[Estimate]:
    n, m = float(current.sum()), float(baseline.sum())
    prior = float(moment.settings["prior"])
    p, q = ((c + prior) / (c.sum() + prior * len(classes)) for c in (current, baseline))
    sizes = (n, m)
    if moment.settings["direction"] == "baseline_from_current":
        p, q, sizes = q, p, (m, n)
    state, reason = State.OK, ""
    if min(n, m) < FEWEST:
        state, reason = State.INSUFFICIENT, f"{n:g} labels against {m:g}; need {FEWEST} on both sides"
    kl, psi = kl_divergence(p, q), population_stability(p, q)
    raw = js_divergence(current / n, baseline / m)
    for name, value, error in (
        ("kl_divergence_nats", kl, _kl_error(p, q, *sizes)),
        ("psi", psi, _psi_error(p, q, *sizes)),
        ("js_divergence", raw, _js_error(current / n, baseline / m, n, m)),
    ):
        if value is None:
            infinite = "infinite: a class is new or gone, and `prior` is 0"
            yield Estimate(statistic=name, value=None, n=n, state=State.NOT_COMPUTABLE, reason=infinite)
            continue
        half = NormalDist().inv_cdf(0.975) * error
        yield Estimate(
            statistic=name,
            value=value,
            low=max(0.0, value - half),
            high=value + half,
            n=n,
            state=state,
            reason=reason,
        )
    if kl is None:
        return
    parts = p * np.log(p / np.where(q > 0, q, 1.0), where=p > 0, out=np.zeros_like(p))
    for label, part, a, b in zip(classes, parts, current, baseline, strict=True):
        if a > 0 or b > 0:
            yield Estimate(
                statistic="kl_contribution_nats",
                value=float(part),
                n=float(a),
                labels={"class": label},
                state=state,
                reason=reason,
            )


def _periods(counts: Counts, moment: Moment, key: str) -> tuple[Array, Array, list[str]]:
    """Counts by class of the current period and of its baseline, over one vocabulary."""
    frame = counts.frame
    days = 7 if moment.settings["period"] == "week" else 1
    end = -(-int(moment.at) // 3600) * 3600
    edge = back(end, days, moment.timezone)
    starts = frame[BUCKET].to_numpy(np.int64)
    within = (starts >= edge) & (starts < end)
    if moment.settings["baseline"] == "trailing":
        before = np.zeros(len(starts), dtype=bool)
        for week in range(1, TRAILING + 1):
            low, high = (back(instant, 7 * week, moment.timezone) for instant in (edge, end))
            before |= (starts >= low) & (starts < high)
    else:
        before = _previous(starts, edge, days, moment.timezone)
    seen = sorted(set(frame[key][within | before]) - set(moment.classes))
    classes = [*moment.classes, *seen]
    place = {name: index for index, name in enumerate(classes)}
    sides = []
    for chosen in (within, before):
        sums = np.zeros(len(classes))
        np.add.at(sums, frame[key][chosen].map(place).to_numpy(int), frame[ROWS][chosen].to_numpy(float))
        sides.append(sums)
    return sides[0], sides[1], classes


def _previous(starts: NDArray[np.int64], edge: int, days: int, timezone: str) -> NDArray[np.bool_]:
    """The last period before `edge` that holds a row."""
    older = starts[starts < edge]
    if not len(older):
        return np.zeros(len(starts), dtype=bool)
    newest = int(older.max())
    skipped = max(0, (edge - newest) // (days * 86_400) - 1)
    high = back(edge, days * skipped, timezone)
    low = back(high, days, timezone)
    while newest < low:
        high, low = low, back(low, days, timezone)
    return (starts >= low) & (starts < high)


def back(instant: int, days: int, timezone: str) -> int:
    """So many local days before: the same time of day, whatever daylight saving did in between."""
    zone = ZoneInfo(timezone)
    local = datetime.fromtimestamp(instant, UTC).astimezone(zone)
    moved = (local.replace(tzinfo=None) - timedelta(days=days)).replace(tzinfo=zone)
    return int(moved.timestamp())


def _kl_error(p: Array, q: Array, n: float, m: float) -> float:
    """Standard error of KL(p || q) by the delta method over two multinomials of n and m."""
    held = (p > 0) & (q > 0)
    p, q = p[held], q[held]
    ratio = np.log(p / q)
    first = float((p * ratio**2).sum() - (p * ratio).sum() ** 2) / n
    second = float((p**2 / q).sum() - p.sum() ** 2) / m
    return sqrt(max(0.0, first + second))


def _psi_error(p: Array, q: Array, n: float, m: float) -> float:
    held = (p > 0) & (q > 0)
    p, q = p[held], q[held]
    by_p = np.log(p / q) + 1 - q / p
    by_q = np.log(q / p) + 1 - p / q
    first = float((p * by_p**2).sum() - (p * by_p).sum() ** 2) / n
    second = float((q * by_q**2).sum() - (q * by_q).sum() ** 2) / m
    return sqrt(max(0.0, first + second))


def _js_error(p: Array, q: Array, n: float, m: float) -> float:
    total = 0.0
    for one, other, size in ((p, q, n), (q, p, m)):
        held = one > 0
        slope = np.log(2 * one[held] / (one[held] + other[held])) / 2
        total += float((one[held] * slope**2).sum() - (one[held] * slope).sum() ** 2) / size
    return sqrt(max(0.0, total))
