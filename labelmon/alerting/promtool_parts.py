"""What promtool tests are made of: series, expected alerts, and texts as Prometheus renders them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

from labelmon import naming
from labelmon.alerting.annotations import Blanks
from labelmon.durations import format_duration
from labelmon.profiles import Alerting

OWNER = {"pipeline": "pipe", "store": "warehouse", "team": "imaging", "tier": "critical"}
STEPS = 4  # evaluations before the scenarios are looked at


def ending(series: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The series, gone after their last value."""
    return [{"series": one["series"], "values": f"{one['values']} stale"} for one in series]


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


def filled(dataset: str, value: str, scope: str = "", **more: str) -> Blanks:
    """The blanks of an annotation as Prometheus fills them."""
    return Blanks(
        dataset=dataset,
        scoped=f" ({scope})" if scope else "",
        dataset_query=quote_plus(dataset),
        scope_query=quote_plus(scope),
        value=value,
        **more,
    )


def loaded(at: float, times: str, **labels: str) -> dict[str, str]:
    """When a replica loaded its config."""
    return one(naming.CONFIG_RELOAD_TIME, labels, at, times)


def one(metric: str, labels: Mapping[str, str], value: float, times: str) -> dict[str, str]:
    """A series that keeps one value, as often as `times` says (`x9`)."""
    return {"series": selector(metric, labels), "values": f"{value:.10g}{times}"}


def selector(metric: str, labels: Mapping[str, str]) -> str:
    """A series as promtool reads it."""
    return f"{metric}{{{','.join(f'{k}={chr(34)}{v}{chr(34)}' for k, v in sorted(labels.items()))}}}"


def percent(ratio: float) -> str:
    """As Prometheus' humanizePercentage."""
    return f"{ratio * 100:.4g}%"


def duration(seconds: float) -> str:
    """As Prometheus' humanizeDuration, from a minute up."""
    whole = int(seconds)
    days, hours, minutes, rest = whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    if days:
        return f"{days}d {hours}h {minutes}m {rest}s"
    return f"{hours}h {minutes}m {rest}s" if hours else f"{minutes}m {rest}s"
