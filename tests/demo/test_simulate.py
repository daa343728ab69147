"""The simulated pipeline behaves as a healthy one until it is told not to, and again once it is healed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from labelmon.demo import simulate
from labelmon.demo.incidents import incidents
from labelmon.demo.simulate import DAY, World
from tests.world import NOW, iso

TABLES = ("items", "annotations", "audits", "predictions")
TIMES = {"items": "arrived_at", "annotations": "read_at", "audits": "audited_at", "predictions": "predicted_at"}
MINUTE = 60.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(path=tmp_path / "labels.db", seed=7)
    yield made
    made.close()


def rows(world: World) -> dict[str, list[tuple[str, ...]]]:
    return {table: sorted(world.db.execute(f"SELECT * FROM {table}")) for table in TABLES}


def accuracy(world: World, since: float) -> float:
    query = "SELECT avg(label = truth) FROM audits WHERE audited_at >= ?"
    return float(world.db.execute(query, (iso(since),)).fetchone()[0])


def unlabelled(world: World, until: float) -> int:
    query = "SELECT count(*) FROM items WHERE arrived_at <= ? AND item NOT IN (SELECT item FROM annotations)"
    return int(world.db.execute(query, (iso(until),)).fetchone()[0])


def live(world: World, since: float, until: float) -> None:
    for second in range(int(since), int(until), 5):
        world.step(second)


def test_history_is_four_healthy_weeks(world: World) -> None:
    assert 20_000 < world.write_history(NOW) < 40_000

    assert accuracy(world, 0) == pytest.approx(0.978, abs=0.005)
    first, last = world.db.execute("SELECT min(arrived_at), max(arrived_at) FROM items").fetchone()
    assert first < iso(NOW - 27.9 * DAY)
    assert last > iso(NOW - 600)
    # Gamma(2, 15 s): fewer than one item in ten thousand waits for 3 minutes, and none may wait for 10.
    assert unlabelled(world, NOW - 600) == 0


def test_the_days_have_a_rhythm(world: World) -> None:
    world.write_history(NOW)

    hours = dict(world.db.execute("SELECT substr(arrived_at, 12, 2), count(*) FROM items GROUP BY 1"))
    assert hours["06"] > 2.5 * hours["18"]


def test_one_seed_is_one_world(tmp_path: Path) -> None:
    def written(name: str, seed: int) -> dict[str, list[tuple[str, ...]]]:
        world = World(path=tmp_path / name, seed=seed)
        world.write_history(NOW, days=2)
        live(world, NOW, NOW + MINUTE)
        found = rows(world)
        world.close()
        return found

    assert written("a", 7) == written("b", 7)
    assert written("c", 7) != written("d", 8)


def test_no_row_is_there_before_its_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "HISTORY_PER_DAY", 20_000)  # so many that some wait at any instant
    world.write_history(NOW, days=1)

    for now in (NOW, NOW + 1, NOW + 7, NOW + 61, NOW + 300):
        world.step(now)
        for table, column in TIMES.items():
            assert world.db.execute(f"SELECT count(*) FROM {table} WHERE {column} > ?", (iso(now),)).fetchone() == (0,)


def test_a_slow_simulator_writes_the_same_rows_as_a_quick_one(tmp_path: Path) -> None:
    quick, slow = (World(path=tmp_path / name, seed=3, next_arrival=NOW) for name in ("quick", "slow"))

    live(quick, NOW, NOW + 5 * MINUTE)
    quick.step(NOW + 5 * MINUTE)
    slow.step(NOW + 5 * MINUTE)

    assert rows(quick) == rows(slow)
    assert len(rows(slow)["items"]) == pytest.approx(600, rel=0.2)
    quick.close()
    slow.close()


def test_accuracy_falls_in_its_incident_and_recovers(world: World) -> None:
    world.write_history(NOW, days=2)
    incident = incidents()["accuracy"]

    incident.start(world, NOW)
    live(world, NOW, NOW + 10 * MINUTE)
    assert accuracy(world, NOW + 5 * MINUTE) == pytest.approx(0.4, abs=0.08)

    incident.heal(world)
    live(world, NOW + 10 * MINUTE, NOW + 20 * MINUTE)
    assert accuracy(world, NOW + 15 * MINUTE) > 0.95


def test_in_the_backlog_incident_items_come_and_labels_do_not(world: World) -> None:
    world.write_history(NOW, days=2)
    incident = incidents()["backlog"]

    incident.start(world, NOW)
    waiting = unlabelled(world, NOW - 600)
    labels = len(rows(world)["annotations"])
    live(world, NOW, NOW + 3 * MINUTE)
    assert waiting == 2000
    assert len(rows(world)["annotations"]) == labels
    assert unlabelled(world, NOW + 3 * MINUTE) > waiting + 200

    incident.heal(world)
    live(world, NOW + 3 * MINUTE, NOW + 8 * MINUTE)
    assert unlabelled(world, NOW + 4 * MINUTE) == 0


def test_an_outage_takes_the_store_away_and_gives_it_back_whole(world: World) -> None:
    world.write_history(NOW, days=2)
    incident = incidents()["outage"]

    incident.start(world, NOW)
    live(world, NOW, NOW + MINUTE)
    with pytest.raises(sqlite3.OperationalError):
        sqlite3.connect(f"file:{world.path}?mode=ro", uri=True).execute("SELECT 1 FROM items")

    incident.heal(world)
    other = sqlite3.connect(world.path)
    found = other.execute("SELECT count(*) FROM items").fetchone()
    other.close()
    assert found == (len(rows(world)["items"]),)
    assert found[0] > 100
