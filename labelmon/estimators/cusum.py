"""e-CUSUM: has the error ratio risen above the budget? Walked over events in order; quick, with few false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import ArrayLike, NDArray

FALSE_ALARMS = 0.1  # that a month of healthy events may expect, over all alternatives of a severity
FEWEST = 30.0  # events per 30 d that a threshold is made for at least: an estimate of less is no rate yet
CAP = 1.1  # of the threshold: what is above only delays the end of an alarm
LARGEST_STEP = 0.4  # of the threshold
TAIL = 512  # cells that usually say all


@dataclass(frozen=True, kw_only=True)
class Cusum:
    """One alternative's walk, in nats: a bad event adds `up`, a good one takes `down`, above `threshold` it decides."""

    burn: float
    alternative: float
    up: float
    down: float
    threshold: float

    @property
    def cap(self) -> float:
        """The highest level."""
        return CAP * self.threshold


def alternative(budget: float, burn: float) -> float:
    """The error ratio that a walk looks for: `burn` budgets, or where that nears 1 a total failure.

    A factor times the budget may reach 1, and then stands for nothing that could be seen: at an objective of 90 %,
    14.4 budgets are 144 % errors. The nearest to a failure of everything that still forgives a good event is taken
    instead: one in 50 of the good ones that the budget asks for.

    Parameters
    ----------
    budget : share of events that may be bad, in (0, 1)
    burn : above 1

    Examples
    --------
    >>> alternative(0.05, 6), round(alternative(0.1, 14.4), 3), alternative(0.5, 6)
    (0.30000000000000004, 0.982, 0.99)
    """
    return min(burn * budget, 1 - (1 - budget) / 50)


def cusums(budget: float, burns: Sequence[float], events_per_30d: float) -> tuple[Cusum, ...]:
    """The walks of one severity, one for each burn, that together raise `FALSE_ALARMS` in 30 d of events at the budget.

    At the budget exp(level) is at most the sum, over the events it may have started at, of likelihood ratios with mean
    1. So a walk needs at least exp(threshold) events, in the mean, until it decides; several alternatives share the
    false alarms.

    Parameters
    ----------
    budget : share of events that may be bad, in (0, 1)
    burns : the alternatives, in budgets, above 1
    events_per_30d : (effective) events

    References
    ----------
    G. Lorden (1971), Ann. Math. Statist. 42:1897; J. Shin, A. Ramdas, A. Rinaldo (2024), E-detectors,
    New England J. Stat. Data Sci. 2:229.

    Examples
    --------
    >>> [round(c.threshold / c.up, 1) for c in cusums(0.05, (6, 14.4), 72_000)]  # bad events in a row that decide
    [7.9, 5.3]
    """
    alternatives = [alternative(budget, burn) for burn in burns]
    threshold = log(len(set(alternatives)) * max(events_per_30d, FEWEST) / FALSE_ALARMS)
    # Against a strict objective one bad event may weigh more than the threshold of a slow stream. One mistaken
    # audit must wake nobody: three bad events in a row do. A smaller step only makes false alarms rarer.
    return tuple(
        Cusum(
            burn=burn,
            alternative=p1,
            up=min(log(p1 / budget), LARGEST_STEP * threshold),
            down=log((1 - budget) / (1 - p1)),
            threshold=threshold,
        )
        for burn, p1 in zip(burns, alternatives, strict=True)
    )


def step(
    level: float | NDArray[np.float64], errors: ArrayLike, events: ArrayLike, cusum: Cusum
) -> float | NDArray[np.float64]:
    """The level after `errors` of `events` (effective counts) more; arrays hold a run each."""
    errors, events = np.asarray(errors, float), np.asarray(events, float)
    moved: NDArray[np.float64] = np.clip(level + cusum.up * errors - cusum.down * (events - errors), 0.0, cusum.cap)
    return moved


def levels(errors: ArrayLike, events: ArrayLike, walks: Sequence[Cusum]) -> list[float]:
    """Where each walk stands after cells of `errors` out of `events`, in order of time, from level 0.

    Equal to `step` over the cells, without a Python loop: a step is x -> clip(x + s, low, high), and two such maps in a
    row are one. Where the last cells alone bring every start to one end, the ones before are left alone.

    Parameters
    ----------
    errors, events : (n,) effective counts, 0 <= errors <= events

    Returns
    -------
    Nats, one for each of `walks`.
    """
    bad, total = np.asarray(errors, float), np.asarray(events, float)
    caps, up, down = (np.array(column)[:, None] for column in zip(*((w.cap, w.up, w.down) for w in walks), strict=True))
    shift, ends = np.zeros_like(caps), np.stack([np.zeros_like(caps), caps])
    last = len(bad)
    while last > 0 and (ends[0] < ends[1]).any():
        first = max(0, last - TAIL) if last == len(bad) else 0
        steps = up * bad[first:last] - down * (total[first:last] - bad[first:last])
        shift, ends = _then(_joined(steps, caps), (shift, ends))
        last = first
    return [float(level) for level in np.clip(shift, ends[0], ends[1])[:, 0]]


# x -> clip(x + shift, low, high): `shift` (walks, n) and [low, high] (2, walks, n).
_Maps = tuple[NDArray[np.float64], NDArray[np.float64]]


def _then(first: _Maps, second: _Maps) -> _Maps:
    shift, ends = second
    # A third of the time of np.clip.
    return first[0] + shift, np.minimum(np.maximum(first[1] + shift, ends[0]), ends[1])


def _joined(shift: NDArray[np.float64], caps: NDArray[np.float64]) -> _Maps:
    """The steps of each row as one map, joined pair by pair."""
    ends = np.stack([np.zeros_like(shift), np.broadcast_to(caps, shift.shape)])
    while shift.shape[1] > 1:
        odd = shift.shape[1] % 2
        pairs = shift.shape[1] - odd
        made = _then((shift[:, :pairs:2], ends[..., :pairs:2]), (shift[:, 1:pairs:2], ends[..., 1:pairs:2]))
        if odd:
            made = np.hstack([made[0], shift[:, -1:]]), np.concatenate([made[1], ends[..., -1:]], axis=2)
        shift, ends = made
    return shift, ends
