"""The generated rules load, pass the tests they ship with and scenarios written by hand, and say all they must."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from labelmon import naming
from labelmon.alerting import rule_tests
from labelmon.alerting.files import rule_file
from labelmon.alerting.plain import workbook
from labelmon.alerting.rules import Rule, all_rules
from labelmon.alerting.runbooks import runbook_pages
from labelmon.alerting.scenarios import fires, scenarios
from labelmon.alerting.tiers import burning
from labelmon.checks import catalogue
from labelmon.model import Alerting, CusumRatio, Mode, Severity, SloStatus, State, Urls, WindowCount
from labelmon.profiles import DEFAULT_ALERTING
from tests.alerting.conftest import Tool
from tests.world import target

URLS = Urls()
PLAIN = Alerting(mode=Mode.PLAIN, profiles=(workbook(),))
RULES = all_rules(catalogue(), DEFAULT_ALERTING, URLS)
TESTS = rule_tests.test_files(RULES, DEFAULT_ALERTING, URLS)
SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.yml"))


def lay_out(folder: Path, rules: list[Rule], tests: Iterable[str] = TESTS) -> Path:
    (folder / "rules" / "tests").mkdir(parents=True)
    (folder / "rules" / "labelmon.rules.yml").write_text(rule_file(rules, DEFAULT_ALERTING))
    for name in tests:
        (folder / name).write_text(TESTS[name])
    return folder


def test_promtool_accepts_every_rule(promtool: Tool, tmp_path: Path) -> None:
    lay_out(tmp_path, RULES)

    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", "rules/labelmon.rules.yml", cwd=tmp_path)

    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"{len(RULES)} rules found" in checked.stdout


def test_the_shipped_tests_pass(promtool: Tool, tmp_path: Path) -> None:
    lay_out(tmp_path, RULES)

    tested = promtool("test", "rules", *TESTS, cwd=tmp_path)

    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert tested.stdout.count("SUCCESS") == len(TESTS)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_hand_written_scenarios_pass(promtool: Tool, tmp_path: Path, scenario: Path) -> None:
    lay_out(tmp_path, RULES)
    (tmp_path / "rules" / "tests" / "scenario.yml").write_text(scenario.read_text())

    tested = promtool("test", "rules", "rules/tests/scenario.yml", cwd=tmp_path)

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_on_a_dataset_says_all_it_must() -> None:
    for rule in RULES:
        labels = {label for label, _ in rule.labels}
        assert naming.SEVERITY in labels
        if rule.check is None:
            continue
        text = str(rule.expr)
        by = next(line for line in text.splitlines() if "max by (" in line)
        given = labels | {label for label in naming.SLO_LABELS if label in by}
        assert {"severity", "dataset", "sli", "scope"} <= given | {"sli"}
        assert "group_left (pipeline, store, team, tier)" in text
        assert set(rule.annotations) == {
            "summary",
            "description",
            "runbook_url",
            "dashboard_url",
            "samples_url",
        }
        assert "$value" in rule.annotations["summary"]


def test_every_alert_has_its_runbook() -> None:
    pages = runbook_pages(RULES)

    assert {f"rules/runbooks/{naming.runbook(rule.alert)}" for rule in RULES} == set(pages)
    assert all("## First three looks" in page and "## Over when" in page for page in pages.values())


def test_rules_do_not_depend_on_datasets() -> None:
    """Adding a dataset reloads nothing: the rules are a function of catalogue, windows and links."""
    text = rule_file(RULES, DEFAULT_ALERTING)

    assert 'dataset="' not in text
    assert (
        len(RULES)
        == sum(len(c.severities) + 1 if hasattr(c.slo, "good") else len(c.slo.thresholds) for c in catalogue()) + 3
    )


@pytest.mark.parametrize("alerting", [DEFAULT_ALERTING, PLAIN], ids=["evidence", "plain"])
def test_the_gate_says_what_the_rules_say(alerting: Alerting) -> None:
    """Every scenario of the shipped tests, which promtool holds the rules to, judged as the gate judges."""
    told = 0
    for scenario in scenarios(alerting):
        windows = tuple(
            WindowCount(
                window=width,
                events=seen.events,
                errors=(seen.ratio or 0) * seen.events,
                error_ratio=seen.ratio,
                burn_rate=seen.burn,
                evidence_nats=seen.evidence,
            )
            for width, seen in scenario.windows.items()
        )
        status = SloStatus(
            dataset=scenario.name,
            check="label_accuracy",
            scope={},
            objective=target(0.95),
            events=100,
            errors=1,
            budget_remaining=0.25,
            history=1,
            state=State.OK,
            profile=scenario.profile,
            windows=windows,
            instrument=scenario.instrument,
            cusums=tuple(CusumRatio(burn=b, alternative=0.5, ratio=r) for b, r in scenario.cusums.items()),
        )
        for severity in Severity:
            found = burning(status, severity, alerting)
            told += found is not None
            assert (found and found.burn_rate) == fires(scenario, severity, alerting), (scenario.name, severity)
    assert told > 10


def test_a_severity_that_no_profile_has_windows_for_has_no_rule() -> None:
    """Without windows there is nothing to say whether it still happens."""
    tickets = Alerting(profiles=tuple(replace(profile, page=()) for profile in DEFAULT_ALERTING.profiles))

    rules = all_rules(catalogue(), tickets, URLS)

    assert {rule.severity for rule in rules if rule.alert.endswith("BudgetBurn")} == {Severity.TICKET}
