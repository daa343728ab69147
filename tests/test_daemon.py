"""The real daemon in a process of its own: ready, reloaded, drained; a dead store takes down only its own."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
import requests

from tests.e2e.ports import free_port
from tests.world import TABLES, iso

CONFIG = """
stores:
  good: {url: "sqlite:///good.db"}
  dead: {url: "sqlite:///dead.db"}
  slow: {files: {audits: "audits.csv"}, statement_timeout: 2s}
datasets:
  fine: {interval: 1s, owner: {team: t}, relations: {audits: {store: good}}, objectives: {label_accuracy: {target: 0.9}}}
  lost: {interval: 1s, owner: {team: t}, relations: {audits: {store: dead}}, objectives: {label_accuracy: {target: 0.9}}}
  slow:
    interval: 1s
    owner: {team: t}
    relations:
      audits:
        store: slow
        query: "SELECT item, label, truth, audited_at FROM audits, range(4000000000) AS r(i) WHERE i % 7 < 9"
    objectives: {label_accuracy: {target: 0.9}}
"""


class Running:
    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder, self.port = folder, free_port()
        self.log = folder / "log"
        command = [
            sys.executable,
            "-m",
            "labelmon",
            "run",
            "--config.file",
            str(folder / "labelmon.yaml"),
            "--web.listen-address",
            f"127.0.0.1:{self.port}",
            *flags,
        ]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log)

    def get(self, path: str, **more) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=5, **more)

    def until(self, condition):
        for _ in range(300):
            try:
                found = condition()
            except requests.RequestException:
                found = None
            if found:
                return found
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)
        pytest.fail(self.log.read_text())

    def metric(self, line: str) -> bool:
        return line in self.get("/metrics").text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    db = sqlite3.connect(tmp_path / "good.db")
    db.executescript(TABLES)
    now = time.time()
    db.executemany("INSERT INTO audits VALUES (?, 'x', 'x', ?)", [(f"i{n}", iso(now - n * 30)) for n in range(200)])
    db.commit()
    db.close()
    (tmp_path / "audits.csv").write_text("item,label,truth,audited_at\na,x,x,2026-01-01T00:00:00Z\n")
    (tmp_path / "labelmon.yaml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def running(folder: Path) -> Iterator[Running]:
    made = Running(folder, "--web.enable-lifecycle")
    made.until(lambda: made.get("/-/ready").status_code == 200)
    yield made
    if made.process.poll() is None:
        made.process.kill()
    made.process.wait()


def test_a_dead_and_a_slow_store_delay_only_their_own(running: Running) -> None:
    running.until(
        lambda: running.metric('labelmon_check_failures_total{dataset="slow",reason="timeout",sli="label_accuracy"}')
    )
    runs = [
        float(line.rsplit(" ", 1)[1])
        for line in running.get("/metrics").text.splitlines()
        if line.startswith('labelmon_check_runs_total{dataset="fine"')
    ]
    text = running.get("/metrics").text

    assert runs[0] >= 2
    assert 'labelmon_label_accuracy_ratio{dataset="fine"} 1.0' in text
    assert 'labelmon_store_up{store="good"} 1.0' in text
    assert 'labelmon_store_up{store="dead"} 0.0' in text
    assert 'labelmon_check_failures_total{dataset="lost",reason="unreachable",sli="label_accuracy"}' in text
    assert 'labelmon_label_accuracy_ratio{dataset="lost"}' not in text  # unknown is absent, not 0
    assert running.get("/-/healthy").status_code == 200
    said = {d["dataset"]: d["checks"]["label_accuracy"] for d in running.get("/api/v1/status").json()["datasets"]}
    assert said["fine"]["state"] == "ok"
    assert said["lost"]["reason"] == "unreachable"
    assert "statement_timeout (2 s)" in said["slow"]["message"]
    assert "label_backlog" in running.get("/api/v1/status").json()["datasets"][0]["checks"]


def test_reload_takes_up_the_good_and_refuses_the_bad(running: Running) -> None:
    running.until(lambda: running.metric('labelmon_dataset_info{dataset="fine"'))
    config = running.folder / "labelmon.yaml"
    config.write_text(CONFIG.replace("  lost: {", "  found: {"))
    running.process.send_signal(signal.SIGHUP)
    running.until(lambda: running.metric('labelmon_dataset_info{dataset="found"') or running.metric('dataset="found"'))
    assert not running.metric('dataset="lost"')

    config.write_text(CONFIG.replace("interval: 1s", "interval: often", 1))
    refused = requests.post(f"http://127.0.0.1:{running.port}/-/reload", timeout=5)
    assert refused.status_code == 500
    assert "need a duration such as 60s, 48h or 28d, got 'often'" in refused.text
    running.until(lambda: running.metric("labelmon_config_last_reload_successful 0.0"))
    assert running.metric('dataset="found"')
    assert "got 'often'" in running.get("/api/v1/status").json()["config"]["reload_error"]

    config.write_text(CONFIG)
    assert requests.post(f"http://127.0.0.1:{running.port}/-/reload", timeout=5).status_code == 200
    running.until(lambda: running.metric("labelmon_config_last_reload_successful 1.0"))


def test_runbooks_are_where_the_alerts_point(running: Running) -> None:
    page = running.get("/runbooks/LabelAccuracyBudgetBurn.md")

    assert page.status_code == 200
    assert "## First three looks" in page.text
    assert running.get("/runbooks/Nope.md").status_code == 404


def test_sigterm_drains_and_ends_with_0(running: Running) -> None:
    running.process.send_signal(signal.SIGTERM)

    assert running.process.wait(30) == 0
    assert 'msg="stopped"' in running.log.read_text()


def test_a_scrape_is_compressed_and_openmetrics_on_request(running: Running) -> None:
    answer = running.get(
        "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0", "Accept-Encoding": "gzip"}
    )

    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text.endswith("# EOF\n")


def test_basic_auth_and_no_lifecycle_by_default(folder: Path) -> None:
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    (folder / "web.yaml").write_text(f"basic_auth_users:\n  prom: {hashed}\n")
    made = Running(folder, "--web.config.file", str(folder / "web.yaml"))
    try:
        made.until(lambda: made.get("/-/healthy", auth=("prom", "right")).status_code == 200)
        assert made.get("/metrics").status_code == 401
        assert made.get("/metrics", auth=("prom", "wrong")).status_code == 401
        assert made.get("/metrics", auth=("nobody", "right")).status_code == 401
        reload = requests.post(f"http://127.0.0.1:{made.port}/-/reload", auth=("prom", "right"), timeout=5)
        assert reload.status_code == 403
    finally:
        made.process.kill()
        made.process.wait()


@pytest.mark.parametrize("spoil", ["taken port", "bad web config", "unwritable ledger"])
def test_what_cannot_start_says_why_and_ends(folder: Path, spoil: str) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        arguments = {
            "taken port": ["--web.listen-address", f"127.0.0.1:{taken.getsockname()[1]}"],
            "bad web config": ["--web.config.file", str(folder / "web.yaml")],
            "unwritable ledger": ["--web.listen-address", f"127.0.0.1:{free_port()}"],
        }[spoil]
        (folder / "web.yaml").write_text("basic_auth_users: {a: plain}\nhttp2: true\n")
        if spoil == "unwritable ledger":
            (folder / "labelmon.yaml").write_text('ledger: {url: "sqlite:///labelmon.yaml/x.db"}\n' + CONFIG)
        done = subprocess.run(
            [sys.executable, "-m", "labelmon", "run", "--config.file", str(folder / "labelmon.yaml"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=os.environ,
        )

    code, said = {
        "taken port": (1, "cannot listen on 127.0.0.1:"),
        "bad web config": (2, "basic_auth_users.a: need a bcrypt hash"),
        "unwritable ledger": (1, "cannot be created"),
    }[spoil]
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
