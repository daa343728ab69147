"""The product's e-CUSUMs over simulated audits: every walk of every run at once, a row of minutes at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelmon.estimators.cusum import CAP, FALSE_ALARMS, FEWEST, LARGEST_STEP, Cusum, cusums
from tests.benchmarks.alerts.streams import Stream

CHUNK = 1440  # minutes whose steps are made together


def decided(
    stream: Stream, budget: float, burns: Sequence[Sequence[float]], events_per_30d: np.ndarray, effect: float
) -> list[np.ndarray]:
    """Whether any walk of each group of `burns` is above its threshold after each minute, [minutes, runs].

    `events_per_30d` is (effective) and moves with time, [minutes, runs]: so do thresholds and caps. The daemon walks
    all of its ledger by the threshold of the moment, which moves a level that came down from its cap with the cap.
    """
    groups = [cusums(budget, group, FEWEST) for group in burns]
    minutes, runs = stream.shape
    shape = (sum(map(len, groups)), runs)
    level, cap, capped = np.zeros(shape), np.zeros(shape), np.zeros(shape, bool)
    found = [np.zeros((minutes, runs), bool) for _ in groups]
    for begun in range(0, minutes, CHUNK):
        part = slice(begun, min(minutes, begun + CHUNK))
        bad, total = stream.errors[part] / effect, stream.events[part] / effect
        limits, steps = [], []
        for walks in groups:
            limit = threshold(walks, events_per_30d[part])
            limits += [limit] * len(walks)
            steps += [step_up(walk, budget, limit) * bad - walk.down * (total - bad) for walk in walks]
        above = _walk(level, cap, capped, np.stack(steps, axis=1), np.stack(limits, axis=1))
        place = 0
        for walks, held in zip(groups, found, strict=True):
            held[part] = above[:, place : place + len(walks)].any(axis=1)
            place += len(walks)
    return found


def _walk(level: np.ndarray, cap: np.ndarray, capped: np.ndarray, steps: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Takes `steps`, [minutes, walks, runs], and changes the state of [walks, runs] in place; what is above `limits`."""
    caps = CAP * limits
    above = np.zeros(steps.shape, bool)
    for at, step in enumerate(steps):
        np.subtract(caps[at], cap, out=cap)
        np.add(level, cap * capped, out=level)
        np.add(level, step, out=level)
        np.maximum(level, 0.0, out=level)
        np.copyto(cap, caps[at])
        np.minimum(level, cap, out=level)
        np.logical_and(capped, level > 0.0, out=capped)
        np.logical_or(capped, level == cap, out=capped)
        np.greater(level, limits[at], out=above[at])
    return above


def threshold(walks: Sequence[Cusum], events_per_30d: np.ndarray) -> np.ndarray:
    """cusum.cusums' threshold for many rates."""
    alternatives = len({walk.alternative for walk in walks})
    return np.log(alternatives * np.maximum(events_per_30d, FEWEST) / FALSE_ALARMS)


def step_up(walk: Cusum, budget: float, thresholds: np.ndarray) -> np.ndarray:
    """cusum.cusums' step of a bad event for many thresholds."""
    return np.minimum(np.log(walk.alternative / budget), LARGEST_STEP * thresholds)
