"""What labelmon says about its checks: one that nobody wants any more is not an old failure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labelmon import naming
from labelmon.selfmetrics import SelfMetrics
from tests.world import NOW, World, dataset


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def told(metrics: SelfMetrics, name: str) -> dict[str, float]:
    return {sample.labels["sli"]: sample.value for sample in metrics.samples() if sample.name == name}


def test_a_check_that_is_off_has_no_last_success_and_no_failures(world: World) -> None:
    metrics, watched = SelfMetrics(), dataset()
    world.audits(NOW - 3600, NOW, 60)
    metrics.note(world.sampler(watched).cycle(NOW))
    world.run("ALTER TABLE audits RENAME COLUMN truth TO verdict")
    metrics.note(world.sampler(watched).cycle(NOW + 60))
    assert told(metrics, naming.CHECK_LAST_SUCCESS)["label_accuracy"] == NOW
    assert told(metrics, naming.CHECK_FAILURES) == {"label_accuracy": 1}

    kept = {name: goals for name, goals in watched.objectives.items() if name != "label_accuracy"}
    metrics.note(world.sampler(replace(watched, objectives=kept)).cycle(NOW + 120))

    assert told(metrics, naming.CHECK_LAST_SUCCESS) == {"label_latency": NOW + 120, "label_backlog": NOW + 120}
    assert told(metrics, naming.CHECK_FAILURES) == {}
    assert told(metrics, naming.CHECK_COMPUTABLE)["label_accuracy"] == 0
