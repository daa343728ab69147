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

    `kl` is their divergence in nats, `unit` half of what a degree of freedom adds to it by chance alone, and `error`
    its standard error by chance alone.
    """

    predicted: str
    mixes: Mixes
    test: MixTest
    kl: float
    unit: float
    error: float

    @property
    def rows(self) -> float:
        """Labels of the current period."""
        return float(self.mixes.current.sum())

    @property
    def excess(self) -> float:
        """KL without what chance and the usual change add, in nats; may be below 0."""
        return self.kl - self.test.phi * self.unit * self.test.df


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
    return Inside(
        predicted=predicted,
        mixes=mixes,
        test=test,
        kl=kl_divergence(p, q) or 0.0,
        unit=(1 / n + 1 / m) / 2,
        error=kl_error(p, q, n, m),
    )


def _together(found: list[Inside]) -> Estimate:
    """KL of labels given the prediction: the mean over predicted classes as frequent as they are now.

    A weighted sum of noncentral chi-squares, taken as one with its mean and variance (Satterthwaite): a class that
    moved counts for more of the variance. That days differ no less than by chance is asked of all classes together:
    asked of each, those whose days happen to differ less would count for too much, and the interval would be too wide.

    References
    ----------
    F. E. Satterthwaite (1946), Biometrics Bulletin 2:110; S. H. Yuan, P. M. Bentler (2010), Br. J. Math. Stat.
    Psychol. 63:273, for the noncentral case.
    """
    n = sum(one.rows for one in found)
    share = np.array([one.rows / n for one in found])
    df = np.array([float(one.test.df) for one in found])
    by_chance = share * np.array([one.unit for one in found])
    usual = by_chance * np.array([one.test.dispersion for one in found])
    phi = max(1.0, float((usual * df).sum() / (by_chance * df).sum()))
    units = usual if phi > 1 else by_chance
    kl = share * np.array([one.kl for one in found])
    beyond = np.maximum(0.0, kl / units - df)
    spread = units * (df + 2 * beyond)
    unit = float((units * spread).sum() / spread.sum())
    nothing, whole = float((units * df).sum()), float(kl.sum())
    error = sqrt(phi * float((share**2 * np.array([one.error for one in found]) ** 2).sum()))
    low, high = true_divergence(whole, unit, nothing / unit, error)
    value = max(0.0, whole - nothing)
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
