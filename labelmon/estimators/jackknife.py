"""Intervals by leaving out one group after the other."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

FEWEST_GROUPS = 5


def jackknife_interval(
    value: float, left_out: Sequence[float], low: float, high: float, confidence: float = 0.95
) -> tuple[float, float] | None:
    """A two-sided interval around `value` by the delete-a-group jackknife, cut to [`low`, `high`].

    Parameters
    ----------
    value : the estimate from everything
    left_out : the estimate without group g, for each of G groups that hold data
    low, high : the range the statistic can take
    confidence : coverage, in (0, 1); Student's t with G - 1 degrees of freedom

    Returns
    -------
    (low, high), or None with fewer than 5 groups.

    References
    ----------
    P. S. Kott (2001), J. Official Statistics 17:521.
    """
    groups = len(left_out)
    if groups < FEWEST_GROUPS:
        return None
    from scipy.special import stdtrit  # noqa: PLC0415  not before a check that needs it runs

    middle = sum(left_out) / groups
    variance = (groups - 1) / groups * sum((one - middle) ** 2 for one in left_out)
    half = float(stdtrit(groups - 1, 0.5 + confidence / 2)) * sqrt(variance)
    return max(low, value - half), min(high, value + half)
