"""The on-call dashboard shows every check, from metrics that exist, against objectives that are metrics."""

from __future__ import annotations

import json
import re
import warnings
from typing import Any

from promql_parser import parse

from labelmon import naming
from labelmon.checks import catalogue
from labelmon.dashboards import dashboard_files
from labelmon.docs import metrics_of
from labelmon.model import Urls

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models import dashboard as models

TEXT = dashboard_files(catalogue(), Urls())["dashboards/labelmon-oncall.json"]
BOARD: dict[str, Any] = json.loads(TEXT)
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]


def test_every_check_has_a_panel_and_an_objective_line() -> None:
    for check in catalogue():
        (panel,) = [p for p in PANELS if p["title"] == check.panel.title]
        drawn = " ".join(target["expr"] for target in panel["targets"])
        assert naming.gauge(check, check.statistic((check.panel.statistics or (check.main.name,))[0])) in drawn
        assert "objective" in drawn


def test_every_metric_that_is_drawn_is_exported() -> None:
    known = {value for name, value in vars(naming).items() if name.isupper() and str(value).startswith("labelmon_")}
    known |= {f"{value}_total" for value in known} | {metric for check in catalogue() for metric in metrics_of(check)}
    drawn = set(re.findall(r"labelmon_\w+", " ".join([*QUERIES, *[str(v.get("query", "")) for v in BOARD["templating"]["list"]]])))

    assert drawn - known == set()
    assert len(drawn) > 15


def test_every_query_is_promql() -> None:
    for query in QUERIES:
        assert parse(query.replace("$__rate_interval", "5m").replace("$dataset", "x").replace("$job", "x"))


def test_no_threshold_is_a_literal() -> None:
    for panel in PANELS:
        steps = panel.get("fieldConfig", {}).get("defaults", {}).get("thresholds", {}).get("steps", [])
        assert [step for step in steps if step.get("value") not in (None, 0)] == [], panel["title"]


def test_panels_say_what_they_are() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["noValue"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert BOARD["uid"] == naming.ONCALL_UID
    assert BOARD["tags"] == ["labelmon"]
    assert {v["name"] for v in BOARD["templating"]["list"]} == {"datasource", "job", "dataset"}


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_sdk_reads_back_what_it_wrote() -> None:
    """Unknown keys and wrong types would be lost or changed on the way through the SDK's own models."""
    register_default_plugins()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        again = json.loads(json.dumps(models.Dashboard.from_json(BOARD), default=lambda o: o.to_json()))

    def clean(node: Any) -> Any:
        if isinstance(node, dict):
            return {k: clean(v) for k, v in node.items() if not (k == "placement" and v == "inControlsMenu")}
        return [clean(v) for v in node] if isinstance(node, list) else node

    assert clean(again) == BOARD
