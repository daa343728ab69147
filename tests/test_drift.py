"""The test of drift against independent libraries: G, phi, intervals, and one test on many datasets."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2_contingency, f, ncx2
from statsmodels.stats.multitest import multipletests

from labelmon.checks import catalogue, check_named
from labelmon.config import load
from labelmon.errors import ConfigError
from labelmon.estimators.dispersion import g_statistic, merge_small, mix_test
from labelmon.estimators.divergence import true_divergence
from labelmon.families import Families
from labelmon.model import Estimate, Measurement, State

CURRENT = np.array([40.0, 70.0, 110.0, 3.0, 1.0])
WEEKS = np.array([[[30, 40, 50, 1, 0], [30, 41, 52, 0, 1]], [[35, 38, 48, 2, 1], [28, 45, 51, 1, 0]]], dtype=float)


def test_g_is_that_of_scipy() -> None:
    for one, other in (([10, 20, 30], [30, 20, 10]), ([5, 0, 9], [50, 3, 70])):
        table = np.array([one, other], dtype=float)
        expected = chi2_contingency(table, lambda_="log-likelihood", correction=False).statistic
        assert g_statistic(*table) == pytest.approx(expected)


def test_classes_expected_less_than_five_times_are_one() -> None:
    groups = merge_small(CURRENT, WEEKS.sum(axis=(0, 1)))

    assert (CURRENT @ groups).tolist() == [40, 70, 110, 4]


def test_phi_is_pearsons_over_the_same_days_of_each_week() -> None:
    calm, restless = WEEKS[:, :, :3], WEEKS[:, :, :3] + [[[0, 0, 0], [20, 0, -20]], [[0, 0, 0], [-20, 0, 20]]]
    # Days that differ without the weeks differing: one up and one down in each.
    for rows in (calm, restless):
        test = mix_test(CURRENT[:3], rows)
        assert test is not None
        by_day = [chi2_contingency(rows[:, day], correction=False) for day in range(2)]
        daily = sum(one.statistic for one in by_day) / sum(one.dof for one in by_day)
        assert test.phi == pytest.approx(max(1.0, daily))
        assert test.g == pytest.approx(g_statistic(CURRENT[:3], rows.sum(axis=(0, 1))))
        assert test.df == 2
    assert daily > 3


def test_weeks_that_differ_clearly_more_than_their_days_decide() -> None:
    """Each week has a mix of its own, on all of its days: the same weekdays differ by it, and weeks seven times more."""
    week = np.array([[60.0, 40.0], [50.0, 50.0], [40.0, 60.0], [55.0, 45.0]])
    rows = np.repeat(week[:, None, :], 7, axis=1)
    test = mix_test(np.array([450.0, 250.0]), rows)
    assert test is not None

    whole = chi2_contingency(rows.sum(axis=1), correction=False)
    assert test.phi == pytest.approx(whole.statistic / whole.dof)


def test_without_unrest_the_p_value_is_that_of_f() -> None:
    same = np.tile(np.array([50.0, 30.0, 20.0]), (4, 7, 1))
    test = mix_test(np.array([300.0, 250.0, 150.0]), same)
    assert test is not None

    assert test.phi == 1
    # Equal classes would leave all degrees of freedom; without unrest phi is the same for each.
    assert test.p_value == pytest.approx(f.sf(test.g / 2, 2, 42))


def test_a_single_period_before_is_a_plain_g_test() -> None:
    before = np.array([[[300.0, 200.0]]])
    test = mix_test(np.array([40.0, 60.0]), before)
    assert test is not None

    plain = chi2_contingency([[40, 60], [300, 200]], lambda_="log-likelihood", correction=False)
    assert (test.phi, test.p_value) == (1, pytest.approx(plain.pvalue))


def test_honest_p_values_are_uniform_where_the_plain_test_alarms() -> None:
    rng = np.random.default_rng(8)
    ours, plain = [], []
    for _ in range(400):
        shares = np.array([0.4, 0.3, 0.2, 0.1]) * np.exp(rng.normal(0, 0.2, (5, 7, 4)))
        counts = rng.poisson(shares * 400).astype(float)
        test = mix_test(counts[0].sum(axis=0), counts[1:])
        assert test is not None
        ours.append(test.p_value)
        plain.append(chi2_contingency([counts[0].sum(axis=0), counts[1:].sum(axis=(0, 1))]).pvalue)
    assert 0.02 <= np.mean(np.array(ours) < 0.05) <= 0.09
    assert np.mean(np.array(plain) < 0.05) > 0.4  # the trap


def test_the_interval_inverts_the_noncentral_chi_square() -> None:
    plain = 2 * sqrt(0.0005 * 0.02)  # the delta method's error where it says what the chi-square says
    low, high = true_divergence(0.02, 0.0005, 9, plain)
    wide = true_divergence(0.02, 0.0005, 9, 2 * plain)

    assert ncx2.cdf(40, 9, low / 0.0005) == pytest.approx(0.975)
    assert ncx2.cdf(40, 9, high / 0.0005) == pytest.approx(0.025)
    assert wide[1] - 0.0155 == pytest.approx(2 * (high - 0.0155))
    assert true_divergence(0.0045, 0.0005, 9, 0.0)[0] == 0  # what no drift gives in the mean
    far = true_divergence(3.0, 0.0001, 9, 0.0)
    assert far[0] < 3 - 9e-4 < far[1]


def measured(dataset: str, p: float | None, scope: dict[str, str] | None = None) -> Measurement:
    state = State.INSUFFICIENT if p is None else State.OK
    estimate = Estimate(statistic="drift_p_value", value=p, state=state, reason="few" if p is None else "")
    return Measurement(dataset=dataset, check="label_drift", estimate=estimate, labels=scope or {})


def test_p_values_are_adjusted_for_every_dataset() -> None:
    families, checks = Families(), catalogue()
    p_values = {"a": 0.001, "b": 0.02, "c": 0.6, "d": None}
    for dataset, p in p_values.items():
        families.note(dataset, [measured(dataset, p)], checks)

    found = {d: families.adjusted([measured(d, p)], checks)[0].estimate for d, p in p_values.items()}

    expected = multipletests([0.001, 0.02, 0.6], method="fdr_bh")[1]
    assert [found[d].value for d in "abc"] == pytest.approx(expected)
    assert (found["d"].value, found["d"].state) == (None, State.INSUFFICIENT)
    families.note("c", [measured("c", None)], checks)  # no longer tested
    assert families.adjusted([measured("a", 0.001)], checks)[0].estimate.value == pytest.approx(0.002)
    families.forget(["a"])
    assert families.adjusted([measured("a", 0.001)], checks)[0].estimate.value == 0.001


def test_adjusting_is_of_one_check_only() -> None:
    families = Families()
    families.note("a", [measured("a", 0.01)], catalogue())

    other = [check_named("prediction_drift")]
    assert families.adjusted([measured("a", 0.01)], other) == []


@pytest.mark.parametrize("interval", ["2026-01-05", "2026-02-02/2026-01-05", "January/February"])
def test_a_pin_that_is_no_interval_is_a_config_error(tmp_path: Path, interval: str) -> None:
    path = tmp_path / "labelmon.yaml"
    path.write_text(f"""
stores: {{s: {{url: "sqlite:///x.db"}}}}
datasets:
  d:
    relations: {{labels: {{columns: {{item: i, label: l, labeled_at: t}}}}}}
    objectives: {{label_drift: {{at_most: 0.01, pinned: "{interval}"}}}}
""")
    with pytest.raises(ConfigError, match="pinned") as caught:
        load(path)
    assert "ISO 8601 interval" in str(caught.value)
