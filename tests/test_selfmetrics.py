"""What labelmon says of itself: each dataset's part by itself, and nothing of what is no longer watched or wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labelmon import naming
from labelmon.exporter import Sample
from labelmon.measure import Board
from labelmon.sampler import CheckRun, CycleResult
from labelmon.selfmetrics import SelfMetrics
from tests.world import NOW, World, dataset


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def told(metrics: SelfMetrics, name: str) -> dict[str, float]:
    return {sample.labels["sli"]: sample.value for sample in metrics.samples_of(dataset().name) if sample.name == name}


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


def result(name: str, *runs: CheckRun, at: float = NOW, off: tuple[str, ...] = ()) -> CycleResult:
    return CycleResult(
        dataset=replace(dataset(), name=name),
        at=at,
        window_end=int(at),
        board=Board(measurements=(), slos=()),
        runs=runs,
        off=dict.fromkeys(off, "no objective is set"),
        stores={"s": ""},
    )


def said(samples: Iterable[Sample]) -> dict[tuple[str, ...], float]:
    return {(s.name, *(value for _, value in sorted(s.labels.items()))): s.value for s in samples}


def test_a_dataset_is_told_by_itself() -> None:
    own = SelfMetrics()
    own.note(result("a", CheckRun(check="x", history_start=5), CheckRun(check="y", reason="timeout"), off=("z",)))
    own.note(result("a", CheckRun(check="x", corrected=2.0, held=True), CheckRun(check="y", reason="unreachable")))
    own.note_crash("a", ["x"], "ledger")
    own.note(result("b", CheckRun(check="x")))
    own.note_crash("a", ["x"], "ledger")
    own.note_dropped("a", 7)

    found = said(own.samples_of("a"))

    assert found == {
        (naming.CHECK_RUNS, "a", "x"): 4,
        (naming.CHECK_RUNS, "a", "y"): 2,
        (naming.CHECK_LAST_SUCCESS, "a", "x"): NOW,
        (naming.CHECK_COMPUTABLE, "a", "x"): 1,
        (naming.CHECK_COMPUTABLE, "a", "y"): 0,
        (naming.CHECK_COMPUTABLE, "a", "z"): 0,
        (naming.LEDGER_CORRECTIONS, "a", "x"): 2,
        (naming.LEDGER_CORRECTIONS, "a", "y"): 0,
        (naming.LEDGER_HELD, "a", "x"): 1,
        (naming.LEDGER_HELD, "a", "y"): 0,
        (naming.LEDGER_HISTORY_START, "a", "x"): 5,
        (naming.CHECK_FAILURES, "a", "timeout", "y"): 1,
        (naming.CHECK_FAILURES, "a", "unreachable", "y"): 1,
        (naming.CHECK_FAILURES, "a", "ledger", "x"): 2,
        (naming.SERIES_DROPPED, "a"): 7,
    }
    assert {key[1] for key in said(own.samples_of("b"))} == {"b"}
    assert not {"a", "b"} & {label for s in own.samples() for label in s.labels.values()}
    assert own.samples_of("nobody") == ()


def test_what_is_no_longer_watched_is_forgotten() -> None:
    own = SelfMetrics()
    assert said(own.samples())[naming.SERIES_DROPPED,] == 0  # it is there before any dataset is
    own.note(result("a", CheckRun(check="x")))
    own.note_dropped("a", 0)
    own.note_dropped("b", 0)
    own.note(result("b", CheckRun(check="x")))
    assert (naming.SERIES_DROPPED,) not in said(own.samples())

    own.keep(["b"], [])

    assert own.samples_of("a") == ()
    assert own.samples_of("b")
    assert set(own.checks) == {"b"}
    assert naming.STORE_UP not in {s.name for s in own.samples()}
    own.note(result("a", CheckRun(check="x")))
    assert said(own.samples_of("a"))[naming.CHECK_RUNS, "a", "x"] == 1
