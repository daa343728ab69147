"""The e-CUSUM: by hand, against a loop, over the ledger's cells, and from a fault's first minute to its page."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings

from labelmon.alerting.tiers import burning
from labelmon.cells import Cell
from labelmon.check import EventSlo
from labelmon.checks import catalogue
from labelmon.counts import Op
from labelmon.estimators.burn import choose_instrument
from labelmon.estimators.cusum import CAP, alternative, cusums, levels, step
from labelmon.measure import measure
from labelmon.model import DAY, HOUR, Instrument, Objective, Severity, SloStatus
from labelmon.point import Point
from labelmon.profiles import DEFAULT_ALERTING
from labelmon.reading import targets_of
from labelmon.recount import pace_of
from labelmon.timeline import Timeline, timeline
from labelmon.walk import walked
from tests.world import NOW, dataset, target

CHECKS = {check.name: check for check in catalogue()}
START = NOW - NOW % HOUR
EVERY = 36  # seconds between audits: 100 an hour


# By hand for 95 %, 1440 events in 30 d: h = ln(2 x 1440 / .1); 6 budgets are 30 % errors, 14.4 are 72 %.
def test_steps_and_threshold_by_hand() -> None:
    six, fourteen = cusums(0.05, (6, 14.4), 1440)

    assert (six.alternative, fourteen.alternative) == (pytest.approx(0.30), pytest.approx(0.72))
    assert (six.up, fourteen.up) == (pytest.approx(math.log(6)), pytest.approx(math.log(14.4)))
    assert (six.down, fourteen.down) == (pytest.approx(math.log(0.95 / 0.7)), pytest.approx(math.log(0.95 / 0.28)))
    assert six.threshold == fourteen.threshold == pytest.approx(math.log(28_800))
    assert six.cap == pytest.approx(1.1 * six.threshold)


# 1.792 a bad event, .305 a good one: never below 0, never above the cap of 11.295.
@pytest.mark.parametrize(
    ("errors", "level"),
    [
        ([0, 0, 0], 0.0),
        ([1], math.log(6)),
        ([0, 1, 0, 1], 2 * math.log(6) - math.log(0.95 / 0.7)),
        ([1] * 20, 1.1 * math.log(28_800)),
        ([1] * 20 + [0] * 3, 1.1 * math.log(28_800) - 3 * math.log(0.95 / 0.7)),
    ],
)
def test_a_walk_by_hand(errors: list[int], level: float) -> None:
    walk = cusums(0.05, (6, 14.4), 1440)[0]

    assert levels(errors, [1] * len(errors), [walk]) == [pytest.approx(level)]


CELLS = st.lists(st.integers(0, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), max_size=40)


@settings(max_examples=40)
@given(CELLS, st.integers(0, 1300), st.sampled_from([0, 1]), st.sampled_from([0.001, 0.05, 0.3, 0.5]))
@example([(0, 2), (1, 1)], 600, 0, 0.05)
def test_all_cells_at_once_are_one_step_after_the_other(
    cells: list[tuple[int, int]], quiet: int, idle: int, budget: float
) -> None:
    """However far back the first ones are, and whether or not what came between made them forgotten."""
    walks = [*cusums(budget, (6, 14.4), 5000), *cusums(budget, (2, 3), 5000)]
    counts = np.array([(3, 7), (4, 4), *[(0, idle)] * quiet, *cells], float)

    wanted = []
    for walk in walks:
        level = 0.0
        for errors, events in counts:
            level = min(max(level + walk.up * errors - walk.down * (events - errors), 0.0), walk.cap)
        wanted.append(level)

    assert levels(counts[:, 0], counts[:, 1], walks) == pytest.approx(wanted, abs=1e-9)


def test_a_step_takes_many_runs_at_once() -> None:
    walk = cusums(0.01, (6, 14.4), 3600)[0]

    got = step(np.array([0.0, 5.0, 12.0]), np.array([1, 0, 9]), np.array([1, 10, 9]), walk)

    assert got == pytest.approx([walk.up, 5 - 10 * walk.down, walk.cap])


@pytest.mark.parametrize("budget", [0.0001, 0.01, 0.05, 0.07, 0.1, 0.15, 0.165, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("burn", [2, 3, 6, 14.4])
def test_every_alternative_can_decide(budget: float, burn: float) -> None:
    """However near to 1 a burn comes: its ratio is above the budget, below 1, and not far above the burn's."""
    ratio = alternative(budget, burn)

    assert budget < ratio < 1
    assert ratio <= burn * budget
    assert ratio == burn * budget or ratio >= 1 - (1 - budget) / 50


@pytest.mark.parametrize("budget", [0.0001, 0.001, 0.01, 0.05, 0.3, 0.5])
@pytest.mark.parametrize("events", [0, 1, 30, 150, 1_000_000])
def test_one_bad_event_never_decides(budget: float, events: float) -> None:
    """Nor two in a row, be the stream as slow and the objective as strict as it may."""
    for walk in (*cusums(budget, (6, 14.4), events), *cusums(budget, (2, 3), events)):
        (level,) = levels([1, 1], [1, 1], [walk])
        assert level / walk.threshold <= 0.8
        assert CAP * walk.threshold == walk.cap


@pytest.mark.parametrize("budget", [0.05, 0.01])
def test_a_healthy_stream_decides_as_seldom_as_promised(budget: float) -> None:
    """3,600 events in 30 d, all alternatives of a page together: .1 months with an alarm at most; seeded."""
    random = np.random.default_rng(7)
    walks, runs = cusums(budget, (6, 14.4), 3600), 2000
    level, alarmed = [np.zeros(runs) for _ in walks], np.zeros(runs, bool)
    for _ in range(3600):
        bad = random.random(runs) < budget
        level = [step(at, bad, np.ones(runs), walk) for at, walk in zip(level, walks, strict=True)]
        alarmed |= np.max(level, axis=0) > walks[0].threshold

    assert alarmed.mean() < 0.1


def cells(*counted: tuple[int, str, float, float]) -> Timeline:
    """(start, priority, rows, good)."""
    made = [Cell(start=at, width=60, keys=(key,), values=(rows, good), lag=None) for at, key, rows, good in counted]
    return timeline(("priority",), {"rows": Op.SUM, "good": Op.SUM}, made)


def ratios(line: Timeline, scope: dict[str, str] | None = None, effect: float = 1.0) -> dict[float, float]:
    found = walked(
        line,
        EventSlo(good="good", target=0.95),
        (0, 600),
        scope or {},
        budget=0.05,
        events_per_30d=1440,
        effect=effect,
        alerting=DEFAULT_ALERTING,
    )
    return {c.burn: c.ratio for c in found}


def test_groups_of_one_bucket_are_one_step_and_buckets_are_walked_in_order() -> None:
    """7 good before 3 bad leave 3 steps up; one after the other, in a bucket of 10 they are netted."""
    up, down, h = math.log(6), math.log(0.95 / 0.7), math.log(28_800)

    assert ratios(cells((60, "high", 3, 0), (0, "low", 7, 7)))[6] == pytest.approx(3 * up / h)
    assert ratios(cells((60, "high", 3, 0), (60, "low", 7, 7)))[6] == pytest.approx((3 * up - 7 * down) / h)
    assert ratios(cells((60, "low", 7, 7), (60, "high", 3, 0)))[6] == pytest.approx((3 * up - 7 * down) / h)
    assert ratios(cells((0, "high", 3, 0), (60, "low", 7, 7)))[6] == pytest.approx((3 * up - 7 * down) / h)
    assert ratios(cells((600, "high", 3, 0), (0, "low", 7, 7)))[6] == 0


def test_a_scope_walks_over_its_own_cells() -> None:
    line = cells((0, "high", 3, 0), (60, "low", 100, 100))

    assert ratios(line, {"priority": "high"})[6] == pytest.approx(3 * math.log(6) / math.log(28_800))
    assert ratios(line, {"priority": "low"})[6] == 0
    assert ratios(line, {"priority": "none"}) == {}


def test_clustered_events_are_divided_by_their_design_effect() -> None:
    """8 bad audits of a batch that tell as much as 2; and a sample better than random is taken for a random one."""
    batch = cells((0, "high", 8, 0))
    h, clustered = math.log(28_800), math.log(2 * 1440 / 4 / 0.1)

    assert ratios(batch, effect=4)[6] == pytest.approx(2 * math.log(6) / clustered)
    assert ratios(cells((0, "high", 3, 0)), effect=0.3)[6] == pytest.approx(3 * math.log(6) / h)


class Stream:
    """Audits of label_accuracy, counted by the minute as they come, and what is said of them at any moment."""

    def __init__(self, objective: Objective) -> None:
        self.watched = dataset(objectives={"label_accuracy": (objective,)})
        targets, _ = targets_of(self.watched, [CHECKS["label_accuracy"]])
        self.target = next(t for t in targets if not t.series.part)
        self.line: Timeline = timeline(self.target.series.keys, self.target.series.ops, [])
        self.cells: dict[int, list[float]] = {}
        self.judged_by = ""
        self.began: int | None = None

    def add(self, at: float, *, bad: bool, many: int = 1) -> None:
        cell = self.cells.setdefault(int(at) // 60 * 60, [0.0, 0.0])
        self.began = min(self.began or int(at), int(at) // 60 * 60)
        cell[0] += many
        cell[1] += 0 if bad else many

    def judge(self, now: float) -> SloStatus:
        made = []
        for start, (rows, good) in self.cells.items():
            values = {"rows": rows, "good": good, "weight": rows, "good_weight": good}
            filled = tuple(values.get(name, 0.0) for name in self.line.ops)
            made.append(Cell(start=start, width=60, keys=("",) * len(self.line.keys), values=filled, lag=1.0))
        self.line.replace(min(self.cells, default=0), made)
        self.cells = {start: cell for start, cell in self.cells.items() if start >= now - 120}
        point = Point(
            check=self.target.check,
            objective=self.target.objective,
            line=self.line,
            history=self.began,
            series=self.target.series,
            failure="",
            sampled_at=now,
            judged_by=self.judged_by,
            pace=pace_of(self.watched, 60, [30 * DAY]),
        )
        (status,) = measure(self.watched, [point], now, DEFAULT_ALERTING).slos
        self.judged_by = status.judged_by
        return status


def healthy(stream: Stream, budget: float, until: int, days: int = 2) -> None:
    """Half the budget, evenly, 100 audits an hour."""
    carried = 0.0
    for at in range(until - days * DAY, until, EVERY):
        carried += budget / 2
        stream.add(at, bad=carried >= 1)
        carried -= carried >= 1


OBJECTIVES = [0.5, 0.51, 0.55, 0.6, 0.65, 0.69, 0.7, 0.75, 0.8, 0.83, 0.84, 0.86, 0.9, 0.93, 0.95, 0.99, 0.999, 0.9999]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_total_outage_pages_in_time(objective: float) -> None:
    """100 audits an hour, all bad from some second on: within 10 min from 70 % up, else 3 min above the bound.

    Counted every minute, and the rules are evaluated up to a minute later.
    """
    budget = 1 - objective
    stream = Stream(target(objective))
    healthy(stream, budget, START)
    before = stream.judge(START + 17)
    fault = START + 20
    assert burning(before, Severity.PAGE, DEFAULT_ALERTING) is None

    paged = None
    at = fault + 1
    for now in range(START + 77, START + 40 * 60, 60):
        while at <= now:
            stream.add(at, bad=True)
            at += EVERY
        if burning(stream.judge(now), Severity.PAGE, DEFAULT_ALERTING):
            paged = now
            break

    assert paged is not None
    bound = math.log(72_000 / 0.1) / math.log(1 / budget) * EVERY
    limit = 600 if objective >= 0.7 else bound + 180
    assert paged + DEFAULT_ALERTING.evaluation_interval - fault <= limit


def test_a_fault_that_is_over_is_quiet_soon() -> None:
    stream = Stream(target(0.95))
    healthy(stream, 0.05, START)
    for at in range(START, START + HOUR, EVERY):
        stream.add(at, bad=True)
    during = stream.judge(START + HOUR)
    for at in range(START + HOUR, START + HOUR + 900, EVERY):
        stream.add(at, bad=False)
    after = stream.judge(START + HOUR + 900)

    assert [c.ratio > 1 for c in during.cusums if c.burn in DEFAULT_ALERTING.page_burns] == [True, True]
    assert burning(during, Severity.PAGE, DEFAULT_ALERTING) is not None
    assert burning(after, Severity.PAGE, DEFAULT_ALERTING) is None


def test_a_decision_of_long_ago_that_no_event_takes_back_is_quiet() -> None:
    """A bulk upload of last week's bad audits, and nothing since: the walk stands, no window burns."""
    stream = Stream(target(0.95))
    healthy(stream, 0.05, START)
    for at in range(START, START + HOUR, EVERY):
        stream.add(at, bad=True)
    status = stream.judge(START + 2 * DAY)

    assert max(c.ratio for c in status.cusums) > 1
    assert burning(status, Severity.PAGE, DEFAULT_ALERTING) is None


def test_one_bad_audit_of_five_alerts_nobody() -> None:
    stream = Stream(target(0.95))
    for n in range(5):
        stream.add(START - n * 5 * HOUR - 300, bad=n == 0)
    status = stream.judge(START)

    assert status.cusums
    assert max(c.ratio for c in status.cusums) < 0.5
    assert [burning(status, severity, DEFAULT_ALERTING) for severity in Severity] == [None, None]


def test_the_begun_minute_counts_where_no_other_row_can_change_it() -> None:
    stream = Stream(target(0.95))
    healthy(stream, 0.05, START)
    for n in range(12):
        stream.add(START + n, bad=True)

    status = stream.judge(START + 30)

    assert min(c.ratio for c in status.cusums if c.burn in (6, 14.4)) > 1
    assert status.windows[0].errors <= 1  # windows end where everything is visible
    assert burning(status, Severity.PAGE, DEFAULT_ALERTING) is None


def test_nothing_is_said_where_nothing_is_known() -> None:
    status = Stream(target(0.95)).judge(START)

    assert status.cusums == ()


def test_the_instrument_follows_the_rate_with_hysteresis() -> None:
    """99 %: 60 events in 6 h expect .6 bad ones; with more, 1.05 are not enough to come back, 2.4 are."""
    stream = Stream(target(0.99))
    seen = []
    for hours, step_seconds in ((24, 360), (12, 206), (12, 90), (12, 206), (120, 360)):
        start = START + sum(h for h, _ in seen) * HOUR
        for at in range(start, start + hours * HOUR, step_seconds):
            stream.add(at, bad=False)
        status = stream.judge(start + hours * HOUR)
        seen.append((hours, status.instrument))
        assert status.profile == "dense"

    assert [instrument for _, instrument in seen] == ["cusum", "cusum", "both", "both", "cusum"]
    assert status.expected_bad is not None


@pytest.mark.parametrize(
    ("expected_bad", "current", "chosen"),
    [
        (1.0, "", Instrument.BOTH),
        (0.99, "", Instrument.CUSUM),
        (1.09, "cusum", Instrument.CUSUM),
        (1.1, "cusum", Instrument.BOTH),
        (1.0, "both", Instrument.BOTH),
        (0.99, "both", Instrument.CUSUM),
    ],
)
def test_the_instrument_at_its_borders(expected_bad: float, current: str, chosen: Instrument) -> None:
    assert choose_instrument(expected_bad, current) is chosen
