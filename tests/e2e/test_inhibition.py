"""One cause is one notification: each edge of the inhibition tree, in a real Alertmanager, with and without that edge."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from labelmon.alerting.routing import alertmanager_config
from labelmon.checks import catalogue
from labelmon.config import Receiver
from labelmon.model import Owner, Urls
from labelmon.profiles import DEFAULT_ALERTING
from tests.e2e.servers import Stage, need, wait_for
from tests.world import dataset

pytestmark = pytest.mark.e2e
Labels = dict[str, str]
XRAY = {"dataset": "xray", "pipeline": "scans", "store": "warehouse", "team": "t"}


def alert(sli: str, severity: str, name: str = "", **labels: str) -> Labels:
    return {"alertname": name or f"About_{sli}", "sli": sli, "severity": severity, **XRAY, **labels}


GONE = {"alertname": "LabelmonGone", "sli": "labelmon", "severity": "page"}
STORE = {"alertname": "LabelStoreStale", "sli": "store", "severity": "page", "store": "warehouse"}
STALL = alert("pipeline_stall", "page")
STALE = alert("dataset", "ticket", name="LabelDatasetStale")
SCHEMA_PAGE, SCHEMA = alert("label_rules", "page"), alert("schema_mismatch", "ticket")
DRIFT, ACCURACY = alert("label_drift", "ticket"), alert("label_accuracy", "page")
PART = alert("label_accuracy", "page", scope="class=fracture")
STRANGERS = [
    {"alertname": "NodeDown", "severity": "page"},
    {"alertname": "DiskFull", "severity": "ticket", "store": "warehouse", "dataset": "xray"},
]

# Which rule of the config is the edge, its source, and what it must keep quiet.
EDGES = [
    (0, GONE, STORE),
    (0, GONE, ACCURACY),
    (1, STORE, STALL),
    (1, STORE, ACCURACY),
    (2, STALL, STALE),
    (2, STALL, SCHEMA),
    (2, STALL, ACCURACY),
    (3, STALE, SCHEMA),
    (3, STALE, DRIFT),
    (4, SCHEMA_PAGE, ACCURACY),
    (5, SCHEMA, DRIFT),
    (5, SCHEMA, alert("annotator_agreement", "ticket")),
    (6, ACCURACY, alert("label_accuracy", "ticket")),
    (7, ACCURACY, PART),
]
# What must be told although the first of them fires.
TOLD = [
    (STALE, ACCURACY),
    (SCHEMA, ACCURACY),
    (DRIFT, SCHEMA),
    (alert("label_backlog", "ticket"), DRIFT),
    (STORE, alert("label_accuracy", "page", store="elsewhere")),
    (SCHEMA, alert("label_drift", "ticket", dataset="mri")),
    (PART, ACCURACY),
    (PART, alert("label_accuracy", "ticket")),
    (GONE, STRANGERS[0]),
    (STRANGERS[0], STRANGERS[1]),
    (STRANGERS[0], DRIFT),
    (STORE, STRANGERS[1]),
]
OPERATOR = Owner(team="labelmon", page="hook", tickets="hook")


class Site:
    """An Alertmanager with the generated config, whose inhibitions can be changed."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        hook = Receiver(name="hook", kind="webhook", settings={"url": stage.sink.url("hook")})
        owned = dataset(owner=Owner(team="t", page="hook", tickets="hook"))
        quick = replace(DEFAULT_ALERTING, page_group_wait=1, ticket_group_wait=1, ticket_group_interval=2)
        text = alertmanager_config(catalogue(), [owned], {"hook": hook}, OPERATOR, quick, Urls())
        self.stage, self.path, self.document = stage, folder / "alertmanager.yml", yaml.safe_load(text)
        self.path.write_text(text)
        self.url = f"http://127.0.0.1:{stage.alertmanager(self.path)}"

    def load(self, rules: list[dict[str, Any]]) -> None:
        self.path.write_text(yaml.safe_dump({**self.document, "inhibit_rules": rules}))
        assert requests.post(f"{self.url}/-/reload", timeout=10).status_code == 200

    def fire(self, *alerts: Labels, seconds: float = 60) -> None:
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        body = [{"labels": one, "endsAt": ends} for one in alerts]
        assert requests.post(f"{self.url}/api/v2/alerts", json=body, timeout=10).status_code == 200

    def quiet(self, target: Labels) -> bool | None:
        """Whether something inhibits the alert; None as long as it is not there."""
        for one in requests.get(f"{self.url}/api/v2/alerts", timeout=10).json():
            if one["labels"] == target:
                return bool(one["status"]["inhibitedBy"])
        return None


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    need("prometheus-alertmanager")
    stage = Stage(tmp_path)
    try:
        yield Site(stage, tmp_path)
    finally:
        stage.close()


def test_each_edge_keeps_quiet_what_it_explains_and_without_it_that_is_told(site: Site) -> None:
    rules = site.document["inhibit_rules"]
    assert {place for place, _, _ in EDGES} == set(range(len(rules)))
    for number, (place, source, target) in enumerate(EDGES):
        # Labels of its own, so that no pair meets another.
        pair = [{**one, "try": str(number)} for one in (source, target)]
        others = [rule for other, rule in enumerate(rules) if other != place]
        for left, quiet in ((rules, True), (others, False)):
            site.load(only(left, number))
            site.fire(*pair)
            wait_for(lambda q=quiet, t=pair[1]: site.quiet(t) is q, site.stage.logs, 15)  # type: ignore[misc]


def test_what_explains_nothing_keeps_nothing_quiet(site: Site) -> None:
    rules = site.document["inhibit_rules"]
    for number, (source, target) in enumerate(TOLD):
        pair = [{**one, "try": str(number)} for one in (source, target)]
        site.load(only(rules, number))
        site.fire(*pair)
        wait_for(lambda t=pair[1]: site.quiet(t) is not None, site.stage.logs, 15)  # type: ignore[misc]
        assert site.quiet(pair[1]) is False, (source, target)


def only(rules: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """The rules among the alerts of one try."""
    mine = f'try="{number}"'
    return [
        {**rule, **{side: [*rule[side], mine] for side in ("source_matchers", "target_matchers")}} for rule in rules
    ]


def test_a_store_outage_under_a_hundred_datasets_is_one_notification(site: Site) -> None:
    site.fire(STORE)
    wait_for(lambda: site.stage.sink.alerts("hook", "firing", alertname="LabelStoreStale"), site.stage.logs, 15)
    site.fire(*(alert("label_accuracy", "page", dataset=f"d{n}", pipeline=f"p{n % 7}") for n in range(100)))
    # Something else that is told later shows that all of these had their time.
    site.fire(alert("label_accuracy", "page", dataset="other", store="elsewhere"))
    wait_for(lambda: site.stage.sink.alerts("hook", "firing", dataset="other"), site.stage.logs, 15)
    time.sleep(2)

    assert len(site.stage.sink.got) == 2


def test_a_schema_change_that_moves_drift_and_agreement_is_one_notification_and_its_end_is_told(site: Site) -> None:
    for alerts, seconds in (([SCHEMA], 12), ([DRIFT, alert("annotator_agreement", "ticket")], 6)):
        site.fire(*alerts, seconds=seconds)
        wait_for(lambda: site.stage.sink.alerts("hook", "firing", sli="schema_mismatch"), site.stage.logs, 15)

    wait_for(lambda: site.stage.sink.alerts("hook", "resolved", sli="schema_mismatch"), site.stage.logs, 90)
    told = {a["labels"]["sli"] for _, body in site.stage.sink.got for a in body["alerts"] if a["status"] == "firing"}
    assert told == {"schema_mismatch"}
