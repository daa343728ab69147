"""Who errs more than their own past: each annotator's newest errors against what the earlier ones promise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelmon.estimators.apart import Array, Index, Tail, stand_apart
from labelmon.estimators.skill import LOG_SPREAD, SPREADS, Skill, fit_skill

FEWEST_EARLIER, FEWEST_NEWEST = 20, 10
LIMITS = (0.015, 0.004)
# The weeks of one annotator differ too, about half as much as annotators do: the work is easier or harder.
WEEKLY = 0.005
LIGHT = 5.0  # errors of a usual week that the peers' common change is weighed with


@dataclass(frozen=True, kw_only=True)
class Record:
    """Errors and audits by annotator, shape (people,): the earlier ones and those of the newest week."""

    errors: Array
    audits: Array
    new_errors: Array
    new_audits: Array


def worsened(record: Record) -> tuple[list[float], list[bool]]:
    """Each one's adjusted p-value of so many new errors, and whether it is flagged."""
    return stand_apart(len(record.audits), lambda rest: _against(record, rest), limits=LIMITS)


def _against(record: Record, rest: Index) -> Tail:
    """P(X >= new errors) of a beta-binomial: the posterior of the own rate, moved as the peers' errors moved.

    Its spread is that of the posterior, of the common move, and of weeks: the latter is weighed over a grid by how
    well it explains the peers' own changes, as in `fit_skill`.
    """
    from scipy.special import betaln  # noqa: PLC0415  heavy, and only here

    mean, spread = _posterior(fit_skill(record.errors[rest], record.audits[rest]), record)
    due = float((record.new_audits * mean)[rest].sum()) + LIGHT
    seen = float(record.new_errors[rest].sum()) + LIGHT
    moved = np.clip(mean * seen / due, 1e-4, 0.95)
    k, n = record.new_errors[rest], record.new_audits[rest]
    a, b = _shape(moved[rest], spread[rest] + SPREADS[:, None])
    likely = (betaln(a + k, b + n - k) - betaln(a, b)).sum(axis=1)
    likely += -0.5 * (np.log(SPREADS / WEEKLY) / LOG_SPREAD) ** 2
    weight = np.exp(likely - likely.max())
    weight = np.maximum(weight / weight.sum(), 1e-300)

    def tail(i: int) -> float:
        common = moved[i] / (1 - moved[i]) / seen  # the variance of the move, as a spread
        a, b = _shape(moved[i], spread[i] + common + SPREADS)
        return Skill(a=a, b=b, weight=weight).upper_tail(float(record.new_errors[i]), float(record.new_audits[i]))

    return tail


def _posterior(skill: Skill, record: Record) -> tuple[Array, Array]:
    """Mean of everybody's error rate after the earlier audits, and its variance over mean (1 - mean)."""
    from scipy.special import betaln  # noqa: PLC0415

    a = skill.a[:, None] + record.errors
    b = skill.b[:, None] + record.audits - record.errors
    logs = np.log(skill.weight)[:, None] + betaln(a, b) - betaln(skill.a, skill.b)[:, None]
    weight = np.exp(logs - logs.max(axis=0))
    weight /= weight.sum(axis=0)
    means = a / (a + b)
    mean = (weight * means).sum(axis=0)
    square = (weight * means * (a + 1) / (a + b + 1)).sum(axis=0)
    return mean, (square - mean**2) / (mean * (1 - mean))


def _shape(mean: Array | np.float64, rho: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    size = 1 / np.minimum(rho, 0.5) - 1
    return np.asarray(mean * size), np.asarray((1 - mean) * size)
