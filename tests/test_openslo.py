"""OpenSLO documents have what version 1 asks for, and their queries give what a tool must read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from labelmon.alerting.promql import quoted
from labelmon.checks import catalogue
from labelmon.config import load
from labelmon.openslo import Exported, openslo, rfc1123_names, shorthand
from tests.alerting.conftest import Tool, _tool

CONFIG = """
stores: {s: {url: "sqlite:///s.db"}}
urls: {runbooks: "https://wiki.example/labelmon"}
datasets:
  xray:
    owner: {team: rad}
    relations:
      items: {columns: {priority: priority}}
      labels: {}
      audits: {}
    objectives:
      label_accuracy: {target: 0.95, window: 28d}
      label_latency: [{within: 1h, target: 0.99, window: 90s}, {within: 1d, target: 0.9, window: all, scope: {priority: SCOPE}}]
      audit_join: {none_bad: true}
      label_backlog: {at_most: 24h}
      label_cost: {at_most: 0.1}
  _odd_: {relations: {audits: {}}}
"""
NASTY = 'say "x{{ $value }}", \\d\nüß\u2028 # {a="b"} ${no}'


@pytest.fixture(scope="module")
def promtool() -> Tool:
    return _tool("promtool", "prometheus")


def exported(folder: Path, scope: str = "high") -> Exported:
    path = folder / "labelmon.yaml"
    said = yaml.safe_dump(scope, default_style='"', width=10_000).strip().replace("$", "$$")
    path.write_text(CONFIG.replace("SCOPE", said))
    return openslo(load(path), catalogue(), "https://prometheus.example")


def documents(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def slos(text: str) -> dict[str, dict[str, Any]]:
    return {d["metadata"]["name"]: d for d in documents(text) if d["kind"] == "SLO"}


def sources(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    spec = document["spec"]["indicator"]["spec"]
    (kind,) = spec
    if kind == "thresholdMetric":
        return {"value": spec[kind]["metricSource"]}
    return {name: spec[kind][name]["metricSource"] for name in ("good", "total")}


# What the specification asks of each kind, by hand: README of OpenSLO v1, and its JSON Schema for metadata.
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
SHORT = re.compile(r"[a-z0-9A-Z][a-z0-9A-Z._-]*")


def check_metadata(metadata: dict[str, Any]) -> None:
    assert NAME.fullmatch(metadata["name"])
    assert metadata.get("displayName", "x")
    for value in metadata.get("labels", {}).values():
        assert SHORT.fullmatch(value)
        assert len(value) <= 63
    for key, value in metadata.get("annotations", {}).items():
        assert SHORT.fullmatch(key)
        assert SHORT.fullmatch(value)
        assert len(value) <= 63


def check_slo(document: dict[str, Any]) -> None:
    spec = document["spec"]
    assert set(spec) <= {"description", "service", "indicator", "timeWindow", "budgetingMethod", "objectives"}
    assert {"service", "indicator", "budgetingMethod", "objectives"} <= set(spec)
    assert NAME.fullmatch(spec["service"])
    assert 0 < len(spec["description"]) <= 1050
    assert spec["budgetingMethod"] == "Occurrences"
    if "timeWindow" in spec:
        (window,) = spec["timeWindow"]
        assert set(window) == {"duration", "isRolling"}
        assert window["isRolling"] is True
        assert re.fullmatch(r"[1-9]\d*[mhdwMQY]", window["duration"])
    check_metadata(spec["indicator"]["metadata"])
    indicator = spec["indicator"]["spec"]
    assert len(indicator) == 1
    (objective,) = spec["objectives"]
    assert 0 <= objective["target"] < 1
    if "thresholdMetric" in indicator:
        assert objective["op"] in {"lte", "gte", "lt", "gt"}
        assert isinstance(objective["value"], float)
    else:
        ratio = indicator["ratioMetric"]
        assert set(ratio) == {"counter", "good", "total"}
        assert ratio["counter"] is False
        assert not {"op", "value"} & set(objective)
    for source in sources(document).values():
        assert set(source) == {"metricSourceRef", "type", "spec"}
        assert NAME.fullmatch(source["metricSourceRef"])
        assert source["spec"]["query"]


def test_every_document_has_what_version_1_asks_for(tmp_path: Path) -> None:
    found = documents(exported(tmp_path).text)

    assert {d["apiVersion"] for d in found} == {"openslo/v1"}
    assert [d["kind"] for d in found] == ["DataSource", "Service", "Service", *["SLO"] * (len(found) - 3)]
    names = [(d["kind"], d["metadata"]["name"]) for d in found]
    assert len(set(names)) == len(names)
    for document in found:
        assert set(document) == {"apiVersion", "kind", "metadata", "spec"}
        check_metadata(document["metadata"])
        if document["kind"] == "SLO":
            check_slo(document)
            assert ("Service", document["spec"]["service"]) in names
            assert {("DataSource", s["metricSourceRef"]) for s in sources(document).values()} <= set(names)
    assert found[0]["spec"]["connectionDetails"] == {"url": "https://prometheus.example"}
    assert found[0]["spec"]["type"] == "Prometheus"


def test_each_objective_keeps_its_goal_window_and_runbook(tmp_path: Path) -> None:
    made = slos(exported(tmp_path).text)

    def of(name: str) -> tuple[object, object]:
        (found,) = (d["spec"] for n, d in made.items() if re.fullmatch(name + r"(-[0-9a-f]{8})?", n))
        (objective,) = found["objectives"]
        window = found.get("timeWindow", [{"duration": None}])[0]["duration"]
        return window, {key: objective[key] for key in ("op", "value", "target") if key in objective}

    assert of("xray-label-accuracy") == ("28d", {"target": 0.95})
    assert of("xray-label-latency-within-1h") == ("2m", {"target": 0.99})
    assert of("xray-label-latency-priority-high-within-1d") == (None, {"target": 0.9})
    assert of("xray-audit-join") == ("30d", {"target": 0.999999})
    assert of("xray-label-backlog") == ("30d", {"op": "lte", "value": 86400.0, "target": 0.999999})
    accuracy = made["xray-label-accuracy"]
    assert accuracy["metadata"]["annotations"] == {"runbook": "LabelAccuracyBudgetBurn.md"}
    assert "https://wiki.example/labelmon/LabelAccuracyBudgetBurn.md" in accuracy["spec"]["description"]
    assert made["xray-audit-join"]["metadata"]["annotations"] == {"runbook": "AuditJoinAnyBad.md"}
    assert accuracy["metadata"]["labels"] == {"dataset": "xray", "pipeline": "xray", "team": "rad", "tier": "standard"}
    odd = next(d for n, d in made.items() if n.startswith("odd-label-accuracy"))
    assert "dataset" not in odd["metadata"]["labels"]  # it begins with what a label's value may not
    assert odd["metadata"]["displayName"] == "_odd_ label_accuracy"


def test_what_cannot_be_said_is_said_at_the_top_and_to_the_caller(tmp_path: Path) -> None:
    made = exported(tmp_path)

    said = "\n".join(made.notes)
    assert "Left out, needs" in said
    assert "xray label_cost" in said
    assert "without the timeWindow that a tool may ask for: xray label_latency priority=high,within=1d." in said
    assert "A window of 1m30s, exported as 2m: xray label_latency within=1h." in said
    assert "OpenSLO has none of 1: xray audit_join." in said
    assert "0.999999 of its samples: xray label_backlog" in said
    assert all(f"\n# {note}\n" in made.text for note in made.notes)


# (series, values at 0, 1m, 2m) of an objective that is dense at first and medium from 2m on, on two replicas.
SERIES = {
    'labelmon_sli_events{instance="a",window="5m"': "100 0 50",
    'labelmon_sli_error_ratio{instance="a",window="5m"': "0.1 stale 0.5",
    'labelmon_sli_events{instance="a",window="4h"': "1000 1000 1000",
    'labelmon_sli_error_ratio{instance="a",window="4h"': "0.2 0.2 0.2",
    'labelmon_slo_info{instance="a",profile="dense"': "1 1 stale",
    'labelmon_slo_info{instance="a",profile="medium"': "_ _ 1",
    'labelmon_sli_events{instance="b",window="5m"': "90 0 stale",
    'labelmon_sli_error_ratio{instance="b",window="5m"': "0.1 stale _",
    'labelmon_slo_info{instance="b",profile="dense"': "1 1 stale",
}


def evaluated(promtool: Tool, folder: Path, scope: str, query: str, wanted: list[tuple[str, float | None]]) -> None:
    mine = f'dataset="xray",sli="label_latency",scope={quoted(scope)}'
    tests = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": f"{s},{mine}}}", "values": v} for s, v in SERIES.items()]
                + [
                    {
                        "series": 'labelmon_sli_events{dataset="other",sli="label_latency",scope="",window="5m"}',
                        "values": "9 9 9",
                    }
                ],
                "promql_expr_test": [
                    {
                        "expr": query,
                        "eval_time": at,
                        "exp_samples": [] if value is None else [{"labels": f"{{{mine}}}", "value": value}],
                    }
                    for at, value in wanted
                ],
            }
        ],
    }
    (folder / "t.yml").write_text(yaml.safe_dump(tests, allow_unicode=True))
    done = promtool("test", "rules", "t.yml", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("scope", ["within=1h", f"priority={NASTY},within=1d"], ids=["plain", "nasty"])
def test_good_and_total_follow_the_profile_and_never_mix_windows(promtool: Tool, tmp_path: Path, scope: str) -> None:
    made = exported(tmp_path, NASTY)
    (document,) = (d for d in slos(made.text).values() if d["metadata"]["displayName"] == f"xray label_latency {scope}")
    queries = sources(document)

    total = [("0m", 100.0), ("1m", 0.0), ("2m", 1000.0)]
    evaluated(promtool, tmp_path, scope, queries["total"]["spec"]["query"], total)
    # No events, no ratio: good is absent, and adds nothing to the sum as total does.
    good = [("0m", 90.0), ("1m", None), ("2m", 800.0)]
    evaluated(promtool, tmp_path, scope, queries["good"]["spec"]["query"], good)


def test_every_query_is_promql_and_asks_for_one_objective(promtool: Tool, tmp_path: Path) -> None:
    queries = [
        source["spec"]["query"] for d in slos(exported(tmp_path, NASTY).text).values() for source in sources(d).values()
    ]
    rules = [{"record": f"r{n}", "expr": query} for n, query in enumerate(queries)]
    (tmp_path / "r.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))

    checked = promtool("check", "rules", "r.yml", cwd=tmp_path)

    assert len(queries) > 10
    assert checked.returncode == 0, checked.stderr
    for query in queries:
        selectors = re.findall(r"labelmon_\w+(\{)?", query)
        assert selectors == ["{"] * len(selectors)
        assert query.count('dataset="') == query.count("scope=") == len(selectors)


def test_names_are_short_distinct_and_stable() -> None:
    long = ("d" * 40, "label-accuracy", "class=" + "x" * 40)
    names = rfc1123_names(
        [("a-b", "c"), ("a", "b-c"), ("a_b", "c"), ("A b", "c"), ("___",), ("ü",), long, ("plain", "c")]
    )

    assert len(set(names.values())) == len(names)
    assert all(NAME.fullmatch(name) for name in names.values())
    assert names["plain", "c"] == "plain-c"
    assert names[long] == rfc1123_names([long])[long]
    assert names["a-b", "c"].startswith("a-b-c-")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "1m"), (60, "1m"), (61, "2m"), (3600, "1h"), (5400, "90m"), (28 * 86400, "28d"), (86401, "1441m")],
)
def test_durations_are_one_number_and_one_unit(seconds: int, said: str) -> None:
    assert shorthand(seconds) == said
