"""Whether labels still mean what they did: the mix of labels inside each predicted class, this week and before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from labelmon.check import Estimator, Moment
from labelmon.counts import OTHER, Counts
from labelmon.estimators.breakdown import census, unknown
from labelmon.estimators.dispersion import MixTest, mix_test
from labelmon.estimators.divergence import kl_divergence, kl_error, true_divergence
from labelmon.estimators.drift import FEWEST, LEAST_PRIOR, Mixes, mixes_of
from labelmon.estimators.multiplicity import benjamini_hochberg
from labelmon.model import Estimate, State

Array = NDArray[np.float64]
ALIKE = "no predicted class has two labels that are frequent enough to compare"


@dataclass(frozen=True, kw_only=True)
class Inside:
    """The labels of one predicted class on both sides, and what was found of them.

    `excess` is their KL without what chance and the usual change add (it may be below 0), in nats; `unit` what one
    degree of freedom adds to it, twice; `error` its standard error.
    """

    predicted: str
    mixes: Mixes
    test: MixTest
    excess: float
    unit: float
    error: float

    @property
    def rows(self) -> float:
        """Labels of the current period."""
        return float(self.mixes.current.sum())


def concept_drift(label: str, predicted: str) -> Estimator:
    """An estimator over counts by `bucket`, `label` and `predicted`.

    Each predicted class is compared with itself, so that more or fewer predictions of it change nothing. The p-value of
    the whole is Simes' for no class having moved: the smallest that Benjamini and Hochberg adjust. Classes of too few
    rows are left out rather than put together: what labels a mixture of them gets depends on how it is mixed. For the
    same reason rows predicted as '' or `other` are no class.

    References
    ----------
    R. J. Simes (1986), Biometrika 73:751; Y. Benjamini, Y. Hochberg (1995), J. R. Statist. Soc. B 57:289.
    """

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        frame = counts.frame
        names = sorted(set(frame[predicted]) - {"", OTHER})
        whole = mixes_of(counts, moment, label)
        n, m = float(whole.current.sum()), float(whole.baseline.sum())
        rows = census("label_count", n, n)
        if not (n and m):
            reason = "nothing in the period" if n == 0 else "nothing in the baseline"
            return (*_nothing(reason, n, State.INSUFFICIENT), rows)
        found, few = [], 0
        for name in names:
            mixes = mixes_of(counts.where(**{predicted: name}), moment, label)
            if min(mixes.current.sum(), mixes.baseline.sum()) < FEWEST:
                few += 1
                continue
            inside = _inside(name, mixes)
            if inside is not None:
                found.append(inside)
        judged = sum(one.rows for one in found)
        covered = census("judged_share", judged / n, n)
        if not found:
            if few:
                reason = f"no predicted class has {FEWEST} labels on both sides"
                return (*_nothing(reason, n, State.INSUFFICIENT), rows, covered)
            return (*_nothing(ALIKE, n, State.NOT_COMPUTABLE), rows, covered)
        adjusted = benjamini_hochberg([one.test.p_value for one in found])
        return (
            _together(found),
            Estimate(statistic="drift_p_value", value=min(adjusted), n=judged),
            rows,
            covered,
            *_by_class(found, adjusted),
        )

    return estimate


def _nothing(reason: str, n: float, state: State) -> tuple[Estimate, Estimate]:
    return unknown("kl_excess_nats", reason, n, state), unknown("drift_p_value", reason, n, state)


def _inside(predicted: str, mixes: Mixes) -> Inside | None:
    """None where all labels are one class, or all but one are rare."""
    test = mix_test(mixes.current, mixes.periods)
    if test is None:
        return None
    n, m = float(mixes.current.sum()), float(mixes.baseline.sum())
    sides = [counts @ test.groups + LEAST_PRIOR for counts in (mixes.current, mixes.baseline)]
    p, q = (side / side.sum() for side in sides)
    unit = test.phi * (1 / n + 1 / m) / 2
    kl = kl_divergence(p, q) or 0.0
    return Inside(
        predicted=predicted,
        mixes=mixes,
        test=test,
        excess=kl - unit * test.df,
        unit=unit,
        error=kl_error(p, q, n, m) * sqrt(test.phi),
    )


def _together(found: list[Inside]) -> Estimate:
    """KL of labels given the prediction: the mean over predicted classes as frequent as they are now.

    A weighted sum of noncentral chi-squares, taken as one of all their degrees of freedom and of their mean unit.
    """
    n = sum(one.rows for one in found)
    df = sum(one.test.df for one in found)
    by_chance = sum(one.rows / n * one.unit * one.test.df for one in found)
    excess = sum(one.rows / n * one.excess for one in found)
    error = sqrt(sum((one.rows / n * one.error) ** 2 for one in found))
    low, high = true_divergence(max(0.0, excess + by_chance), by_chance / df, df, error)
    value = max(0.0, excess)
    return Estimate(statistic="kl_excess_nats", value=value, low=min(low, value), high=max(high, value), n=n)


def _by_class(found: list[Inside], adjusted: list[float]) -> Iterator[Estimate]:
    """What each predicted class adds, how likely that is by chance, and which of its labels moved."""
    n = sum(one.rows for one in found)
    for one, p_value in zip(found, adjusted, strict=True):
        labels = {"class": one.predicted}
        share = one.rows / n
        yield Estimate(statistic="kl_contribution_nats", value=share * one.excess, n=one.rows, labels=labels)
        yield Estimate(statistic="class_p_value", value=p_value, n=one.rows, labels=labels)
        now, before = (side / side.sum() for side in (one.mixes.current, one.mixes.baseline))
        each = zip(one.mixes.classes, one.test.by_class, now, before, strict=True)
        for name, moved, a, b in each:
            if a > 0 or b > 0:
                pair = labels | {"other_class": name}
                yield Estimate(statistic="label_p_value", value=float(moved), n=one.rows, labels=pair)
                yield census("share_change", float(a - b), one.rows, pair)
