"""Scores of pairs of labels: how many are good enough, and how good they are, where pairs of one item go together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelmon.check import Moment
from labelmon.counts import OTHER, ROWS, Counts
from labelmon.estimators.breakdown import FEWEST, share, unknown
from labelmon.estimators.jackknife import jackknife_interval
from labelmon.estimators.proportion import wilson
from labelmon.model import Estimate, State

Array = NDArray[np.float64]
Z = 1.959963984540054  # the 97.5 % point of the normal distribution


def scores_of_pairs(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
    """`alike_share` and `mean_score` of pairs, from `alike` and `score` by `fold` of items.

    Both are ratios to the number of pairs, with intervals by a jackknife over folds; that of the share is Wilson's on
    as many pairs as would make a plain share's as wide, and on no more pairs than there are folds where all pairs
    are good or bad: how much pairs of one item go together cannot be told then.
    """
    del moment
    frame = counts.project(("fold",)).frame
    rows = frame[ROWS].to_numpy(float)
    if not rows.sum():
        return tuple(unknown(name, "no pair has a score") for name in ("alike_share", "mean_score"))
    found = []
    for name, column in (("alike_share", "alike"), ("mean_score", "score")):
        sums = frame[column].to_numpy(float)
        value = float(sums.sum() / rows.sum())
        ends = _jackknife(value, sums, rows)
        if ends is not None and name == "alike_share":
            half = (ends[1] - ends[0]) / 2
            n = min(rows.sum(), Z * Z * value * (1 - value) / half**2) if half > 0 else float(len(rows))
            ends = wilson(value * n, n)
        state, reason = State.OK, ""
        if rows.sum() < FEWEST:
            state, reason = State.INSUFFICIENT, f"{rows.sum():g} pairs; need {FEWEST}"
        elif ends is None:
            state, reason = State.INSUFFICIENT, "too few groups of items for an interval"
        low, high = ends or (None, None)
        n = float(rows.sum())
        found.append(Estimate(statistic=name, value=value, low=low, high=high, n=n, state=state, reason=reason))
    return tuple(found)


def _jackknife(value: float, sums: Array, rows: Array) -> tuple[float, float] | None:
    left = (sums.sum() - sums) / np.maximum(rows.sum() - rows, 1e-300)
    return jackknife_interval(value, left.tolist(), -np.inf, np.inf) if len(rows) > 1 else None


def scores_by_people(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
    """`pair_alike_share` of each two annotators, by their pseudonyms, with Wilson's interval over their pairs."""
    del moment
    frame = counts.project(("annotator", "second_annotator")).frame
    named = frame[~frame["annotator"].isin(["", OTHER]) & ~frame["second_annotator"].isin(["", OTHER])]
    found = []
    columns = (named[name] for name in ("annotator", "second_annotator", ROWS, "alike"))
    for one, other, rows, alike in zip(*columns, strict=True):
        few = rows < FEWEST
        state, reason = (State.INSUFFICIENT, f"{rows:g} pairs; need {FEWEST}") if few else (State.OK, "")
        labels = {"annotator": str(one), "other_annotator": str(other)}
        found.append(share("pair_alike_share", float(alike), float(rows), state, reason, labels))
    return tuple(found)
