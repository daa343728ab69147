"""Items measured by several annotators: do the intervals of agreement hold what it would be over all items?"""

from __future__ import annotations

import itertools
from math import erf

import numpy as np

from labelmon.check import FOLDS, Moment
from labelmon.checks import check_named
from labelmon.counts import ROWS, Counts, Op
from labelmon.model import Estimate

WITHIN = 1.0


def draw_numbers(
    rng: np.random.Generator, n: float, annotators: float, error: float
) -> tuple[tuple[Estimate, ...], dict[str, float]]:
    """Items spread with deviation 1, each annotator off by a normal `error`; alpha is the share of true variance."""
    m = int(annotators)
    said = rng.normal(0, 1, (int(n), 1)) + rng.normal(0, error, (int(n), m))
    folds = rng.integers(0, FOLDS, int(n))
    sums = np.zeros((FOLDS, 6))
    for a, b in itertools.combinations(range(m), 2):
        one, two = said[:, a], said[:, b]
        apart, close = (one - two) ** 2, np.abs(one - two) <= WITHIN
        each = np.ones(int(n)) / (m - 1)
        columns = (2 * each, (one + two) * each, (one**2 + two**2) * each, 2 * apart * each)
        whole = 2 / (m * (m - 1))
        for place, column in enumerate((*columns, np.full(int(n), whole), close * whole)):
            np.add.at(sums[:, place], folds, column)
    check = check_named("number_agreement")
    assert check.estimate is not None
    names = ("rated", "total", "squares", "apart", "items", "alike")
    rows = [(str(fold), 1.0, *values) for fold, values in enumerate(sums.tolist())]
    found = check.estimate(Counts.of(("fold",), dict.fromkeys((ROWS, *names), Op.SUM), rows), Moment(at=0))
    # The difference of two annotators is normal with deviation error x sqrt 2.
    return found, {"krippendorff_alpha_interval": 1 / (1 + error**2), "percent_agreement": erf(WITHIN / (2 * error))}
