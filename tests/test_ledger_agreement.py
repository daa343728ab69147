"""Agreement and drift out of the ledger: late labels, restarts and privacy, as for every other check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labelmon.checks import catalogue
from labelmon.families import Families
from labelmon.model import DAY, HOUR, Measurement, Objective, ObjectiveKind, StoreSpec
from labelmon.once import measure_once
from labelmon.pseudonyms import Pseudonyms
from labelmon.sampler import CycleResult
from labelmon.samples import samples_of
from labelmon.stores import open_store
from tests.world import NOW, World, dataset

AT_LEAST, AT_MOST = ObjectiveKind.AT_LEAST, ObjectiveKind.AT_MOST
WATCHED = dataset(
    classes=("x", "y"),
    objectives={
        "annotator_agreement": (Objective(kind=AT_LEAST, value=0.5, settle=float(HOUR), overlap=2),),
        "label_drift": (Objective(kind=AT_MOST, value=0.1, settings={"baseline": "previous"}),),
    },
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def rate(world: World, item: str, at: float, *labels: str) -> None:
    for number, label in enumerate(labels):
        world.label(item, at + number, label, f"ann{number}")


def fill(world: World) -> None:
    """Two weeks of two ratings an item; in the second week y is twice as common, every tenth pair disagrees."""
    for n in range(14 * 24):
        late = n >= 7 * 24
        label = "y" if n % (3 if late else 6) == 0 else "x"
        other = label if n % 10 else "y"
        rate(world, f"i{n}", NOW - 14 * DAY + n * HOUR, label, other)


def said(result: CycleResult, check: str) -> dict[tuple[object, ...], tuple[float | None, float]]:
    return keyed(m for m in result.board.measurements if m.check == check)


def keyed(measurements: Iterator[Measurement]) -> dict[tuple[object, ...], tuple[float | None, float]]:
    return {
        (m.estimate.statistic, *sorted(m.estimate.labels.items())): (
            None if m.estimate.value is None else round(m.estimate.value, 9),
            m.estimate.n,
        )
        for m in measurements
    }


def test_the_ledger_says_what_the_store_says(world: World) -> None:
    fill(world)
    result = world.sampler(WATCHED).cycle(NOW + DAY)
    store = {"s": open_store(StoreSpec(name="s", url=f"sqlite:///{world.path}"))}
    for check in ("annotator_agreement", "label_drift"):
        direct = measure_once(WATCHED, store, catalogue(), float(NOW + DAY), Pseudonyms(keys=(b"k" * 32,)))
        adjusted = Families().adjusted(direct.measurements, catalogue())
        assert said(result, check) == keyed(m for m in (*direct.measurements, *adjusted) if m.check == check)
    assert said(result, "annotator_agreement")["krippendorff_alpha",][1] == 14 * 24
    pairs = [key for key in said(result, "annotator_agreement") if "annotator" in str(key)]
    assert len(pairs) == 2  # kappa and percent agreement of the one pair


def test_a_late_second_label_is_counted_after_a_restart(world: World) -> None:
    fill(world)
    rate(world, "late", NOW - 2 * HOUR, "x")
    before = said(world.sampler(WATCHED).cycle(NOW + HOUR), "annotator_agreement")
    world.label("late", NOW - 2 * HOUR + 60, "y", "ann1")  # became visible after the cycle
    after = said(world.sampler(WATCHED).cycle(NOW + HOUR + 60), "annotator_agreement")

    assert after["percent_agreement",][1] == before["percent_agreement",][1] + 1
    assert after["percent_agreement",][0] < before["percent_agreement",][0]


def test_drift_is_counted_by_the_hour_and_compares_whole_weeks(world: World) -> None:
    fill(world)
    sampler = world.sampler(WATCHED)
    first = said(sampler.cycle(NOW + 600), "label_drift")
    world.label("new", NOW + 700, "y", "ann0")
    same = said(sampler.cycle(NOW + 900), "label_drift")
    later = said(sampler.cycle(NOW + 2 * HOUR), "label_drift")

    assert first["label_count",][0] == 2 * 7 * 24 - 2  # the hour that has begun takes the place of the oldest
    assert same == first
    assert later != first


def test_people_are_never_in_the_metrics(world: World) -> None:
    fill(world)
    result = world.sampler(WATCHED).cycle(NOW + DAY)
    checks = {check.name: check for check in catalogue()}

    exposed = [str(sample.labels) + sample.name for sample in samples_of(result, checks)]
    assert any("labelmon_annotator_agreement_krippendorff_alpha_ratio" in line for line in exposed)
    assert any("'class': 'y'" in line for line in exposed)
    assert not any("annotator'" in line or "a-" in line or "ann0" in line for line in exposed)
