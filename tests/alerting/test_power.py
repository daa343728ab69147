"""No alert tier is dead in silence: check-config names it and what stands for it; the instrument is explained."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from labelmon.alerting.plain import workbook
from labelmon.alerting.power import dead_tiers, judged_text
from labelmon.cli import main
from labelmon.model import Instrument, SloStatus, State
from labelmon.profiles import DEFAULT_ALERTING, Alerting, Mode
from tests.world import TABLES, target

CONFIG = """
stores: {s: {url: "sqlite:///s.db"}}
datasets:
  d:
    owner: {team: t}
    relations: {audits: {store: s}}
    objectives: {label_accuracy: {target: TARGET}}
"""


def config(folder: Path, objective: float, alerting: str = "") -> str:
    with closing(sqlite3.connect(folder / "s.db")) as db, db:
        db.executescript(TABLES)
    path = folder / "labelmon.yaml"
    path.write_text(CONFIG.replace("TARGET", str(objective)) + alerting)
    return str(path)


@pytest.mark.parametrize("objective", [0.94, 0.95, 0.99, 0.9999])
def test_strict_objectives_leave_no_tier_dead(objective: float) -> None:
    assert dead_tiers(1 - objective, DEFAULT_ALERTING) == []


def test_at_90_percent_the_fast_page_is_dead() -> None:
    assert dead_tiers(0.1, DEFAULT_ALERTING) == [
        (
            "page x14.4 would be 144% errors, which nothing reaches: over 1h errors above 80% stand for it; "
            "its e-CUSUM looks for 98.2% errors"
        )
    ]


def test_at_50_percent_all_but_one_are() -> None:
    said = [line.split(" would")[0] for line in dead_tiers(0.5, DEFAULT_ALERTING)]

    assert said == ["page x14.4", "page x6", "page x4", "ticket x3", "ticket x2"]


def test_in_plain_mode_nothing_stands_for_a_dead_tier() -> None:
    (said,) = dead_tiers(0.1, Alerting(mode=Mode.PLAIN, profiles=(workbook(),)))

    assert said.endswith("it is dead, and in plain mode nothing stands for it")


def test_check_config_says_so(tmp_path: Path) -> None:
    said = CliRunner().invoke(main, ["check-config", "--config.file", config(tmp_path, 0.9)])

    assert said.exit_code == 0
    assert "    label_accuracy at 0.9: page x14.4 would be 144% errors" in said.output


def test_check_config_has_nothing_to_say_of_a_strict_one(tmp_path: Path) -> None:
    assert "errors" not in CliRunner().invoke(main, ["check-config", "--config.file", config(tmp_path, 0.99)]).output


def test_explain_says_what_pages(tmp_path: Path) -> None:
    command = ["explain", "label_accuracy", "--config.file", config(tmp_path, 0.9), "--dataset", "d"]

    assert "  label_accuracy: no alert window has the power" not in CliRunner().invoke(main, command[:-2]).output
    assert "  label_accuracy: 0 events; 3 could prove a total failure" in CliRunner().invoke(main, command).output


@pytest.mark.parametrize(
    ("profile", "instrument", "expected_bad", "said"),
    [
        ("dense", Instrument.BOTH, 3.2, "windows of dense page, and its e-CUSUM: at the budget 6h, its longest page "),
        (
            "dense",
            Instrument.CUSUM,
            0.3,
            "the e-CUSUM alone pages (profile dense): at the budget 6h, its longest page ",
        ),
        ("medium", Instrument.CUSUM, 0.31, "window, holds 0.31 bad events, too few for windows"),
        ("threshold-only", None, None, "too few"),
        ("none-bad", None, None, "one bad event opens a ticket: none may be"),
    ],
)
def test_the_instrument_is_explained(
    profile: str, instrument: Instrument | None, expected_bad: float | None, said: str
) -> None:
    status = SloStatus(
        dataset="d",
        check="label_accuracy",
        scope={},
        objective=target(0.9),
        events=0,
        errors=0,
        budget_remaining=None,
        history=1,
        state=State.OK,
        reason="too few",
        profile=profile,
        instrument=instrument,
        expected_bad=expected_bad,
    )

    assert said in judged_text(status, DEFAULT_ALERTING)
    assert judged_text(replace(status, profile="", reason=""), DEFAULT_ALERTING) == "nothing has judged it yet"
