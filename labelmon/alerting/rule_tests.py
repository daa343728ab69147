"""promtool tests that ship with the rules: for every alert, what must fire, what must stay quiet, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labelmon import naming
from labelmon.alerting.annotations import any_bad_annotations, threshold_annotations
from labelmon.alerting.burn_tests import burn_tests
from labelmon.alerting.promtool_parts import (
    OWNER,
    STEPS,
    duration,
    ending,
    expect,
    fades,
    filled,
    loaded,
    one,
    selector,
)
from labelmon.alerting.rules import Rule, any_bad_window, hysteresis, threshold_metric
from labelmon.alerting.stale_tests import dataset_stale_test
from labelmon.alerting.yamlfile import dump
from labelmon.check import Check, EventSlo, GaugeSlo, Threshold
from labelmon.durations import format_duration
from labelmon.model import Urls
from labelmon.profiles import Alerting

RULES_FROM_TESTS = "../labelmon.rules.yml"


def test_files(rules: Sequence[Rule], alerting: Alerting, urls: Urls) -> dict[str, str]:
    """File name to text, one per alert name."""
    step = alerting.evaluation_interval
    found: dict[str, list[dict[str, Any]]] = {}
    checks = {rule.check.name: rule.check for rule in rules if rule.check}
    for check in checks.values():
        if isinstance(check.slo, EventSlo):
            found[naming.burn_alert(check)] = burn_tests(check, alerting, urls)
            found[naming.any_bad_alert(check)] = [_any_bad_test(check, alerting, urls)]
        elif isinstance(check.slo, GaugeSlo) and check.slo.thresholds:
            found[naming.threshold_alert(check)] = [_threshold_test(check, alerting, urls)]
    by_name = {rule.alert: rule for rule in rules}
    found[naming.ALERT_GONE] = _gone_tests(by_name[naming.ALERT_GONE], alerting)
    found[naming.ALERT_STORE_STALE] = [_stale_test(by_name[naming.ALERT_STORE_STALE], alerting)]
    found[naming.ALERT_DATASET_STALE] = [dataset_stale_test(by_name[naming.ALERT_DATASET_STALE], alerting)]
    return {
        f"rules/tests/{alert}.test.yml": dump(
            {"rule_files": [RULES_FROM_TESTS], "evaluation_interval": format_duration(step), "tests": tests}
        )
        for alert, tests in found.items()
    }


def _any_bad_test(check: Check, alerting: Alerting, urls: Urls) -> dict[str, Any]:
    window, times = any_bad_window(alerting), f"x{STEPS + 5}"
    series = [loaded(1000, times)]
    for name, profile, ratio in (
        ("bad", naming.NONE_BAD, 0.02),
        ("clean", naming.NONE_BAD, 0.0),
        ("budgeted", alerting.profiles[0].name, 0.02),
    ):
        labels = {"dataset": name, "sli": check.name}
        series += [
            one(naming.DATASET_INFO, {"dataset": name, **OWNER}, 1, times),
            one(naming.SLO_INFO, {**labels, "profile": profile}, 1, times),
            one(naming.SLI_ERROR_RATIO, {**labels, "window": window}, ratio, times),
            one(naming.SLI_EVENTS, {**labels, "window": window}, 150, times),
        ]
    labels = {"severity": "ticket", "dataset": "bad", "sli": check.name, **OWNER}
    annotations = any_bad_annotations(check, window, urls, filled("bad", "2%", bad="3", events="150"))
    alert, firing = naming.any_bad_alert(check), [{"exp_labels": labels, "exp_annotations": annotations}]
    return {
        "name": f"{check.name}: an objective of none_bad",
        "interval": format_duration(alerting.evaluation_interval),
        "input_series": ending(series),
        "alert_rule_test": [expect(STEPS, alert, firing, alerting), *fades(STEPS + 5, alert, firing, alerting)],
    }


def _threshold_test(check: Check, alerting: Alerting, urls: Urls) -> dict[str, Any]:
    """Past the objective by 20 %, exactly at it, past it with too little behind, and past it by what may be chance.

    And on the way back: within the margin, where nothing begins and nothing ends, and at its border.
    """
    slo = check.slo
    assert isinstance(slo, GaugeSlo)  # noqa: S101  the caller asked for gauges
    step, by = alerting.evaluation_interval, naming.threshold_alert(check)
    holds = [alerting.threshold_hold if t.hold is None else t.hold for t in slo.thresholds]
    hold, keep = (-(-seconds // step) for seconds in (max(holds), alerting.keep_firing))
    most = max((t.at_least for t in slo.thresholds), default=0)
    factor, offset = hysteresis(check, alerting.threshold_margin)
    limit = 0.5 if offset else 100_000.0
    beyond, border = limit * (1.2 if slo.at_most is not None else 0.8), limit * factor + offset
    inside = (limit + border) / 2
    chance = min((t.p_below for t in slo.thresholds if t.p_below), default=0.0)
    proven = 0.8 * chance
    # Name -> the gauge, how much is behind it, and its p-value: at first, and from `turn` on.
    members = {
        "past": ((beyond, beyond), most, (proven, proven)),
        "at": ((limit, limit), most, (proven, proven)),
        "few": ((beyond, beyond), max(0, most - 1), (proven, proven)),
        **({"chance": ((beyond, beyond), most, (chance, chance))} if chance else {}),
    }
    if alerting.threshold_margin:
        members |= {
            "within": ((inside, inside), most, (proven, proven)),
            "swinging": ((beyond, inside), most, (proven, chance)),
            "back": ((beyond, border), most, (proven, proven)),
        }
    turn, length = hold + 2, hold + keep + 6
    series = [loaded(1000, f"x{length - 1}")]
    for name, (values, rows, chances) in members.items():
        labels = {"dataset": name}
        series += [
            one(naming.DATASET_INFO, {**labels, **OWNER}, 1, f"x{length - 1}"),
            one(naming.objective_gauge(check), labels, limit, f"x{length - 1}"),
            one(naming.observations(check), labels, rows, f"x{length - 1}"),
        ]
        if chance:
            metric = naming.gauge(check, check.adjusted)
            series.append({"series": selector(metric, labels), "values": _turning(chances, turn, length)})
        for metric, threshold in {threshold_metric(check, t): t for t in slo.thresholds}.items():
            age = step if check.statistic(threshold.statistic).age else 0
            series.append({"series": selector(metric, labels), "values": _turning(values, turn, length, age)})
    began, lasting = (
        [
            _expected_threshold(check, threshold, name, values[late], alerting, urls)
            for name, (values, rows, (p_value, _)) in members.items()
            for threshold in slo.thresholds
            if (values[0] == beyond and values[late] != border)
            and rows >= threshold.at_least
            and (p_value < chance or not chance)
        ]
        for late in (0, 1)
    )
    return {
        "name": f"{check.name}: past its objective for long enough, with enough behind it, and back by a margin",
        "interval": format_duration(step),
        "input_series": ending(series),
        "alert_rule_test": [
            *([expect(hold - 1, by, [], alerting)] if hold else []),
            expect(hold + 1, by, began, alerting),
            expect(length - 1, by, lasting, alerting),
            *fades(length - 1, by, lasting, alerting),
        ],
    }


def _turning(values: tuple[float, float], turn: int, length: int, age: int = 0) -> str:
    """`length` samples, of the first value before sample `turn` and of the second from there on.

    An age, with samples every `age` seconds, is an instant that moves with the clock.
    """
    if not age:
        return f"{values[0]!r}x{turn - 1} {values[1]!r}x{length - turn - 1}"
    return f"{-values[0]!r}+{age}x{turn - 1} {turn * age - values[1]!r}+{age}x{length - turn - 1}"


def _expected_threshold(
    check: Check, threshold: Threshold, name: str, value: float, alerting: Alerting, urls: Urls
) -> dict[str, Any]:
    shown = duration(value) if check.statistic(threshold.statistic).in_seconds else f"{value:.4g}"
    labels = {"severity": threshold.severity.value, "dataset": name, "sli": check.name, **OWNER}
    annotations = threshold_annotations(check, threshold, urls, filled(name, shown), alerting.threshold_margin)
    return {"exp_labels": labels, "exp_annotations": annotations}


def _gone_tests(rule: Rule, alerting: Alerting) -> list[dict[str, Any]]:
    hold = -(-rule.hold // alerting.evaluation_interval)
    expected = [{"exp_labels": dict(rule.labels), "exp_annotations": rule.annotations}]
    here = one(naming.BUILD_INFO, {"version": "1", "instance": "x"}, 1, f"x{hold + STEPS}")
    step = format_duration(alerting.evaluation_interval)
    return [
        {
            "name": "no replica is scraped",
            "interval": step,
            "input_series": [],
            "alert_rule_test": [
                expect(hold - 1, rule.alert, [], alerting),
                expect(hold + 1, rule.alert, expected, alerting),
            ],
        },
        {
            "name": "one replica is enough",
            "interval": step,
            "input_series": [here],
            "alert_rule_test": [expect(hold + 1, rule.alert, [], alerting)],
        },
    ]


def _stale_test(rule: Rule, alerting: Alerting) -> dict[str, Any]:
    step = alerting.evaluation_interval
    hold, stale = -(-rule.hold // step), alerting.stale_after // step
    length = hold + stale + STEPS
    up, success = naming.STORE_UP, naming.STORE_LAST_SUCCESS
    series = [
        one(success, {"store": "stopped"}, 0, f"x{length}"),
        one(up, {"store": "stopped"}, 0, f"x{length}"),
        one(up, {"store": "never"}, 0, f"x{length}"),
        one(up, {"store": "fine"}, 1, f"x{length}"),
        {"series": selector(success, {"store": "fine"}), "values": f"0+{step}x{length}"},
        one(up, {"store": "hiccup"}, 0, f"x{length}"),
        {"series": selector(success, {"store": "hiccup"}), "values": f"0+{step}x{length}"},
    ]

    def expected(store: str) -> dict[str, Any]:
        told = {k: v.replace("{{ $labels.store }}", store) for k, v in rule.annotations.items()}
        return {"exp_labels": {**dict(rule.labels), "store": store}, "exp_annotations": told}

    return {
        "name": "a store that stopped, one that never answered, one that is fine, one with a hiccup",
        "interval": format_duration(step),
        "input_series": ending(series),
        "alert_rule_test": [
            expect(hold - 1, rule.alert, [], alerting),
            expect(stale + hold, rule.alert, [expected("never")], alerting),
            expect(stale + hold + 1, rule.alert, [expected("never"), expected("stopped")], alerting),
            *fades(length, rule.alert, [expected("never"), expected("stopped")], alerting),
        ],
    }
