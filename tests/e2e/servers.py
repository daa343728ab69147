"""A real Prometheus, a real Alertmanager and a sink for what it sends, on free ports in a temp folder."""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.e2e.ports import free_port


class Sink:
    """Records every webhook: (receiver from the path, payload)."""

    def __init__(self) -> None:
        sink = self
        self.got: list[tuple[str, dict[str, Any]]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.got.append((self.path.strip("/"), json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, receiver: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{receiver}"

    def alerts(self, receiver: str, status: str, **labels: str) -> list[dict[str, Any]]:
        return [
            alert
            for name, payload in list(self.got)
            if name == receiver
            for alert in payload["alerts"]
            if alert["status"] == status and all(alert["labels"].get(k) == v for k, v in labels.items())
        ]


@dataclass
class Stage:
    """Servers of one test; `close` ends them by pid and shows their logs on request."""

    folder: Path
    sink: Sink = field(default_factory=Sink)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def spawn(self, name: str, *command: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=cwd or self.folder)
        self.running.append(process)
        return process

    def labelmon(self, config: Path, port: int) -> subprocess.Popen[bytes]:
        process = self.spawn(
            "labelmon",
            sys.executable,
            "-m",
            "labelmon",
            "run",
            "--config.file",
            str(config),
            "--web.listen-address",
            f"127.0.0.1:{port}",
            "--web.enable-lifecycle",
        )
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/-/ready"), self.logs)
        return process

    def prometheus(self, rules: Path, target: int, alertmanager: int | None = None, beat: str = "1s") -> int:
        port = free_port()
        alertmanagers = [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}] if alertmanager else []
        config = {
            "global": {"scrape_interval": beat, "scrape_timeout": beat, "evaluation_interval": beat},
            "rule_files": [str(rules)],
            "alerting": {"alertmanagers": alertmanagers},
            "scrape_configs": [{"job_name": "labelmon", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
        }
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.spawn(
            "prometheus",
            "prometheus",
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-lifecycle",
            "--rules.alert.resend-delay=1s",
        )
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/-/ready"), self.logs)
        return port

    def alertmanager(self, config: Path) -> int:
        port = free_port()
        self.spawn(
            "alertmanager",
            "prometheus-alertmanager",
            f"--config.file={config}",
            f"--storage.path={self.folder}/am",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        )
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/-/ready"), self.logs)
        return port

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-1500:]}" for path in self.folder.glob("*.log"))

    def close(self) -> None:
        for process in reversed(self.running):
            process.terminate()
        for process in reversed(self.running):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.sink.server.shutdown()
        self.sink.server.server_close()


def need(*binaries: str) -> None:
    missing = [name for name in binaries if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: prometheus, prometheus-alertmanager)")


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code == 200
    except requests.RequestException:
        return False


def wait_for(condition: Callable[[], Any], logs: Callable[[], str], seconds: float = 120) -> Any:
    """What `condition` returns once that is true; a failure with the servers' logs if it never is."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    pytest.fail(f"waited {seconds} s in vain\n{logs()}")
