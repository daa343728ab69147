"""The commands. Exit codes: 0 fine, 1 the world failed, 2 the user's mistake."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labelmon import __version__
from labelmon.errors import LabelmonError, UsageError

if TYPE_CHECKING:
    from labelmon.config import Config

# Commands import what they need when they run: `labelmon --help` must not wait for scipy.


def _reported(command: Callable[..., None]) -> Callable[..., None]:
    """Turns our own errors into a message and an exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except LabelmonError as error:
            click.echo(f"labelmon: {error}" if "\n" not in str(error) else str(error), err=True)
            sys.exit(error.exit_code)

    return run


_config_file = click.option(
    "--config.file",
    "config_file",
    type=click.Path(path_type=Path),
    default=Path("labelmon.yaml"),
    show_default=True,
    help="The config file.",
)

_listen_address = click.option(
    "--web.listen-address",
    "listen_address",
    default="127.0.0.1:8790",
    show_default=True,
    help="Address to serve on.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="labelmon")
def main() -> None:
    """Watch labeled data the way SREs watch services."""


@main.command()
@_config_file
@_listen_address
@click.option(
    "--web.config.file",
    "web_config_file",
    type=click.Path(path_type=Path),
    help="TLS and basic auth, in exporter-toolkit format.",
)
@click.option("--web.enable-lifecycle", "lifecycle", is_flag=True, help="Allow POST /-/reload.")
@click.option(
    "--log.level",
    "log_level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="Log at this level and above.",
)
@_reported
def run(
    config_file: Path, listen_address: str, web_config_file: Path | None, log_level: str, *, lifecycle: bool
) -> None:
    """Run the daemon: sample, measure, serve /metrics. SIGHUP reloads, SIGTERM drains."""
    from labelmon.service import serve  # noqa: PLC0415

    serve(config_file, listen_address, web_config_file, log_level, lifecycle=lifecycle)


@main.command()
@_config_file
@click.option(
    "--at",
    "at",
    metavar="ISO8601",
    help="Measure as of this instant; rows after it do not exist. Default: now.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "openmetrics"]),
    default="table",
    show_default=True,
    help="How to print.",
)
@click.option("--dataset", "only", help="Only this dataset.")
@click.option("--push-to", "push_to", metavar="URL", help="Also push the gauges to a Pushgateway.")
@_reported
def once(config_file: Path, at: str | None, form: str, only: str | None, push_to: str | None) -> None:
    """Measure once, straight from the stores, and print."""
    from labelmon import report  # noqa: PLC0415

    config = _load(config_file)
    moment = _instant(at)
    readings = report.read_all(config, moment, only)
    click.echo(report.render(readings, moment, form), nl=False)
    if push_to:
        report.push(readings, moment, push_to)
    failures = [failure for reading in readings for failure in reading.failures]
    for failure in dict.fromkeys(failures):
        click.echo(f"labelmon: {failure}", err=True)
    if failures:
        sys.exit(1)


@main.command("check-config")
@_config_file
@click.option("--offline", is_flag=True, help="Do not open the stores.")
@_reported
def check_config(config_file: Path, *, offline: bool) -> None:
    """Validate the config and that every store has what it names; all problems at once."""
    from labelmon.preflight import check  # noqa: PLC0415

    click.echo(check(config_file, offline=offline))


@main.command("config-schema")
@_reported
def config_schema() -> None:
    """Print the JSON Schema of the config, for editors."""
    from labelmon.config import json_schema  # noqa: PLC0415

    click.echo(json.dumps(json_schema(), indent=2, sort_keys=True))


@main.command()
@click.option(
    "--config.file",
    "config_file",
    type=click.Path(path_type=Path),
    help="The config file; without it the defaults.",
)
@click.option("--check", "check_only", is_flag=True, help="Exit 1 with a diff when files are stale; write nothing.")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="Folder to write to.", show_default="here")
@click.option(
    "--format",
    "form",
    type=click.Choice(["prometheus", "operator", "openslo"]),
    default="prometheus",
    show_default=True,
    help="Files for Prometheus, Alertmanager and Grafana; manifests of the Prometheus operator; OpenSLO v1.",
)
@click.option("--name", help="Name of the manifests.", show_default="labelmon")
@click.option("--namespace", help="Namespace of the manifests.", show_default="left out")
@click.option("--label", multiple=True, metavar="KEY=VALUE", help="A label of the manifests; may be repeated.")
@click.option(
    "--prometheus-url",
    metavar="URL",
    help="The data source of OpenSLO documents.",
    show_default="http://127.0.0.1:9090",
)
@_reported
def generate(config_file: Path | None, out: Path, form: str, *, check_only: bool, **asked: Any) -> None:
    """Write rules/ and dashboards/ from the catalogue of checks; or, by --format, operator/ or openslo/."""
    from labelmon import generate as generator  # noqa: PLC0415
    from labelmon.checks import catalogue  # noqa: PLC0415
    from labelmon.formats import make  # noqa: PLC0415

    made = make(form, catalogue(), _load(config_file) if config_file else None, out, asked)
    if not check_only:
        generator.write(made.files, out, made.folders)
        for note in made.notes:
            click.echo(f"labelmon: note: {note}", err=True)
        click.echo(f"wrote {len(made.files)} files below {out}")
        return
    diff = generator.check(made.files, out, made.folders)
    if diff:
        click.echo(diff)
        click.echo("labelmon: generated files are stale; run `labelmon generate`", err=True)
        sys.exit(1)
    click.echo(f"{len(made.files)} generated files are up to date")


@main.command()
@click.argument("check", required=False)
@_config_file
@click.option("--dataset", "dataset", help="Why the check is off or failing on this dataset.")
@click.option("--plan", is_flag=True, help="The statements it runs.")
@_reported
def explain(check: str | None, config_file: Path, dataset: str | None, *, plan: bool) -> None:
    """What a check means: formula, source, roles, gotcha; for a dataset, whether it runs and how."""
    from labelmon.explain import explain as explained  # noqa: PLC0415

    config = _load(config_file) if dataset or plan or config_file.exists() else None
    click.echo(explained(check, config, dataset, plan=plan), nl=False)


@main.command()
@_config_file
@click.option("--dataset", required=True, help="The dataset that a rollout touches.")
@click.option("--slo", metavar="CHECK", help="Only the objectives of this check. Default: all with an error budget.")
@click.option("--stage", metavar="ROLLOUT", help="Only labels of this rollout stage; needs --budget.")
@click.option(
    "--budget", metavar="SHARE", help="The share of the error budget that the stage may spend, such as 0.1 for a tenth."
)
@click.option("--at", metavar="ISO8601", help="Judge as of this instant; rows after it do not exist. Default: now.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print."
)
@_reported
def gate(
    config_file: Path, dataset: str, slo: str | None, stage: str | None, budget: str | None, at: str | None, form: str
) -> None:
    """May a rollout go on? Exits with 0 to go, 3 to pause while a budget burns, 4 when nobody can know.

    With --stage: whether one stage of the rollout, the value of the labels' role `rollout`, stays within its share of
    the error budget of all events, whatever the rest of the dataset does.
    """
    from labelmon import report  # noqa: PLC0415
    from labelmon.gate import EXIT_CODES, share_of  # noqa: PLC0415

    if (stage is None) != (budget is None):
        raise UsageError("--stage and --budget go together: which stage, and the share of the budget it may spend")
    if stage is None or budget is None:
        found = report.gate(_load(config_file), dataset, slo, _instant(at))
    else:
        found = report.stage_gate(_load(config_file), dataset, slo, stage, share_of(budget), _instant(at))
    click.echo(json.dumps(found.as_json(), indent=2) + "\n" if form == "json" else found.as_text(), nl=False)
    sys.exit(EXIT_CODES[found.verdict])


@main.command()
@_config_file
@click.option("--since", required=True, metavar="ISO8601", help="Count from here on.")
@click.option("--dataset", "only", help="Only this dataset.")
@_reported
def backfill(config_file: Path, since: str, only: str | None) -> None:
    """Count history into the ledger. Stop the daemon first, or it keeps what it has in memory."""
    from labelmon.report import backfill as fill  # noqa: PLC0415

    click.echo(fill(_load(config_file), _instant(since), only, time.time()))


@main.command()
@_config_file
@click.option("--since", required=True, metavar="ISO8601", help="Replay from here on.")
@click.option("--until", metavar="ISO8601", help="Replay up to here. Default: now.")
@click.option("--dataset", "only", help="Only this dataset.")
@click.option(
    "--step",
    metavar="DURATION",
    help="Evaluate the rules this far apart, or as the ledger's cells are wide where that is more. "
    "Default: the rules' own evaluation interval.",
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How to print."
)
@click.option(
    "--max-pages",
    type=click.IntRange(min=0),
    metavar="N",
    help="Exit 1 when a dataset would have had more than N pages within any 30 days.",
)
@_reported
def backtest(
    config_file: Path,
    since: str,
    until: str | None,
    only: str | None,
    step: str | None,
    form: str,
    max_pages: int | None,
) -> None:
    """Replay the alert rules over the ledger's past: how often each would have fired, for how long, when.

    Of what `labelmon backfill` has counted and the daemon has kept; nothing is written. Minutes that are compacted to
    hours (after a dataset's `lateness`) are evaluated by the hour, and windows below an hour as one. Late rows are in
    the ledger already, so the past looks tidier than it was.
    """
    from labelmon import backtest as past  # noqa: PLC0415
    from labelmon.checks import catalogue  # noqa: PLC0415

    config, now = _load(config_file), time.time()
    every = _duration("--step", step) if step else config.alerting.evaluation_interval
    span = (_instant(since), _instant(until) if until else now)
    found = past.backtest(config, catalogue(), span, only, every, now)
    click.echo(past.as_json(found) if form == "json" else past.as_table(found), nl=False)
    loud = [b for b in found if max_pages is not None and b.pages > max_pages]
    for b in loud:
        said = f"{b.dataset}: {b.pages} pages within 30 days, more than --max-pages {max_pages}"
        click.echo(f"labelmon: {said}", err=True)
    if loud:
        sys.exit(1)


@main.command("audit-sample")
@_config_file
@click.option("--dataset", required=True, help="The dataset to audit.")
@click.option("--size", type=int, help="How many labels to draw.")
@click.option("--stratify", metavar="ROLE", help="Draw by this role of labels or items: label, priority, ...")
@click.option("--seed", default="0", show_default=True, help="The same seed draws the same labels.")
@click.option("--auditor", metavar="KEY", help="Who will audit: items this person labelled are left out.")
@click.option("--half-width", "half_width", type=float, help="Say how many audits a 95 % interval of +- this needs.")
@click.option("--at", metavar="ISO8601", help="Draw as of this instant. Default: now.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "label-studio"]),
    default="csv",
    show_default=True,
    help="How to print.",
)
@_reported
def audit_sample(config_file: Path, at: str | None, **asked: Any) -> None:
    """Draw the next audit at random, with known inclusion probabilities."""
    from labelmon.audit_sample import audit_sample as draw  # noqa: PLC0415

    click.echo(draw(_load(config_file), _instant(at), **asked), nl=False)


@main.command()
@click.option(
    "--incident",
    type=click.Choice(["accuracy", "annotator", "backlog", "drift", "outage", "schema"]),
    help="Start this incident after a minute.",
)
@_listen_address
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where the demo keeps its files.",
    show_default="./demo-data",
)
@click.option("--minutes", type=float, help="Stop after so many minutes.")
@_reported
def demo(incident: str | None, listen_address: str, folder: Path | None, minutes: float | None) -> None:
    """A simulated label pipeline, watched by the real daemon."""
    from labelmon.demo import run_demo  # noqa: PLC0415

    run_demo(incident=incident, listen_address=listen_address, folder=folder, minutes=minutes)


def _load(path: Path) -> Config:
    from labelmon.config import load  # noqa: PLC0415

    return load(path)


def _duration(option: str, text: str) -> float:
    from labelmon.durations import parse_duration  # noqa: PLC0415

    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    if seconds <= 0:
        raise UsageError(f"{option}: need a duration above 0, got {text!r}")
    return seconds


def _instant(text: str | None) -> float:
    if text is None:
        return time.time()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"need an ISO 8601 instant such as 2026-01-31T12:00:00Z, got {text!r}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
