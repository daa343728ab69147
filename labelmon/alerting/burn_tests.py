"""The promtool tests of error budget alerts: every border, recovery, replicas.

Each scenario is a dataset of its own, so that one test holds many. The numbers sit on the borders: a burn rate
exactly at its factor is quiet, evidence exactly at the threshold does not convince.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from labelmon import naming
from labelmon.alerting.annotations import burn_annotations
from labelmon.alerting.promtool_parts import OWNER, STEPS, expect, filled, loaded, one, percent
from labelmon.alerting.scenarios import QUIET, Scenario, Seen, fires, scenarios
from labelmon.check import Check
from labelmon.durations import format_duration
from labelmon.model import Severity, Urls
from labelmon.profiles import Alerting


def burn_tests(check: Check, alerting: Alerting, urls: Urls) -> list[dict[str, Any]]:
    """The tests of a check's error budget alert, of all its severities."""
    return [
        _scenarios_test(check, scenarios(alerting), alerting, urls),
        _recovery_test(check, alerting, urls),
        _replicas_test(check, alerting, urls),
    ]


def _scenarios_test(check: Check, members: Sequence[Scenario], alerting: Alerting, urls: Urls) -> dict[str, Any]:
    series = [line for member in members for line in _series(check, member, f"x{STEPS + 5}")]
    series.append(loaded(1000, f"x{STEPS + 5}"))
    expected = [alert for member in members for alert in _expected_burn(check, member, alerting, urls)]
    return {
        "name": f"{check.name}: every tier at its borders",
        "interval": format_duration(alerting.evaluation_interval),
        "input_series": series,
        "alert_rule_test": [expect(STEPS, naming.burn_alert(check), expected, alerting)],
    }


def _recovery_test(check: Check, alerting: Alerting, urls: Urls) -> dict[str, Any]:
    """Each severity burns for a while, recovers, and keeps firing just as long as it should."""
    step = alerting.evaluation_interval
    keeps = {severity: -(-alerting.burn_keep_firing(severity) // step) for severity in check.severities}
    length = STEPS + max(keeps.values()) + 10
    series = [loaded(1000, f"x{length + STEPS}")]
    expected: dict[Severity, list[dict[str, Any]]] = {}
    for severity in check.severities:
        mark = f"-{severity.value}-"
        burning = next(s for s in scenarios(alerting) if mark in s.name and s.name.endswith("burning"))
        hot = replace(burning, name=f"recovering-{severity.value}")
        cool = replace(hot, windows=dict.fromkeys(hot.windows, QUIET))
        for before, after in zip(_series(check, hot, ""), _series(check, cool, ""), strict=True):
            values = f"{before['values']}x{STEPS} {after['values']}x{length}"
            series.append({"series": before["series"], "values": values})
        for told in _expected_burn(check, hot, alerting, urls):
            expected.setdefault(Severity(told["exp_labels"][naming.SEVERITY]), []).append(told)
    alert = naming.burn_alert(check)

    def lasting(steps: int) -> dict[str, Any]:
        kept = [told for severity, each in expected.items() if keeps[severity] >= steps - STEPS for told in each]
        return expect(steps, alert, kept, alerting)

    looks = sorted({STEPS, *(STEPS + keep + more for keep in keeps.values() for more in (0, 3))})
    return {
        "name": f"{check.name}: recovers, and keeps firing for a while",
        "interval": format_duration(alerting.evaluation_interval),
        "input_series": series,
        "alert_rule_test": [lasting(steps) for steps in looks],
    }


def _replicas_test(check: Check, alerting: Alerting, urls: Urls) -> dict[str, Any]:
    """Two replicas in a rollout: one alert, the worse value, the owner of the config that was loaded last."""
    burning = replace(next(s for s in scenarios(alerting) if s.name.endswith("burning")), name="replicated")
    worse = replace(
        burning,
        windows={w: replace(seen, burn=round((seen.burn or 0) * 1.5, 6)) for w, seen in burning.windows.items()},
    )
    times, series = f"x{STEPS + 5}", []
    for instance, member, tier, at in (
        ("x", burning, "standard", 1000),
        ("y", worse, OWNER["tier"], 2000),
    ):
        series += [
            *_series(check, member, times, instance=instance, tier=tier),
            loaded(at, times, instance=instance),
        ]
    return {
        "name": f"{check.name}: two replicas are one alert",
        "interval": format_duration(alerting.evaluation_interval),
        "input_series": series,
        "alert_rule_test": [
            expect(STEPS, naming.burn_alert(check), _expected_burn(check, worse, alerting, urls), alerting)
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
        one(naming.DATASET_INFO, {"dataset": scenario.name, **owner, **others}, 1, times),
        one(naming.SLO_INFO, {**labels, "profile": scenario.profile, "instrument": scenario.instrument}, 1, times),
        one(naming.SLO_BUDGET_REMAINING, labels, 0.25, times),
    ]
    for burn, ratio in scenario.cusums.items():
        found.append(one(naming.SLO_CUSUM, {**labels, "burn": f"{burn:g}"}, ratio, times))
    for window, seen in sorted(scenario.windows.items()):
        windowed = {**labels, "window": format_duration(window)}
        for metric, value in (
            (naming.SLI_EVENTS, seen.events),
            (naming.SLI_ERROR_RATIO, seen.ratio),
            (naming.SLO_BURN_RATE, seen.burn),
            (naming.SLO_EVIDENCE, seen.evidence),
        ):
            if value is not None:
                found.append(one(metric, windowed, value, times))
    return found


def _expected_burn(check: Check, scenario: Scenario, alerting: Alerting, urls: Urls) -> list[dict[str, Any]]:
    found = []
    for severity in check.severities:
        value = fires(scenario, severity, alerting)
        if value is None:
            continue
        told = sorted((format_duration(w), seen) for w, seen in scenario.windows.items() if seen.ratio is not None)
        decided = sorted(f"{b:g}" for b in alerting.burns(severity) if scenario.cusums.get(b, 0) > 1)
        blanks = filled(
            scenario.name,
            f"{value:.1f}",
            scenario.scope,
            windows="".join(f"{window} {_told(seen)}; " for window, seen in told),
            decided="".join(f" The e-CUSUM for {burn} budgets has decided." for burn in decided),
            left=" Budget left: 25%.",
        )
        labels = {"severity": severity.value, "dataset": scenario.name, "sli": check.name, **OWNER}
        if scenario.scope:
            labels["scope"] = scenario.scope
        found.append({"exp_labels": labels, "exp_annotations": burn_annotations(check, severity, urls, blanks)})
    return found


def _told(seen: Seen) -> str:
    ratio = seen.ratio or 0.0
    nats = "" if seen.evidence is None else f", {seen.evidence:.1f} nats of evidence"
    return f"{percent(ratio)} ({ratio * seen.events:.0f} of {seen.events:.0f}{nats})"
