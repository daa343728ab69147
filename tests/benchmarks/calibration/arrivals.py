"""Streams of arrivals that stop: how many were due since the last one."""

from __future__ import annotations

from functools import cache

import numpy as np

from labelmon.check import Estimator, Moment
from labelmon.checks import check_named
from labelmon.counts import BUCKET, ROWS, Counts, Op
from labelmon.model import Estimate

HOUR, WEEK = 3600, 168
MONDAY = 1_767_571_200  # 2026-01-05 00:00 UTC
ESTIMATE: Estimator = check_named("pipeline_stall").estimate  # type: ignore[assignment]


@cache
def office() -> np.ndarray:
    """The share of a week's arrivals that each of its hours gets, (168,): days, few at night, a third at weekends."""
    of_day = np.array([0.15] * 7 + [0.6, 1.2] + [1.6] * 8 + [1.0, 0.7, 0.5, 0.4, 0.3, 0.2, 0.15])
    days = np.array([1.1, 1.0, 1.05, 1.0, 0.9, 0.35, 0.3])
    shares = np.outer(days, of_day).ravel()
    # Days are no copies of each other, and the same ones in every replicate.
    shares = shares * np.exp(np.random.default_rng(5).normal(0, 0.1, WEEK))
    return np.asarray(shares / shares.sum())


def draw_arrivals(
    rng: np.random.Generator, weekly: float, begins: float, silent: float, unrest: float
) -> tuple[tuple[Estimate, ...], dict[str, float]]:
    """Four weeks and some days of `weekly` arrivals each, by chance; from `begins` o'clock on a Thursday none.

    Days differ by a gamma distribution with the coefficient of variation `unrest`; due is what is usual.
    """
    end = 4 * WEEK + 3 * 24 + int(begins)
    rates = weekly * office()[np.arange(end) % WEEK]
    pace = rng.gamma(1 / unrest**2, unrest**2, 32) if unrest else np.ones(32)
    counts = rng.poisson(rates * pace[np.arange(end) // 24])
    rows = []
    for hour in np.flatnonzero(counts):
        within = np.sort(rng.random(counts[hour])) * HOUR
        at = MONDAY + int(hour) * HOUR
        rows.append((at, float(counts[hour]), (at + within[0]) * 1000, (at + within[-1]) * 1000))
    last = rows[-1][3] / 1000
    ops = {ROWS: Op.SUM, "oldest": Op.MIN, "newest": Op.MAX}
    now = MONDAY + end * HOUR + silent * HOUR
    found = ESTIMATE(Counts.of((BUCKET,), ops, rows), Moment(at=now))
    edges = np.concatenate([[0.0], np.cumsum(weekly * office()[np.arange(end + 48) % WEEK])])
    since, until = (np.interp((at - MONDAY) / HOUR, np.arange(len(edges)), edges) for at in (last, now))
    return tuple(found), {"missed_arrivals": float(until - since)}
