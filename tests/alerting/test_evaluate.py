"""A replay of the past fires exactly when Prometheus does: minute by minute, the same series through promtool."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from labelmon import naming
from labelmon.alerting.evaluate import Alert, Watch, alerts_of, seen_at
from labelmon.alerting.files import RULES_FILE, rule_file
from labelmon.alerting.rules import all_rules
from labelmon.check import GaugeSlo
from labelmon.checks import catalogue
from labelmon.durations import format_duration
from labelmon.exporter import Sample
from labelmon.model import HOUR, Objective, ObjectiveKind, SloStatus, Urls
from labelmon.profiles import DEFAULT_ALERTING, DENSE, Alerting
from labelmon.replay import replay_of
from labelmon.samples import slo_samples
from tests.alerting.conftest import Tool
from tests.world import NOW, World, dataset, target

MINUTE = 60
START, END = NOW - 3 * HOUR, NOW
CHECKS = {
    check.name: check for check in catalogue() if check.name in {"label_accuracy", "label_latency", "label_backlog"}
}
ALERTS = [alert for check in CHECKS.values() for alert in alerts_of(check, DEFAULT_ALERTING, Urls())]
OWNER = {"pipeline": "p", "store": "s", "team": "t", "tier": "standard"}


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A past by name: what a store held, as of each minute, and which alerts must fire in it at least once."""

    fill: Callable[[World], None]
    fires: set[tuple[str, str]]
    objectives: dict[str, tuple[Objective, ...]]


def audited(*faults: tuple[int, int]) -> Callable[[World], None]:
    """An audit a minute for six hours, wrong in each [start, end) minutes after START."""

    def fill(world: World) -> None:
        world.run("BEGIN")
        for minute in range(-180, 180):
            wrong = any(low <= minute < high for low, high in faults)
            world.audit(f"i{minute}", START + minute * MINUTE, right=not wrong)
        world.run("COMMIT")

    return fill


def queued(*arrivals: tuple[int, int, int]) -> Callable[[World], None]:
    """So many items that arrive at a minute and are labelled at another."""

    def fill(world: World) -> None:
        for number, arrived, labelled in arrivals:
            for n in range(number):
                world.item(f"{arrived}-{n}", START + arrived * MINUTE)
                world.label(f"{arrived}-{n}", START + labelled * MINUTE)

    return fill


ACCURACY = {"label_accuracy": (target(0.95),)}
BACKLOG = {"label_backlog": (Objective(kind=ObjectiveKind.AT_MOST, value=1800.0),)}
BURNS, ANY_BAD = "LabelAccuracyBudgetBurn", "LabelAccuracyAnyBad"
STREAMS = {
    "quiet": Stream(fill=audited(), fires=set(), objectives=ACCURACY),
    "fault": Stream(fill=audited((30, 80)), fires={(BURNS, "page"), (BURNS, "ticket")}, objectives=ACCURACY),
    # Over and back within keep_firing_for, then for longer.
    "flapping": Stream(
        fill=audited((20, 62), (70, 82), (130, 150)), fires={(BURNS, "page"), (BURNS, "ticket")}, objectives=ACCURACY
    ),
    "none_bad": Stream(
        fill=audited((40, 41)),
        fires={(ANY_BAD, "ticket")},
        objectives={"label_accuracy": (Objective(kind=ObjectiveKind.NONE_BAD, value=None),)},
    ),
    # Twelve wait for too long: once below `for`, once above it; and eleven items that are too few of too old a median.
    "gauge": Stream(
        fill=queued((12, 0, 33), (12, 60, 110), (9, 120, 175)),
        fires={("LabelBacklogThreshold", "page"), ("LabelBacklogThreshold", "ticket")},
        objectives=BACKLOG,
    ),
    # Over half an hour, then at 28 minutes, which is within the margin, then at 20.
    "margin": Stream(
        fill=queued((1, 0, 50), *((1, m, m + 28) for m in range(22, 80)), *((1, m, m + 20) for m in range(80, 150))),
        fires={("LabelBacklogThreshold", "ticket")},
        objectives=BACKLOG,
    ),
}
Frame = tuple[float, tuple[SloStatus, ...], list[Sample]]


def past(stream: Stream, folder: Path) -> Iterator[Frame]:
    """The stream's replay, minute by minute, out of the ledger that a daemon has kept."""
    world = World(folder)
    stream.fill(world)
    sampler = world.sampler(dataset(objectives=stream.objectives))
    if "label_backlog" in stream.objectives:
        for at in range(START, END, MINUTE):
            sampler.cycle(float(at))
    sampler.cycle(float(END))
    replay = replay_of(sampler.dataset, list(CHECKS.values()), world.ledger, DEFAULT_ALERTING)
    for at in replay.moments(START, END, MINUTE):
        board, samples = replay.look(at)
        yield at, board.slos, samples
    world.close()


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Frame]]:
    return {name: list(past(stream, tmp_path_factory.mktemp(name))) for name, stream in STREAMS.items()}


def fired(alerts: list[Alert], seen: list[Frame]) -> list[set[tuple[str, str, str]]]:
    """(alert, severity, scope) of what fires at each step, by the evaluator."""
    watches = [Watch(alert=alert) for alert in alerts]
    steps = []
    for at, statuses, samples in seen:
        for watch in watches:
            watch.evaluate(seen_at(at, statuses, samples))
        rules = [(w.alert.rule.alert, w.alert.rule.severity.value, set(w.firing)) for w in watches]
        steps.append({(alert, severity, scope) for alert, severity, scopes in rules for scope in scopes})
    return steps


def series(seen: list[Frame]) -> list[dict[str, str]]:
    """What a scrape a minute would have stored, from time 0 on; what is gone gets a stale marker, as from a scrape."""
    first, found = seen[0][0], {}
    for step, (_, statuses, samples) in enumerate(seen):
        exported = [
            *samples,
            *(s for status in statuses for s in slo_samples(status, CHECKS[status.check])),
            Sample(name=naming.DATASET_INFO, help="", labels={"dataset": "d", **OWNER}, value=1),
            Sample(name=naming.CONFIG_RELOAD_TIME, help="", labels={}, value=1),
        ]
        for sample in exported:
            inside = ",".join(f"{k}={json.dumps(v)}" for k, v in sorted(sample.labels.items()) if v)
            instant = sample.name.endswith("timestamp_seconds") and sample.name != naming.CONFIG_RELOAD_TIME
            value = sample.value - first if instant else sample.value
            found.setdefault(f"{sample.name}{{{inside}}}", {})[step] = f"{value:.12g}"
    lines = []
    for name, known in found.items():
        values = [known.get(n) or ("stale" if n - 1 in known else "_") for n in range(len(seen))]
        lines.append({"series": name, "values": " ".join(values)})
    return lines


def agrees(promtool: Tool, seen: list[Frame], steps: list[set[tuple[str, str, str]]], folder: Path) -> bool:
    """Whether promtool fires the generated rules at exactly these steps."""
    rules = [replace(rule, annotations={}) for rule in all_rules(CHECKS.values(), DEFAULT_ALERTING, Urls())]
    (folder / "rules").mkdir(parents=True)
    (folder / RULES_FILE).write_text(rule_file(rules, DEFAULT_ALERTING))
    asked = []
    for step, firing in enumerate(steps):
        for rule in {r.alert: r for r in rules if r.check}.values():
            expected = [
                {"dataset": "d", "sli": rule.check.name, "severity": severity, **OWNER, **({"scope": s} if s else {})}
                for alert, severity, s in sorted(firing)
                if alert == rule.alert
            ]
            asked.append(
                {
                    "eval_time": format_duration(step * MINUTE),
                    "alertname": rule.alert,
                    "exp_alerts": [{"exp_labels": labels} for labels in expected],
                }
            )
    test = {
        "rule_files": [str(folder / RULES_FILE)],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series(seen), "alert_rule_test": asked}],
    }
    (folder / "test.yml").write_text(json.dumps(test))
    done = promtool("test", "rules", folder / "test.yml")
    said = done.stdout + done.stderr
    assert done.returncode == 0 or "exp:" in said, said[:2000]
    return done.returncode == 0


@pytest.mark.parametrize("name", STREAMS)
def test_the_evaluator_fires_when_prometheus_does(
    name: str, frames: dict[str, list[Frame]], promtool: Tool, tmp_path: Path
) -> None:
    steps = fired(ALERTS, frames[name])

    assert {(alert, severity) for step in steps for alert, severity, _ in step} == STREAMS[name].fires
    assert agrees(promtool, frames[name], steps, tmp_path)


def test_every_generated_rule_about_datasets_has_its_evaluator() -> None:
    checks = catalogue()
    rules = [alert.rule for check in checks for alert in alerts_of(check, DEFAULT_ALERTING, Urls())]

    assert rules == [rule for rule in all_rules(checks, DEFAULT_ALERTING, Urls()) if rule.check]


def ruled(**changes: int) -> list[Alert]:
    return [replace(alert, rule=replace(alert.rule, **changes)) for alert in ALERTS]


def judged_by(alerting: Alerting) -> list[Alert]:
    """Alerts whose conditions follow other settings than the rules do."""
    other = [alert for check in CHECKS.values() for alert in alerts_of(check, alerting, Urls())]
    return [replace(alert, holds=changed.holds) for alert, changed in zip(ALERTS, other, strict=True)]


def without_numbers_behind() -> list[Alert]:
    found = []
    for alert in ALERTS:
        check = alert.rule.check
        if isinstance(check.slo, GaugeSlo):
            loose = replace(check.slo, thresholds=tuple(replace(t, at_least=0) for t in check.slo.thresholds))
            twins = alerts_of(replace(check, slo=loose), DEFAULT_ALERTING, Urls())
            holds = next(twin.holds for twin in twins if twin.rule.severity is alert.rule.severity)
            alert = replace(alert, holds=holds)  # noqa: PLW2901
        found.append(alert)
    return found


HASTY = replace(DENSE, page=DENSE.page[:1], ticket=())
FLIGHTY = replace(DENSE, page=tuple(replace(tier, short=tier.long) for tier in DENSE.page))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("gauge", ruled(hold=0)),
        ("gauge", ruled(hold=DEFAULT_ALERTING.threshold_hold + MINUTE)),
        ("gauge", without_numbers_behind()),
        ("margin", judged_by(replace(DEFAULT_ALERTING, threshold_margin=0.0))),
        ("flapping", ruled(keep_firing=0)),
        ("flapping", ruled(keep_firing=DEFAULT_ALERTING.keep_firing + MINUTE)),
        ("flapping", judged_by(replace(DEFAULT_ALERTING, profiles=(FLIGHTY, *DEFAULT_ALERTING.profiles[1:])))),
        ("fault", judged_by(replace(DEFAULT_ALERTING, alpha=1e-12))),
        ("none_bad", judged_by(replace(DEFAULT_ALERTING, profiles=(HASTY,)))),
    ],
    ids=[
        "no hold",
        "long hold",
        "few",
        "no margin",
        "no keep",
        "long keep",
        "not still",
        "hard to convince",
        "other window",
    ],
)
def test_an_evaluator_that_is_wrong_disagrees(
    name: str, wrong: list[Alert], frames: dict[str, list[Frame]], promtool: Tool, tmp_path: Path
) -> None:
    assert not agrees(promtool, frames[name], fired(wrong, frames[name]), tmp_path)
