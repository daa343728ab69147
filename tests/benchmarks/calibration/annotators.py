"""How many honest annotators are flagged, and how often a bad one is found, by simulation.

Rounds of 40 annotators with 100 audits each. Honest error rates are 5 % on average and differ between people: by a
beta distribution (deviation 2 and 2.5 points), and, beyond what the test assumes, by a gamma distribution with a heavier
tail (2.5 points), of which less power is asked. In the rounds that measure power one of the 40 errs in 30 % of all
cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from labelmon.check import Moment
from labelmon.counts import ROWS, Counts, Op
from labelmon.estimators.anomaly import annotators_at_fault, judge

Rng = np.random.Generator
PEOPLE, AUDITS, MEAN, BAD = 40, 100, 0.05, 0.3
MOST_FALSE = 0.05
OPS = {ROWS: Op.SUM, "wrong": Op.SUM}


def beta(deviation: float) -> Callable[[Rng], np.ndarray]:
    size = MEAN * (1 - MEAN) / deviation**2 - 1
    return lambda rng: rng.beta(MEAN * size, (1 - MEAN) * size, PEOPLE)


# Each with the least power that is asked.
HONEST: Mapping[str, tuple[Callable[[Rng], np.ndarray], float]] = {
    "beta, 2 points": (beta(0.02), 0.95),
    "beta, 2.5 points": (beta(0.025), 0.95),
    "gamma, 2.5 points": (lambda rng: np.minimum(1.0, rng.gamma(4.0, MEAN / 4.0, PEOPLE)), 0.9),
}


def flagged(errors: np.ndarray) -> set[str]:
    """The names of who is flagged."""
    rows = [(f"p{i}", float(AUDITS), float(k)) for i, k in enumerate(errors)]
    combine = annotators_at_fault(part="people", wrong="wrong")
    found = combine({"people": Counts.of(("annotator",), OPS, rows)}, Moment(at=0))
    return {e.labels["annotator"] for e in found if e.statistic == "flagged" and e.value}


def figures(seed: int, rounds: int) -> tuple[dict[str, object], list[str]]:
    """What was measured, and the goals that were missed."""
    found: dict[str, object] = {}
    missed = []
    audits = np.full(PEOPLE, float(AUDITS))
    for place, (name, (honest, least)) in enumerate(HONEST.items()):
        rng = np.random.default_rng([seed, place])
        false = power = 0
        for _ in range(rounds):
            errors = rng.binomial(AUDITS, honest(rng)).astype(float)
            false += sum(judge(errors, audits)[1])
            errors[0] = rng.binomial(AUDITS, BAD)
            power += judge(errors, audits)[1][0]
        found[f"false_flags_per_round ({name})"] = round(false / rounds, 4)
        found[f"power ({name})"] = round(power / rounds, 4)
        if false / rounds > MOST_FALSE:
            missed.append(f"seed {seed}: {false / rounds:.3f} false flags a round, {name}; want <= {MOST_FALSE}")
        if power / rounds < least:
            missed.append(f"seed {seed}: power {power / rounds:.3f}, {name}; want >= {least}")
    return found, missed
