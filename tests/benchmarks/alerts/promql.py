"""Simulated runs as a promtool test of the generated rules: which alert must fire at which minute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from labelmon import naming
from labelmon.durations import format_duration
from labelmon.model import Severity, SloStatus
from labelmon.profiles import DEFAULT_ALERTING
from tests.benchmarks.alerts.episodes import firing, keep_steps
from tests.benchmarks.alerts.judge import Verdict
from tests.benchmarks.alerts.product import CHECK, exported

STEP = DEFAULT_ALERTING.evaluation_interval
KEEP = {severity: keep_steps(DEFAULT_ALERTING.burn_keep_firing(severity), STEP) for severity in Severity}
FIRING = f'sum by (dataset, severity) (ALERTS{{alertname="{naming.burn_alert(CHECK)}", alertstate="firing"}})'


def rule_test(rules: str, runs: Mapping[str, Sequence[SloStatus]], said: Mapping[str, Verdict]) -> dict[str, Any]:
    """A promtool test file: `runs` are the statuses of each dataset, minute by minute; `said` covers the same minutes."""
    length = len(next(iter(runs.values())))
    fires = {
        (name, severity.value): firing(getattr(verdict, severity.value), KEEP[severity])[:, 0]
        for name, verdict in said.items()
        for severity in Severity
    }
    owner = {naming.PIPELINE: "p", naming.STORE: "s", naming.TEAM: "t", naming.TIER: "standard"}
    loaded = [{"series": naming.CONFIG_RELOAD_TIME, "values": f"1000x{length}"}]
    infos = [
        {"series": _selector(naming.DATASET_INFO, {naming.DATASET: name, **owner}), "values": f"1x{length}"}
        for name in runs
    ]
    return {
        "rule_files": [rules],
        "evaluation_interval": format_duration(STEP),
        "tests": [
            {
                "interval": format_duration(STEP),
                "input_series": [*loaded, *infos, *(one for name in runs for one in _series(name, runs[name]))],
                "promql_expr_test": [
                    {
                        "expr": FIRING,
                        "eval_time": f"{minute * STEP}s",
                        "exp_samples": list(_expected(fires, minute)),
                    }
                    for minute in range(length)
                ],
            }
        ],
    }


def _expected(fires: Mapping[tuple[str, str], np.ndarray], minute: int) -> Iterable[dict[str, Any]]:
    for (name, severity), held in fires.items():
        if held[minute]:
            yield {"labels": _selector("", {naming.DATASET: name, naming.SEVERITY: severity}), "value": 1}


def _series(name: str, statuses: Sequence[SloStatus]) -> list[dict[str, str]]:
    found: dict[str, list[str]] = {}
    for minute, status in enumerate(statuses):
        for sample in exported(status):
            labels = {k: v for k, v in {**sample.labels, naming.DATASET: name}.items() if v}
            # A series that is not exported any more is marked stale by the scrape.
            values = found.setdefault(_selector(sample.name, labels), ["stale"] * len(statuses))
            values[minute] = repr(sample.value)
    return [{"series": series, "values": " ".join(values)} for series, values in found.items()]


def _selector(name: str, labels: Mapping[str, str]) -> str:
    return name + "{" + ", ".join(f'{key}="{value}"' for key, value in sorted(labels.items())) + "}"
