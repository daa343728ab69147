"""What promtool's tests are made of: series with their values, and what is expected at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelmon import naming
from labelmon.durations import format_duration
from labelmon.model import Alerting

OWNER = {"pipeline": "pipe", "store": "warehouse", "team": "imaging", "tier": "critical"}
STEPS = 4  # evaluations before the scenarios are looked at


def ending(series: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The series, gone after their last value."""
    return [{"series": line["series"], "values": f"{line['values']} stale"} for line in series]


def fades(
    last: int, alert: str, firing: Sequence[Mapping[str, Any]], alerting: Alerting
) -> tuple[dict[str, Any], dict[str, Any]]:
    """After the `last` evaluation that held, the alerts keep firing just as long as they should."""
    keep = -(-alerting.keep_firing // alerting.evaluation_interval)
    return expect(last + keep, alert, firing, alerting), expect(last + keep + 3, alert, [], alerting)


def expect(steps: int, alert: str, expected: Sequence[Mapping[str, Any]], alerting: Alerting) -> dict[str, Any]:
    """What must fire after so many evaluations."""
    return {
        "eval_time": format_duration(max(0, steps) * alerting.evaluation_interval),
        "alertname": alert,
        "exp_alerts": list(expected),
    }


def loaded(at: float, times: str, **labels: str) -> dict[str, str]:
    """When a replica loaded its config."""
    return one(naming.CONFIG_RELOAD_TIME, labels, at, times)


def one(metric: str, labels: Mapping[str, str], value: float, times: str) -> dict[str, str]:
    """A series of one value, `times` as promtool writes it."""
    return {"series": selector(metric, labels), "values": f"{value:.10g}{times}"}


def selector(metric: str, labels: Mapping[str, str]) -> str:
    """A series as promtool names it."""
    return f"{metric}{{{','.join(f'{k}={chr(34)}{v}{chr(34)}' for k, v in sorted(labels.items()))}}}"
