"""Latencies with pending items: does the interval of a percentile hold the true one?"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter

import numpy as np
from scipy.stats import expon, lognorm

from labelmon.check import Moment
from labelmon.checks import check_named
from labelmon.counts import ROWS, Counts, Op
from labelmon.model import Estimate

UPPER = [10 ** (k / 20) for k in range(200)]
# Half of the items are done after half an hour; a share still waits, having arrived in the last so many seconds.
MEDIAN = 1800.0
SHAPES = {0: expon(scale=MEDIAN / np.log(2)), 1: lognorm(s=1.2, scale=MEDIAN)}


def draw_delay(
    rng: np.random.Generator, n: float, shape: float, reach: float
) -> tuple[tuple[Estimate, ...], dict[str, float]]:
    """`shape` 0 is exponential, 1 lognormal; items arrived evenly over the last `reach` medians."""
    law = SHAPES[int(shape)]
    lasts, ages = law.rvs(int(n), random_state=rng), rng.uniform(0, reach * MEDIAN, int(n))
    seen: Counter[tuple[str, bool]] = Counter()
    for last, age in zip(lasts, ages, strict=True):
        seen[f"{bisect_right(UPPER, min(last, age)):03d}", bool(last <= age)] += 1
    rows = [("", name, float(count), float(count * done)) for (name, done), count in seen.items()]
    check = check_named("label_delay")
    assert check.estimate is not None
    found = check.estimate(Counts.of(("step", "bin"), {ROWS: Op.SUM, "done": Op.SUM}, rows), Moment(at=0))
    asked = {"p50_seconds": 0.5, "p95_seconds": 0.95}
    if n >= 1000:  # of fewer the 99th percentile is not said
        asked["p99_seconds"] = 0.99
    # Beyond the oldest arrival nothing is seen of a percentile: it is insufficient, and has no interval to judge.
    return found, {name: float(law.ppf(q)) for name, q in asked.items() if law.ppf(q) < reach * MEDIAN}
