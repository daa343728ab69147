"""A stage of a rollout is held to its share of the error budget, whatever the rest of the dataset does."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from labelmon.checks import catalogue
from labelmon.daemon import Daemon
from labelmon.stages import stage_checks
from labelmon.web.app import create_app
from tests.world import NOW, iso

DAY = 86_400
CONFIG = """
stores: {s: {url: "sqlite:///s.db"}}
datasets:
  d:
    owner: {team: t}
    relations:
      labels: {store: s, columns: {ROLES}}
      audits: {store: s}
    objectives: {label_accuracy: GOAL}
"""
ROLES = "labeled_at: labeled_at, rollout: rollout"
TENTH, SHARE = (
    "{target: 0.9}",
    ("--stage", "canary", "--budget", "0.2"),
)  # so 2 of 100 events may be the canary's errors


@dataclass(frozen=True)
class Batch:
    """Audits of one stage, the first `wrong` of them wrong, a minute apart up to `end`."""

    stage: str
    audits: int
    wrong: int
    end: float = NOW - 300


FINE = (Batch("full", 360, 0),) * 2  # as many good audits as let the canary's errors be few among all


def world(folder: Path, *batches: Batch, goal: str = TENTH, roles: str = ROLES) -> Path:
    with closing(sqlite3.connect(folder / "s.db")) as db, db:
        db.executescript(
            "CREATE TABLE labels (item TEXT, label TEXT, labeled_at TEXT, rollout TEXT);"
            "CREATE TABLE audits (item TEXT, label TEXT, truth TEXT, audited_at TEXT);"
        )
        for number, batch in enumerate(batches):
            for n in range(batch.audits):
                item, at = f"{number}-{n}", batch.end - 60 * (n * 7 % batch.audits)
                # An older label, of another stage, is not what was audited.
                for when, stage in ((at - 7200, "pilot"), (at - 3600, batch.stage), (at + 3600, "pilot")):
                    db.execute("INSERT INTO labels VALUES (?, 'x', ?, ?)", (item, iso(when), stage))
                truth = "y" if n < batch.wrong else "x"
                db.execute("INSERT INTO audits VALUES (?, 'x', ?, ?)", (item, truth, iso(at)))
    path = folder / "labelmon.yaml"
    path.write_text(CONFIG.replace("GOAL", goal).replace("ROLES", roles))
    return path


def gate(path: Path, *more: str) -> tuple[int, dict[str, object], str]:
    command = [sys.executable, "-m", "labelmon", "gate", "--config.file", str(path), "--dataset", "d", "--at", iso(NOW)]
    done = subprocess.run(
        [*command, *more, "--format", "json"], capture_output=True, text=True, cwd=path.parent, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def test_within_its_share_a_stage_goes(tmp_path: Path) -> None:
    code, said, _ = gate(world(tmp_path, Batch("full", 360, 20), Batch("canary", 40, 4)), *SHARE)

    (accuracy,) = said["objectives"]
    assert (code, said["verdict"], said["stage"], said["budget"]) == (0, "go", "canary", 0.2)
    assert (accuracy["events"], accuracy["errors"], accuracy["stage_events"]) == (400, 4, 40)
    assert accuracy["budget_remaining"] == pytest.approx(1 - 4 / (0.2 * 0.1 * 400))


def test_a_stage_that_is_fine_goes_on_while_its_dataset_burns(tmp_path: Path) -> None:
    path = world(tmp_path, Batch("full", 360, 300), Batch("canary", 40, 1))

    assert gate(path)[0] == 3
    assert gate(path, *SHARE)[0] == 0


def test_a_stage_that_burns_pauses_while_its_dataset_is_fine(tmp_path: Path) -> None:
    path = world(tmp_path, *FINE, Batch("canary", 40, 34))

    code, said, _ = gate(path, *SHARE)

    (accuracy,) = said["objectives"]
    assert gate(path)[0] == 0
    assert code == 3
    # 34 of the 158 audits of the last hour are 10.8 times a fifth of a tenth, and 2.2 times the whole tenth.
    assert accuracy["because"].startswith("the e-CUSUM has decided that 0.12 bad is nearer than the budget (6 times it")
    assert accuracy["because"].endswith("page")


def test_a_larger_share_lets_the_same_stage_go(tmp_path: Path) -> None:
    path = world(tmp_path, *FINE, Batch("canary", 40, 34))

    assert gate(path, "--stage", "canary", "--budget", "1")[0] == 0


def test_a_share_that_was_spent_weeks_ago_still_pauses(tmp_path: Path) -> None:
    early = Batch("canary", 100, 90, NOW - 20 * DAY)

    code, said, _ = gate(world(tmp_path, early, Batch("full", 800, 0), Batch("canary", 40, 0)), *SHARE)

    (accuracy,) = said["objectives"]
    assert code == 3
    assert accuracy["because"].startswith("the error budget is spent: 90 of 940 bad")


def test_what_chance_explains_pauses_nothing(tmp_path: Path) -> None:
    code, said, _ = gate(world(tmp_path, Batch("full", 90, 0), Batch("canary", 10, 3)), *SHARE)

    (accuracy,) = said["objectives"]
    assert code == 0
    assert "chance explains" in accuracy["because"]


@pytest.mark.parametrize(("audits", "expected"), [(2, 4), (3, 0)])
def test_too_few_audits_of_the_stage_say_nothing(tmp_path: Path, audits: int, expected: int) -> None:
    # Three wrong ones in a row would prove more than a tenth: ln(1000) / ln(10) = 3.
    code, said, _ = gate(world(tmp_path, Batch("full", 400, 0), Batch("canary", audits, 0)), *SHARE)

    assert code == expected
    assert expected == 0 or said["objectives"][0]["because"].startswith("2 events of the stage")


@pytest.mark.parametrize(("stage", "expected"), [("canary", 3), ("full", 0)])
def test_where_nothing_may_be_bad_the_stage_of_the_bad_event_pauses(tmp_path: Path, stage: str, expected: int) -> None:
    path = world(tmp_path, Batch("full", 60, 0), Batch("canary", 40, 1), goal="{none_bad: true}")

    assert gate(path, "--stage", stage, "--budget", "0.5")[0] == expected


def test_a_dead_store_is_no_go(tmp_path: Path) -> None:
    path = world(tmp_path, Batch("canary", 40, 0))
    (tmp_path / "s.db").unlink()

    assert gate(path, *SHARE)[0] == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--stage", "canry", "--budget", "0.1"), "--stage: no label of d is of stage 'canry'; seen: canary, full"),
        (("--stage", "canary", "--budget", "0"), "--budget: need the share"),
        (("--stage", "canary", "--budget", "1.01"), "in (0, 1], got 1.01"),
        (("--stage", "canary", "--budget", "nan"), "got nan"),
        (("--stage", "canary", "--budget", "all"), "got all"),
        (("--stage", "canary"), "--stage and --budget go together"),
        (("--budget", "0.1"), "--stage and --budget go together"),
        ((*SHARE, "--slo", "label_latency"), "--slo: 'label_latency' is not known by stage"),
        ((*SHARE, "--slo", "label_backlog"), "--slo: 'label_backlog' has no error budget"),
        ((*SHARE, "--slo", "label_corrections"), "is off on d, or by stage: needs relation reviews"),
    ],
)
def test_a_question_that_makes_no_sense_is_the_users_mistake(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, _, error = gate(world(tmp_path, Batch("full", 5, 0), Batch("canary", 5, 0)), *arguments)

    assert code == 2
    assert said in error


def test_labels_that_do_not_tell_their_stage_cannot_be_asked(tmp_path: Path) -> None:
    code, _, error = gate(world(tmp_path, Batch("canary", 5, 0), roles="labeled_at: labeled_at"), *SHARE)

    assert code == 2
    assert "map no role rollout" in error


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("stage=canary&budget=0.2", 503),
        ("stage=canary&budget=1", 200),
        ("stage=full&budget=0.2", 200),
        ("stage=rare&budget=0.2", 424),
        ("stage=nope&budget=0.2", 404),
        ("stage=canary&budget=2", 400),
        ("stage=canary&budget=some", 400),
        ("stage=canary", 400),
        ("stage=canary&budget=0.2&slo=label_latency", 400),
    ],
)
def test_over_http(tmp_path: Path, query: str, expected: int) -> None:
    path = world(tmp_path, *FINE, Batch("canary", 40, 34), Batch("rare", 2, 0))
    clock = [float(NOW)]
    daemon = Daemon(path=path, catalogue=catalogue(), clock=lambda: clock[0])

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=create_app(daemon, lifecycle=False))
        async with httpx.AsyncClient(transport=transport, base_url="http://labelmon") as client:
            return await client.get(f"/api/v1/gate/d?{query}")

    daemon.start()
    try:
        daemon._cycle("d", daemon.samplers["d"])
        answer = asyncio.run(ask())
        clock[0] += 3600
        later = asyncio.run(ask())
    finally:
        daemon.stop()

    assert answer.status_code == expected
    assert expected != 404 or answer.json()["known"] == ["canary", "full", "rare"]
    assert later.status_code == (400 if expected == 400 else 424)  # numbers of an hour ago say nothing


def test_every_check_of_labels_is_known_by_stage() -> None:
    found = {check.name for check in stage_checks(catalogue())}

    assert found == {
        "audit_join",
        "class_quality",
        "label_accuracy",
        "label_corrections",
        "label_join",
        "label_provenance",
        "schema_mismatch",
        "validator_pass",
    }
