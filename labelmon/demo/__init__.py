"""`labelmon demo`: a simulated label pipeline, watched by the real daemon in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import FrameType

import click
import yaml

from labelmon.demo import folder as demo_folder
from labelmon.demo.inbox import Inbox
from labelmon.demo.incidents import Incident, incidents
from labelmon.demo.simulate import World
from labelmon.errors import LabelmonError
from labelmon.model import Severity

QUIET_SECONDS = 60.0
STEP_SECONDS = 0.5
FOLDER_VARIABLE = "LABELMON_DEMO_FOLDER"
ADDRESS, INBOX_PORT = "127.0.0.1:8790", 9094  # as demo.yaml has them
PROMETHEUS, ALERTMANAGER = "127.0.0.1:9090", "127.0.0.1:9093"


def demo_config() -> str:
    """The demo's config as text."""
    return files("labelmon.demo").joinpath("demo.yaml").read_text()


@dataclass(kw_only=True)
class _Signals:
    """Ctrl-C and SIGTERM end the demo after the current step, SIGUSR1 heals its incident."""

    stop: bool = False
    heal: bool = False

    def __post_init__(self) -> None:
        # A closed terminal (SIGHUP) ends the demo too: the daemon alone would take it for a reload and live on.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGUSR1:
            self.heal = True
        else:
            self.stop = True


def run_demo(*, incident: str | None, listen_address: str, folder: Path | None, minutes: float | None) -> None:
    """Writes weeks of history, starts the daemon, lives on in wall-clock time; the incident comes after a minute.

    Raises
    ------
    LabelmonError : if the folder is not the demo's to use, or the daemon does not stay up.
    """
    place = (folder or Path("demo-data")).resolve()
    signals = _Signals()
    with ExitStack() as stack:
        stack.callback(click.echo, "demo ended")
        stack.enter_context(demo_folder.claim(place, demo_config().splitlines()[0]))
        inbox = Inbox(INBOX_PORT, click.echo)
        stack.callback(inbox.close)
        config = place / demo_folder.CONFIG
        config.write_text(_local(demo_config(), listen_address, inbox.port))
        world = World(path=place / demo_folder.STORE, seed=int(time.time()))
        stack.callback(world.close)
        began = time.time()
        click.echo(f"wrote {world.write_history(began)} items of four weeks to {world.path}")
        daemon = _labelmon(place, "run", "--web.listen-address", listen_address, "--web.enable-lifecycle")
        stack.callback(_end, daemon)
        if code := _labelmon(place, "generate", "--out", str(place)).wait():
            raise LabelmonError(f"generate ended with exit code {code}; {place / 'daemon.log'} says why")
        _say_where(place, listen_address)
        _live(world, daemon, incidents()[incident] if incident else None, began, minutes, signals)


def _local(config: str, address: str, inbox_port: int) -> str:
    """The config with this demo's own addresses, so that links and notifications arrive here."""
    return config.replace(ADDRESS, address).replace(f"127.0.0.1:{INBOX_PORT}", f"127.0.0.1:{inbox_port}")


def _labelmon(place: Path, command: str, *arguments: str) -> subprocess.Popen[bytes]:
    config = str(place / demo_folder.CONFIG)
    with (place / "daemon.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603  our own interpreter and arguments
            [sys.executable, "-m", "labelmon", command, "--config.file", config, *arguments],
            stdout=log,
            stderr=log,
            env={**os.environ, FOLDER_VARIABLE: str(place)},
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _say_where(place: Path, address: str) -> None:
    (place / "prometheus.yml").write_text(_prometheus_config(address))
    click.echo(f"metrics   http://{address}/metrics")
    click.echo(f"status    http://{address}/api/v1/status")
    click.echo(f"log       {place / 'daemon.log'}")
    click.echo(f"rules     {place / 'rules' / 'labelmon.rules.yml'}")
    click.echo(f"dashboard {place / 'dashboards'}")
    click.echo("To be alerted, start these two; what they deliver is shown here:")
    prometheus = shutil.which("prometheus")
    alertmanager = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    click.echo(
        f"  {Path(prometheus or 'prometheus').name} --config.file={place / 'prometheus.yml'}"
        f" --storage.tsdb.path={place / 'tsdb'} --web.listen-address={PROMETHEUS}"
    )
    click.echo(
        f"  {Path(alertmanager or 'prometheus-alertmanager').name} --config.file={place / 'rules' / 'alertmanager.yml'}"
        f" --storage.path={place / 'alertmanager'} --web.listen-address={ALERTMANAGER} --cluster.listen-address="
    )
    if not (prometheus and alertmanager):
        click.echo("  (not installed here; the Debian packages are prometheus and prometheus-alertmanager)")


def _prometheus_config(address: str) -> str:
    return (
        "global: {scrape_interval: 5s, evaluation_interval: 5s}\n"
        "rule_files: [rules/labelmon.rules.yml]\n"
        f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{ALERTMANAGER}']}}]}}]}}\n"
        f"scrape_configs: [{{job_name: labelmon, static_configs: [{{targets: ['{address}']}}]}}]\n"
    )


def _say_expected(incident: Incident) -> None:
    owner = yaml.safe_load(demo_config())["operator"]
    pages = {alert for alert, severity in incident.expected if severity is Severity.PAGE}
    for alert, severity in incident.expected:
        ticket = severity is Severity.TICKET
        held = ", held back while the page fires" if ticket and alert in pages else ""
        click.echo(f"  expect {alert} ({severity.value}) for {owner['tickets' if ticket else 'page']}{held}")


def _live(
    world: World,
    daemon: subprocess.Popen[bytes],
    incident: Incident | None,
    began: float,
    minutes: float | None,
    signals: _Signals,
) -> None:
    until = began + minutes * 60 if minutes else float("inf")
    starts = began + QUIET_SECONDS if incident else float("inf")
    if incident:
        click.echo(f"the incident `{incident.name}` starts in {QUIET_SECONDS:.0f} s")
    broken = False
    try:
        while not signals.stop and time.time() < until:
            now = time.time()
            if daemon.poll() is not None:
                raise LabelmonError(f"the daemon ended with exit code {daemon.returncode}; its log says why")
            world.step(now)
            if incident and now > starts:
                starts, broken, signals.heal = float("inf"), True, False
                incident.start(world, now)
                click.echo(f"incident: {incident.story}")
                _say_expected(incident)
                click.echo(f"  heal it with: kill -USR1 {os.getpid()}")
            if incident and broken and signals.heal:
                broken = False
                incident.heal(world)
                click.echo("healed: the alerts end when their windows have forgotten it")
            time.sleep(STEP_SECONDS)
    finally:
        if incident and broken:
            incident.heal(world)
