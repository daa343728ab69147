"""From what a rule's expression says each minute to alerts: when they start, when they resolve.

Prometheus fires at the first evaluation that holds (`for` is not used), and goes on firing until
`keep_firing_for` has passed since the first evaluation that no longer holds.
"""

from __future__ import annotations

import numpy as np

NEVER = np.iinfo(np.int32).max


def keep_steps(keep_firing: int, interval: int) -> int:
    """How many evaluations an alert outlives its expression."""
    return -(-keep_firing // interval)


def firing(holds: np.ndarray, keep: int) -> np.ndarray:
    """Whether the alert fires at each evaluation, [evaluations, runs]."""
    minutes = np.arange(len(holds))[:, None]
    last = np.maximum.accumulate(np.where(holds, minutes, -keep - 1), axis=0)
    return np.asarray(minutes - last <= keep)


def episodes(holds: np.ndarray, keep: int, since: int) -> np.ndarray:
    """How many alerts of each run start at or after the evaluation `since`; one that still fires then is none."""
    found = np.zeros(holds.shape[1], np.int64)
    runs, minutes = np.nonzero(holds.T)
    if not len(runs):
        return found
    fresh = np.ones(len(runs), bool)
    fresh[1:] = (runs[1:] != runs[:-1]) | (minutes[1:] - minutes[:-1] > keep + 1)
    np.add.at(found, runs[fresh & (minutes >= since)], 1)
    return found


def first(holds: np.ndarray, since: np.ndarray) -> np.ndarray:
    """The first evaluation at or after `since` (one number a run) that holds; NEVER where none does."""
    late = holds & (np.arange(len(holds))[:, None] >= since[None, :])
    return np.where(late.any(axis=0), late.argmax(axis=0), NEVER).astype(np.int64)
