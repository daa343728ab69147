"""The demo as a user starts it: a real daemon over the simulated store, ended by one signal."""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import requests
import yaml

from labelmon import naming
from labelmon.alerting.rules import all_rules
from labelmon.checks import catalogue
from labelmon.cli import demo as demo_command
from labelmon.config import load
from labelmon.demo import ADDRESS, FOLDER_VARIABLE, INBOX_PORT, demo_config
from labelmon.demo.incidents import incidents
from tests.e2e.ports import free_port


class Demo:
    """`labelmon demo` in a process of its own; what it says is in a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.address, self.out = f"127.0.0.1:{free_port()}", folder.with_suffix(".out")
        command = [sys.executable, "-m", "labelmon", "demo", "--folder", str(folder)]
        with self.out.open("w") as out:
            self.process = subprocess.Popen(
                [*command, "--web.listen-address", self.address, *arguments],
                stdout=out,
                stderr=out,
            )

    def said(self) -> str:
        return self.out.read_text()

    def wait(self, condition: Callable[[], bool], seconds: float = 90) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"waited in vain\n{self.said()}"
            assert self.process.poll() is None, self.said()
            time.sleep(0.1)

    def metrics(self) -> str:
        try:
            answer = requests.get(f"http://{self.address}/metrics", timeout=5)
        except requests.RequestException:
            return ""
        return answer.text if answer.status_code == 200 else ""

    def value(self, sample: str) -> float:
        found = re.search(rf"^{re.escape(sample)} (\S+)$", self.metrics(), re.MULTILINE)
        return float(found[1]) if found else float("nan")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def start() -> Iterator[Callable[..., Demo]]:
    running: list[Demo] = []

    def starter(folder: Path, *arguments: str) -> Demo:
        running.append(Demo(folder, *arguments))
        return running[-1]

    yield starter
    for demo in running:
        if demo.process.poll() is None:
            demo.end()


def worlds(store: Path) -> int:
    """How many demos wrote into the store: an item is named study-<seed>-<number>."""
    db = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        return len({item.split("-")[1] for (item,) in db.execute("SELECT item FROM items")})
    finally:
        db.close()


ITEMS = 'labelmon_label_backlog_items{dataset="radiology"}'
ACCURACY = 'labelmon_slo_error_budget_remaining_ratio{dataset="radiology",sli="label_accuracy"}'


def test_a_demo_serves_healthy_slis_and_can_be_started_again(start: Callable[..., Demo], tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        demo = start(tmp_path / "demo")
        demo.wait(lambda demo=demo: demo.value(ITEMS) > 0 and "To be alerted" in demo.said())

        assert 0.3 < demo.value(ACCURACY) < 0.8  # 97.8 % of labels are right where 95 % are promised
        # What the last demo left waiting nobody labels any more: it would page as a backlog.
        assert worlds(tmp_path / "demo" / "labels.db") == 1
        assert demo.end(number) == 0
        assert demo.said().endswith("demo ended\n")
        assert demo.metrics() == ""  # the daemon ended with it


def test_what_it_writes_points_at_itself(start: Callable[..., Demo], tmp_path: Path) -> None:
    demo = start(tmp_path / "demo")
    demo.wait(lambda: "To be alerted" in demo.said())
    demo.end()

    scrape = yaml.safe_load((tmp_path / "demo" / "prometheus.yml").read_text())
    assert scrape["scrape_configs"][0]["static_configs"] == [{"targets": [demo.address]}]
    assert (tmp_path / "demo" / scrape["rule_files"][0]).exists()
    assert f"http://{demo.address}/samples" in (tmp_path / "demo" / "rules" / "labelmon.rules.yml").read_text()
    if shutil.which("promtool"):
        checked = subprocess.run(
            ["promtool", "check", "config", str(tmp_path / "demo" / "prometheus.yml")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_daemon_that_cannot_start_ends_the_demo(start: Callable[..., Demo], tmp_path: Path) -> None:
    first = start(tmp_path / "first")
    first.wait(lambda: first.value(ITEMS) > 0)

    command = [sys.executable, "-m", "labelmon", "demo", "--folder", str(tmp_path / "second")]
    done = subprocess.run(
        [*command, "--web.listen-address", first.address],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 1
    assert re.fullmatch(r"labelmon: the daemon ended with exit code \d+; its log says why\n", done.stderr)
    assert done.stdout.endswith("demo ended\n")


@pytest.mark.parametrize("name", sorted(incidents()))
def test_the_alerts_an_incident_announces_exist(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "labelmon.yaml").write_text(demo_config())
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    config = load(tmp_path / "labelmon.yaml")

    rules = {(rule.alert, rule.severity) for rule in all_rules(catalogue(), config.alerting, config.urls)}

    assert set(incidents()[name].expected) <= rules
    owner = config.datasets["radiology"].owner
    # The demo names one page and one ticket receiver, whoever the alert belongs to.
    assert (owner.page, owner.tickets) == (config.operator.page, config.operator.tickets)
    assert naming.ALERT_GONE not in {alert for alert, _ in incidents()[name].expected}


def test_the_config_holds_the_addresses_that_the_demo_replaces() -> None:
    assert f"http://{ADDRESS}\n" in demo_config()
    assert demo_config().count(f"http://127.0.0.1:{INBOX_PORT}/") == 2


def test_the_command_knows_every_incident() -> None:
    (option,) = (p for p in demo_command.params if p.name == "incident")

    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == sorted(incidents())
