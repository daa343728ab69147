"""The generated rules load, pass the tests they ship with and scenarios written by hand, and say all they must."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from labelmon import naming
from labelmon.alerting import rule_tests
from labelmon.alerting.files import rule_file
from labelmon.alerting.plain import workbook
from labelmon.alerting.rules import Rule, all_rules, hysteresis
from labelmon.alerting.runbooks import runbook_pages
from labelmon.alerting.scenarios import fires, scenarios
from labelmon.alerting.tiers import burning
from labelmon.check import Check, GaugeSlo
from labelmon.checks import catalogue
from labelmon.model import CusumRatio, Severity, SloStatus, State, Urls, WindowCount
from labelmon.profiles import DEFAULT_ALERTING, Alerting, Mode
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


@pytest.mark.exhaustive
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


GAUGES = [check for check in catalogue() if isinstance(check.slo, GaugeSlo) and check.slo.thresholds]


@pytest.mark.parametrize("check", GAUGES, ids=lambda check: check.name)
def test_an_alert_on_a_gauge_can_go_quiet(check: Check) -> None:
    """Back by a tenth is on the good side, and where the gauge can get: no ratio is above 1, no age below 0."""
    slo = check.slo
    assert isinstance(slo, GaugeSlo)
    factor, offset = hysteresis(check, 0.1)

    if slo.at_most is not None:
        assert slo.at_most * factor + offset == pytest.approx(0.9 * slo.at_most)
        assert slo.at_most >= 0
    else:
        assert slo.at_least is not None
        assert slo.at_least < slo.at_least * factor + offset < 1


@pytest.mark.parametrize("name", ["label_drift", "label_coverage"])
def test_a_margin_never_turns_around(promtool: Tool, tmp_path: Path, name: str) -> None:
    """Whatever the limit, a gauge that stays past it stays told, and one that never was past it never is."""
    check = next(c for c in GAUGES if c.name == name)
    slo = check.slo
    assert isinstance(slo, GaugeSlo)
    worse = 0.01 if slo.at_most is not None else -0.01
    by_dataset = {}
    for limit in (-2.0, -0.1, 0.0, 0.1, 0.95, 1.0, 1.2, 3.0):
        by_dataset[f"{limit}-bad"] = (limit, limit + worse)
        by_dataset[f"{limit}-good"] = (limit, limit - worse)
    series = [{"series": f'{naming.CONFIG_RELOAD_TIME}{{job="j"}}', "values": "1x60"}]
    for dataset, (limit, value) in by_dataset.items():
        given = {
            naming.gauge(check, check.statistic(slo.thresholds[0].statistic)): value,
            naming.objective_gauge(check): limit,
            naming.observations(check): 500.0,
            naming.DATASET_INFO: 1.0,
            **({naming.gauge(check, check.adjusted): 0.0} if slo.thresholds[0].p_below else {}),
        }
        series += [
            {"series": f'{metric}{{dataset="{dataset}",job="j"}}', "values": f"{number!r}x60"}
            for metric, number in given.items()
        ]
    rule = next(rule for rule in RULES if rule.check is check)
    asked = {
        "expr": f'count by (dataset) (ALERTS{{alertname="{rule.alert}", alertstate="firing"}})',
        "eval_time": "50m",
        "exp_samples": [{"labels": f'{{dataset="{d}"}}', "value": 1} for d in by_dataset if d.endswith("bad")],
    }
    document = {
        "rule_files": ["../labelmon.rules.yml"],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": [asked]}],
    }
    lay_out(tmp_path, [rule], ())
    (tmp_path / "rules" / "tests" / "t.yml").write_text(json.dumps(document))

    tested = promtool("test", "rules", "rules/tests/t.yml", cwd=tmp_path)

    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("margin", [0.0, 0.15, 0.3])
def test_the_shipped_tests_pass_with_any_margin(promtool: Tool, tmp_path: Path, margin: float) -> None:
    alerting = replace(DEFAULT_ALERTING, threshold_margin=margin)
    rules = [rule for rule in all_rules(catalogue(), alerting, URLS) if rule.check in GAUGES or rule.check is None]
    tests = rule_tests.test_files(rules, alerting, URLS)
    asked = [f"rules/tests/Label{name}Threshold.test.yml" for name in ("Backlog", "Coverage", "Drift", "Delay")]
    lay_out(tmp_path, [], ())
    (tmp_path / "rules" / "labelmon.rules.yml").write_text(rule_file(rules, alerting))
    for name in asked:
        (tmp_path / name).write_text(tests[name])

    tested = promtool("test", "rules", *asked, cwd=tmp_path)

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_without_a_margin_a_rule_is_a_comparison() -> None:
    plain = all_rules(catalogue(), replace(DEFAULT_ALERTING, threshold_margin=0.0), URLS)

    assert not any("ALERTS" in str(rule.expr) or "margin" in rule.annotations["description"] for rule in plain)


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
