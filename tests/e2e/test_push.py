"""`once --push-to` against a real Pushgateway."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.e2e.ports import free_port
from tests.e2e.servers import Stage, answers, need, wait_for
from tests.test_cli import GOOD
from tests.world import NOW, World, iso

pytestmark = pytest.mark.e2e


def push(folder: Path, url: str, at: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labelmon", "once", "--at", iso(at), "--push-to", url],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_gauges_reach_the_gateway_and_replace_what_was_there(tmp_path: Path) -> None:
    need("prometheus-pushgateway")
    world = World(tmp_path)
    world.audits(NOW - 86400, NOW - 43200, 600)
    world.audits(NOW - 43200, NOW - 200, 600, right=False)
    world.close()
    (tmp_path / "labelmon.yaml").write_text(GOOD)
    stage, port = Stage(tmp_path), free_port()
    try:
        stage.spawn("pushgateway", "prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{port}")
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/-/ready"), stage.logs)
        for at, value in ((NOW - 43201, "1"), (NOW, "0.5")):
            assert push(tmp_path, f"http://127.0.0.1:{port}", at).returncode == 0
            text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
            line = next(line for line in text.splitlines() if line.startswith("labelmon_label_accuracy_ratio{"))
            assert line.endswith(f"}} {value}")
    finally:
        stage.close()


def test_a_gateway_that_is_not_there(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.close()
    (tmp_path / "labelmon.yaml").write_text(GOOD)

    done = push(tmp_path, f"http://127.0.0.1:{free_port()}", NOW)

    assert done.returncode == 1
    assert done.stderr == "labelmon: --push-to: no answer from the Pushgateway (ConnectionError)\n"
