"""Every interval that a check shows is judged by some simulation, and the simulations can fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labelmon.checks import catalogue
from labelmon.estimators.anomaly import judge
from labelmon.model import Estimate
from tests.benchmarks.calibration import annotators, intervals

pytestmark = pytest.mark.exhaustive


def test_every_interval_is_calibrated() -> None:
    shown = {s.name for check in catalogue() for s in check.statistics if s.interval}

    assert shown - intervals.calibrated() == set()


@pytest.mark.parametrize("family", intervals.FAMILIES, ids=lambda family: family.name)
def test_a_few_rounds_of_each_family(family: intervals.Family) -> None:
    small = replace(family, grid={key: values[-1:] for key, values in family.grid.items()})

    for coverage in small.coverage(1, 40).values():
        assert min(coverage.values()) >= 0.8


def test_an_interval_that_is_too_narrow_misses_the_goals() -> None:
    def narrow(rng: np.random.Generator, n: float, p: float) -> tuple[tuple[Estimate, ...], dict[str, float]]:
        seen = rng.binomial(int(n), p) / n
        return (Estimate(statistic="share", value=seen, low=seen - 0.01, high=seen + 0.01),), {"share": p}

    family = replace(intervals.FAMILIES[0], draw=narrow)
    found = {family.name: family.coverage(1, 50)}
    _, missed = intervals.figures(found, {})

    assert len(missed) == 2
    assert len(intervals.doubtful(found)) == len(family.cells())


def test_what_came_near_a_limit_is_measured_again_and_that_alone_counts() -> None:
    found = {"f": {"a": {"x": 0.951, "y": 0.915, "z": 0.951}, "b": {"x": 0.97, "y": 0.95, "z": 0.945}}}
    assert intervals.doubtful(found) == [("f", "x"), ("f", "y"), ("f", "z")]  # the mean of a is .939
    found["f"]["a"] |= {"x": 0.961, "z": 0.961}
    assert intervals.doubtful(found) == [("f", "y")]

    said, missed = intervals.figures(found, {("f", "y"): {"a": 0.93, "b": 0.94}})

    # The least cell is the new one, the mean that of all cells as first measured.
    assert said["f: a"] == "mean 0.9457 of 3 cells; least 0.930 (y), most 0.961 (x)"
    assert missed == []
    assert intervals.figures(found, {("f", "y"): {"a": 0.919, "b": 0.94}})[1] == ["f: a holds 0.919 at y; want 0.92"]
    (family,) = (family for family in intervals.FAMILIES if family.name == "f1")
    cell = next(iter(family.cells()))
    fresh = intervals.measure_again(1, ("f1", cell), 50)
    assert fresh["f1"] != family.coverage(1, 50 * intervals.AGAIN)["f1"][cell]


def test_one_honest_round_flags_nobody_and_a_bad_one_is_found() -> None:
    rng = np.random.default_rng(3)
    errors = rng.binomial(annotators.AUDITS, annotators.HONEST["beta, 2 points"](rng))

    assert annotators.flagged(errors) == set()
    errors[7] = 35
    assert annotators.flagged(errors) == {"p7"}
    # The rounds ask the test itself, which costs a tenth of all that is said of the people.
    flags = judge(errors.astype(float), np.full(annotators.PEOPLE, float(annotators.AUDITS)))[1]
    assert [place for place, flag in enumerate(flags) if flag] == [7]
