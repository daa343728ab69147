"""Estimators against other people's libraries and worked values."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from statsmodels.stats.proportion import proportion_confint

from labelmon.check import Moment
from labelmon.counts import Counts, Op
from labelmon.estimators.burn import budget_remaining, choose_profile, window_count
from labelmon.estimators.proportion import evidence_nats, fewest_events, share_of, wilson
from labelmon.estimators.queue import queue_ages
from labelmon.model import State
from labelmon.profiles import DEFAULT_ALERTING

TOTALS = st.integers(1, 100_000)


@given(TOTALS, st.floats(0, 1))
def test_wilson_equals_statsmodels(n, share) -> None:
    k = round(n * share)

    assert wilson(k, n) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-12)


@given(TOTALS, st.floats(0, 1))
def test_wilson_holds_its_estimate_and_is_symmetric(n, share) -> None:
    k = round(n * share)
    low, high = wilson(k, n)

    assert 0 <= low <= k / n <= high <= 1
    assert wilson(n - k, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


@pytest.mark.parametrize("bad", [(2, 1), (-1, 3), (0, 0)])
def test_wilson_refuses_what_is_no_proportion(bad) -> None:
    with pytest.raises(ValueError, match="need 0 <= good <= total and total > 0"):
        wilson(*bad)


# Chernoff: n KL(k/n || B), by hand: 1 of 5 against 5 % is .2 ln 4 + .8 ln(.8/.95), times 5.
@pytest.mark.parametrize(
    ("k", "n", "budget", "nats"),
    [
        (1, 5, 0.05, 5 * (0.2 * math.log(4) + 0.8 * math.log(0.8 / 0.95))),
        (3, 3, 0.05, 3 * math.log(20)),
        (1, 20, 0.05, 0.0),
    ],
)
def test_evidence_by_hand(k, n, budget, nats) -> None:
    assert evidence_nats(k, n, budget) == pytest.approx(nats, rel=1e-12)


@given(st.integers(1, 500), st.floats(0.001, 0.6), st.floats(0, 1))
def test_evidence_bounds_the_binomial_tail(n, budget, share) -> None:
    """scipy.stats.binom: P(X >= k) <= exp(-evidence)."""
    from scipy.stats import binom

    k = round(n * share)

    assert binom.sf(k - 1, n, budget) <= math.exp(-evidence_nats(k, n, budget)) * (1 + 1e-9)


@given(st.floats(0.001, 0.9))
def test_fewest_events_is_the_first_that_convinces(budget) -> None:
    n = fewest_events(budget)

    assert evidence_nats(n, n, budget) >= math.log(1000) * (1 - 1e-12)
    assert n == 1 or evidence_nats(n - 1, n - 1, budget) < math.log(1000)


def test_share_of_nothing_is_no_share() -> None:
    ops = {"rows": Op.SUM, "good": Op.SUM}
    (nothing,) = share_of("good", "accuracy", "audits")(Counts.empty((), ops), Moment(at=0.0, budget=0.05))
    (two,) = share_of("good", "accuracy", "audits")(Counts.of((), ops, [(2, 2)]), Moment(at=0.0, budget=0.05))

    assert (nothing.value, nothing.state, nothing.reason) == (None, State.INSUFFICIENT, "no audits")
    assert (two.value, two.state, two.reason) == (1.0, State.INSUFFICIENT, "2 audits; 3 could prove a total failure")


def test_an_empty_queue_has_a_size_and_no_age() -> None:
    ops = {"rows": Op.SUM, "oldest": Op.MIN, "age_p50": Op.LAST}
    size, oldest, median, most = queue_ages("oldest", (0.5,), "backlog_items")(Counts.empty((), ops), Moment(at=100.0))

    assert (size.value, size.state) == (0.0, State.OK)
    assert {(age.value, age.state) for age in (oldest, median, most)} == {(None, State.NOT_COMPUTABLE)}


def test_a_window_without_events_has_no_ratio() -> None:
    counted = window_count(300, 0, 0, 0.05)

    assert (counted.error_ratio, counted.burn_rate, counted.evidence_nats) == (None, None, None)


# The seed's trap: an average of 5 m ratios gave -10.87 where the truth is -.39.
def test_budget_is_weighted_by_events() -> None:
    assert budget_remaining(10_000, 139, 0.01) == pytest.approx(-0.39)
    assert budget_remaining(0, 0, 0.01) is None


@pytest.mark.parametrize(
    ("per_hour", "lag", "current", "chosen"),
    [
        (1000, 10, "", "dense"),
        (1000, 1800, "", "medium"),
        (1000, 12 * 3600, "", "sparse"),
        (1000, 10 * 86400, "", "threshold-only"),
        (0.2, 0, "", "sparse"),
        (0.001, 0, "", "threshold-only"),
        (1000, 70, "dense", "dense"),
        (1000, 70, "medium", "medium"),
        (1000, 30, "medium", "dense"),
    ],
)
def test_profiles_follow_rate_and_lag_with_hysteresis(per_hour, lag, current, chosen) -> None:
    got = choose_profile(
        DEFAULT_ALERTING.profiles,
        expected=lambda window: per_hour * window / 3600,
        lag=lag,
        budget=0.05,
        current=current,
        otherwise="threshold-only",
    )

    assert got == chosen


def test_windows_are_four_times_the_lag_they_are_made_for() -> None:
    for profile, lag in zip(DEFAULT_ALERTING.profiles, (75, 3600, 24 * 3600), strict=True):
        assert min(profile.windows) >= 4 * lag
    assert np.all(np.diff([p.windows[0] for p in DEFAULT_ALERTING.profiles]) > 0)
