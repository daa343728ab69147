"""Every bucket and every exported window equals a journal's own count, whatever happens to the daemon.

A real daemon in a subprocess is killed with SIGKILL at seeded moments, once stays away for longer than
`lateness`, and reads rows that appear seconds after their instant, some late, some later than `lateness`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.campaign import LATENESS, Campaign
from tests.postgres import KEEPER

pytestmark = pytest.mark.e2e
slow = pytest.mark.slow

FROM_NOW = """
import labelmon.sampler, labelmon.recount as r
honest = r.recount_from
def spoiled(reach, state, now, pace):
    if reach is r.Reach.FULL:
        return r.floor_to(now - pace.lateness, pace.bucket)
    return honest(reach, state, now, pace)
labelmon.sampler.recount_from = spoiled
"""
NO_VISIBILITY = """
import labelmon.recount as r
r.Pace.window_end = lambda self, now: r.floor_to(now, self.bucket)
"""


@pytest.fixture
def made() -> Iterator[list[Campaign]]:
    campaigns: list[Campaign] = []
    yield campaigns
    for campaign in campaigns:
        campaign.close()


def run(campaign: Campaign, kills: int) -> None:
    """Kills the daemon at seeded moments; half way it stays away for longer than lateness."""
    rng = random.Random(campaign.seed)
    campaign.writer.start()
    for turn in range(kills):
        campaign.start()
        # From before the first cycle of a start to well into the next full recount.
        campaign.watch(rng.uniform(1.2, 4.8))
        campaign.kill()
        if turn == kills // 2:
            time.sleep(LATENESS + 4)
    campaign.start()
    campaign.watch(8)
    campaign.finish()
    campaign.wait_for("full", time.time())


@pytest.mark.parametrize(
    ("engine", "kills"),
    [
        ("postgresql", 8),  # eight restarts, and one absence longer than lateness
        pytest.param("sqlite", 50, marks=slow),
        pytest.param("postgresql", 50, marks=slow),
    ],
)
def test_kills_lose_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, made: list[Campaign], engine: str, kills: int
) -> None:
    ledger = ""
    if engine == "postgresql":
        postgres = request.getfixturevalue("postgres")
        ledger = postgres.url(KEEPER, postgres.schema())
    campaign = Campaign(tmp_path, seed=20261123, ledger=ledger)
    made.append(campaign)

    run(campaign, kills)

    assert campaign.scrapes > kills
    assert not campaign.faults, "\n".join(campaign.faults[:40])
    assert not (wrong := campaign.bucket_faults(reconciled=False)), "\n".join(wrong[:40])

    # What came later than lateness is the reconcile's to find.
    campaign.kill()
    campaign.configure("2s")
    campaign.start()
    campaign.wait_for("reconciled", time.time() + 1)
    assert not (wrong := campaign.bucket_faults(reconciled=True)), "\n".join(wrong[:40])
    rows = len(campaign.journal.audits)
    assert rows > 8 * kills
    assert sum(n for n, _ in campaign.ledger_buckets("label_accuracy").values()) == rows


@slow
@pytest.mark.parametrize(("mutation", "shows_in"), [(FROM_NOW, "buckets"), (NO_VISIBILITY, "windows")])
def test_a_spoiled_daemon_is_caught(tmp_path: Path, made: list[Campaign], mutation: str, shows_in: str) -> None:
    campaign = Campaign(tmp_path, seed=7, mutation=mutation)
    made.append(campaign)

    run(campaign, kills=4)

    faults = campaign.bucket_faults(reconciled=False) if shows_in == "buckets" else campaign.faults
    assert faults != []
