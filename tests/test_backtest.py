"""The past through today's rules: what is counted, what is said of it, and what a CI does with it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from labelmon.alerting.evaluate import Alert, Episode, Seen, Watch, alerts_of
from labelmon.backtest import Backtest, Outcome, as_table, backtest
from labelmon.checks import catalogue
from labelmon.config import Config, load
from labelmon.errors import LedgerError, UsageError
from labelmon.ledger import open_ledger, read_ledger
from labelmon.model import DAY, HOUR, Severity, Urls
from labelmon.profiles import DEFAULT_ALERTING
from labelmon.pseudonyms import Pseudonyms
from labelmon.replay import replay_of
from labelmon.report import picked
from labelmon.sampler import DatasetSampler
from labelmon.stores import open_store
from tests.world import NOW, World, iso

MINUTE = 60
CONFIG = """
stores: {s: {url: "sqlite:///labels.db"}}
ledger: {url: "sqlite:///ledger.db"}
datasets:
  d:
    owner: {team: t}
    relations:
      items: {store: s}
      labels: {store: s, table: annotations, columns: {labeled_at: labeled_at}}
      audits: {store: s}
    objectives:
      label_accuracy: {target: 0.95}
      label_backlog: {at_most: 1d}
  e:
    owner: {team: t}
    relations: {audits: {store: s, where: {label: none}}}
    objectives: {label_accuracy: {target: 0.95}}
"""
OLD, NEW = NOW - 10 * DAY, NOW - 12 * HOUR  # a fault in cells of hours, and one in cells of minutes


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A month of an audit every two minutes with two faults of two hours, counted into the ledger as of NOW."""
    folder = tmp_path_factory.mktemp("past")
    world = World(folder)
    for start, end, right in (
        (NOW - 31 * DAY, OLD, True),
        (OLD, OLD + 2 * HOUR, False),
        (OLD + 2 * HOUR, NEW, True),
        (NEW, NEW + 2 * HOUR, False),
        (NEW + 2 * HOUR, NOW, True),
    ):
        world.audits(start, end, 120, right=right)
    world.close()
    (folder / "ledger.db").unlink()
    path = folder / "labelmon.yaml"
    path.write_text(CONFIG)
    made = load(path)
    count(made, NOW, since=NOW - 31 * DAY)
    return made


def count(config: Config, now: float, since: float) -> None:
    ledger = open_ledger(config.ledger_url)
    for dataset in picked(config, None):
        sampler = DatasetSampler(
            dataset=dataset,
            stores={name: open_store(spec) for name, spec in config.stores.items()},
            ledger=ledger,
            pseudonyms=Pseudonyms(keys=(b"k" * 32,)),
            alerting=config.alerting,
            catalogue=catalogue(),
        )
        sampler.cycle(now, since=int(since))
    ledger.engine.dispose()


@pytest.fixture(scope="module")
def month(config: Config) -> Backtest:
    (found,) = backtest(config, catalogue(), (NOW - 30 * DAY, NOW), "d", 300, NOW)
    return found


def of(found: Backtest, alert: str, severity: Severity) -> Outcome:
    return next(o for o in found.outcomes if (o.alert, o.severity) == (alert, severity))


def test_faults_are_found_where_they_were_and_for_how_long(month: Backtest) -> None:
    page = of(month, "LabelAccuracyBudgetBurn", Severity.PAGE)

    (old, new) = page.episodes
    assert old[0] == OLD + HOUR + 2 * MINUTE  # the first whole hour of the fault, once it is visible
    assert old[1] == OLD + 4 * HOUR + 32 * MINUTE  # the first hour without it, and 90 minutes of keep_firing_for
    assert NEW + 5 * MINUTE <= new[0] <= NEW + 40 * MINUTE
    assert NEW + 3.5 * HOUR <= new[1] <= NEW + 4.5 * HOUR
    assert page.total == sum(end - start for start, end in page.episodes)
    assert page.longest == max(end - start for start, end in page.episodes)
    assert not page.ongoing
    assert month.pages == 2


def test_it_looks_as_often_as_the_cells_allow(month: Backtest) -> None:
    assert [every for _, every in month.looks] == [HOUR, 300]


def test_nothing_is_seen_before_it_happened(config: Config) -> None:
    (found,) = backtest(config, catalogue(), (OLD - DAY, OLD + HOUR), "d", 300, NOW)

    assert found.pages == 0


def test_a_cell_is_known_from_its_end_on(config: Config) -> None:
    ledger = read_ledger(config.ledger_url)
    replay = replay_of(config.datasets["d"], catalogue(), ledger, DEFAULT_ALERTING)
    ledger.engine.dispose()
    past = replay.pasts["label_accuracy"]

    before, after = past.until(OLD + HOUR - 1), past.until(OLD + HOUR)

    assert (before.newest, after.newest) == (OLD, OLD + HOUR)
    assert after.totals(OLD, NOW) == after.totals(OLD, OLD + HOUR)
    assert len(past.until(NOW + DAY).starts) == len(past.line.starts)


def test_a_gauge_that_nobody_samples_any_more_is_unknown(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.item("waits", NOW - 2 * DAY)
    sampler = world.sampler()
    for minute in range(5):
        sampler.cycle(NOW + minute * MINUTE)
    sampler.cycle(NOW + HOUR)
    replay = replay_of(sampler.dataset, catalogue(), world.ledger, DEFAULT_ALERTING)
    world.close()

    shown = {minute: bool(replay.look(NOW + minute * MINUTE)[1]) for minute in (0, 1, 5, 12, 20, 60, 61)}

    # Numbers stand for five intervals, and are seen as late as anything is.
    assert shown == {0: False, 1: True, 5: True, 12: True, 20: False, 60: False, 61: True}


def test_what_is_not_replayed_is_named(month: Backtest) -> None:
    assert any(note.startswith("label_backlog: known since") for note in month.notes) or (
        "only a running daemon keeps it" in month.missing["label_backlog"]
    )
    assert month.off["label_latency"]
    assert "LabelStoreStale" in as_table([month])


def test_links_lead_to_the_dataset(month: Backtest) -> None:
    page = of(month, "LabelAccuracyBudgetBurn", Severity.PAGE)

    assert page.links["dashboard_url"].endswith("var-dataset=d")
    assert page.links["samples_url"].endswith("/samples?dataset=d&sli=label_accuracy&scope=")
    assert page.links["runbook_url"].endswith("/LabelAccuracyBudgetBurn.md")


@pytest.mark.parametrize(
    ("days", "pages"),
    [((0, 1, 2), 3), ((0, 29, 40), 2), ((0, 30, 60), 1), ((), 0), ((0, 10, 31, 32, 39.9), 4)],
)
def test_pages_are_those_of_the_worst_thirty_days(month: Backtest, days: tuple[float, ...], pages: int) -> None:
    page = of(month, "LabelAccuracyBudgetBurn", Severity.PAGE)
    ticket = replace(page, severity=Severity.TICKET, episodes=((0, 1),) * 9)
    paged = replace(page, episodes=tuple((day * DAY, day * DAY + 60) for day in days))

    assert replace(month, outcomes=(paged, ticket)).pages == pages


@pytest.mark.parametrize(
    ("span", "only", "said"),
    [
        ((NOW - DAY, NOW), "x", "--dataset: unknown dataset 'x'; known: d, e"),
        ((NOW + 1, NOW + 2), "d", "--since: need an instant in the past"),
        ((NOW - DAY, NOW - DAY), "d", "--until: need an instant after --since"),
        ((NOW - 300 * DAY, NOW - 200 * DAY), "d", "--since: the ledger has no history before"),
        ((NOW - DAY, NOW), "e", "it holds nothing of e. labelmon backfill counts it"),
    ],
)
def test_a_question_that_makes_no_sense_is_the_users_mistake(
    config: Config, span: tuple[float, float], only: str, said: str
) -> None:
    with pytest.raises(UsageError, match=r"^--") as caught:
        backtest(config, catalogue(), span, only, 60, NOW)

    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_span_that_begins_before_the_ledger_begins_with_it(config: Config) -> None:
    (found,) = backtest(config, catalogue(), (NOW - 90 * DAY, NOW - 28 * DAY), "d", 3600, NOW)

    assert found.since >= NOW - 32 * DAY
    assert "the ledger reaches back to" in found.notes[0]


def test_the_ledger_is_only_read(config: Config, tmp_path: Path) -> None:
    def content() -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(config.path.parent / "ledger.db")) as db:
            return [*db.execute("SELECT * FROM labelmon_series"), *db.execute("SELECT * FROM labelmon_cells")]

    before = content()
    backtest(config, catalogue(), (NOW - DAY, NOW), None, 3600, NOW)

    assert content() == before
    ledger = read_ledger(config.ledger_url)
    with pytest.raises(LedgerError, match="readonly database"):
        ledger.forget(1, NOW)
    ledger.engine.dispose()
    with pytest.raises(LedgerError, match="does not exist yet"):
        read_ledger(f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []


def test_on_the_command_line(tmp_path: Path) -> None:
    world = World(tmp_path)
    now = time.time() // 3600 * 3600
    world.audits(now - 9 * HOUR, now - 4 * HOUR, 60)
    world.audits(now - 4 * HOUR, now - 2 * HOUR, 60, right=False)
    world.audits(now - 2 * HOUR, now, 60)
    world.close()
    (tmp_path / "ledger.db").unlink()
    (tmp_path / "labelmon.yaml").write_text(CONFIG)
    count(load(tmp_path / "labelmon.yaml"), now, since=now - 9 * HOUR)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "labelmon", "backtest", "--dataset", "d", "--step", "10m", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        return done

    span = ("--since", iso(now - 8 * HOUR), "--until", iso(now))
    table, loud = run(*span), run(*span, "--max-pages", "0", "--format", "json")

    assert table.returncode == 0
    assert "LabelAccuracyBudgetBurn" in table.stdout
    assert "late rows, relabels and deletes are in the ledger already" in table.stdout
    assert run(*span, "--max-pages", "1").returncode == 0
    assert loud.returncode == 1
    assert "1 pages within 30 days, more than --max-pages 0" in loud.stderr
    (d,) = json.loads(loud.stdout)["datasets"]
    assert [a["fired"] for a in d["alerts"] if a["severity"] == "page" and a["check"] == "label_accuracy"] == [1]
    for wrong in (("--max-pages", "-1"), ("--step", "soon"), ("--step", "0s")):
        assert run(*span, *wrong).returncode == 2
    assert run("--since", "yesterday").returncode == 2


HOLD = alerts_of(next(c for c in catalogue() if c.name == "label_backlog"), DEFAULT_ALERTING, Urls())[0].rule


@pytest.mark.parametrize(
    ("holding", "every", "episodes"),
    [
        ("......", 60, []),
        ("xxxxx.", 60, []),  # four minutes between the first and the last: `for` is five
        ("xxxxxx" + "." * 20, 60, [(300, 960)]),  # quiet from 360 on, and ten minutes more
        ("xxxxxx" + "." * 9 + "x" + "." * 20, 60, [(300, 1560)]),  # back within keep_firing_for: the same episode
        ("xxxxxx" + "." * 10 + "x", 60, [(300, None)]),
        ("xxxxxx" + "." * 11 + "xxxxxx", 60, [(300, 960), (1320, None)]),
        ("xx..", 3600, [(300, 7800)]),  # an hour apart: as if looked at every minute
        ("x...", 3600, []),
    ],
)
def test_for_and_keep_firing_for(holding: str, every: int, episodes: list[tuple[float, float | None]]) -> None:
    at = {n * every: mark == "x" for n, mark in enumerate(holding)}
    watch = Watch(alert=Alert(rule=HOLD, holds=lambda seen, _: {""} if at[int(seen.at)] else set()))

    for instant in at:
        watch.evaluate(Seen(at=instant, statuses=(), values={}))

    assert watch.episodes == [Episode(scope="", start=start, end=end) for start, end in episodes]
