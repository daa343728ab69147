"""promtool tests that ship with the rules: for every alert, what must fire, what must stay quiet, and when.

Each scenario is a dataset of its own, so that one test holds many. The numbers sit on the borders: a burn rate
exactly at its factor is quiet, evidence exactly at the threshold does not convince.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote_plus

from labelmon import naming
from labelmon.alerting.annotations import Blanks, any_bad_annotations, burn_annotations, threshold_annotations
from labelmon.alerting.rules import Rule, any_bad_window, evidence_needed, hysteresis, threshold_metric, tiers_of
from labelmon.alerting.scenarios import QUIET, Scenario, fires, scenarios
from labelmon.alerting.yamlfile import dump
from labelmon.check import Check, EventSlo, GaugeSlo, Threshold
from labelmon.durations import format_duration
from labelmon.model import Alerting, Urls

RULES_FROM_TESTS = "../labelmon.rules.yml"
OWNER = {"pipeline": "pipe", "store": "warehouse", "team": "imaging", "tier": "critical"}
STEPS = 4  # evaluations before the scenarios are looked at


def test_files(rules: Sequence[Rule], alerting: Alerting, urls: Urls) -> dict[str, str]:
    """File name to text, one per alert name."""
    step = alerting.evaluation_interval
    found: dict[str, list[dict[str, Any]]] = {}
    checks = {rule.check.name: rule.check for rule in rules if rule.check}
    for check in checks.values():
        if isinstance(check.slo, EventSlo):
            found[naming.burn_alert(check)] = [
                _scenarios_test(check, scenarios(alerting), alerting, urls),
                _recovery_test(check, alerting, urls),
                _replicas_test(check, alerting, urls),
            ]
            found[naming.any_bad_alert(check)] = [_any_bad_test(check, alerting, urls)]
        elif isinstance(check.slo, GaugeSlo) and check.slo.thresholds:
            found[naming.threshold_alert(check)] = [_threshold_test(check, alerting, urls)]
    by_name = {rule.alert: rule for rule in rules}
    found[naming.ALERT_GONE] = _gone_tests(by_name[naming.ALERT_GONE], alerting)
    found[naming.ALERT_STORE_STALE] = [_stale_test(by_name[naming.ALERT_STORE_STALE], alerting)]
    return {
        f"rules/tests/{alert}.test.yml": dump(
            {"rule_files": [RULES_FROM_TESTS], "evaluation_interval": format_duration(step), "tests": tests}
        )
        for alert, tests in found.items()
    }


def _scenarios_test(check: Check, members: Sequence[Scenario], alerting: Alerting, urls: Urls) -> dict[str, Any]:
    series = [line for member in members for line in _series(check, member, f"x{STEPS + 5}")]
    series.append(_loaded(1000, f"x{STEPS + 5}"))
    expected = [alert for member in members for alert in _expected_burn(check, member, alerting, urls)]
    return {
        "name": f"{check.name}: every tier at its borders",
        "interval": format_duration(alerting.evaluation_interval),
        "input_series": series,
        "alert_rule_test": [_expect(STEPS, naming.burn_alert(check), expected, alerting)],
    }


def _recovery_test(check: Check, alerting: Alerting, urls: Urls) -> dict[str, Any]:
    """Each severity burns for a while, recovers, and keeps firing just as long as it should."""
    keep = -(-alerting.keep_firing // alerting.evaluation_interval)
    length = STEPS + keep + 10
    series = [_loaded(1000, f"x{length + STEPS}")]
    expected = []
    for severity in check.severities:
        mark = f"-{severity.value}-"
        burning = next(s for s in scenarios(alerting) if mark in s.name and s.name.endswith("burning"))
        hot = replace(burning, name=f"recovering-{severity.value}")
        cool = replace(hot, windows=dict.fromkeys(hot.windows, QUIET))
        for before, after in zip(_series(check, hot, ""), _series(check, cool, ""), strict=True):
            values = f"{before['values']}x{STEPS} {after['values']}x{length}"
            series.append({"series": before["series"], "values": values})
        expected += _expected_burn(check, hot, alerting, urls)
    alert = naming.burn_alert(check)
    return {
        "name": f"{check.name}: recovers, and keeps firing for a while",
        "interval": format_duration(alerting.evaluation_interval),
        "input_series": series,
        "alert_rule_test": [_expect(STEPS, alert, expected, alerting), *_fades(STEPS, alert, expected, alerting)],
    }


def _replicas_test(check: Check, alerting: Alerting, urls: Urls) -> dict[str, Any]:
    """Two replicas in a rollout: one alert, the worse value, the owner of the config that was loaded last."""
    burning = replace(next(s for s in scenarios(alerting) if s.name.endswith("burning")), name="replicated")
    worse = replace(
        burning,
        windows={w: replace(seen, burn=round((seen.burn or 0) * 1.5, 6)) for w, seen in burning.windows.items()},
    )
    times, series = f"x{STEPS + 5}", []
    for instance, member, tier, loaded in (
        ("x", burning, "standard", 1000),
        ("y", worse, OWNER["tier"], 2000),
    ):
        series += [
            *_series(check, member, times, instance=instance, tier=tier),
            _loaded(loaded, times, instance=instance),
        ]
    return {
        "name": f"{check.name}: two replicas are one alert",
        "interval": format_duration(alerting.evaluation_interval),
        "input_series": series,
        "alert_rule_test": [
            _expect(STEPS, naming.burn_alert(check), _expected_burn(check, worse, alerting, urls), alerting)
        ],
    }


def _series(check: Check, scenario: Scenario, times: str, **more: str) -> list[dict[str, str]]:
    owner = {**OWNER, **{k: v for k, v in more.items() if k in OWNER}}
    others = {k: v for k, v in more.items() if k not in OWNER}
    labels = {
        "dataset": scenario.name,
        "sli": check.name,
        **({"scope": scenario.scope} if scenario.scope else {}),
        **others,
    }
    found = [
        _one(naming.DATASET_INFO, {"dataset": scenario.name, **owner, **others}, 1, times),
        _one(naming.SLO_INFO, {**labels, "profile": scenario.profile}, 1, times),
        _one(naming.SLO_BUDGET_REMAINING, labels, 0.25, times),
    ]
    for window, seen in sorted(scenario.windows.items()):
        windowed = {**labels, "window": format_duration(window)}
        for metric, value in (
            (naming.SLI_EVENTS, seen.events),
            (naming.SLI_ERROR_RATIO, seen.ratio),
            (naming.SLO_BURN_RATE, seen.burn),
            (naming.SLO_EVIDENCE, seen.evidence),
        ):
            if value is not None:
                found.append(_one(metric, windowed, value, times))
    return found


def _expected_burn(check: Check, scenario: Scenario, alerting: Alerting, urls: Urls) -> list[dict[str, Any]]:
    profile = next((p for p in alerting.profiles if p.name == scenario.profile), None)
    found = []
    for severity in check.severities if profile else ():
        value = fires(scenario.windows, tiers_of(profile, severity), evidence_needed(alerting)) if profile else None
        if value is None:
            continue
        ratios = sorted(
            (format_duration(w), seen.ratio) for w, seen in scenario.windows.items() if seen.ratio is not None
        )
        blanks = _blanks(
            scenario.name,
            f"{value:.1f}",
            scenario.scope,
            windows="".join(f"{window} {_percent(ratio)}; " for window, ratio in ratios),
            events=f"{max(seen.events for seen in scenario.windows.values()):.0f}",
            left=" Budget left: 25%.",
        )
        labels = {"severity": severity.value, "dataset": scenario.name, "sli": check.name, **OWNER}
        if scenario.scope:
            labels["scope"] = scenario.scope
        found.append({"exp_labels": labels, "exp_annotations": burn_annotations(check, severity, urls, blanks)})
    return found


def _any_bad_test(check: Check, alerting: Alerting, urls: Urls) -> dict[str, Any]:
    window, times = any_bad_window(alerting), f"x{STEPS + 5}"
    series = [_loaded(1000, times)]
    for name, profile, ratio in (
        ("bad", naming.NONE_BAD, 0.02),
        ("clean", naming.NONE_BAD, 0.0),
        ("budgeted", alerting.profiles[0].name, 0.02),
    ):
        labels = {"dataset": name, "sli": check.name}
        series += [
            _one(naming.DATASET_INFO, {"dataset": name, **OWNER}, 1, times),
            _one(naming.SLO_INFO, {**labels, "profile": profile}, 1, times),
            _one(naming.SLI_ERROR_RATIO, {**labels, "window": window}, ratio, times),
            _one(naming.SLI_EVENTS, {**labels, "window": window}, 150, times),
        ]
    labels = {"severity": "ticket", "dataset": "bad", "sli": check.name, **OWNER}
    annotations = any_bad_annotations(check, window, urls, _blanks("bad", "2%", bad="3", events="150"))
    alert, firing = naming.any_bad_alert(check), [{"exp_labels": labels, "exp_annotations": annotations}]
    return {
        "name": f"{check.name}: an objective of none_bad",
        "interval": format_duration(alerting.evaluation_interval),
        "input_series": _ending(series),
        "alert_rule_test": [_expect(STEPS, alert, firing, alerting), *_fades(STEPS + 5, alert, firing, alerting)],
    }


def _threshold_test(check: Check, alerting: Alerting, urls: Urls) -> dict[str, Any]:
    """Past the objective by 20 %, exactly at it, past it with too little behind, and past it by what may be chance.

    And on the way back: within the margin, where nothing begins and nothing ends, and at its border.
    """
    slo = check.slo
    assert isinstance(slo, GaugeSlo)  # noqa: S101  the caller asked for gauges
    step, by = alerting.evaluation_interval, naming.threshold_alert(check)
    hold, keep = (-(-seconds // step) for seconds in (alerting.threshold_hold, alerting.keep_firing))
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
    series = [_loaded(1000, f"x{length - 1}")]
    for name, (values, rows, chances) in members.items():
        labels = {"dataset": name}
        series += [
            _one(naming.DATASET_INFO, {**labels, **OWNER}, 1, f"x{length - 1}"),
            _one(naming.objective_gauge(check), labels, limit, f"x{length - 1}"),
            _one(naming.observations(check), labels, rows, f"x{length - 1}"),
        ]
        if chance:
            metric = naming.gauge(check, check.adjusted)
            series.append({"series": _selector(metric, labels), "values": _turning(chances, turn, length)})
        for metric, threshold in {threshold_metric(check, t): t for t in slo.thresholds}.items():
            age = step if check.statistic(threshold.statistic).age else 0
            series.append({"series": _selector(metric, labels), "values": _turning(values, turn, length, age)})
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
        "input_series": _ending(series),
        "alert_rule_test": [
            _expect(hold - 1, by, [], alerting),
            _expect(hold + 1, by, began, alerting),
            _expect(length - 1, by, lasting, alerting),
            *_fades(length - 1, by, lasting, alerting),
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
    shown = _duration(value) if check.statistic(threshold.statistic).in_seconds else f"{value:.4g}"
    labels = {"severity": threshold.severity.value, "dataset": name, "sli": check.name, **OWNER}
    annotations = threshold_annotations(check, threshold, urls, _blanks(name, shown), alerting.threshold_margin)
    return {"exp_labels": labels, "exp_annotations": annotations}


def _gone_tests(rule: Rule, alerting: Alerting) -> list[dict[str, Any]]:
    hold = -(-rule.hold // alerting.evaluation_interval)
    expected = [{"exp_labels": dict(rule.labels), "exp_annotations": rule.annotations}]
    here = _one(naming.BUILD_INFO, {"version": "1", "instance": "x"}, 1, f"x{hold + STEPS}")
    step = format_duration(alerting.evaluation_interval)
    return [
        {
            "name": "no replica is scraped",
            "interval": step,
            "input_series": [],
            "alert_rule_test": [
                _expect(hold - 1, rule.alert, [], alerting),
                _expect(hold + 1, rule.alert, expected, alerting),
            ],
        },
        {
            "name": "one replica is enough",
            "interval": step,
            "input_series": [here],
            "alert_rule_test": [_expect(hold + 1, rule.alert, [], alerting)],
        },
    ]


def _stale_test(rule: Rule, alerting: Alerting) -> dict[str, Any]:
    step = alerting.evaluation_interval
    hold, stale = -(-rule.hold // step), alerting.stale_after // step
    length = hold + stale + STEPS
    up, success = naming.STORE_UP, naming.STORE_LAST_SUCCESS
    series = [
        _one(success, {"store": "stopped"}, 0, f"x{length}"),
        _one(up, {"store": "stopped"}, 0, f"x{length}"),
        _one(up, {"store": "never"}, 0, f"x{length}"),
        _one(up, {"store": "fine"}, 1, f"x{length}"),
        {"series": _selector(success, {"store": "fine"}), "values": f"0+{step}x{length}"},
        _one(up, {"store": "hiccup"}, 0, f"x{length}"),
        {"series": _selector(success, {"store": "hiccup"}), "values": f"0+{step}x{length}"},
    ]

    def expected(store: str) -> dict[str, Any]:
        told = {k: v.replace("{{ $labels.store }}", store) for k, v in rule.annotations.items()}
        return {"exp_labels": {**dict(rule.labels), "store": store}, "exp_annotations": told}

    return {
        "name": "a store that stopped, one that never answered, one that is fine, one with a hiccup",
        "interval": format_duration(step),
        "input_series": _ending(series),
        "alert_rule_test": [
            _expect(hold - 1, rule.alert, [], alerting),
            _expect(stale + hold, rule.alert, [expected("never")], alerting),
            _expect(stale + hold + 1, rule.alert, [expected("never"), expected("stopped")], alerting),
            *_fades(length, rule.alert, [expected("never"), expected("stopped")], alerting),
        ],
    }


def _ending(series: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The series, gone after their last value."""
    return [{"series": one["series"], "values": f"{one['values']} stale"} for one in series]


def _fades(
    last: int, alert: str, firing: Sequence[Mapping[str, Any]], alerting: Alerting
) -> tuple[dict[str, Any], dict[str, Any]]:
    """After the `last` evaluation that held, the alerts keep firing just as long as they should."""
    keep = -(-alerting.keep_firing // alerting.evaluation_interval)
    return _expect(last + keep, alert, firing, alerting), _expect(last + keep + 3, alert, [], alerting)


def _expect(steps: int, alert: str, expected: Sequence[Mapping[str, Any]], alerting: Alerting) -> dict[str, Any]:
    return {
        "eval_time": format_duration(max(0, steps) * alerting.evaluation_interval),
        "alertname": alert,
        "exp_alerts": list(expected),
    }


def _blanks(dataset: str, value: str, scope: str = "", **more: str) -> Blanks:
    return Blanks(
        dataset=dataset,
        scoped=f" ({scope})" if scope else "",
        dataset_query=quote_plus(dataset),
        scope_query=quote_plus(scope),
        value=value,
        **more,
    )


def _loaded(at: float, times: str, **labels: str) -> dict[str, str]:
    return _one(naming.CONFIG_RELOAD_TIME, labels, at, times)


def _one(metric: str, labels: Mapping[str, str], value: float, times: str) -> dict[str, str]:
    return {"series": _selector(metric, labels), "values": f"{value:.10g}{times}"}


def _selector(metric: str, labels: Mapping[str, str]) -> str:
    return f"{metric}{{{','.join(f'{k}={chr(34)}{v}{chr(34)}' for k, v in sorted(labels.items()))}}}"


def _percent(ratio: float) -> str:
    """As Prometheus' humanizePercentage."""
    return f"{ratio * 100:.4g}%"


def _duration(seconds: float) -> str:
    """As Prometheus' humanizeDuration, from a minute up."""
    whole = int(seconds)
    days, hours, minutes, rest = whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    if days:
        return f"{days}d {hours}h {minutes}m {rest}s"
    return f"{hours}h {minutes}m {rest}s" if hours else f"{minutes}m {rest}s"
