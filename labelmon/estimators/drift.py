"""How far a distribution over classes has moved from a baseline, and whether that is more than chance and season."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import sqrt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmon.check import Estimator, Moment, Setting, Statistic
from labelmon.counts import BUCKET, ROWS, Counts
from labelmon.estimators.breakdown import census
from labelmon.estimators.dispersion import MixTest, mix_test
from labelmon.estimators.divergence import (
    js_divergence,
    js_error,
    kl_divergence,
    kl_error,
    population_stability,
    psi_error,
    true_divergence,
)
from labelmon.model import Estimate, State

Array = NDArray[np.float64]
FEWEST = 30
TRAILING = 4  # weeks
LEAST_PRIOR = 0.5
ALIKE = "fewer than two classes are frequent enough to compare"
DIVERGENCES = ("kl_divergence_nats", "kl_excess_nats", "psi", "js_divergence")


def two_days(interval: str) -> tuple[date, date]:
    """The days of an ISO 8601 interval.

    Raises
    ------
    ValueError : if it is none, or ends before it starts.
    """
    low, slash, high = interval.partition("/")
    first, last = date.fromisoformat(low), date.fromisoformat(high)
    if not slash or last <= first:
        raise ValueError(f"need two days, the later one last, got {interval!r}")
    return first, last


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
        name="pinned",
        help=(
            "Instead of a baseline that moves along, one that stays: an ISO 8601 interval of local days, such as "
            "`2026-01-05/2026-02-02` (the last day is not in it). Take it out to go back."
        ),
        default="",
        parse=two_days,
    ),
    Setting(
        name="direction",
        help="Whose divergence from whom: a class that vanishes weighs more in one, a new one in the other.",
        default="current_from_baseline",
        choices=("current_from_baseline", "baseline_from_current"),
    ),
    Setting(name="prior", help="Pseudo-count added to every class before KL and PSI.", default=0.5),
)

FORMULA = (
    "KL(current || baseline) in nats, PSI, both with a pseudo-count on every class, and the Jensen-Shannon "
    "divergence of the raw shares; kl_excess = KL - phi (K - 1) / 2 x (1/n + 1/m), what is left after chance and "
    "the usual change; G-test over phi = X^2 / df between the same weekdays of the baseline, by F, adjusted for "
    "all datasets (Benjamini-Hochberg); 95 % intervals by the noncentral chi-square"
)
SOURCE = (
    "S. Kullback, R. A. Leibler (1951), Ann. Math. Statist. 22:79; J. Lin (1991), IEEE Trans. IT 37:145; "
    "P. McCullagh, J. A. Nelder (1989), Generalized Linear Models; Y. Benjamini, Y. Hochberg (1995), JRSS B 57:289"
)
DAILY = tuple(replace(setting, default="day") if setting.name == "period" else setting for setting in SETTINGS)


@dataclass(frozen=True, kw_only=True)
class Mixes:
    """Counts by class of the current period and of those before it, shape (periods, days, classes).

    `weeks`, in the same shape, tells how much days differ usually where `periods` are too short for that.
    """

    classes: list[str]
    current: Array
    periods: Array
    weeks: Array | None = None

    @property
    def baseline(self) -> Array:
        """Counts by class of all periods before."""
        return np.asarray(self.periods.sum(axis=(0, 1)))


def drift_statistics(noun: str) -> tuple[Statistic, ...]:
    """What `drift_of` reports of `noun`, labels or predictions."""
    return (
        Statistic(
            name="kl_divergence_nats",
            metric="kl_divergence_nats",
            interval=True,
            help="KL divergence of the current period from the baseline, smoothed.",
        ),
        Statistic(
            name="kl_excess_nats",
            metric="kl_excess_nats",
            interval=True,
            help="KL divergence beyond what chance and the usual change explain.",
        ),
        Statistic(name="psi", metric="psi_nats", interval=True, help="Population stability index, smoothed."),
        Statistic(name="js_divergence", metric="js_divergence_nats", interval=True, help="Jensen-Shannon divergence."),
        Statistic(
            name="kl_contribution_nats",
            metric="kl_contribution_nats",
            help="What one class adds to the KL divergence: p ln(p / q).",
        ),
        Statistic(name="drift_p_value", help="Chance of such a change, or a larger one, without drift."),
        Statistic(name="class_p_value", help="That chance for one class, adjusted for all classes: which ones moved."),
        Statistic(
            name="drift_adjusted_p_value",
            metric="adjusted_p_value",
            adjusts="drift_p_value",
            help="That chance, adjusted for all datasets that are tested.",
        ),
        Statistic(name="label_count", metric=noun, help=f"{noun.capitalize()} in the current period."),
    )


def drift_of(key: str) -> Estimator:
    """An estimator over the counts by `bucket` and `key`: the last period against its baseline."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        mixes = mixes_of(counts, moment, key)
        n, m = float(mixes.current.sum()), float(mixes.periods.sum())
        found = [census("label_count", n, n)]
        found += [
            census("label_count", float(rows), float(rows), {"class": label})
            for label, rows in zip(mixes.classes, mixes.current, strict=True)
            if rows > 0
        ]
        if n == 0 or m == 0:
            reason = "nothing in the period" if n == 0 else "nothing in the baseline"
            names = (*DIVERGENCES, "drift_p_value")
            none = [Estimate(statistic=s, value=None, n=n, state=State.INSUFFICIENT, reason=reason) for s in names]
            return (*none, *found)
        return (*divergences(mixes, moment), *found)

    return estimate


def divergences(mixes: Mixes, moment: Moment) -> Iterator[Estimate]:
    """Every figure of two mixes that hold at least one row each."""
    current, baseline = mixes.current, mixes.baseline
    n, m = float(current.sum()), float(baseline.sum())
    state, reason = State.OK, ""
    if min(n, m) < FEWEST:
        state, reason = State.INSUFFICIENT, f"{n:g} labels against {m:g}; need {FEWEST} on both sides"
    test = mix_test(current, mixes.periods, mixes.weeks)
    phi = test.phi if test else 1.0
    unit = phi * (1 / n + 1 / m) / 2  # of KL; without drift its mean is unit x df
    df = max(1, int(((current > 0) | (baseline > 0)).sum()) - 1)
    p, q, sizes = _shares(current, baseline, moment, float(moment.settings["prior"]))
    kl, raw = kl_divergence(p, q), js_divergence(current / n, baseline / m)
    for name, value, scale, error in (
        ("kl_divergence_nats", kl, 1.0, kl_error(p, q, *sizes)),
        ("psi", population_stability(p, q), 2.0, psi_error(p, q, *sizes)),
        ("js_divergence", raw, 0.25, js_error(current / n, baseline / m, n, m)),
    ):
        if value is None:
            infinite = "infinite: a class is new or gone, and `prior` is 0"
            yield Estimate(statistic=name, value=None, n=n, state=State.NOT_COMPUTABLE, reason=infinite)
            continue
        low, high = true_divergence(value, scale * unit, df, error * sqrt(phi))
        yield Estimate(statistic=name, value=value, low=low, high=high, n=n, state=state, reason=reason)
    yield _excess(mixes, test, moment, unit, state, reason)
    yield _p_value(test, n, state, reason)
    by_class: dict[str, Array] = {}
    if test is not None:
        by_class["class_p_value"] = test.by_class
    if kl is not None:
        by_class["kl_contribution_nats"] = p * np.log(p / np.where(q > 0, q, 1.0), where=p > 0, out=np.zeros_like(p))
    yield from _of_classes(mixes, by_class, state, reason)


def _shares(current: Array, baseline: Array, moment: Moment, prior: float) -> tuple[Array, Array, tuple[float, float]]:
    """The two mixes with a pseudo-count on every class, and their sizes, in the direction that is asked for."""
    p, q = ((counts + prior) / (counts.sum() + prior * len(counts)) for counts in (current, baseline))
    sizes = float(current.sum()), float(baseline.sum())
    if moment.settings["direction"] == "baseline_from_current":
        return q, p, sizes[::-1]
    return p, q, sizes


def _excess(mixes: Mixes, test: MixTest | None, moment: Moment, unit: float, state: State, reason: str) -> Estimate:
    """KL of the classes that the test tells apart, without what chance and the usual change add to it."""
    n = float(mixes.current.sum())
    if test is None:
        return Estimate(statistic="kl_excess_nats", value=None, n=n, state=State.NOT_COMPUTABLE, reason=ALIKE)
    # A new class must have a finite weight here, whatever the prior of the plain divergence.
    prior = max(LEAST_PRIOR, float(moment.settings["prior"]))
    p, q, sizes = _shares(mixes.current @ test.groups, mixes.baseline @ test.groups, moment, prior)
    kl = kl_divergence(p, q) or 0.0
    low, high = true_divergence(kl, unit, test.df, kl_error(p, q, *sizes) * sqrt(test.phi))
    value = max(0.0, kl - unit * test.df)
    return Estimate(
        statistic="kl_excess_nats", value=value, low=min(low, value), high=high, n=n, state=state, reason=reason
    )


def _of_classes(mixes: Mixes, by_class: Mapping[str, Array], state: State, reason: str) -> Iterator[Estimate]:
    """What is said of each class that either side has, by statistic."""
    for statistic, values in by_class.items():
        for label, value, a, b in zip(mixes.classes, values, mixes.current, mixes.baseline, strict=True):
            if a > 0 or b > 0:
                labels = {"class": label}
                yield Estimate(
                    statistic=statistic, value=float(value), n=float(a), labels=labels, state=state, reason=reason
                )


def _p_value(test: MixTest | None, n: float, state: State, reason: str) -> Estimate:
    if test is None:
        return Estimate(statistic="drift_p_value", value=None, n=n, state=State.NOT_COMPUTABLE, reason=ALIKE)
    return Estimate(statistic="drift_p_value", value=test.p_value, n=n, state=state, reason=reason)


def mixes_of(counts: Counts, moment: Moment, key: str) -> Mixes:
    """Counts by class of the current period and of its baseline, over one vocabulary."""
    frame = counts.frame
    days = 7 if moment.settings["period"] == "week" else 1
    end = -(-int(moment.at) // 3600) * 3600
    edge = back(end, days, moment.timezone)
    starts = frame[BUCKET].to_numpy(np.int64)
    spans = [_days(low, days, moment.timezone) for low in _begins(starts, edge, days, moment)]
    within = (starts >= edge) & (starts < end)
    before = np.zeros(len(starts), dtype=bool)
    for span in spans:
        before |= (starts >= span[0]) & (starts < span[-1])
    seen = sorted(set(frame[key][within | before]) - set(moment.classes))
    classes = [*moment.classes, *seen]
    # Classes that only the days beside the compared ones have are in no mix.
    place = pd.Index(classes).get_indexer(frame[key])
    rows = frame[ROWS].to_numpy(float)

    def counted(chosen: NDArray[np.bool_]) -> Array:
        held = chosen & (place >= 0)
        return np.asarray(np.bincount(place[held], weights=rows[held], minlength=len(classes)), dtype=np.float64)

    def by_day(spans: list[list[int]], days: int) -> Array:
        sums = [[counted((starts >= low) & (starts < high)) for low, high in pairwise(span)] for span in spans]
        return np.array(sums).reshape(len(spans), days, len(classes))

    weeks = None
    if days == 1 and len(spans) == TRAILING and not moment.settings["pinned"]:
        weeks = by_day([_days(span[0], 7, moment.timezone) for span in spans], 7)
    return Mixes(classes=classes, current=counted(within), periods=by_day(spans, days), weeks=weeks)


def _begins(starts: NDArray[np.int64], edge: int, days: int, moment: Moment) -> list[int]:
    """When the periods of the baseline begin; `edge` is the begin of the current one."""
    if moment.settings["pinned"]:
        low, high = pinned(str(moment.settings["pinned"]), moment.timezone)
        found: list[int] = []
        while (following := back(low, -days, moment.timezone)) <= high:
            found.append(low)
            low = following
        return found
    if moment.settings["baseline"] == "trailing":
        return [back(edge, 7 * week, moment.timezone) for week in range(1, TRAILING + 1)]
    older = starts[starts < edge]
    if not len(older):
        return []
    newest = int(older.max())
    skipped = max(0, (edge - newest) // (days * 86_400) - 1)
    low = back(edge, days * (skipped + 1), moment.timezone)
    while newest < low:
        low = back(low, days, moment.timezone)
    return [low]


def _days(begin: int, days: int, timezone: str) -> list[int]:
    """The edges of so many local days."""
    return [back(begin, -day, timezone) for day in range(days + 1)]


def pinned(interval: str, timezone: str) -> tuple[int, int]:
    """[start, end) in seconds of an ISO 8601 interval of local days."""
    first, last = two_days(interval)
    zone = ZoneInfo(timezone)
    start, end = (int(datetime(d.year, d.month, d.day, tzinfo=zone).timestamp()) for d in (first, last))
    return start, end


def back(instant: int, days: int, timezone: str) -> int:
    """So many local days before: the same time of day, whatever daylight saving did in between."""
    zone = ZoneInfo(timezone)
    local = datetime.fromtimestamp(instant, UTC).astimezone(zone)
    moved = (local.replace(tzinfo=None) - timedelta(days=days)).replace(tzinfo=zone)
    return int(moved.timestamp())
