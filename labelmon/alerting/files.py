"""Rules as the files Prometheus loads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labelmon.alerting.rules import Rule
from labelmon.alerting.yamlfile import Block, dump
from labelmon.durations import format_duration
from labelmon.profiles import Alerting

RULES_FILE = "rules/labelmon.rules.yml"


def rule_file(rules: Sequence[Rule], alerting: Alerting) -> str:
    """One rule file: a group per check and one for labelmon itself."""
    return dump({"groups": rule_groups(rules, alerting)})


def rule_groups(rules: Sequence[Rule], alerting: Alerting) -> list[dict[str, Any]]:
    """The groups in Prometheus' own form, which the operator takes over word for word."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for rule in rules:
        name = f"labelmon-{rule.check.name.replace('_', '-')}" if rule.check else "labelmon-self"
        groups.setdefault(name, []).append(as_yaml(rule))
    interval = format_duration(alerting.evaluation_interval)
    return [{"name": name, "interval": interval, "rules": rules} for name, rules in groups.items()]


def as_yaml(rule: Rule) -> dict[str, Any]:
    """A rule in Prometheus' own form."""
    found: dict[str, Any] = {"alert": rule.alert, "expr": Block(f"{rule.expr}\n")}
    if rule.hold:
        found["for"] = format_duration(rule.hold)
    if rule.keep_firing:
        found["keep_firing_for"] = format_duration(rule.keep_firing)
    return {**found, "labels": dict(rule.labels), "annotations": dict(sorted(rule.annotations.items()))}
