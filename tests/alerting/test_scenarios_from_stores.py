"""What wakes people, told as stories: a store, daemons on it for hours, and the alerts that Prometheus then fires."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.alerting.conftest import Tool
from tests.alerting.simulated import DAY, HOUR, MINUTE, NOW, Episode, Site, audits

FAULT = 15  # minutes in which an outage of a stream of 100 an hour must have paged, with room to spare


def site(folder: Path, objective: float = 0.95, step: int = 1) -> Iterator[Site]:
    made = Site(folder=folder, step=step)
    made.configure("a", objective)
    yield made
    made.close()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Site]:
    """95 %, looked at every minute; a day and a half of 100 audits an hour that spend half the budget."""
    for made in site(tmp_path):
        made.expect(audits(NOW - 36 * HOUR, NOW + 75 * MINUTE, 100, 0.025))
        yield made


def pages(found: list[Episode]) -> list[Episode]:
    return [episode for episode in found if episode.severity == "page"]


def told(found: list[Episode]) -> list[tuple[str, str]]:
    return [(episode.alert, episode.severity) for episode in found]


def assert_quiet_until_all_is_wrong(here: Site, promtool: Tool) -> None:
    """Nothing has fired; and lest that be because nothing can, a total failure pages at once."""
    began = here.minute
    here.coming = []
    here.expect(audits(here.now, here.now + FAULT * MINUTE, 100, 1.0))
    here.run(FAULT)
    found = here.episodes(promtool)
    (page,) = pages(found)

    assert all(episode.first > began for episode in found), found
    assert dict(page.labels)["dataset"] == "d"
    assert page.first <= began + 10


def test_a_daemon_that_restarts_wakes_nobody(watched: Site, promtool: Tool) -> None:
    watched.start("a")
    watched.run(20)
    watched.stop("a")
    watched.run(4)
    watched.start("a")
    watched.run(20)

    assert_quiet_until_all_is_wrong(watched, promtool)


def test_a_daemon_that_lost_its_ledger_wakes_nobody(watched: Site, promtool: Tool) -> None:
    watched.start("a")
    watched.run(20)
    watched.stop("a")
    for file in watched.folder.glob("a.ledger.db*"):
        file.unlink()
    watched.start("a")
    watched.run(20)

    assert watched.status().events > 3600
    assert_quiet_until_all_is_wrong(watched, promtool)


def test_replicas_with_ledgers_of_their_own_page_once(watched: Site, promtool: Tool) -> None:
    watched.configure("b", 0.95)
    watched.start("a")
    watched.run(15)
    watched.start("b")
    watched.run(15)
    watched.stop("a")
    watched.run(5)
    watched.start("a")
    watched.run(5)

    assert_quiet_until_all_is_wrong(watched, promtool)


def test_an_objective_that_is_tightened_wakes_nobody(tmp_path: Path, promtool: Tool) -> None:
    """From 95 % to 99 %, on a stream that is good enough for both."""
    for here in site(tmp_path):
        here.expect(audits(NOW - 36 * HOUR, NOW + 75 * MINUTE, 100, 0.005))
        here.start("a")
        here.run(15)
        here.configure("a", 0.99)
        assert here.daemons["a"].reload() == ""
        here.run(25)

        assert here.status().objective.value == 0.99
        assert_quiet_until_all_is_wrong(here, promtool)


def test_last_weeks_audits_do_not_page_tonight(watched: Site, promtool: Tool) -> None:
    """A thousand verdicts of last Monday arrive at once, all of them wrong. Tonight's own would page."""
    watched.configure("a", 0.95, lateness="8d")
    watched.expect(audits(NOW - 85 * HOUR, NOW - 73 * HOUR, 100, 0.025, seed=2))
    watched.start("a")
    watched.run(10)
    old = audits(NOW - 84 * HOUR, NOW - 74 * HOUR, 100, 1.0)
    watched.expect(replace(audit, seen=watched.now + 1) for audit in old)
    watched.stop("a")  # the first recount after a start reaches back to them at once
    watched.start("a")
    watched.run(30)

    assert watched.status().errors > 1000
    assert_quiet_until_all_is_wrong(watched, promtool)


def test_one_bad_audit_of_five_is_no_news(tmp_path: Path, promtool: Tool) -> None:
    """99 %, five audits in six hours: 20 budgets, until somebody asks for evidence."""
    for here in site(tmp_path, 0.99, step=10):
        here.expect(audits(NOW - 10 * DAY, NOW + 9 * HOUR, 5 / 6, 0.0))
        here.coming[-5] = replace(here.coming[-5], right=False)
        here.start("a")
        here.run(9 * 60)

        assert here.status().errors == 1
        assert here.episodes(promtool) == []
        assert told(here.episodes(promtool, without_evidence)) == [("LabelAccuracyBudgetBurn", "ticket")]


def without_evidence(rules: str) -> str:
    assert "labelmon_slo_evidence_nats{" in rules
    return rules.replace("labelmon_slo_evidence_nats{", "0 * labelmon_slo_evidence_nats{").replace(
        "} > 6.9078", "} >= 0"
    )


@pytest.mark.e2e
def test_a_fault_that_comes_back_every_hour_is_one_trouble(tmp_path: Path, promtool: Tool) -> None:
    """Five minutes of every hour all is wrong, for twelve hours. Every other minute sees each fault twice."""
    for here in site(tmp_path, step=2):
        here.expect(audits(NOW - DAY, NOW + HOUR, 100, 0.025))
        for hour in range(1, 13):
            at = NOW + hour * HOUR
            here.expect(audits(at, at + 5 * MINUTE, 96, 1.0))
            here.expect(audits(at + 5 * MINUTE, at + HOUR, 96, 0.025, seed=hour))
        here.start("a")
        here.run(13 * 60)

        found = here.episodes(promtool)
        (page,) = pages(found)
        assert 60 < page.first <= 70
        assert page.last == here.minute
        assert {episode.alert for episode in found} == {"LabelAccuracyBudgetBurn"}
        hasty = here.episodes(promtool, lambda rules: re.sub("keep_firing_for: .*", "keep_firing_for: 2m", rules))
        assert len(pages(hasty)) == 12


@pytest.mark.e2e
def test_few_audits_that_are_all_bad_page_once(tmp_path: Path, promtool: Tool) -> None:
    """Five a day, wrong for five days. Between two looks lies an hour: no window in force is below four days."""
    for here in site(tmp_path, step=60):
        here.expect(audits(NOW - 20 * DAY, NOW, 5 / 24, 0.025))
        here.expect(audits(NOW, NOW + 5 * DAY, 5 / 24, 1.0))
        here.start("a")
        here.run(5 * 24 * 60)

        found = here.episodes(promtool)
        (page,) = pages(found)
        assert page.first <= 2 * 24 * 60
        assert page.last == here.minute


@pytest.mark.e2e
def test_a_rate_that_jumps_between_profiles_wakes_nobody(tmp_path: Path, promtool: Tool) -> None:
    """From 5 audits an hour to 1,000 and back: what judges them follows within days, and neither flaps nor fires."""
    for here in site(tmp_path, 0.99, step=60):
        here.expect(audits(NOW - 6 * DAY, NOW + 2 * HOUR, 5, 0.005, seed=2))
        here.expect(audits(NOW + 2 * HOUR, NOW + 8 * HOUR, 1000, 0.005))
        here.expect(audits(NOW + 8 * HOUR, NOW + 86 * HOUR, 5, 0.005, seed=3))
        here.start("a")
        judged = []
        for _ in range(86):
            here.run(60)
            judged.append(here.status().judged_by)

        changes = [(place, now) for place, now in enumerate(judged) if now != judged[place - 1]]
        assert judged[0] == judged[-1] == "dense cusum"
        assert [now for _, now in changes] == ["dense both", "dense cusum"]
        assert changes[0][0] == 2  # an hour of the burst
        assert here.episodes(promtool) == []


@pytest.mark.e2e
def test_an_intake_that_stops_at_a_busy_hour_pages_once(tmp_path: Path, promtool: Tool) -> None:
    """60 items an hour come by day, none by night; from ten to eleven in the morning none come either."""
    rng = random.Random(7)
    first = NOW - NOW % DAY - 29 * DAY
    arrivals = [
        first + day * DAY + 8 * HOUR + rng.random() * 10 * HOUR
        for day in range(30)
        for _ in range(rng.randrange(580, 620))
    ]
    today = first + 29 * DAY
    stop, back = today + 10 * HOUR, today + 11 * HOUR
    here = Site(folder=tmp_path, step=2, began=today + 6 * HOUR)
    here.configure_intake("a")
    here.arriving = sorted(at for at in arrivals if not stop <= at < back)
    here.start("a")
    here.run(7 * 60)

    (page,) = here.episodes(promtool)
    here.close()
    assert (page.alert, page.severity) == ("PipelineStallThreshold", "page")
    assert 4 * 60 + 5 <= page.first <= 4 * 60 + 25
    assert 5 * 60 <= page.last <= 5 * 60 + 25


def test_an_exporter_that_is_gone_pages_once_and_alone(watched: Site, promtool: Tool) -> None:
    watched.start("a")
    watched.run(20)
    watched.stop("a")

    (gone,) = watched.episodes(promtool, until=20 + 6 * 60)

    assert (gone.alert, gone.severity) == ("LabelmonGone", "page")
    assert 20 + 5 <= gone.first <= 20 + 10
    assert gone.last == 20 + 6 * 60


def test_an_idle_night_is_no_outage(tmp_path: Path, promtool: Tool) -> None:
    """100 audits an hour for 14 hours, none for 10: windows fill and empty, and nobody is told."""
    for here in site(tmp_path, step=5):
        for day in range(-3, 1):
            morning = NOW + 11 * HOUR + day * DAY
            here.expect(audits(morning, morning + 14 * HOUR, 100, 0.025, seed=day + 9))
        here.run(0)
        here.start("a")
        here.run(14 * 60)

        windows = [key for key in here.scraped if key[0] == "labelmon_sli_events" and ("window", "6h") in key[1]]
        seen = list(here.scraped[windows[0]].values())
        assert (min(seen), seen[-1]) == (0, pytest.approx(300, abs=6))
        assert here.episodes(promtool) == []
