"""A hundred datasets with twelve objectives each, in a real Prometheus: as many rules as for one, and the right alerts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.scale.run import Plan, missed, run
from tests.benchmarks.scale.worlds import BURNS_EVERY, burns, name_of
from tests.e2e.servers import need

pytestmark = pytest.mark.e2e

# What the bad store does, and to whom: see worlds.
BURNING = {
    ("LabelAccuracyBudgetBurn", "page"),
    ("LabelAccuracyBudgetBurn", "ticket"),
    ("LabelLatencyBudgetBurn", "page"),
    ("LabelLatencyBudgetBurn", "ticket"),
    ("SchemaMismatchBudgetBurn", "ticket"),
    ("LabelBacklogThreshold", "ticket"),
    ("LabelCoverageThreshold", "ticket"),
}


def test_a_hundred_datasets_cost_series_and_no_rules(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    need("prometheus")
    quick = {"evaluation_interval": "5s", "threshold_hold": "2s"}
    plan = Plan(datasets=100, slos=12, beat="5s", alerting=quick, seconds=6, patience=90)

    found = run(plan, tmp_path)

    record_property("what one of 1,200 objectives costs", json.dumps(found["per_slo"]))
    assert found["rules"] == found["rules_for_one_dataset"] > 50
    assert found["same_rules_for_one_dataset"]
    assert found["slos"] == 1200
    assert 20 * 1200 < found["series"] < 60 * 1200
    assert found["scrapes_failed"] == 0
    burning = [name_of(index) for index in range(100) if burns(index)]
    assert len(burning) == 100 // BURNS_EVERY
    assert {tuple(alert[:3]) for alert in found["alerts"]} == {
        (name, severity, dataset) for name, severity in BURNING for dataset in burning
    }
    assert (found["alerts_missing"], found["alerts_astray"]) == ([], [])


def figures(**changes: object) -> dict[str, object]:
    fine = {
        "scrape_seconds_max": 10.0,
        "scrapes_failed": 0,
        "group_shares": {"labelmon-a": 0.1, "labelmon-b": 0.01},
        "same_rules_for_one_dataset": True,
        "alerts_missing": [],
        "alerts_astray": [],
        "alerts_expected": 35,
    }
    return {**fine, **changes}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"scrape_seconds_max": 10.01}, ["scrapes took up to 10.01 s and 0 failed; wanted all within 10 s"]),
        ({"scrapes_failed": 2}, ["scrapes took up to 10.0 s and 2 failed; wanted all within 10 s"]),
        ({"group_shares": {"labelmon-a": 0.12}}, ["labelmon-a took 12.0% of its interval; wanted at most 10%"]),
        ({"same_rules_for_one_dataset": False}, ["the rules depend on the datasets"]),
        ({"alerts_missing": ["x"]}, ["the alerts that fire are not those of the datasets that burn"]),
        ({"alerts_astray": ["x"]}, ["the alerts that fire are not those of the datasets that burn"]),
        ({"alerts_expected": 0}, ["the alerts that fire are not those of the datasets that burn"]),
    ],
)
def test_a_missed_goal_is_named(changes: dict[str, object], said: list[str]) -> None:
    assert missed(figures(**changes)) == said
