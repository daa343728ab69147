"""Items with several scored pairs that go together: do the intervals of the share and of the mean score hold?"""

from __future__ import annotations

import numpy as np

from labelmon.check import FOLDS, Moment
from labelmon.checks import check_named
from labelmon.counts import ROWS, Counts, Op
from labelmon.model import Estimate

LIMIT = 0.5


def draw_pairs(
    rng: np.random.Generator, n: float, pairs: float, p: float
) -> tuple[tuple[Estimate, ...], dict[str, float]]:
    """`n` items of `pairs` pairs: an item is easy with probability p, when 95 % of its pairs are good, and else 30 %.

    Good pairs score evenly from the limit to 1, bad ones from 0 to the limit.
    """
    easy = rng.random(int(n)) < p
    good = rng.random((int(n), int(pairs))) < np.where(easy, 0.95, 0.3)[:, None]
    scores = rng.random(good.shape) * LIMIT + np.where(good, LIMIT, 0.0)
    folds = rng.integers(0, FOLDS, int(n))
    sums = np.zeros((FOLDS, 3))
    for place, column in enumerate((np.full(int(n), pairs), good.sum(axis=1), scores.sum(axis=1))):
        np.add.at(sums[:, place], folds, column)
    check = check_named("pair_agreement")
    assert check.estimate is not None
    rows = [(str(fold), *values) for fold, values in enumerate(sums.tolist()) if values[0]]
    found = check.estimate(Counts.of(("fold",), dict.fromkeys((ROWS, "alike", "score"), Op.SUM), rows), Moment(at=0))
    alike = p * 0.95 + (1 - p) * 0.3
    return found, {"alike_share": alike, "mean_score": LIMIT * alike + LIMIT / 2}
