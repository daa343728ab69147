"""The product's e-CUSUMs over simulated audits: every walk of every run at once, a row of minutes at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelmon.estimators.cusum import CAP, FALSE_ALARMS, FEWEST, LARGEST_STEP, Cusum, cusums
from tests.benchmarks.alerts.streams import Stream

CHUNK = 1440  # minutes whose steps are made together


def decided(
    stream: Stream, budget: float, burns: Sequence[float], events_per_30d: np.ndarray, effect: float
) -> np.ndarray:
    """Whether any walk of `burns` is above its threshold after each minute, [minutes, runs].

    `events_per_30d` is (effective) and moves with time, [minutes, runs]: so do thresholds and caps. The daemon walks
    all of its ledger by the threshold of the moment, which moves a level that came down from its cap with the cap.
    """
    walks = cusums(budget, burns, FEWEST)
    minutes, runs = stream.shape
    level, capped = np.zeros((len(walks), runs)), np.zeros((len(walks), runs), bool)
    cap = np.zeros((len(walks), runs))
    found = np.zeros((minutes, runs), bool)
    for begun in range(0, minutes, CHUNK):
        part = slice(begun, min(minutes, begun + CHUNK))
        bad, total = stream.errors[part] / effect, stream.events[part] / effect
        thresholds = np.stack([threshold(walks, events_per_30d[part])] * len(walks), axis=1)
        caps = CAP * thresholds
        steps = np.stack(
            [step_up(walk, budget, thresholds[:, i]) * bad - walk.down * (total - bad) for i, walk in enumerate(walks)],
            axis=1,
        )
        above = np.zeros((len(steps), runs), bool)
        for at in range(len(steps)):
            np.add(level, caps[at] - cap, out=level, where=capped)
            np.add(level, steps[at], out=level)
            np.maximum(level, 0.0, out=level)
            cap = caps[at]
            np.minimum(level, cap, out=level)
            capped = (level == cap) | (capped & (level > 0.0))
            above[at] = (level > thresholds[at]).any(axis=0)
        found[part] = above
    return found


def threshold(walks: Sequence[Cusum], events_per_30d: np.ndarray) -> np.ndarray:
    """cusum.cusums' threshold for many rates."""
    alternatives = len({walk.alternative for walk in walks})
    return np.log(alternatives * np.maximum(events_per_30d, FEWEST) / FALSE_ALARMS)


def step_up(walk: Cusum, budget: float, thresholds: np.ndarray) -> np.ndarray:
    """cusum.cusums' step of a bad event for many thresholds."""
    return np.minimum(np.log(walk.alternative / budget), LARGEST_STEP * thresholds)
