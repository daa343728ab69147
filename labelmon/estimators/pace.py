"""How long somebody takes for a label, and who is far faster or slower than the others."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np

from labelmon.estimators.apart import Array
from labelmon.estimators.multiplicity import benjamini_hochberg

# Upper ends of the histogram's classes in seconds, a factor of the square root of 2 apart: 0.25 s to over an hour.
BOUNDS = tuple(round(2 ** (half / 2), 3) for half in range(-4, 25))
FEWEST_TIMED = 50
LIMIT = 0.002
# Honest people's typical times differ by a third or so, which counts as much as some degrees of freedom of peers do: a
# handful of them says little.
USUAL_SPREAD, USUAL_KNOWN = 0.35, 6.0
FAST, SLOW = 1 / 3, 3.0  # times the peers' typical time: what is worth a talk
NORMAL_MAD = 0.6745  # the median absolute deviation of a standard normal
# The median absolute deviation tells of a spread what so large a share of the values would in a standard deviation.
MAD_EFFICIENCY = 0.37


def quantile(below: Array, share: float) -> float:
    """The time in seconds that `share` of the labels took at most, between two bounds in proportion on a log scale.

    `below` are the numbers of labels that took each of `BOUNDS` at most, and last of all labels, shape (bounds + 1,).
    What is below the first bound is taken as half of it or more, what is above the last as twice it or less.
    """
    ends = np.log([BOUNDS[0] / 2, *BOUNDS, BOUNDS[-1] * 2])
    return float(np.exp(np.interp(share * below[-1], *_rising(np.concatenate([[0.0], below]), ends))))


def typical_seconds(below: Array) -> tuple[float, float, float]:
    """The median of the times and its 95 % interval, the quantiles that the binomial allows the median to be.

    A share that is taken in proportion between two bounds varies less than a counted one: by p w (1 - w), p being the
    share of the class and w how far into it.
    """
    n = float(below[-1])
    heights = np.concatenate([[0.0], below]) / n
    place = int(np.searchsorted(heights, 0.5))
    mass = heights[place] - heights[place - 1]
    into = (0.5 - heights[place - 1]) / mass
    half = 1.96 * sqrt((0.25 - mass * into * (1 - into)) / n)
    low, middle, high = (quantile(below, share) for share in (max(0.0, 0.5 - half), 0.5, min(1.0, 0.5 + half)))
    return middle, low, high


def outpaced(typical: Sequence[float]) -> tuple[list[float], list[bool], list[float], list[bool]]:
    """Adjusted p-values and flags of who is far faster than the others, and the same of who is far slower.

    `typical` are everybody's seconds. On a log scale each is held against the median of the others in units of their
    median absolute deviation, weighed with a usual one, by Student's t: a few robots do not hide each other.

    References
    ----------
    F. R. Hampel (1974), JASA 69:383; P. J. Rousseeuw, C. Croux (1993), JASA 88:1273, for the efficiency.
    """
    from scipy.special import stdtr  # noqa: PLC0415  heavy, and only here

    logs = np.log(np.asarray(typical))
    told = MAD_EFFICIENCY * (len(logs) - 1)
    away, units = np.empty(len(logs)), np.empty(len(logs))
    for i in range(len(logs)):
        others = np.delete(logs, i)
        middle = float(np.median(others))
        spread = float(np.median(np.abs(others - middle))) / NORMAL_MAD
        away[i] = logs[i] - middle
        units[i] = away[i] / sqrt((USUAL_KNOWN * USUAL_SPREAD**2 + told * spread**2) / (USUAL_KNOWN + told))
    df = USUAL_KNOWN + told
    fast = benjamini_hochberg([float(p) for p in stdtr(df, units)])
    slow = benjamini_hochberg([float(p) for p in stdtr(df, -units)])
    return (
        fast,
        [p < LIMIT and d <= np.log(FAST) for p, d in zip(fast, away, strict=True)],
        slow,
        [p < LIMIT and d >= np.log(SLOW) for p, d in zip(slow, away, strict=True)],
    )


def _rising(heights: Array, ends: Array) -> tuple[Array, Array]:
    """The points of the distribution without classes that nobody is in before the first and after the last label."""
    first = int(np.flatnonzero(heights == 0)[-1])
    last = int(np.flatnonzero(heights == heights[-1])[0])
    return heights[first : last + 1], ends[first : last + 1]
