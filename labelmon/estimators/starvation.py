"""Classes that run dry: a count against what its own past makes likely."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelmon.check import Estimator, Moment, Setting
from labelmon.counts import BUCKET, OTHER, ROWS, Counts
from labelmon.estimators.breakdown import census, unknown
from labelmon.estimators.drift import back
from labelmon.estimators.multiplicity import holm
from labelmon.model import Estimate

ALPHA = 0.001
FEWEST_PERIODS = 3
WEEKS = 4

SETTINGS = (
    Setting(
        name="period",
        help="What is compared with the four weeks before: the last week, or the last day with the same weekdays.",
        default="week",
        choices=("week", "day"),
    ),
)


def starvation(key: str) -> Estimator:
    """An estimator over counts by `bucket` and `key`: which classes got far fewer rows than their past promises."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        periods, classes = _table(counts, moment, key)
        current, past = periods[0], periods[1:]
        # Periods before the first row are no evidence of anything.
        used = past[: int(np.flatnonzero(past.sum(axis=1))[-1]) + 1] if past.sum() else past[:0]
        if len(used) < FEWEST_PERIODS:
            reason = f"{len(used)} of the {WEEKS} weeks before hold labels; need {FEWEST_PERIODS}"
            return (unknown("starved_classes", reason, float(current.sum())),)
        beyond = overdispersion(used)
        raw = [low_tail(float(k), used[:, index], beyond) for index, k in enumerate(current)]
        found = []
        starved = 0
        for name, k, history, p in zip(classes, current, used.T, holm(raw), strict=True):
            if name in {"", OTHER} or history.sum() + k == 0:
                continue
            labels = {"class": name}
            starved += p < ALPHA
            found += [
                census("expected_labels", float(history.mean()), float(history.sum()), labels),
                census("received_labels", float(k), float(current.sum()), labels),
                Estimate(statistic="starvation_p_value", value=p, n=float(history.sum() + k), labels=labels),
            ]
            if k == 0:
                found.append(census("rate_upper_bound", 3.0, float(history.sum()), labels))
        return (census("starved_classes", float(starved), float(current.sum())), *found)

    return estimate


def overdispersion(past: NDArray[np.float64]) -> float:
    """What counts of shape (periods, classes) vary beyond chance: the squared coefficient of variation of the rates.

    Pooled over the classes, (sum of variance - mean) / (sum of mean^2): four periods of one class say too little.
    """
    means = past.mean(axis=0)
    whole = float((means**2).sum())
    return max(0.0, float((past.var(axis=0, ddof=1) - means).sum()) / whole) if whole else 0.0


def low_tail(k: float, past: NDArray[np.float64], beyond: float = 0.0) -> float:
    """P(X <= k) of a count whose earlier ones are `past` (shape (periods,)), with its own uncertainty of the mean.

    Negative binomial with the mean of `past` and variance mean + extra mean^2, where `extra` is the overdispersion
    `beyond` of a new count and of the mean of `past`, plus the chance in that mean.
    """
    from scipy.special import betainc, gammaincc  # noqa: PLC0415  heavy, and only here

    mean, periods = float(past.mean()), len(past)
    if mean == 0:
        return 1.0
    extra = beyond * (1 + 1 / periods) + 1 / (mean * periods)
    if extra * mean < 1e-9:
        return float(gammaincc(k + 1, mean))
    size = 1 / extra
    return float(betainc(size, k + 1, size / (size + mean)))


def _table(counts: Counts, moment: Moment, key: str) -> tuple[NDArray[np.float64], list[str]]:
    """Rows by period, the current one first, and class: shape (1 + WEEKS, classes)."""
    frame = counts.frame
    starts = frame[BUCKET].to_numpy(np.int64)
    end = -(-int(moment.at) // 3600) * 3600
    days = 7 if moment.settings["period"] == "week" else 1
    classes = [*moment.classes, *sorted(set(frame[key]) - set(moment.classes))]
    place = {name: index for index, name in enumerate(classes)}
    table = np.zeros((1 + WEEKS, len(classes)))
    ends = [back(end, 7 * week, moment.timezone) for week in range(1 + WEEKS)]
    for row, high in enumerate(ends):
        within = (starts >= back(high, days, moment.timezone)) & (starts < high)
        np.add.at(table[row], frame[key][within].map(place).to_numpy(int), frame[ROWS][within].to_numpy(float))
    return table, classes
