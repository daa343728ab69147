"""`labelmon demo`: a simulated label pipeline, watched by the real daemon in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import FrameType

import click

from labelmon.demo.incidents import Incident, incidents
from labelmon.demo.simulate import World
from labelmon.errors import LabelmonError

QUIET_SECONDS = 60.0
STEP_SECONDS = 0.5
FOLDER_VARIABLE = "LABELMON_DEMO_FOLDER"


def demo_config() -> str:
    """The demo's config as text."""
    return files("labelmon.demo").joinpath("demo.yaml").read_text()


@dataclass(kw_only=True)
class _Stop:
    """Ctrl-C and SIGTERM end the demo after the current step."""

    asked: bool = False

    def __post_init__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


def run_demo(*, incident: str | None, listen_address: str, folder: Path | None, minutes: float | None) -> None:
    """Writes weeks of history, starts the daemon, lives on in wall-clock time; the incident comes after a minute.

    Raises
    ------
    LabelmonError : if the daemon does not start.
    """
    place = (folder or Path("demo-data")).resolve()
    place.mkdir(parents=True, exist_ok=True)
    stop = _Stop()
    world = World(path=place / "labels.db", seed=int(time.time()))
    began = time.time()
    click.echo(f"wrote {world.write_history(began)} items of four weeks to {place / 'labels.db'}")
    config = place / "labelmon.yaml"
    config.write_text(demo_config())
    daemon = _start_daemon(config, place, listen_address)
    try:
        _say_where(place, config, listen_address)
        _live(world, daemon, incidents()[incident] if incident else None, began, minutes, stop)
    finally:
        daemon.terminate()
        daemon.wait(timeout=30)
        world.close()
        away = world.path.with_suffix(".away")
        if away.exists():
            away.rename(world.path)
        click.echo("demo ended")


def _start_daemon(config: Path, place: Path, address: str) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "labelmon",
        "run",
        "--config.file",
        str(config),
        "--web.listen-address",
        address,
        "--web.enable-lifecycle",
    ]
    with (place / "daemon.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603  our own interpreter and arguments
            command, stdout=log, stderr=log, env={**os.environ, FOLDER_VARIABLE: str(place)}
        )


def _say_where(place: Path, config: Path, address: str) -> None:
    (place / "prometheus.yml").write_text(_prometheus_config(address))
    click.echo(f"metrics   http://{address}/metrics")
    click.echo(f"status    http://{address}/api/v1/status")
    click.echo(f"log       {place / 'daemon.log'}")
    click.echo(f"rules     {FOLDER_VARIABLE}={place} labelmon generate --config.file {config} --out {place}")
    if shutil.which("prometheus"):
        click.echo(
            f"alerts    prometheus --config.file={place / 'prometheus.yml'} --storage.tsdb.path={place / 'tsdb'}"
            " --web.listen-address=127.0.0.1:9090"
        )
    else:
        click.echo(f"alerts    point a Prometheus at {place / 'prometheus.yml'} (Debian package: prometheus)")


def _prometheus_config(address: str) -> str:
    return (
        "global: {scrape_interval: 5s, evaluation_interval: 5s}\n"
        "rule_files: [rules/labelmon.rules.yml]\n"
        "alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:9093']}]}]}\n"
        f"scrape_configs: [{{job_name: labelmon, static_configs: [{{targets: ['{address}']}}]}}]\n"
    )


def _live(
    world: World,
    daemon: subprocess.Popen[bytes],
    incident: Incident | None,
    began: float,
    minutes: float | None,
    stop: _Stop,
) -> None:
    until = began + minutes * 60 if minutes else float("inf")
    started = False
    if incident:
        click.echo(f"the incident `{incident.name}` starts in {QUIET_SECONDS:.0f} s")
    while not stop.asked and time.time() < until:
        now = time.time()
        if daemon.poll() is not None:
            raise LabelmonError(f"the daemon ended with exit code {daemon.returncode}; its log says why")
        world.step(now)
        if incident and not started and now - began > QUIET_SECONDS:
            started = True
            incident.start(world, now)
            click.echo(f"incident: {incident.story}")
            for alert, severity in incident.expected:
                click.echo(f"  expect {alert} ({severity.value})")
        time.sleep(STEP_SECONDS)
    if incident and started:
        incident.heal(world)
