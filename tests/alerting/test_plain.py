"""The workbook's plain rule: its numbers, its rules under promtool, and the pages that evidence saves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from labelmon.alerting.files import rule_file
from labelmon.alerting.plain import factor, thresholds, workbook
from labelmon.alerting.rule_tests import test_files as shipped_tests
from labelmon.alerting.rules import all_rules
from labelmon.alerting.tiers import burning
from labelmon.checks import catalogue
from labelmon.estimators.burn import window_count
from labelmon.model import DAY, HOUR, Severity, SloStatus, State, Urls
from labelmon.profiles import DEFAULT_ALERTING, Alerting, Mode
from tests.alerting.conftest import Tool
from tests.world import target

PLAIN = Alerting(mode=Mode.PLAIN, profiles=(workbook(),))


# The SRE workbook, chapter 5: 99.9 % over 30 d.
def test_thresholds_of_three_nines() -> None:
    assert thresholds(workbook(30 * DAY), 0.999) == pytest.approx((0.0144, 0.006, 0.003, 0.001), rel=1e-9)
    assert thresholds(workbook(30 * DAY), 0.95) == pytest.approx((0.72, 0.30, 0.15, 0.05), rel=1e-9)


def test_factors_of_four_weeks() -> None:
    burns = [tier.burn for tier in workbook(28 * DAY).tiers]

    assert burns == pytest.approx([13.44, 5.6, 2.8, 2.8 / 3], rel=1e-9)
    assert factor(0.02, 28 * DAY, HOUR) == pytest.approx(13.44, rel=1e-9)


def test_the_defaults_are_the_workbooks() -> None:
    assert workbook().page == DEFAULT_ALERTING.profiles[0].page
    assert workbook().ticket == DEFAULT_ALERTING.profiles[0].ticket


def test_its_rules_load_and_pass_their_tests(promtool: Tool, tmp_path: Path) -> None:
    checks = [check for check in catalogue() if check.name == "label_accuracy"]
    rules = all_rules(checks, PLAIN, Urls())
    texts = {"rules/labelmon.rules.yml": rule_file(rules, PLAIN), **shipped_tests(rules, PLAIN, Urls())}
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    checked = promtool("check", "rules", "--lint=all", "rules/labelmon.rules.yml", cwd=tmp_path)
    tested = promtool("test", "rules", *(name for name in texts if ".test." in name), cwd=tmp_path)

    assert (checked.returncode, tested.returncode) == (0, 0), checked.stderr + tested.stdout
    burn = str(rules[0].expr)
    assert "evidence" not in burn
    assert "cusum" not in burn
    assert 'labelmon_slo_burn_rate{sli="label_accuracy", window="1h"} > 14.4' in burn


@pytest.mark.parametrize(
    ("long", "short", "pages"),
    [
        ((5, 4), (1, 1), True),  # 80 % bad of five: burns 16
        ((5, 4), (0, 0), False),  # it asks for events in the short window
        ((5, 3), (1, 1), False),
    ],
)
def test_a_status_is_judged_as_the_rule_says(long: tuple[int, int], short: tuple[int, int], *, pages: bool) -> None:
    tier = workbook().page[0]
    status = SloStatus(
        dataset="d",
        check="label_accuracy",
        scope={},
        objective=target(0.95),
        events=5,
        errors=4,
        budget_remaining=None,
        history=1,
        state=State.OK,
        profile="workbook",
        windows=(window_count(tier.long, *long, 0.05), window_count(tier.short, *short, 0.05)),
    )

    assert (burning(status, Severity.PAGE, PLAIN) is not None) is pages


def test_one_bad_audit_of_five_pages_plainly_only() -> None:
    """Five audits in six hours against 99 %, the last one bad: burns 20 budgets, which one audit cannot prove."""
    windows = tuple(
        window_count(width, events, 1, 0.01)
        for width, events in ((300, 1), (1800, 1), (HOUR, 1), (6 * HOUR, 5), (2 * HOUR, 2), (DAY, 20), (3 * DAY, 60))
    )
    status = SloStatus(
        dataset="d",
        check="label_accuracy",
        scope={},
        objective=target(0.99),
        events=60,
        errors=1,
        budget_remaining=None,
        history=1,
        state=State.OK,
        profile="workbook",
        windows=windows,
    )

    assert burning(status, Severity.PAGE, PLAIN) is not None
    assert burning(replace(status, profile="dense"), Severity.PAGE, DEFAULT_ALERTING) is None
