"""A new check is one new file: one of each time kind, from a folder outside the package, with no other edit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.world import NOW, World, iso

COMMON = """
from labelmon.check import (
    Check, Column, Deadline, Event, EventSlo, GaugeSlo, Item, Panel, Runbook, Snapshot, Statistic, Threshold,
)
from labelmon.counts import Op
from labelmon.estimators.proportion import share_of
from labelmon.estimators.queue import queue_ages
from labelmon.model import Cause, Severity

TEXTS = dict(
    seed_ref="X", help="A check for a test.", formula="good / all", source="none", gotcha="none",
    severities=(Severity.PAGE, Severity.TICKET), cause=Cause.QUALITY,
    runbook=Runbook(meaning="It broke.", first_looks=("a", "b", "c"), mitigate=("d",), over_when="e"),
)
SHARE = (Statistic(name="share", metric="ratio", help="Share.", interval=True),)
"""
CHECKS = {
    "x_event": """
CHECK = Check(
    name="x_event", title="X event", relation="audits", time=Event(instant="audited_at"), keys=("stratum", "annotator"),
    counts={"good": Column(lambda row: row.label == row.truth), "first": Column(lambda row: row.audited_at, Op.MIN)},
    estimate=share_of("good", "share"), statistics=SHARE, slo=EventSlo(good="good", target=0.9),
    panel=Panel(title="X event panel", description="x"), **TEXTS,
)
""",
    "x_deadline": """
CHECK = Check(
    name="x_deadline", title="X deadline", relation="items", time=Deadline(), needs_labels=True, keys=("priority", "cohort"),
    counts={
        "good": Column(lambda row: row.first_label_ms <= row.deadline_ms),
        "first": Column(lambda row: row.arrived_at, Op.MIN),
    },
    estimate=share_of("good", "share"), statistics=SHARE, slo=EventSlo(good="good", target=0.9, within=7200.0),
    panel=Panel(title="X deadline panel", description="x"), **TEXTS,
)
""",
    "x_item": """
CHECK = Check(
    name="x_item", title="X item", relation="labels", time=Item(), keys=("label_source", "rollout"),
    counts={"good": Column(lambda row: row.classes == 1), "first": Column(lambda row: row.first_label_ms, Op.MIN)},
    estimate=share_of("good", "share"), statistics=SHARE, slo=EventSlo(good="good", target=0.9),
    panel=Panel(title="X item panel", description="x"), **TEXTS,
)
""",
    "x_snapshot": """
CHECK = Check(
    name="x_snapshot", title="X snapshot", relation="items", time=Snapshot(), needs_labels=True, keys=("priority", "cohort"),
    where=lambda row: row.first_label_ms.is_(None),
    counts={"oldest": Column(lambda row: row.arrived_at, Op.MIN)},
    estimate=queue_ages("oldest", (), "waiting_items"),
    statistics=(
        Statistic(name="waiting_items", metric="items", help="Waiting."),
        Statistic(name="oldest_age_seconds", metric="oldest_timestamp_seconds", help="Oldest.", age=True),
    ),
    slo=GaugeSlo(
        statistic="oldest_age_seconds", at_most=3600.0,
        thresholds=(Threshold(severity=Severity.TICKET, statistic="oldest_age_seconds", meaning="too old"),),
    ),
    panel=Panel(title="X snapshot panel", description="x"), **TEXTS,
)
""",
}
CONFIG = """
stores: {s: {url: "sqlite:///labels.db"}}
datasets:
  d:
    relations:
      items: {columns: {priority: priority, cohort: cohort}}
      labels: {table: annotations, columns: {labeled_at: labeled_at, annotator: annotator, label_source: source, rollout: rollout}}
      audits: {columns: {stratum: stratum, annotator: annotator}}
    objectives:
      x_event: {target: 0.9}
      x_deadline: {target: 0.9, within: 2h}
      x_item: {target: 0.9, settle: 1h, overlap: 2}
      x_snapshot: {at_most: 1h}
"""


@pytest.fixture
def outside(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    folder = tmp_path / "team_checks"
    folder.mkdir()
    for name, text in CHECKS.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(COMMON) + text)
    world = World(tmp_path)
    world.db.executescript(
        "ALTER TABLE items ADD COLUMN cohort TEXT; ALTER TABLE annotations ADD COLUMN source TEXT;"
        "ALTER TABLE annotations ADD COLUMN rollout TEXT; ALTER TABLE audits ADD COLUMN stratum TEXT;"
        "ALTER TABLE audits ADD COLUMN annotator TEXT;"
    )
    for n in range(40):
        at = NOW - 86400 + n * 600
        world.run("INSERT INTO items VALUES (?, ?, 'high', 'c')", f"i{n}", iso(at))
        world.run(
            "INSERT INTO audits VALUES (?, 'x', ?, ?, 'north', 'maria.schmidt')",
            f"i{n}",
            "y" if n < 4 else "x",
            iso(at),
        )
        if n < 36:
            for rater in range(2):
                label = "x" if n >= 6 else f"x{rater}"
                world.run(
                    "INSERT INTO annotations VALUES (?, ?, ?, ?, 'human', 'r1')",
                    f"i{n}",
                    label,
                    f"p{rater}",
                    iso(at + 60 + rater * 60),
                )
    world.close()
    (tmp_path / "labelmon.yaml").write_text(CONFIG)
    return tmp_path, {**os.environ, "LABELMON_CHECKS_PATH": str(folder)}


def labelmon(outside: tuple[Path, dict[str, str]], *arguments: str) -> str:
    folder, environ = outside
    done = subprocess.run(
        [sys.executable, "-m", "labelmon", *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_measured(outside: tuple[Path, dict[str, str]]) -> None:
    said = json.loads(labelmon(outside, "once", "--format", "json", "--at", iso(NOW)))

    values = {(m["check"], m["statistic"]): (m["value"], m["n"]) for m in said["measurements"]}
    assert values["x_event", "share"] == (0.9, 40)
    assert values["x_deadline", "share"] == (0.9, 40)
    assert values["x_item", "share"] == (pytest.approx(30 / 36), 36)
    assert values["x_snapshot", "waiting_items"] == (4, 4)
    assert values["x_snapshot", "oldest_age_seconds"] == (86400 - 36 * 600, 4)


def test_it_is_exported_and_nobody_is_named(outside: tuple[Path, dict[str, str]]) -> None:
    text = labelmon(outside, "once", "--format", "openmetrics", "--at", iso(NOW))

    for metric in (
        "labelmon_x_event_ratio",
        "labelmon_x_deadline_lower_ratio",
        "labelmon_x_item_ratio",
        "labelmon_x_snapshot_oldest_timestamp_seconds",
    ):
        assert f'{metric}{{dataset="d"' in text
    assert "maria" not in text


def test_the_ledger_keeps_its_keys_and_its_minimum_but_no_name(outside: tuple[Path, dict[str, str]]) -> None:
    import sqlite3

    folder, _ = outside
    labelmon(outside, "backfill", "--since", iso(NOW - 2 * 86400))

    db = sqlite3.connect(folder / "labelmon.db")
    rows = db.execute(
        "SELECT keys, vals FROM labelmon_cells JOIN labelmon_series ON series = id WHERE name = 'x_event'"
    ).fetchall()
    db.close()
    strata = {tuple(json.loads(keys)) for keys, _ in rows}
    assert {stratum for stratum, _ in strata} == {"north"}
    assert all(person.startswith("a-") for _, person in strata)
    assert min(json.loads(vals)[2] for _, vals in rows) == (NOW - 86400) * 1000
    assert "maria" not in (folder / "labelmon.db").read_bytes().decode("latin-1")


def test_it_is_alerted_tested_drawn_and_documented(outside: tuple[Path, dict[str, str]]) -> None:
    folder, _ = outside
    labelmon(outside, "generate", "--out", "out")

    rules = (folder / "out" / "rules" / "labelmon.rules.yml").read_text()
    dashboard = (folder / "out" / "dashboards" / "labelmon-oncall.json").read_text()
    docs = (folder / "out" / "docs" / "checks.md").read_text()
    for name, alert in (
        ("x_event", "XEventBudgetBurn"),
        ("x_deadline", "XDeadlineBudgetBurn"),
        ("x_item", "XItemBudgetBurn"),
        ("x_snapshot", "XSnapshotThreshold"),
    ):
        assert f"alert: {alert}" in rules
        assert (folder / "out" / "rules" / "tests" / f"{alert}.test.yml").exists()
        assert (folder / "out" / "rules" / "runbooks" / f"{alert}.md").exists()
        assert f"labelmon_{name}_" in dashboard
        assert f"(`{name}`, X)" in docs
        assert "It broke." in labelmon(outside, "explain", name)


def test_its_shipped_tests_pass(outside: tuple[Path, dict[str, str]]) -> None:
    import shutil

    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    folder, _ = outside
    labelmon(outside, "generate", "--out", "out")
    tests = sorted(str(p) for p in (folder / "out" / "rules" / "tests").glob("X*.yml"))

    done = subprocess.run(["promtool", "test", "rules", *tests], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS") == len(tests) == 7
