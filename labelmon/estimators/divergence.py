"""Divergences of two distributions over classes, in nats, and what is known of the true one."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LARGE = 5000.0  # above that a noncentral chi-square is normal for all purposes
LEAST_RATIO = 0.8


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


def kl_error(p: Array, q: Array, n: float, m: float) -> float:
    """Standard error of KL(p || q) by the delta method over two multinomials of n and m."""
    held = (p > 0) & (q > 0)
    p, q = p[held], q[held]
    ratio = np.log(p / q)
    first = float((p * ratio**2).sum() - (p * ratio).sum() ** 2) / n
    second = float((p**2 / q).sum() - p.sum() ** 2) / m
    return sqrt(max(0.0, first + second))


def psi_error(p: Array, q: Array, n: float, m: float) -> float:
    """Standard error of PSI, as `kl_error`."""
    held = (p > 0) & (q > 0)
    p, q = p[held], q[held]
    by_p = np.log(p / q) + 1 - q / p
    by_q = np.log(q / p) + 1 - p / q
    first = float((p * by_p**2).sum() - (p * by_p).sum() ** 2) / n
    second = float((q * by_q**2).sum() - (q * by_q).sum() ** 2) / m
    return sqrt(max(0.0, first + second))


def js_error(p: Array, q: Array, n: float, m: float) -> float:
    """Standard error of the Jensen-Shannon divergence, as `kl_error`."""
    total = 0.0
    for one, other, size in ((p, q, n), (q, p, m)):
        held = one > 0
        slope = np.log(2 * one[held] / (one[held] + other[held])) / 2
        total += float((one[held] * slope**2).sum() - (one[held] * slope).sum() ** 2) / size
    return sqrt(max(0.0, total))


def true_divergence(value: float, unit: float, df: float, error: float) -> tuple[float, float]:
    """95 % interval of a true divergence from the one of two samples.

    Without drift value / unit is chi-square with `df` degrees of freedom, with drift it is noncentral with
    noncentrality (true divergence / unit): the interval inverts that. Far from 0, where the delta method's standard
    `error` says more than the chi-square's, the ends keep their distance in proportion to it.

    Parameters
    ----------
    value : the samples' divergence, >= 0
    unit : half of what a degree of freedom adds to it in the mean, > 0; (1/n + 1/m) / 2 for KL
    df : classes - 1, >= 1; any number for a sum over several mixes
    error : the standard error by the delta method, >= 0

    References
    ----------
    S. Kullback (1959), Information Theory and Statistics, 6.4; M. Kent, R. Hainsworth (1995), J. Statist. Plann.
    Inference 47:385, for intervals of noncentrality.
    """
    x = value / unit
    low, high = (_noncentrality(x, df, p) for p in (0.975, 0.025))
    by_chance = 2 * sqrt(unit * value)  # the error that the noncentral chi-square has far from 0
    wider = max(LEAST_RATIO, error / by_chance) if by_chance > 0 and x > 3 * df else 1.0
    middle = max(0.0, x - df)
    low, high = middle - (middle - low) * wider, middle + (high - middle) * wider
    return max(0.0, min(low * unit, value)), max(high * unit, value)


def _noncentrality(x: float, df: float, p: float) -> float:
    """The noncentrality at which a noncentral chi-square is at most x with chance p; 0 where none is that large."""
    from scipy.special import chdtr, chndtrinc  # noqa: PLC0415  heavy, and only here

    if float(chdtr(df, x)) <= p:
        return 0.0
    if x > LARGE:
        z = NormalDist().inv_cdf(p)
        # x = df + nc + z sqrt(2 (df + 2 nc)), solved for the root of df + 2 nc.
        root = -z * sqrt(2) + sqrt(2 * z * z + 2 * x - df)
        return max(0.0, (root * root - df) / 2)
    return float(chndtrinc(x, df, p))
