"""The gate of a rollout: go, pause while a budget burns, or nobody can know; on the command line and over HTTP."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from labelmon.alerting.tiers import burning_tiers
from labelmon.checks import catalogue
from labelmon.daemon import Daemon
from labelmon.estimators.burn import window_count
from labelmon.model import DAY, HOUR, Severity
from labelmon.profiles import DEFAULT_ALERTING, DENSE
from labelmon.web.app import create_app
from tests.world import NOW, TABLES, iso

CONFIG = """
stores: {s: {url: "sqlite:///s.db"}}
datasets:
  d:
    owner: {team: t}
    relations: {audits: {store: s}}
    objectives: {label_accuracy: GOAL}
"""
MINUTES = [NOW - 60 * n for n in range(5, 2 * 60)]  # the newest is older than what may still become visible


def world(folder: Path, errors: list[bool], at: list[float], goal: str = "{target: 0.9}") -> Path:
    """A store of audits at these instants, and the config that watches it."""
    with closing(sqlite3.connect(folder / "s.db")) as db, db:
        db.executescript(TABLES)
        rows = [
            (f"i{n}", "y" if wrong else "x", "x", iso(t)) for n, (wrong, t) in enumerate(zip(errors, at, strict=True))
        ]
        db.executemany("INSERT INTO audits VALUES (?, ?, ?, ?)", rows)
    path = folder / "labelmon.yaml"
    path.write_text(CONFIG.replace("GOAL", goal))
    return path


def gate(path: Path, *more: str) -> tuple[int, dict[str, object], str]:
    command = [sys.executable, "-m", "labelmon", "gate", "--config.file", str(path), "--at", iso(NOW), *more]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, cwd=path.parent, check=False)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def get(daemon: Daemon, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=create_app(daemon, lifecycle=False))
        async with httpx.AsyncClient(transport=transport, base_url="http://labelmon") as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_a_healthy_dataset_goes(tmp_path: Path) -> None:
    code, said, _ = gate(world(tmp_path, [False] * len(MINUTES), MINUTES), "--dataset", "d")

    assert (code, said["verdict"]) == (0, "go")


def test_a_burning_budget_pauses_and_names_its_tier(tmp_path: Path) -> None:
    code, said, _ = gate(world(tmp_path, [True] * len(MINUTES), MINUTES), "--dataset", "d")

    assert (code, said["verdict"]) == (3, "pause")
    (accuracy,) = said["objectives"]
    assert "page above 14.4" in accuracy["because"]
    assert "nats of evidence" in accuracy["because"]


def test_one_bad_audit_of_five_pauses_nothing(tmp_path: Path) -> None:
    days = [NOW - n * HOUR for n in range(1, 6)]

    code, said, _ = gate(world(tmp_path, [True, False, False, False, False], days), "--dataset", "d")

    (accuracy,) = said["objectives"]
    assert (code, accuracy["errors"], accuracy["events"]) == (0, 1, 5)
    assert "chance explains" in accuracy["because"]


def test_a_spent_budget_pauses_when_it_no_longer_burns(tmp_path: Path) -> None:
    # 300 bad audits three weeks ago, 600 good ones since: nothing burns, and a tenth was allowed.
    at = [NOW - 21 * DAY - 60 * n for n in range(300)] + [NOW - HOUR - 1200 * n for n in range(600)]

    code, said, _ = gate(world(tmp_path, [True] * 300 + [False] * 600, at), "--dataset", "d")

    (accuracy,) = said["objectives"]
    assert code == 3
    assert accuracy["because"].startswith("the error budget is spent: 300 of 900 bad")


def test_without_evidence_nobody_can_know(tmp_path: Path) -> None:
    code, said, _ = gate(world(tmp_path, [False], [NOW - HOUR]), "--dataset", "d")

    assert (code, said["verdict"]) == (4, "insufficient")


def test_a_dead_store_is_no_go(tmp_path: Path) -> None:
    path = world(tmp_path, [False] * len(MINUTES), MINUTES)
    (tmp_path / "s.db").unlink()

    code, said, _ = gate(path, "--dataset", "d")

    assert (code, said["verdict"]) == (4, "insufficient")


@pytest.mark.parametrize(("errors", "expected"), [(0, 0), (1, 3)])
def test_where_nothing_may_be_bad_one_event_pauses(tmp_path: Path, errors: int, expected: int) -> None:
    wrong = [True] * errors + [False] * (len(MINUTES) - errors)

    code, said, _ = gate(world(tmp_path, wrong, MINUTES, "{none_bad: true}"), "--dataset", "d")

    assert code == expected
    assert "none may be" in said["objectives"][0]["because"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--dataset", "e"), "--dataset: unknown dataset 'e'; known: d"),
        (("--dataset", "d", "--slo", "label_backlog"), "--slo: 'label_backlog' has no error budget"),
        (("--dataset", "d", "--slo", "label_latency"), "--slo: label_latency is off on d: needs relation items"),
    ],
)
def test_a_question_that_makes_no_sense_is_the_users_mistake(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, _, error = gate(world(tmp_path, [False], [NOW]), *arguments)

    assert code == 2
    assert said in error


def test_the_ledger_is_not_touched(tmp_path: Path) -> None:
    gate(world(tmp_path, [False], [NOW]), "--dataset", "d")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["labelmon.yaml", "s.db"]


@pytest.mark.parametrize(("wrong", "expected", "verdict"), [(False, 200, "go"), (True, 503, "pause")])
def test_over_http(tmp_path: Path, *, wrong: bool, expected: int, verdict: str) -> None:
    clock = [float(NOW)]
    daemon = Daemon(
        path=world(tmp_path, [wrong] * len(MINUTES), MINUTES), catalogue=catalogue(), clock=lambda: clock[0]
    )
    daemon.start()
    try:
        before = get(daemon, "/api/v1/gate/d")
        daemon._cycle("d", daemon.samplers["d"])
        now = get(daemon, "/api/v1/gate/d")
        clock[0] += 3600
        later = get(daemon, "/api/v1/gate/d")

        assert (now.status_code, now.json()["verdict"]) == (expected, verdict)
        assert later.status_code == 424  # numbers of an hour ago say nothing
        assert before.status_code in {424, expected}
        assert get(daemon, "/api/v1/gate/nope").status_code == 404
        assert get(daemon, "/api/v1/gate/nope").json()["known"] == ["d"]
        assert get(daemon, "/api/v1/gate/d?slo=label_backlog").status_code == 400
    finally:
        daemon.stop()


@pytest.mark.parametrize(
    ("long", "short", "burns"),
    [
        ((100, 30), (10, 3), True),  # 30 % bad against 2 %: 15 budgets
        ((100, 28), (10, 3), False),  # 14 budgets are fewer than 14.4
        ((100, 30), (10, 0), False),  # over by now
        ((100, 30), (0, 0), True),  # nothing seen since
        ((4, 2), (4, 2), False),  # 25 budgets, but two bad events prove little
    ],
)
def test_a_tier_is_material_proven_and_still_happening(
    long: tuple[int, int], short: tuple[int, int], *, burns: bool
) -> None:
    tier = DENSE.page[0]
    windows = [window_count(tier.long, *long, 0.02), window_count(tier.short, *short, 0.02)]

    assert (tier in burning_tiers(DENSE, Severity.PAGE, windows, DEFAULT_ALERTING)) is burns
