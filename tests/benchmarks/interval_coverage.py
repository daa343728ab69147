"""How often nominal 95 % intervals hold the truth, by simulation: Wilson's, alpha's jackknife, kappa's standard error.

python -m tests.benchmarks.interval_coverage --seed 1 --replicates 1000

Annotators say a latent class (prevalence 1/2 or 3/10 of the rarer one) with probability p and the other one
otherwise, each for itself; the true kappa and alpha follow from the joint distribution.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys

import numpy as np

from labelmon.check import FOLDS, Moment
from labelmon.counts import ROWS, Counts, Op
from labelmon.estimators.agreement import agreement
from labelmon.estimators.kappa import agreement_weights, cohen_kappa
from labelmon.estimators.proportion import wilson

SHARES = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
PREVALENCES = (0.5, 0.3)
SIZES = {"wilson": (100, 200, 500), "alpha": (100, 200, 500), "kappa": (200, 500)}
OPS = {ROWS: Op.SUM, "same": Op.SUM}
KEYS = ("fold", "ratings", "label", "other_label")
MEAN, LEAST = (0.94, 0.96), 0.92


def true_kappa(p: float, prevalence: float) -> float:
    """Of two annotators with one and the same marginal; in the limit alpha is the same number."""
    says = prevalence * p + (1 - prevalence) * (1 - p)
    observed = p * p + (1 - p) * (1 - p)
    chance = says * says + (1 - says) * (1 - says)
    return (observed - chance) / (1 - chance)


def ratings(rng: np.random.Generator, n: int, raters: int, p: float, prevalence: float) -> np.ndarray:
    truth = rng.random(n) < prevalence
    return np.where(rng.random((raters, n)) < p, truth, ~truth).astype(int)


def holds_wilson(rng: np.random.Generator, n: int, p: float, _prevalence: float) -> bool:
    low, high = wilson(float(rng.binomial(n, p)), float(n))
    return low <= p <= high


def holds_alpha(rng: np.random.Generator, n: int, p: float, prevalence: float) -> bool:
    said = ratings(rng, n, 3, p, prevalence)
    folds = rng.integers(0, FOLDS, n)
    cells = np.zeros((FOLDS, 2, 2))
    for one, other in itertools.combinations(range(3), 2):
        np.add.at(cells, (folds, said[one], said[other]), 1)
    rows = [
        (str(f), "3", str(a), str(b), cells[f, a, b], cells[f, a, b] * (a == b))
        for f, a, b in itertools.product(range(FOLDS), range(2), range(2))
        if cells[f, a, b]
    ]
    alpha = agreement(Counts.of(KEYS, OPS, rows), Moment(at=0, classes=("0", "1")))[0]
    assert alpha.low is not None
    assert alpha.high is not None
    return alpha.low <= true_kappa(p, prevalence) <= alpha.high


def holds_kappa(rng: np.random.Generator, n: int, p: float, prevalence: float) -> bool:
    said = ratings(rng, n, 2, p, prevalence)
    table = np.zeros((2, 2))
    np.add.at(table, (said[0], said[1]), 1)
    found = cohen_kappa(table, agreement_weights(2, 0))
    if found is None:
        return False
    kappa, error, *_ = found
    return abs(kappa - true_kappa(p, prevalence)) <= 1.959964 * error


HOLDS = {"wilson": holds_wilson, "alpha": holds_alpha, "kappa": holds_kappa}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replicates", type=int, default=1000)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    figures: dict[str, float | str] = {}
    broken = 0
    for name, holds in HOLDS.items():
        cells = {}
        prevalences = PREVALENCES if name != "wilson" else (0.5,)
        for n, p, prevalence in itertools.product(SIZES[name], SHARES, prevalences):
            hits = sum(holds(rng, n, p, prevalence) for _ in range(asked.replicates))
            cells[f"n {n}, p {p}, prevalence {prevalence}"] = hits / asked.replicates
        mean = float(np.mean(list(cells.values())))
        least, most = min(cells, key=cells.__getitem__), max(cells, key=cells.__getitem__)
        figures[f"{name}_mean_coverage"] = round(mean, 4)
        figures[f"{name}_least_coverage"] = f"{cells[least]:.3f} ({least})"
        figures[f"{name}_most_coverage"] = f"{cells[most]:.3f} ({most})"
        broken += not (MEAN[0] <= mean <= MEAN[1] and cells[least] >= LEAST)
    print(json.dumps(figures))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
