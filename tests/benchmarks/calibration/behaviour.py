"""How many honest annotators are flagged by mix, pace and own past, and how often a bad one is found, by simulation.

Rounds of 40 annotators. Honest people differ: in skill (by a gamma distribution), in the mix of classes they are given,
in how much their weeks vary, and in speed (normal and with the heavier tail of Student's t on a log scale); and the
newest week differs for everybody, harder and of another mix. Per replicate all tests run on one such team.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from labelmon.estimators.anomaly import judge
from labelmon.estimators.mixes import changed, merge_rare, odd
from labelmon.estimators.own_past import Record, worsened
from labelmon.estimators.pace import BOUNDS, outpaced, typical_seconds
from labelmon.model import Estimate

Rng = np.random.Generator
Round = Callable[[Rng], tuple[list[bool], list[bool]]]  # flags of 40 honest ones, and with the first one bad
PEOPLE, CLASSES = 40, 6
MOST_FALSE = 0.05


def own_past(rng: Rng) -> tuple[list[bool], list[bool]]:
    """300 earlier audits and 100 new ones each; the bad one comes to err in 30 %."""
    usual = np.minimum(0.5, rng.gamma(4.0, 0.05 / 4.0, PEOPLE))
    week = usual * np.exp(rng.normal(0, 0.2) + rng.normal(0, 0.25, PEOPLE))
    before, now = np.full(PEOPLE, 300.0), np.full(PEOPLE, 100.0)
    old = rng.binomial(300, usual).astype(float)
    new = rng.binomial(100, np.minimum(0.6, week)).astype(float)
    bad = new.copy()
    bad[0] = rng.binomial(100, 0.3)
    return (
        worsened(Record(errors=old, audits=before, new_errors=new, new_audits=now))[1],
        worsened(Record(errors=old, audits=before, new_errors=bad, new_audits=now))[1],
    )


def gold(rng: Rng) -> tuple[list[bool], list[bool]]:
    """40 to 160 gold audits each, 3 % errors, give or take 1.5; the bad one errs in 30 % of 100."""
    audits = rng.integers(40, 160, PEOPLE).astype(float)
    audits[0] = 100.0
    errors = rng.binomial(audits.astype(int), rng.beta(3.9, 125.0, PEOPLE)).astype(float)
    bad = errors.copy()
    bad[0] = rng.binomial(100, 0.3)
    return judge(errors, audits)[1], judge(bad, audits)[1]


def team(rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the newest week and of the three before it, shape (people, classes)."""
    base = np.array([0.35, 0.25, 0.15, 0.12, 0.08, 0.05])
    own = np.array([rng.dirichlet(25 * base) for _ in range(PEOPLE)])
    calm = 80 * np.exp(rng.normal(0, 0.35, PEOPLE))
    size = rng.integers(80, 400, PEOPLE)
    common = np.exp(rng.normal(0, 0.2, CLASSES))

    def week(person: int, mix: np.ndarray) -> np.ndarray:
        return rng.multinomial(size[person], rng.dirichlet(calm[person] * mix / mix.sum() + 0.01))

    earlier = np.array([sum(week(i, own[i]) for _ in range(3)) for i in range(PEOPLE)], dtype=float)
    newest = np.array([week(i, own[i] * common) for i in range(PEOPLE)], dtype=float)
    return newest, earlier


def changed_mix(rng: Rng) -> tuple[list[bool], list[bool]]:
    """The bad one calls 9 in 10 of a week's labels by a class that has 12 % of them all."""
    newest, earlier = team(rng)
    bad = newest.copy()
    bad[0] *= 0.1
    bad[0, 3] += 9 * bad[0].sum()
    return changed(*merge_rare(newest, earlier))[1], changed(*merge_rare(np.round(bad), earlier))[1]


def odd_mix(rng: Rng) -> tuple[list[bool], list[bool]]:
    """The bad one has always called 9 in 10 by that class."""
    labels = np.add(*team(rng))
    bad = labels.copy()
    bad[0] *= 0.1
    bad[0, 3] += 9 * bad[0].sum()
    return odd(*merge_rare(labels))[1], odd(*merge_rare(np.round(bad)))[1]


def pace(which: int, times: float, tail: Callable[[Rng], np.ndarray]) -> Round:
    """Typical times around 30 s; the bad one takes so many times as long."""

    def one(rng: Rng) -> tuple[list[bool], list[bool]]:
        typical = 30 * np.exp(tail(rng))
        bad = typical.copy()
        bad[0] = 30 * times
        return outpaced(typical)[which], outpaced(bad)[which]

    return one


def normal(rng: Rng) -> np.ndarray:
    return rng.normal(0, 0.35, PEOPLE)


def heavy(rng: Rng) -> np.ndarray:
    return 0.3 * rng.standard_t(8, PEOPLE)


# Each with the least power that it promises.
ROUNDS: Mapping[str, tuple[Round, float]] = {
    "worsened": (own_past, 0.9),
    "gold_failing": (gold, 0.95),
    "odd_mix": (odd_mix, 0.95),
    "changed_mix": (changed_mix, 0.9),
    "fast, normal": (pace(1, 0.1, normal), 0.95),
    "fast, heavy tail": (pace(1, 0.1, heavy), 0.95),
    "slow, normal": (pace(3, 10.0, normal), 0.95),
    "slow, heavy tail": (pace(3, 10.0, heavy), 0.95),
}


def figures(seed: int, rounds: int) -> tuple[dict[str, object], list[str]]:
    """What was measured, and the goals that were missed."""
    found: dict[str, object] = {}
    missed = []
    for place, (name, (one, least)) in enumerate(ROUNDS.items()):
        rng = np.random.default_rng([seed, place])
        false = power = 0
        for _ in range(rounds):
            honest, bad = one(rng)
            false += sum(honest)
            power += bad[0]
        found[f"false_flags_per_round ({name})"] = round(false / rounds, 4)
        found[f"power ({name})"] = round(power / rounds, 4)
        if false / rounds > MOST_FALSE:
            missed.append(f"seed {seed}: {false / rounds:.3f} false flags a round, {name}; want <= {MOST_FALSE}")
        if power / rounds < least:
            missed.append(f"seed {seed}: power {power / rounds:.3f}, {name}; want >= {least}")
    return found, missed


def draw_seconds(rng: Rng, n: float, spread: float, skew: float) -> tuple[tuple[Estimate, ...], dict[str, float]]:
    """The median of n times around 20 s: lognormal, or with `skew` a gamma distribution's."""
    if skew:
        times, truth = rng.gamma(2.0, 12.0, int(n)), 12.0 * 1.6783469900166605
    else:
        times, truth = 20 * np.exp(rng.normal(0, spread, int(n))), 20.0
    below = np.array([*[(times <= bound).sum() for bound in BOUNDS], n], dtype=float)
    middle, low, high = typical_seconds(below)
    return (Estimate(statistic="seconds_per_label", value=middle, low=low, high=high, n=n),), {
        "seconds_per_label": truth
    }
