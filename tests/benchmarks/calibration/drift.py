"""How often drift is reported where there is none, and found where there is some, by simulation.

Two years of 20 datasets with 10 classes and 500 labels a day. Shares differ by weekday (0.3 in the logarithm) and change
from day to day by noise of 0.1 or 0.3 in the logarithm, each class for itself. The largest class has a third of all. The test is looked at every day, over
the seven days before; a ticket is an alert that was not there the day before. A page looks at the last day alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from labelmon.check import Check, GaugeSlo, Moment, Threshold
from labelmon.checks import check_named
from labelmon.estimators.drift import TRAILING, Mixes, divergences
from labelmon.estimators.multiplicity import benjamini_hochberg

Rng = np.random.Generator
DATASETS, CLASSES, LABELS, YEARS, YEAR, SEASON = 20, 10, 500, 2, 364, 0.3
WARM_UP = 7 * TRAILING + 7
MOST_TICKETS = {0.1: 0.1, 0.3: 0.25}
MOST_PAGES, LEAST_POWER = 0.05, 0.95
POWER_WEEKS = 100


def days(rng: Rng, noise: float, count: int, datasets: int, drop: float = 0.0) -> np.ndarray:
    """Labels by class, shape (datasets, days, classes); after the warm-up the first class's share falls by `drop`."""
    base = 1 / np.arange(1, CLASSES + 1)
    season = rng.normal(0, SEASON, (datasets, 7, CLASSES))
    weekday = np.arange(count) % 7
    shares = base * np.exp(season[:, weekday] + rng.normal(0, noise, (datasets, count, CLASSES)))
    shares /= shares.sum(axis=2, keepdims=True)
    late = shares[:, WARM_UP:]
    rest = late[:, :, 1:].sum(axis=2, keepdims=True)
    late[:, :, 1:] *= (rest + drop * late[:, :, :1]) / rest
    late[:, :, 0] *= 1 - drop
    return rng.poisson(shares * LABELS).astype(float)


def rule_of(check: Check) -> tuple[Threshold, float]:
    """The check's one threshold and its objective."""
    assert isinstance(check.slo, GaugeSlo)
    assert check.slo.at_most is not None
    (threshold,) = check.slo.thresholds
    return threshold, check.slo.at_most


def looked_at(check: Check, labels: np.ndarray, day: int) -> tuple[float, float, float]:
    """(divergence, p-value, labels) of one dataset at the end of a day."""
    threshold, _ = rule_of(check)
    settings = {setting.name: setting.default for setting in check.settings}
    length = 7 if settings["period"] == "week" else 1
    end = day + 1
    periods = np.stack([labels[end - 7 * w - length : end - 7 * w] for w in range(1, TRAILING + 1)])
    weeks = np.stack([labels[end - 7 * w - length : end - 7 * w - length + 7] for w in range(1, TRAILING + 1)])
    mixes = Mixes(
        classes=[f"c{i}" for i in range(CLASSES)],
        current=labels[end - length : end].sum(axis=0),
        periods=periods,
        weeks=weeks if length == 1 else None,
    )
    found = {e.statistic: e for e in divergences(mixes, Moment(at=0, settings=settings)) if not e.labels}
    p_value = found["drift_p_value"].value
    return found[threshold.statistic].value or 0.0, 1.0 if p_value is None else p_value, found[threshold.statistic].n


def alerts(check: Check, labels: np.ndarray) -> Iterator[np.ndarray]:
    """For each day after the warm-up, which of the datasets would raise the alert."""
    threshold, limit = rule_of(check)
    for day in range(WARM_UP, labels.shape[1]):
        values, p_values, n = zip(*(looked_at(check, one, day) for one in labels), strict=True)
        adjusted = np.array(benjamini_hochberg(p_values))
        past = np.array(values) > limit
        yield past & (adjusted < threshold.p_below) & (np.array(n) >= threshold.at_least)


def false_alerts(check: Check, rng: Rng, noise: float) -> float:
    """Alerts that begin, by dataset and year."""
    before = np.zeros(DATASETS, dtype=bool)
    begun = 0
    for raised in alerts(check, days(rng, noise, WARM_UP + YEARS * YEAR, DATASETS)):
        begun += int((raised & ~before).sum())
        before = raised
    return begun / DATASETS / YEARS


def power(check: Check, rng: Rng, noise: float, drop: float, within: int) -> float:
    """How often one dataset of twenty, whose largest class (a third) loses share, is found within so many days."""
    found = 0
    for _ in range(POWER_WEEKS):
        count = WARM_UP + within
        labels = days(rng, noise, count, DATASETS)
        labels[0] = days(rng, noise, count, 1, drop)[0]
        found += any(bool(raised[0]) for raised in alerts(check, labels))
    return found / POWER_WEEKS


def figures(seed: int, _rounds: int) -> tuple[dict[str, object], list[str]]:
    """What was measured, and the goals that were missed."""
    found: dict[str, object] = {}
    missed = []
    weekly, sudden = check_named("label_drift"), check_named("label_break")
    for noise, most in MOST_TICKETS.items():
        for check, what, limit in ((weekly, "tickets", most), (sudden, "pages", MOST_PAGES)):
            rate = false_alerts(check, np.random.default_rng([seed, int(noise * 10), check is sudden]), noise)
            found[f"false_{what}_per_dataset_year (noise {noise})"] = round(rate, 3)
            if rate > limit:
                missed.append(f"seed {seed}: {rate:.3f} false {what} a dataset-year at noise {noise}; want <= {limit}")
    for noise in MOST_TICKETS:
        for check, what, drop, within in (
            (weekly, "30 % drop within a week", 0.3, 7),
            (sudden, "class gone within a day", 1.0, 1),
        ):
            share = power(check, np.random.default_rng([seed, 7, int(noise * 10), within]), noise, drop, within)
            found[f"power, {what} (noise {noise})"] = round(share, 3)
            if share < LEAST_POWER and noise == 0.1 and check is weekly:
                missed.append(f"seed {seed}: power {share:.3f}, {what}, noise {noise}; want >= {LEAST_POWER}")
    return found, missed
