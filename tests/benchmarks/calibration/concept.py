"""How often concept drift is reported where there is none, and found where there is some; and how good its interval is.

Datasets of 8 predicted classes and 500 labels a day. How many items are predicted as each class differs by weekday (0.3
in the logarithm), changes from day to day by noise (0.1) and wanders from week to week (0.2): the mix of predictions
drifts, which is none of this check's business. A label is the predicted class with odds of 8 to 1 to all others; these
odds have the same season and noise. A fault swaps two classes: labels of the second predicted one become the third's.
The test is looked at once a week; a ticket is an alert that was not there the week before.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from labelmon.check import GaugeSlo, Moment
from labelmon.checks import check_named
from labelmon.counts import BUCKET, ROWS, Counts, Op
from labelmon.estimators.multiplicity import benjamini_hochberg
from labelmon.model import Estimate

Rng = np.random.Generator
DATASETS, CLASSES, LABELS, WARM_UP, WEEKS = 20, 8, 500, 4, 52
SEASON, NOISE, WANDER, SURE = 0.3, 0.1, 0.2, 8.0
MOST_TICKETS, LEAST_POWER = 0.1, 0.95
POWER_WEEKS = 60
DAY = 86_400
MONDAY = int(datetime(2025, 1, 6, tzinfo=UTC).timestamp())
KEYS, OPS = (BUCKET, "label", "partner_predicted"), {ROWS: Op.SUM}


def days(rng: Rng, weeks: int) -> np.ndarray:
    """Labels, shape (days, predicted classes, labels)."""
    count = 7 * weeks
    weekday = np.arange(count) % 7
    walk = np.repeat(rng.normal(0, WANDER, (weeks, CLASSES)), 7, axis=0)
    mix = (
        1
        / np.arange(1, CLASSES + 1)
        * np.exp(walk + rng.normal(0, SEASON, (7, CLASSES))[weekday] + rng.normal(0, NOISE, (count, CLASSES)))
    )
    mix /= mix.sum(axis=1, keepdims=True)
    odds = np.full((CLASSES, CLASSES), 1 / (CLASSES - 1)) + (SURE - 1 / (CLASSES - 1)) * np.eye(CLASSES)
    said = odds * np.exp(
        rng.normal(0, SEASON, (7, CLASSES, CLASSES))[weekday] + rng.normal(0, NOISE, (count, CLASSES, CLASSES))
    )
    said /= said.sum(axis=2, keepdims=True)
    return rng.poisson(LABELS * mix[:, :, None] * said).astype(float)


def swapped(labels: np.ndarray) -> np.ndarray:
    """The same labels whose second and third class are taken for each other in the last week."""
    found = labels.copy()
    found[-7:, :, [1, 2]] = labels[-7:, :, [2, 1]]
    return found


def counts_of(labels: np.ndarray, first_day: int = 0) -> Counts:
    rows = [
        (MONDAY + (first_day + day) * DAY, f"c{label}", f"c{predicted}", n)
        for (day, predicted, label), n in np.ndenumerate(labels)
        if n > 0
    ]
    return Counts.of(KEYS, OPS, rows)


def looked_at(labels: np.ndarray) -> dict[str, Estimate]:
    """What the check says at the end of these five weeks."""
    check = check_named("concept_drift")
    assert check.estimate is not None
    settings = {setting.name: setting.default for setting in check.settings}
    moment = Moment(at=MONDAY + len(labels) * DAY, settings=settings)
    return {e.statistic: e for e in check.estimate(counts_of(labels), moment) if not e.labels}


def alerts(datasets: list[np.ndarray]) -> np.ndarray:
    """Which of the datasets, five weeks each, raise the ticket."""
    slo = check_named("concept_drift").slo
    assert isinstance(slo, GaugeSlo)
    assert slo.at_most is not None
    (threshold,) = slo.thresholds
    found = [looked_at(labels) for labels in datasets]
    adjusted = np.array(benjamini_hochberg([one["drift_p_value"].value or 0.0 for one in found]))
    values = np.array([one[threshold.statistic].value for one in found])
    rows = np.array([one[threshold.statistic].n for one in found])
    return (values > slo.at_most) & (adjusted < threshold.p_below) & (rows >= threshold.at_least)


def false_tickets(rng: Rng, weeks: int) -> float:
    """Alerts that begin, by dataset and year."""
    datasets = [days(rng, WARM_UP + weeks) for _ in range(DATASETS)]
    before, begun = np.zeros(DATASETS, dtype=bool), 0
    for week in range(WARM_UP, WARM_UP + weeks):
        raised = alerts([labels[7 * (week - WARM_UP) : 7 * (week + 1)] for labels in datasets])
        begun += int((raised & ~before).sum())
        before = raised
    return begun / DATASETS * WEEKS / weeks


def power(rng: Rng, rounds: int) -> float:
    """How often a swap in one dataset of twenty is found at the end of its week."""
    found = 0
    for _ in range(rounds):
        datasets = [days(rng, WARM_UP + 1) for _ in range(DATASETS)]
        datasets[0] = swapped(datasets[0])
        found += bool(alerts(datasets)[0])
    return found / rounds


def draw(rng: Rng, n: float, classes: float, moved: float) -> tuple[tuple[Estimate, ...], dict[str, float]]:
    """A week of n labels of each of two predicted classes against four weeks; shares move in one of them.

    The second class is twice as frequent as it was. No season and no noise.
    """
    k, size = int(classes), int(n)
    before = 1 / np.arange(1, k + 1)
    before /= before.sum()
    now = before.copy()
    now[0] *= 1 - moved
    now[1:] *= (1 - now[0]) / now[1:].sum()
    labels = np.zeros((35, 2, k))
    for predicted, (daily, late) in enumerate(((size / 7, now), (size / 14, before))):
        labels[:28, predicted] = rng.multinomial(int(daily), before, size=28)
        labels[28:, predicted] = rng.multinomial(size // 7, late, size=7)
    check = check_named("concept_drift")
    assert check.estimate is not None
    settings = {setting.name: setting.default for setting in check.settings}
    moment = Moment(at=MONDAY + 35 * DAY, settings=settings)
    truth = float((now * np.log(now / before)).sum()) / 2
    return check.estimate(counts_of(labels), moment), {"kl_excess_nats": truth}


def figures(seed: int, weeks: int) -> tuple[dict[str, object], list[str]]:
    """What was measured, and the goals that were missed."""
    rate = false_tickets(np.random.default_rng([seed, 1]), weeks)
    share = power(np.random.default_rng([seed, 2]), POWER_WEEKS)
    found: dict[str, object] = {
        "false_tickets_per_dataset_year": round(rate, 3),
        "power, two classes swapped within a week": round(share, 3),
    }
    missed = []
    if rate > MOST_TICKETS:
        missed.append(f"seed {seed}: {rate:.3f} false concept tickets a dataset-year; want <= {MOST_TICKETS}")
    if share < LEAST_POWER:
        missed.append(f"seed {seed}: power {share:.3f} for two swapped classes; want >= {LEAST_POWER}")
    return found, missed
