"""One daemon over a fleet, scraped and watched by one Prometheus; what that costs, and whether its alerts are right."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from labelmon.alerting.files import rule_file
from labelmon.alerting.rules import all_rules
from labelmon.checks import catalogue
from labelmon.config import Config, load
from labelmon.durations import parse_duration
from labelmon.web.access import WebConfig
from labelmon.web.app import create_app
from labelmon.web.server import WebServer
from tests.benchmarks.scale.fleet import Alert, Fleet
from tests.benchmarks.scale.worlds import config_text, write_stores
from tests.e2e.servers import Stage, wait_for

SCRAPE_LIMIT = 10.0  # seconds; Prometheus gives a scrape no more by default
SHARE_LIMIT = 0.1  # of a rule group's interval
GROUP_DURATION = "prometheus_rule_group_last_duration_seconds"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large, and at which beat: datasets are sampled every `interval`, scraped and judged every `beat`."""

    datasets: int
    slos: int
    interval: str = "60s"
    beat: str = "60s"
    alerting: dict[str, str] = field(default_factory=dict)
    seconds: float = 360.0  # to go on at least, and until every alert that ought to fire does
    patience: float = 300.0  # to wait for these alerts after that


@dataclass(kw_only=True)
class Seen:
    """What Prometheus and the daemon said of themselves while they ran: the worst of everything."""

    groups: dict[str, float] = field(default_factory=dict)  # group -> seconds of its slowest evaluation
    last: dict[str, float] = field(default_factory=dict)  # group -> seconds of its last evaluation
    memory: float = 0.0
    cpu: float = 0.0  # seconds Prometheus has used since it began
    publish: float = 0.0
    alerts: set[Alert] = field(default_factory=set)


def rules_of(config: Config) -> str:
    """The rule file of a config, as `labelmon generate` writes it."""
    return rule_file(all_rules(catalogue(), config.alerting, config.urls), config.alerting)


def count_rules(text: str) -> int:
    return sum(len(group["rules"]) for group in yaml.safe_load(text)["groups"])


def run(plan: Plan, folder: Path) -> dict[str, Any]:
    """Figures of a run in an empty `folder`."""
    write_stores(folder, time.time())
    path, alone = folder / "labelmon.yaml", folder / "one.yaml"
    path.write_text(config_text(folder, plan.datasets, plan.slos, plan.interval, plan.alerting))
    alone.write_text(config_text(folder, 1, plan.slos, plan.interval, plan.alerting))
    text_alone = rules_of(load(alone))
    with serving(path) as (fleet, port), staged(folder) as stage:
        text = rules_of(fleet.config)
        (folder / "labelmon.rules.yml").write_text(text)
        wait_for(lambda: len(fleet.results) == plan.datasets, stage.logs, 600)
        prometheus = stage.prometheus(folder / "labelmon.rules.yml", port, beat=plan.beat)
        began, cpu = time.monotonic(), time.process_time()
        seen = watch(fleet, f"http://127.0.0.1:{prometheus}", plan)
        wall = time.monotonic() - began
        cores = {"daemon_cores": (time.process_time() - cpu) / wall, "prometheus_cores": seen.cpu / wall}
        ask = Asking(f"http://127.0.0.1:{prometheus}")
        snapshot = fleet.publisher.snapshot
        assert snapshot is not None
        scrape = ask.number("max_over_time(scrape_duration_seconds[1h])")
        last = ask.number("scrape_duration_seconds")
        series = ask.number("max_over_time(scrape_samples_scraped[1h])")
        memory = ask.number("max_over_time(process_resident_memory_bytes[1h])")
        failed = ask.number("count_over_time(up[1h]) - sum_over_time(up[1h])")
        ought = fleet.alerts()
    seconds = parse_duration(plan.beat)
    slos, evaluation = plan.datasets * plan.slos, sum(seen.groups.values())
    slowest = max(seen.groups, key=seen.groups.__getitem__)
    figures = {
        "datasets": plan.datasets,
        "slos": slos,
        "rules": count_rules(text),
        "rules_for_one_dataset": count_rules(text_alone),
        "same_rules_for_one_dataset": text == text_alone,
        "series": int(series),
        "bytes": len(snapshot.text),
        "bytes_gzip": len(snapshot.text_gzip),
        "scrapes_failed": int(failed),
        "scrape_seconds_max": round(scrape, 2),
        "scrape_seconds_last": round(last, 2),
        "rule_groups": len(seen.groups),
        "evaluation_seconds_max": round(evaluation, 2),
        "evaluation_seconds_last": round(sum(seen.last.values()), 2),
        "slowest_group": slowest,
        "slowest_group_share": round(seen.groups[slowest] / seconds, 4),
        "slowest_group_share_last": round(max(seen.last.values()) / seconds, 4),
        "group_shares": {name: round(took / seconds, 4) for name, took in sorted(seen.groups.items())},
        "prometheus_mb": round(seen.memory / 2**20),
        "daemon_mb": round(memory / 2**20),
        **{name: round(used, 2) for name, used in cores.items()},
        "publish_seconds": round(seen.publish, 2),
        "per_slo": {
            "series": round(series / slos, 1),
            "scrape_ms": round(1000 * scrape / slos, 3),
            "evaluation_ms": round(1000 * evaluation / slos, 3),
        },
        "alerts": sorted(seen.alerts),
        "alerts_expected": len(ought),
        "alerts_firing": len(seen.alerts),
        "alerts_missing": ["/".join(alert) for alert in sorted(ought - seen.alerts)[:10]],
        "alerts_astray": ["/".join(alert) for alert in sorted(seen.alerts - ought)[:10]],
        "load": [round(one, 1) for one in os.getloadavg()],
    }
    return {**figures, "goals_missed": missed(figures)}


def missed(figures: dict[str, Any]) -> list[str]:
    """The goals a run missed, in words."""
    found = []
    if figures["scrape_seconds_max"] > SCRAPE_LIMIT or figures["scrapes_failed"]:
        found.append(
            f"scrapes took up to {figures['scrape_seconds_max']} s and {figures['scrapes_failed']} failed; "
            f"wanted all within {SCRAPE_LIMIT:g} s"
        )
    found += [
        f"{name} took {share:.1%} of its interval; wanted at most {SHARE_LIMIT:.0%}"
        for name, share in figures["group_shares"].items()
        if share > SHARE_LIMIT
    ]
    if not figures["same_rules_for_one_dataset"]:
        found.append("the rules depend on the datasets")
    if figures["alerts_missing"] or figures["alerts_astray"] or not figures["alerts_expected"]:
        found.append("the alerts that fire are not those of the datasets that burn")
    return found


@dataclass(frozen=True)
class Asking:
    """A Prometheus that is asked."""

    url: str

    def number(self, query: str) -> float:
        """The one number a query gives."""
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=60).json()
        (sample,) = answer["data"]["result"]
        return float(sample["value"][1])

    def firing(self) -> set[Alert]:
        """The alerts that fire now."""
        answer = requests.get(f"{self.url}/api/v1/alerts", timeout=60).json()
        names = ("alertname", "severity", "dataset", "sli", "scope")
        return {
            tuple(alert["labels"].get(name, "") for name in names)  # type: ignore[misc]
            for alert in answer["data"]["alerts"]
            if alert["state"] == "firing"
        }

    def note(self, seen: Seen) -> None:
        """What Prometheus says of itself, into `seen` where it is worse."""
        text = requests.get(f"{self.url}/metrics", timeout=60).text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == GROUP_DURATION:
                    group = sample.labels["rule_group"].rpartition(";")[2]
                    seen.last[group] = sample.value
                    seen.groups[group] = max(seen.groups.get(group, 0.0), sample.value)
                elif sample.name == "process_cpu_seconds_total":
                    seen.cpu = sample.value
                elif sample.name == "process_resident_memory_bytes":
                    seen.memory = max(seen.memory, sample.value)


def watch(fleet: Fleet, url: str, plan: Plan) -> Seen:
    """Watches until the plan's time is over and all alerts fire that ought to, or patience is at its end."""
    seen, ask, began = Seen(), Asking(url), time.monotonic()
    pause = min(5.0, parse_duration(plan.beat) / 2)
    while True:
        time.sleep(pause)
        ask.note(seen)
        seen.alerts |= ask.firing()
        seen.publish = max(seen.publish, fleet.publish_seconds)
        spent = time.monotonic() - began
        done = spent > plan.seconds and fleet.alerts() <= seen.alerts
        if done or spent > plan.seconds + plan.patience:
            return seen


@contextmanager
def serving(path: Path) -> Iterator[tuple[Fleet, int]]:
    """The daemon of a config behind its web app, and the port."""
    fleet = Fleet(path=path, catalogue=catalogue())
    server = WebServer(create_app(fleet, lifecycle=False), "127.0.0.1:0", WebConfig())
    fleet.start()
    server.start()
    try:
        yield fleet, int(server.address.rpartition(":")[2])
    finally:
        fleet.stop()
        server.stop()


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """A stage whose servers end with the block."""
    stage = Stage(folder)
    try:
        yield stage
    finally:
        stage.close()
