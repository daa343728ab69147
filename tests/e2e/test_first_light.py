"""A real label store goes bad and a real page arrives; it heals and the page resolves."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from tests.e2e.ports import free_port
from tests.e2e.servers import Stage, need, wait_for

pytestmark = pytest.mark.e2e

CONFIG = """
stores: {{warehouse: {{url: "sqlite:///labels.db"}}}}
urls: {{labelmon: "https://labelmon.example", grafana: "https://grafana.example", runbooks: "https://wiki.example/rb"}}
receivers:
  oncall: {{webhook: {{url: "{page}"}}}}
  data-team: {{webhook: {{url: "{ticket}"}}}}
operator: {{page: oncall, tickets: data-team}}
alerting:
  profiles:
    dense:
      page: [{{burn: 6, long: 12s, short: 4s}}]
      ticket: [{{burn: 2, long: 20s, short: 4s}}]
  keep_firing: 3s
  page_keep_firing: 3s
  threshold_hold: 2s
  stale_after: 5s
  gone_after: 10s  # Prometheus takes some 6 s to its first scrape
  evaluation_interval: 1s
  page_group_wait: 1s
  page_group_interval: 1s
  ticket_group_wait: 1s
  ticket_group_interval: 1s
datasets:
  radiology:
    pipeline: imaging
    owner: {{team: rad, page: oncall, tickets: data-team}}
    tier: critical
    interval: 500ms
    lateness: 1m
    relations:
      items: {{columns: {{priority: priority}}}}
      labels: {{table: annotations, columns: {{labeled_at: labeled_at}}}}
      audits: {{}}
    objectives:
      label_accuracy: {{target: 0.95, window: 10m}}
      label_latency: {{within: 3s, target: 0.95, window: 10m, scope: {{priority: high}}}}
      label_backlog: {{at_most: 6s}}
"""
OWNER = {
    "dataset": "radiology",
    "pipeline": "imaging",
    "store": "warehouse",
    "team": "rad",
    "tier": "critical",
}
SCOPE = "priority=high,within=3s"
LINKS = {"runbook_url", "dashboard_url", "samples_url"}


class Pipeline(threading.Thread):
    """Inserts items, labels and audits; `error_rate` and `labelling` are the faults."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path, self.error_every, self.labelling = path, 0, True
        self.stopping = threading.Event()
        self.waiting: list[str] = []

    def run(self) -> None:
        db = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        n = 0
        while not self.stopping.wait(0.1):
            n += 1
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            db.execute("INSERT INTO items VALUES (?, ?, 'high')", (f"i{n}", now))
            self.waiting.append(f"i{n}")
            if self.labelling:
                db.executemany("INSERT INTO annotations VALUES (?, 'x', ?)", [(item, now) for item in self.waiting])
                self.waiting.clear()
            wrong = self.error_every and n % self.error_every == 0
            db.execute("INSERT INTO audits VALUES (?, 'x', ?, ?)", (f"i{n}", "y" if wrong else "x", now))
        db.close()


class Light:
    """The whole chain: pipeline, daemon, Prometheus with generated rules, Alertmanager with generated routes."""

    def __init__(self, folder: Path) -> None:
        self.stage = Stage(folder)
        db = sqlite3.connect(folder / "labels.db")
        db.executescript(
            "PRAGMA journal_mode = WAL; CREATE TABLE items (item TEXT, arrived_at TEXT, priority TEXT);"
            "CREATE TABLE annotations (item TEXT, label TEXT, labeled_at TEXT);"
            "CREATE TABLE audits (item TEXT, label TEXT, truth TEXT, audited_at TEXT);"
        )
        db.close()
        self.config = folder / "labelmon.yaml"
        sink = self.stage.sink
        self.config.write_text(CONFIG.format(page=sink.url("oncall"), ticket=sink.url("data-team")))
        subprocess.run(
            [
                sys.executable,
                "-m",
                "labelmon",
                "generate",
                "--config.file",
                str(self.config),
                "--out",
                str(folder),
            ],
            check=True,
            capture_output=True,
        )
        self.pipeline = Pipeline(folder / "labels.db")
        self.pipeline.start()
        self.port = free_port()
        self.daemon = self.stage.labelmon(self.config, self.port)
        alertmanager = self.stage.alertmanager(folder / "rules" / "alertmanager.yml")
        self.prometheus = self.stage.prometheus(folder / "rules" / "labelmon.rules.yml", self.port, alertmanager)

    def close(self) -> None:
        self.pipeline.stopping.set()
        self.stage.close()

    def firing(self, receiver: str, **labels: str) -> dict[str, object]:
        return wait_for(lambda: self.stage.sink.alerts(receiver, "firing", **labels), self.stage.logs)[-1]

    def resolved(self, receiver: str, **labels: str) -> dict[str, object]:
        return wait_for(lambda: self.stage.sink.alerts(receiver, "resolved", **labels), self.stage.logs)[-1]

    def value(self, query: str) -> list[float]:
        answer = requests.get(
            f"http://127.0.0.1:{self.prometheus}/api/v1/query", params={"query": query}, timeout=5
        ).json()
        return [float(sample["value"][1]) for sample in answer["data"]["result"]]

    def recent(self, metric: str) -> set[str]:
        """What the metric has been in the last minute, rounded as a summary rounds it."""
        answer = requests.get(
            f"http://127.0.0.1:{self.prometheus}/api/v1/query", params={"query": f"{metric}[60s]"}, timeout=5
        ).json()
        return {f"{float(value):.1f}" for series in answer["data"]["result"] for _, value in series["values"]}

    def healthy(self, query: str, low: float) -> None:
        wait_for(lambda: any(v >= low for v in self.value(query)), self.stage.logs)


@pytest.fixture
def light(tmp_path: Path) -> Iterator[Light]:
    need("prometheus", "prometheus-alertmanager")
    made = Light(tmp_path)
    yield made
    made.close()


def burn_in(summary: str) -> str:
    return summary.split(" times", maxsplit=1)[0].rsplit(" ", 1)[-1]


def complete(alert: dict[str, dict[str, str]], severity: str, sli: str, **scope: str) -> str:
    """Asserts every label and annotation an alert on a dataset must carry; returns its summary."""
    name = alert["labels"]["alertname"]
    assert alert["labels"] == {**OWNER, "alertname": name, "severity": severity, "sli": sli, **scope}
    assert alert["annotations"].keys() == {"summary", "description", *LINKS}
    assert alert["annotations"]["runbook_url"] == f"https://wiki.example/rb/{alert['labels']['alertname']}.md"
    assert alert["annotations"]["dashboard_url"] == "https://grafana.example/d/labelmon-oncall?var-dataset=radiology"
    samples = alert["annotations"]["samples_url"]
    assert samples.startswith("https://labelmon.example/samples?")
    asked = dict(parse_qsl(urlsplit(samples).query, keep_blank_values=True))
    assert asked.items() >= {"dataset": "radiology", "sli": sli, "scope": scope.get("scope", "")}.items()
    assert "<no value>" not in str(alert)
    return alert["annotations"]["summary"]


@pytest.mark.smoke
def test_bad_accuracy_tickets_then_pages_and_both_resolve(light: Light) -> None:
    light.healthy('labelmon_sli_events{sli="label_accuracy",window="20s"}', 100)
    assert light.stage.sink.got == []

    light.pipeline.error_every = 6  # 17 % errors: 3.3 budgets, a ticket and no page
    ticket = light.firing("data-team", sli="label_accuracy")
    summary = complete(ticket, "ticket", "label_accuracy")
    assert summary.startswith("radiology: label accuracy burns its error budget steadily, ")
    assert 2 < float(burn_in(summary)) < 6
    assert burn_in(summary) in light.recent('labelmon_slo_burn_rate{sli="label_accuracy",window="20s"}')
    assert "20s 1" in str(ticket["annotations"])  # the error ratio of the long window, 10 to 19 %
    assert light.stage.sink.alerts("oncall", "firing") == []

    light.pipeline.error_every = 1  # everything is wrong
    page = light.firing("oncall", sli="label_accuracy")
    summary = complete(page, "page", "label_accuracy")
    assert 6 < float(burn_in(summary)) <= 20
    assert burn_in(summary) in light.recent('labelmon_slo_burn_rate{sli="label_accuracy",window=~"4s|12s"}')

    light.pipeline.error_every = 0
    light.resolved("oncall", sli="label_accuracy")
    light.resolved("data-team", sli="label_accuracy")


def test_a_growing_backlog_tickets_and_pages_and_resolves(light: Light) -> None:
    light.healthy('labelmon_sli_events{sli="label_accuracy",window="20s"}', 20)

    light.pipeline.labelling = False
    ticket = light.firing("data-team", sli="label_backlog")
    page = light.firing("oncall", sli="label_backlog")

    assert "the oldest item has waited longer than the limit (" in complete(ticket, "ticket", "label_backlog")
    summary = complete(page, "page", "label_backlog")
    age = summary.rsplit("(", 1)[-1].split("s)")[0]
    assert 6 < float(age) < 60

    late = light.firing("oncall", sli="label_latency")
    assert f"({SCOPE})" in complete(late, "page", "label_latency", scope=SCOPE)

    light.pipeline.labelling = True
    light.resolved("oncall", sli="label_backlog")
    light.resolved("data-team", sli="label_backlog")
    light.resolved("oncall", sli="label_latency")


def test_a_dead_store_is_one_page_and_not_a_quality_alert(light: Light, tmp_path: Path) -> None:
    light.healthy('labelmon_sli_events{sli="label_accuracy",window="20s"}', 20)

    light.pipeline.stopping.set()
    light.pipeline.join()
    (tmp_path / "labels.db").rename(tmp_path / "away.db")
    page = light.firing("oncall", sli="store")

    assert page["labels"] == {
        "alertname": "LabelStoreStale",
        "severity": "page",
        "sli": "store",
        "store": "warehouse",
    }
    assert "Label store warehouse does not answer" in str(page["annotations"])
    health = requests.get(f"http://127.0.0.1:{light.port}/-/healthy", timeout=5)
    assert health.status_code == 200
    (tmp_path / "away.db").rename(tmp_path / "labels.db")
    light.resolved("oncall", sli="store")
    assert {payload["alerts"][0]["labels"]["sli"] for _, payload in light.stage.sink.got} == {"store"}


def test_a_dead_daemon_pages_its_operator(light: Light) -> None:
    light.healthy('labelmon_sli_events{sli="label_accuracy",window="20s"}', 20)

    light.daemon.kill()
    page = light.firing("oncall", sli="labelmon")

    assert page["labels"] == {"alertname": "LabelmonGone", "severity": "page", "sli": "labelmon"}
    light.stage.labelmon(light.config, light.port)
    light.resolved("oncall", sli="labelmon")
