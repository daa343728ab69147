"""How often the interval of the gap between what machines claim and what audits say holds the truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from labelmon.check import Moment
from labelmon.checks import check_named
from labelmon.counts import ROWS, Counts
from labelmon.model import Estimate


def draw_gap(
    rng: np.random.Generator, n: float, gap: float, spread: float
) -> tuple[tuple[Estimate, ...], Mapping[str, float]]:
    """Confidences around 0.85, `spread` wide at most; a label is right with its confidence less `gap`."""
    sure = 0.85 + spread * (rng.random(int(n)) - 0.5)
    right = (rng.random(int(n)) < sure - gap).astype(float)
    sums = {
        ROWS: n,
        "weight": n,
        "weight_squared": n,
        "good_weight": right.sum(),
        "good_weight_squared": right.sum(),
        "surely": sure.sum(),
        "sure_once": sure.sum(),
        "sure_squared": (sure * sure).sum(),
        "sure_and_right": (sure * right).sum(),
    }
    check = check_named("auto_confidence")
    assert check.estimate is not None
    counts = Counts.of(("stratum",), check.ops, [("", *(float(sums[column]) for column in check.ops))])
    return check.estimate(counts, Moment(at=0)), {"confidence_gap": gap}
