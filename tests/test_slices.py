"""A gauge's budget: what the ledger says of a window's slices is what an independent count over the truth says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from labelmon.check import GaugeSlo
from labelmon.checks import catalogue
from labelmon.model import DAY, HOUR, Estimate, Measurement, Objective, ObjectiveKind, SloStatus, State, StoreSpec
from labelmon.once import measure_once
from labelmon.pseudonyms import Pseudonyms
from labelmon.sampler import CycleResult
from labelmon.samples import samples_of
from labelmon.slices import BAD, GOOD, NEITHER, verdict, whole_slices
from labelmon.stores import open_store
from tests.world import NOW, World, dataset, iso, relation

LIMIT = 10 * HOUR
BUDGET = "labelmon_slo_error_budget_remaining_ratio"
HISTORY = "labelmon_slo_history_ratio"
CHECKS = {check.name: check for check in catalogue()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def at_most(value: float, **more: object) -> Objective:
    return Objective(kind=ObjectiveKind.AT_MOST, value=value, **more)  # type: ignore[arg-type]


def at_least(value: float, **more: object) -> Objective:
    return Objective(kind=ObjectiveKind.AT_LEAST, value=value, **more)  # type: ignore[arg-type]


def exported(result: CycleResult, metric: str, sli: str) -> float | None:
    """The metric's one sample of a check; None where it is absent."""
    found = [s.value for s in samples_of(result, CHECKS) if s.name == metric and s.labels["sli"] == sli]
    assert len(found) <= 1
    return found[0] if found else None


def status(result: CycleResult, check: str) -> SloStatus:
    return next(s for s in result.board.slos if s.check == check)


def told(result: CycleResult, check: str, statistic: str) -> Measurement:
    return next(m for m in result.board.measurements if m.check == check and m.estimate.statistic == statistic)


def a_month_of_items(world: World, start: int, random: Random) -> list[tuple[float, float]]:
    """(arrived, labelled) of items that come every two hours; now and then nobody labels for most of a day."""
    items = []
    stalls = [start + random.uniform(0, 30) * DAY for _ in range(5)]
    world.db.execute("BEGIN")
    for n in range(12 * 31):
        arrived = start + n * 2 * HOUR + random.uniform(0, HOUR)
        labelled = arrived + random.uniform(1, 5) * HOUR
        for stall in stalls:
            if stall <= labelled < stall + 15 * HOUR:
                labelled = stall + 15 * HOUR + random.uniform(0, 2) * HOUR
        items.append((float(int(arrived)), float(int(labelled))))
        world.item(f"i{n}", int(arrived))
        world.label(f"i{n}", int(labelled))
    world.db.execute("COMMIT")
    return items


def test_a_month_of_a_backlog_is_counted_exactly(world: World) -> None:
    """Samples at all minutes of most hours, 26 hours of an outage of the store, a restart in the last week."""
    random = Random(11)
    start, window = NOW - 31 * DAY, 28 * DAY
    items = a_month_of_items(world, start, random)
    watched = dataset(objectives={"label_backlog": (at_most(LIMIT, window=window, bad_slices=0.1),)})
    sampler, taken, restarted = world.sampler(watched), [], False
    store = sampler.stores["s"]
    gone = {"s": open_store(StoreSpec(name="s", url=f"sqlite:///{world.folder}/gone.db"))}
    now = start + 100.0
    while now < NOW:
        if not restarted and now > NOW - 7 * DAY:
            sampler, restarted = world.sampler(watched), True
            store = sampler.stores["s"]
        down = NOW - 9 * DAY + 1000 <= now < NOW - 9 * DAY + 1000 + 26 * HOUR
        sampler.stores = gone if down else {"s": store}
        result = sampler.cycle(now)
        assert bool(result.stores["s"]) == down
        taken += [] if down else [now]
        now += random.uniform(25, 95) * 60

    result = sampler.cycle(NOW + 1.0)

    last_of_hour = {int(t // HOUR): t for t in taken}
    hours = range((NOW - window) // HOUR, NOW // HOUR)
    bad = judged = 0
    for hour in hours:
        t = last_of_hour.get(hour)
        waiting = [arrived for arrived, labelled in items if t is not None and arrived <= t < labelled]
        judged += bool(waiting)
        bad += bool(waiting) and t is not None and t - min(waiting) > LIMIT
    assert (status(result, "label_backlog").events, status(result, "label_backlog").errors) == (judged, bad)
    assert exported(result, BUDGET, "label_backlog") == pytest.approx(1 - bad / judged / 0.1)
    assert exported(result, HISTORY, "label_backlog") == pytest.approx(judged / len(hours))
    assert bad > 20
    assert len(hours) - judged > 26  # the outage, and hours without a sample or with nothing that waits
    cells = sampler.ledger.cells(sampler.tracks["label_backlog"].state.id)
    assert {c.width for c in cells} == {60, HOUR, DAY}  # most slices are judged by compacted cells after the restart


def test_a_start_says_nothing_of_the_budget_until_all_slices_are_judged(world: World) -> None:
    for n in range(130):
        world.item(f"i{n}", NOW - (200 - n) * HOUR)
    watched = dataset(objectives={"label_backlog": (at_most(150 * HOUR, window=100 * HOUR),)})
    before = world.sampler(watched)
    for hour in range(101):
        first = before.cycle(NOW - (100 - hour) * HOUR + 5)

    again = world.sampler(watched)
    found = [again.cycle(NOW + 10.0 + n) for n in range(3)]

    assert [status(r, "label_backlog").state for r in found] == [State.INSUFFICIENT, State.INSUFFICIENT, State.OK]
    assert status(found[0], "label_backlog").reason == "52 of 100 time slices wait to be judged"
    assert exported(found[1], BUDGET, "label_backlog") is exported(found[1], HISTORY, "label_backlog") is None
    assert exported(found[2], BUDGET, "label_backlog") == exported(first, BUDGET, "label_backlog")
    assert status(first, "label_backlog").errors == 50  # past 150 h by 5 s from hour 50 on


def test_an_emptied_state_replaces_the_sample_before_it(world: World) -> None:
    """Coverage is counted by priority: a table without rows has no group, and is a state all the same."""
    watched = dataset(objectives={"label_coverage": (at_least(0.9),)})
    sampler = world.sampler(watched)
    world.item("i", NOW - HOUR)
    full = sampler.cycle(NOW)
    world.run("DELETE FROM items")

    empty = sampler.cycle(NOW + 60.0)

    assert told(full, "label_coverage", "coverage").estimate.value == 0
    said = told(empty, "label_coverage", "coverage").estimate
    assert (said.value, said.reason) == (None, "no items")


def costs_of_a_day(world: World, day: int, *, dear: bool) -> None:
    """60 labels of a day, at 2 each or at a half."""
    rows = [(iso(day + n * 600), 2.0 if dear else 0.5) for n in range(60)]
    world.db.execute("BEGIN")
    world.db.executemany("INSERT INTO prices VALUES (?, ?, 'x')", rows)
    world.db.execute("COMMIT")


@pytest.fixture
def priced(world: World) -> World:
    world.run("CREATE TABLE prices (labeled_at TEXT, cost REAL, label TEXT)")
    return world


def test_a_table_is_judged_by_the_days_own_counts(priced: World) -> None:
    """30 days of costs: cheap, but two days; a day without labels is neither; a late row changes the day it belongs to."""
    today = NOW - NOW % DAY
    for ago in range(1, 31):
        if ago != 7:
            costs_of_a_day(priced, today - ago * DAY, dear=ago in {4, 20})
    costs = {"labels": relation("labels", "prices", "label", "labeled_at", "cost", item="label")}
    watched = dataset(relations=costs, objectives={"label_cost": (at_most(1.0, window=20 * DAY, bad_slices=0.2),)})
    sampler = priced.sampler(watched)

    first = sampler.cycle(today + 5.0 * HOUR)
    priced.run("INSERT INTO prices VALUES (?, 60, 'x')", iso(today - DAY + 60))
    late = sampler.cycle(today + 5.0 * HOUR + 2 * HOUR)

    assert (status(first, "label_cost").events, status(first, "label_cost").errors) == (18, 1)  # 19 whole days, 1 empty
    assert exported(first, BUDGET, "label_cost") == pytest.approx(1 - 1 / 18 / 0.2)
    assert exported(first, HISTORY, "label_cost") == pytest.approx(18 / 19)
    assert (status(late, "label_cost").events, status(late, "label_cost").errors) == (18, 2)


def test_slices_lie_on_borders_inside_the_window() -> None:
    monday = 1_789_948_800 - 1_789_948_800 % DAY  # 2026-09-21
    weeks = whole_slices(monday - 20 * DAY, monday + 3 * DAY, 7 * DAY)
    days = whole_slices(monday - 2 * DAY, monday + DAY, DAY)

    assert (weeks.first, weeks.count) == (monday - 14 * DAY, 2)
    assert (days.first, days.count) == (monday - 2 * DAY, 3)
    assert whole_slices(monday + 1, monday + DAY - 1, DAY).count == 0


@pytest.mark.parametrize("check", ["label_drift", "annotator_anomaly", "label_budget"])
def test_what_no_slice_can_say_has_no_budget(check: str) -> None:
    """A drift compares a period with those before it; two tables together, or a month's first day, are no slice."""
    assert CHECKS[check].slice_width is None


@pytest.mark.parametrize(
    ("value", "state", "labels", "said"),
    [
        (9.0, State.OK, {}, GOOD),
        (10.0, State.OK, {}, GOOD),  # at the limit is not past it
        (11.0, State.OK, {}, BAD),
        (11.0, State.INSUFFICIENT, {}, NEITHER),
        (None, State.NOT_COMPUTABLE, {}, NEITHER),
        (11.0, State.OK, {"class": "x"}, NEITHER),  # of one class, not of the whole
    ],
)
def test_what_is_not_ok_is_neither_good_nor_bad(
    value: float | None, state: State, labels: dict[str, str], said: int
) -> None:
    found = [Estimate(statistic="s", value=value, state=state, labels=labels), Estimate(statistic="other", value=99.0)]

    assert verdict(found, "s", at_most(10.0)) == said


def test_a_slice_is_an_hour_of_a_state_and_a_day_of_a_table() -> None:
    """And a day of a state that is sampled by the hour, a week where a day holds few pairs."""
    widths = {name: check.slice_width for name, check in CHECKS.items() if isinstance(check.slo, GaugeSlo)}

    assert {name for name, width in widths.items() if width == HOUR} >= {"label_backlog", "label_coverage"}
    assert {name for name, width in widths.items() if width == DAY} >= {"label_cost", "label_delay", "auto_label"}
    assert {name for name, width in widths.items() if width == 7 * DAY} >= {"annotator_agreement", "pair_agreement"}
    assert all(check.slice_width is None for check in CHECKS.values() if check.name not in widths)


def test_window_all_has_no_slices(world: World) -> None:
    world.item("i", NOW - 3 * DAY)
    sampler = world.sampler(dataset(objectives={"label_backlog": (at_most(LIMIT, window=None),)}))
    for hour in range(3):
        result = sampler.cycle(NOW + hour * HOUR)

    assert status(result, "label_backlog").state is State.NOT_COMPUTABLE
    assert exported(result, BUDGET, "label_backlog") is None


def test_a_single_measurement_knows_no_budget_of_a_gauge(world: World) -> None:
    world.item("i", NOW - 3 * DAY)
    sampler = world.sampler()

    reading = measure_once(sampler.dataset, sampler.stores, sampler.catalogue, NOW, Pseudonyms(keys=(b"k" * 32,)))

    (backlog,) = [s for s in reading.slos if s.check == "label_backlog"]
    assert backlog.budget_remaining is None
