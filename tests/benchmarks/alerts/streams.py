"""Simulated audits by the minute, as [minutes, runs] counts. Shares no code with what it is to judge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Rng = np.random.Generator
Counts = np.ndarray  # int32, [minutes, runs]
BATCH, ICC = 20, 0.1
DESIGN_EFFECT = 1 + (BATCH - 1) * ICC  # Kish (1965): of a mean over clusters of one size


@dataclass(frozen=True, kw_only=True)
class Stream:
    """How many audits fell into each minute of each run, and how many of them found an error."""

    events: Counts
    errors: Counts

    @property
    def shape(self) -> tuple[int, int]:
        """(minutes, runs)."""
        return self.events.shape


def independent(rng: Rng, shape: tuple[int, int], per_hour: float, error: float) -> Stream:
    """Poisson arrivals, each an error by chance `error`.

    The errors and the rest of such a process are independent Poisson processes, which is quicker to draw.
    """
    wrong = _poisson(rng, per_hour / 60 * error, shape)
    return Stream(events=wrong + _poisson(rng, per_hour / 60 * (1 - error), shape), errors=wrong)


def batches(rng: Rng, shape: tuple[int, int], per_hour: float, error: float) -> Stream:
    """Batches of 20 that arrive at once; each errs by a chance of its own (beta), so that errors correlate by .1."""
    arrived = _poisson(rng, per_hour / 60 / BATCH, shape).ravel()
    where = np.repeat(np.arange(len(arrived)), arrived)
    size = (1 - ICC) / ICC
    wrong = rng.binomial(BATCH, rng.beta(error * size, (1 - error) * size, len(where)))
    errors = np.bincount(where, weights=wrong, minlength=len(arrived)).astype(np.int32)
    return Stream(events=(arrived * BATCH).reshape(shape), errors=errors.reshape(shape))


def switched(healthy: Stream, faulty: Stream, start: np.ndarray, end: np.ndarray) -> Stream:
    """`faulty` in the minutes [start, end) of each run, `healthy` in all others."""
    minute = np.arange(healthy.shape[0])[:, None]
    at_fault = (minute >= start[None, :]) & (minute < end[None, :])
    return Stream(
        events=np.where(at_fault, faulty.events, healthy.events),
        errors=np.where(at_fault, faulty.errors, healthy.errors),
    )


def _poisson(rng: Rng, mean: float, shape: tuple[int, int]) -> Counts:
    if mean <= 0:
        return np.zeros(shape, np.int32)
    if mean > 0.02:
        return rng.poisson(mean, shape).astype(np.int32)
    # Few minutes hold anything: throw the arrivals of all runs at once.
    cells = shape[0] * shape[1]
    hit = rng.integers(0, cells, rng.poisson(mean * cells))
    return np.bincount(hit, minlength=cells).astype(np.int32).reshape(shape)
