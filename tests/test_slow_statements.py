"""One slow statement costs its own check; a slow store is given up before it holds up everybody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labelmon.model import Dataset, Relation, State, StoreSpec
from labelmon.sampler import CycleResult
from labelmon.stores import open_store
from tests.world import NOW, World, dataset

ENDLESS = """WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
SELECT i AS item, 'x' AS label, 'x' AS truth, '2026-01-01' AS audited_at FROM n WHERE i < 0"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.item("i", NOW - 600)
    yield made
    made.close()


def slow(relation: Relation) -> Relation:
    query = ENDLESS if relation.name == "audits" else ENDLESS.replace("audited_at", "arrived_at").replace("truth", "p")
    return replace(relation, table="", query=query, columns={role: role for role in relation.columns if role in query})


def cycled(world: World, watched: Dataset) -> CycleResult:
    sampler = world.sampler(watched)
    spec = StoreSpec(name="s", url=f"sqlite:///{world.path}", statement_timeout=0.5)
    return replace(sampler, stores={"s": open_store(spec)}).cycle(NOW)


def test_the_other_checks_of_the_store_are_measured(world: World) -> None:
    watched = dataset()
    watched = replace(watched, relations={**watched.relations, "audits": slow(watched.relations["audits"])})

    result = cycled(world, watched)

    assert {run.check: run.reason for run in result.runs} == {
        "label_accuracy": "timeout",
        "label_backlog": "",
        "label_latency": "",
    }
    assert result.stores == {"s": ""}
    (waiting,) = (m.estimate for m in result.board.measurements if m.estimate.statistic == "backlog_items")
    assert (waiting.value, waiting.state) == (1, State.OK)


def test_a_store_that_is_slow_twice_is_down(world: World) -> None:
    watched = dataset()
    watched = replace(
        watched, relations={**watched.relations, **{n: slow(watched.relations[n]) for n in ("audits", "items")}}
    )

    result = cycled(world, watched)

    assert {run.reason for run in result.runs} == {"timeout"}
    assert "statement_timeout" in result.stores["s"]
