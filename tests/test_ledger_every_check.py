"""The daemon's ledger says of every check what the store says, parts and what is made of several tables included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labelmon.checks import catalogue
from labelmon.families import Families
from labelmon.ledger import Ledger, open_ledger
from labelmon.model import DAY, Dataset, Measurement, Objective, ObjectiveKind
from labelmon.once import measure_once
from labelmon.profiles import DEFAULT_ALERTING
from labelmon.pseudonyms import Pseudonyms
from labelmon.sampler import DatasetSampler
from labelmon.stores import Store, open_store
from tests.test_every_check import AT, busy, compared, in_sqlite, ruled, watched

PEOPLE = Pseudonyms(keys=(b"k" * 32,))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.engine.dispose()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    rows = busy(1)
    # Something older in every relation: a partner that begins later may have been purged, and protects what was.
    old = {"item": "old", "label": "x", "predicted": "x"}
    stamps = dict.fromkeys(("arrived_at", "labeled_at", "stored_at", "predicted_at"), "2025-12-01T00:00:00Z")
    for name in ("items", "labels", "predictions"):
        rows[name].append({**old, **stamps})
    return open_store(in_sqlite(tmp_path, rows))


def sampler(dataset: Dataset, store: Store, ledger: Ledger) -> DatasetSampler:
    return DatasetSampler(
        dataset=dataset,
        stores={"s": store},
        ledger=ledger,
        pseudonyms=PEOPLE,
        alerting=DEFAULT_ALERTING,
        catalogue=catalogue(),
    )


def told(measurements: Iterator[Measurement]) -> dict[object, object]:
    return {
        (m.check, e.statistic, *sorted({**m.labels, **e.labels}.items())): (
            None if e.value is None else float(f"{e.value:.9g}"),
            e.n,
            e.state,
        )
        for m in measurements
        for e in [m.estimate]
    }


def test_the_ledger_says_of_every_check_what_the_store_says(store: Store, ledger: Ledger) -> None:
    datasets = (watched(), ruled(), *compared())

    assert set.union(*(agreeing(dataset, store, ledger) for dataset in datasets)) == {c.name for c in catalogue()}


def agreeing(dataset: Dataset, store: Store, ledger: Ledger) -> set[object]:
    """The checks that were measured; the ledger says of each what the store says."""
    kept = told(sampler(dataset, store, ledger).cycle(AT).board.measurements)

    reading = measure_once(dataset, {"s": store}, catalogue(), AT, PEOPLE)
    direct = told((*reading.measurements, *Families().adjusted(reading.measurements, catalogue())))
    assert kept == direct
    return {key[0] for key in direct}


def test_what_is_made_of_parts_counts_the_day_that_has_begun(store: Store, ledger: Ledger) -> None:
    # 21 February, 22:00: that day's audits were an hour ago.
    at = AT - 9 * DAY + 22 * 3600
    dataset = watched()

    kept = told(sampler(dataset, store, ledger).cycle(at).board.measurements)

    direct = told(measure_once(dataset, {"s": store}, catalogue(), at, PEOPLE).measurements)
    people = [key for key in direct if key[:2] == ("label_accuracy", "accuracy") and "annotator" in str(key)]
    assert len(people) == 2
    for key in [*people, ("label_cost", "cost_per_correct_label"), ("label_corrections", "catch_rate")]:
        assert kept[key] == direct[key]


def test_a_class_narrows_whatever_the_check_calls_it(store: Store, ledger: Ledger) -> None:
    scoped = Objective(kind=ObjectiveKind.TARGET, value=0.9, scope={"class": "x"})
    dataset = replace(watched(), objectives={"label_corrections": (scoped,)})

    board = sampler(dataset, store, ledger).cycle(AT).board
    reading = measure_once(dataset, {"s": store}, catalogue(), AT, PEOPLE)

    assert told(board.measurements) == told(reading.measurements)
    said = [row["label"] for row in busy(1)["reviews"]]
    assert 0 < said.count("x") < len(said) - said.count(None)
    assert [status.events for status in (*board.slos, *reading.slos)] == [said.count("x")] * 2
    # Seeded errors carry no class here: nothing that needs them is said of one class.
    assert {m.estimate.statistic for m in reading.measurements} == {"corrected"}
