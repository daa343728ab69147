"""When an intake is silent: by night, on a holiday, between uploads, before the store is filled, or for good."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from labelmon.check import Moment
from labelmon.checks import check_named
from labelmon.config.datasets import default_objective
from labelmon.counts import BUCKET, ROWS, Counts, Op
from labelmon.estimators.seasons import weekly_rates
from labelmon.estimators.silence import silence
from labelmon.model import DAY, HOUR, Calendar, Estimate, Objective, ObjectiveKind, State
from labelmon.profiles import DEFAULT_ALERTING, Alerting, BurnTier, Profile
from labelmon.sampler import DatasetSampler
from tests.world import World, dataset, iso, relation

Instants = NDArray[np.float64]
CHECK = check_named("pipeline_stall")
LIMIT = default_objective(CHECK).value or 0.0
YEAR = 365 * DAY
MONDAY = 1_772_409_600  # 2026-03-02, UTC
OFFICE = tuple(((8 * 60, 18 * 60),) if day < 5 else () for day in range(7))
OPS = {ROWS: Op.SUM, "oldest": Op.MIN, "newest": Op.MAX}
estimate = silence("oldest", "newest")


def office(rate: float, weeks: int = 5, start: int = MONDAY, days: range = range(5)) -> Instants:
    """`rate` arrivals an hour, evenly from 8:00 to 18:00 on working days, as chance has it."""
    rng = np.random.default_rng(7)
    opens = [start + DAY * (7 * week + day) + 8 * HOUR for week in range(weeks) for day in days]
    return np.sort(np.concatenate([at + rng.uniform(0, 10 * HOUR, rng.poisson(rate * 10)) for at in opens]))


def counted(arrivals: Instants, width: int = HOUR) -> Counts:
    """What a ledger with buckets of `width` seconds knows of the arrivals."""
    starts = (arrivals // width * width).astype(int)
    rows = []
    for start, low, many in zip(*np.unique(starts, return_index=True, return_counts=True), strict=True):
        rows.append((int(start), float(many), arrivals[low] * 1000, arrivals[low + many - 1] * 1000))
    return Counts.of((BUCKET,), OPS, rows)


def said(arrivals: Instants, at: float, **more: object) -> dict[str, Estimate]:
    """Every statistic as of `at`, of what has arrived by then."""
    known = np.sort(arrivals[arrivals <= at])
    return {e.statistic: e for e in estimate(counted(known), Moment(at=at, **more))}  # type: ignore[arg-type]


def period(arrivals: Instants, at: float, **more: object) -> float:
    found = said(arrivals, at, **more)["return_period_seconds"]
    assert found.state is State.OK, found
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high
    return found.value


def cut(arrivals: Instants, start: float, end: float) -> Instants:
    return arrivals[(arrivals < start) | (arrivals >= end)]


def minutes_until_page(arrivals: Instants, start: float, most: int, step: int = 1, **more: object) -> int | None:
    """After how many minutes without arrivals from `start` on the limit is passed; None if not within `most`."""
    left = cut(arrivals, start, np.inf)
    return next((m for m in range(0, most, step) if period(left, start + 60 * m, **more) > LIMIT), None)


def test_a_night_and_a_weekend_are_no_silence() -> None:
    arrivals = office(100)
    friday_evening, monday = MONDAY + 25 * DAY + 18 * HOUR, MONDAY + 28 * DAY + 8 * HOUR

    for at in range(friday_evening, monday + 1, HOUR):
        assert period(arrivals, at) < 0.1 * YEAR, iso(at)
    assert said(arrivals, monday)["missed_arrivals"].value < 3
    assert said(arrivals, monday)["last_arrival_age_seconds"].value > 61 * HOUR


@pytest.mark.parametrize(("rate", "least", "most"), [(100, 8, 13), (10, 80, 130), (1, 8 * 60, 24 * 60 + 14 * 60 + 200)])
def test_an_outage_at_a_busy_hour_is_found_after_about_a_dozen_arrivals_due(rate: float, least: int, most: int) -> None:
    # With one an hour a day holds ten: the night is not counted, so it takes until the day after.
    found = minutes_until_page(office(rate), MONDAY + 29 * DAY + 9 * HOUR + 600, most + 1, max(1, 60 // int(rate)))

    assert found is not None
    assert least <= found <= most


def test_the_clock_of_the_place_decides() -> None:
    """The offices of Berlin open an hour earlier in UTC from 29 March 2026 on."""
    zone = ZoneInfo("Europe/Berlin")
    rng = np.random.default_rng(3)
    opens = [
        datetime.combine(date.fromordinal(date(2026, 3, 2).toordinal() + n), datetime.min.time(), zone).timestamp()
        for n in range(35)
        if n % 7 < 5
    ]
    arrivals = np.sort(np.concatenate([at + 8 * HOUR + rng.uniform(0, 10 * HOUR, 1000) for at in opens]))
    closing = datetime(2026, 4, 1, 18, tzinfo=zone).timestamp()
    opening = datetime(2026, 4, 2, 8, tzinfo=zone).timestamp()

    assert period(cut(arrivals, closing, np.inf), opening, timezone="Europe/Berlin") < YEAR
    assert minutes_until_page(arrivals, opening + HOUR, 20, timezone="Europe/Berlin") is not None
    # In UTC the last hour of the winter's day would be missed on every evening of summer.
    assert period(cut(arrivals, closing, np.inf), closing + HOUR) > LIMIT


def test_gaps_between_uploads_are_how_the_stream_is() -> None:
    """300 items every three hours, more or less: half a day without is no news, a day and a half is."""
    rng = np.random.default_rng(5)
    uploads = MONDAY + np.cumsum(rng.gamma(4, 3 * HOUR / 4, 400))
    arrivals = np.sort((uploads[:, None] + rng.uniform(0, 300, (400, 300))).ravel())
    last = uploads[uploads < MONDAY + 35 * DAY][-1]

    left = cut(arrivals, last + 300, np.inf)
    assert said(left, last + 12 * HOUR)["missed_arrivals"].value > 500
    assert period(left, last + 12 * HOUR) < LIMIT
    assert period(left, last + 36 * HOUR) > LIMIT


def test_a_start_that_is_late_every_day_is_known_by_the_time_of_day() -> None:
    """Nothing before 8:40, then a full hour's load: the forty minutes are silent every morning, and no noon is."""
    rng = np.random.default_rng(4)
    arrivals = office(100)
    arrivals = arrivals[(arrivals % DAY >= 9 * HOUR)]
    late = [
        MONDAY + DAY * (7 * w + d) + 8 * HOUR + 2400 + rng.uniform(0, 1200, 100) for w in range(5) for d in range(5)
    ]
    arrivals = np.sort(np.concatenate([arrivals, *late]))
    tuesday = MONDAY + 29 * DAY

    morning = cut(arrivals, tuesday, np.inf)
    assert said(morning, tuesday + 8 * HOUR + 2400)["missed_arrivals"].value > 50
    assert period(morning, tuesday + 8 * HOUR + 2400) < LIMIT
    assert minutes_until_page(arrivals, tuesday + 13 * HOUR, 15) is not None


def test_a_slow_day_is_measured_by_its_own_pace() -> None:
    """One in six of the usual arrivals since Monday: a quarter of an hour without any is nothing new."""
    arrivals, tuesday = office(100), MONDAY + 29 * DAY
    slow = (arrivals >= tuesday - DAY) & (np.arange(len(arrivals)) % 6 > 0)
    noon = tuesday + 13 * HOUR

    assert period(cut(arrivals, noon, np.inf), noon + 900) > LIMIT
    assert period(cut(arrivals[~slow], noon, np.inf), noon + 900) < YEAR
    assert period(cut(arrivals[~slow], noon, np.inf), noon + 3 * HOUR) > LIMIT


def test_a_past_outage_and_a_past_holiday_teach_nothing() -> None:
    arrivals = office(100)
    tuesday = MONDAY + 29 * DAY + 9 * HOUR
    scarred = cut(cut(arrivals, MONDAY + 15 * DAY, MONDAY + 16 * DAY), MONDAY + 22 * DAY + 9 * HOUR, MONDAY + 23 * DAY)

    before = said(cut(arrivals, tuesday, np.inf), tuesday + 600)["missed_arrivals"].value
    after = said(cut(scarred, tuesday, np.inf), tuesday + 600)["missed_arrivals"].value

    assert after == pytest.approx(before, rel=0.15)
    assert minutes_until_page(scarred, tuesday, 15) is not None


def test_a_backfill_of_one_hour_does_not_raise_what_is_due() -> None:
    arrivals = office(100)
    hour = MONDAY + 22 * DAY + 9 * HOUR
    flooded = np.sort(np.concatenate([arrivals, hour + np.linspace(0, 3599, 10_000)]))
    tuesday = MONDAY + 29 * DAY + 9 * HOUR

    before, after = (said(cut(a, tuesday, np.inf), tuesday + 900)["missed_arrivals"].value for a in (arrivals, flooded))

    assert after < 1.7 * before


def test_a_holiday_that_is_declared_is_closed() -> None:
    arrivals = office(100)
    holiday = MONDAY + 29 * DAY
    left, noon = cut(arrivals, holiday, np.inf), holiday + 12 * HOUR
    calendar = Calendar(week=OFFICE, holidays=frozenset({date(2026, 3, 31)}))

    assert period(left, noon) > LIMIT
    assert period(left, noon, calendar=calendar) < YEAR
    assert period(left, holiday + DAY + 8 * HOUR + 1200, calendar=calendar) > LIMIT  # the day after it is open again


def test_a_calendar_stands_in_for_the_weeks_that_nobody_has_seen() -> None:
    arrivals, calendar = office(100, weeks=1), Calendar(week=OFFICE)
    friday = MONDAY + 4 * DAY
    left = cut(arrivals, friday + 12 * HOUR, np.inf)

    unknown = said(left, friday + 13 * HOUR)["return_period_seconds"]
    assert (unknown.value, unknown.state) == (None, State.INSUFFICIENT)
    assert unknown.reason == "0.6 weeks of arrivals are known; need 2, or a calendar"
    assert period(left, friday + 12 * HOUR + 900, calendar=calendar) > LIMIT
    assert period(arrivals, friday + 3 * DAY + 8 * HOUR, calendar=calendar) < YEAR


@pytest.mark.parametrize(
    ("arrivals", "reason"),
    [
        (np.empty(0), "nothing has arrived yet"),
        (MONDAY + DAY * np.arange(28.0)[::2], "12 arrivals in 3.7 weeks; need 20"),
        (np.repeat(MONDAY + 5 * DAY * np.arange(6.0), 30), "5 silences between arrivals are known; need 8"),
    ],
)
def test_too_little_is_said_to_be_too_little(arrivals: Instants, reason: str) -> None:
    found = said(arrivals, MONDAY + 27 * DAY)["return_period_seconds"]

    assert (found.value, found.state, found.reason) == (None, State.INSUFFICIENT, reason)


def test_buckets_of_any_width_say_the_same() -> None:
    arrivals = office(20)
    at = MONDAY + 29 * DAY + 10 * HOUR
    known = arrivals[arrivals <= at - 1800]

    said_by = [estimate(counted(known, width), Moment(at=at)) for width in (60, 900, 3600)]

    assert said_by[0] == said_by[1] == said_by[2]


def test_rows_that_cannot_be_there_yet_are_not_missed() -> None:
    arrivals = office(100)
    left = cut(arrivals, MONDAY + 29 * DAY + 12 * HOUR, np.inf)
    at = MONDAY + 29 * DAY + 14 * HOUR

    assert period(left, at) > LIMIT
    assert period(left, at, lag=2.0 * HOUR) < YEAR


def test_hours_that_stay_empty_are_not_waited_for() -> None:
    """Evenings on Sunday only: neither Sunday noon nor Monday evening is promised anything by the two together."""
    slots = np.tile(np.arange(168), 4)
    counts = np.where(((slots < 120) & (slots % 24 == 9)) | (slots == 6 * 24 + 20), 40.0, 0.0)

    rates = weekly_rates(counts, slots, np.ones(len(slots), dtype=bool))

    assert rates[9] == pytest.approx(40, rel=0.05)
    assert rates[6 * 24 + 20] > 30
    assert rates[6 * 24 + 9] == rates[20] == 0


def healthy_year(seed: int, rate: float) -> Instants:
    """A daily and weekly season, days that differ by a fifth, hours that drift by a tenth, and chance."""
    rng = np.random.default_rng(seed)
    hours = np.arange(56 * 168)
    season = (1 + 0.8 * np.sin((hours % 24 - 9) / 24 * 2 * np.pi)) * np.where(hours // 24 % 7 < 5, 1, 0.4)
    days = np.repeat(rng.gamma(25, 1 / 25, 56 * 7), 24)
    drift = np.zeros(len(hours))
    for place in range(1, len(hours)):
        drift[place] = 0.7 * drift[place - 1] + rng.normal(0, 0.1 * (1 - 0.49) ** 0.5)
    many = rng.poisson(rate * season * days * np.exp(drift))
    return np.sort(MONDAY + np.repeat(hours, many) * float(HOUR) + rng.uniform(0, HOUR, many.sum()))


def longest_each_day(arrivals: Instants) -> Iterator[tuple[int, float]]:
    """(place of the last arrival before it, end) of the longest gap of every other day from the fifth week on."""
    gaps, days = np.diff(arrivals), ((arrivals[:-1] - MONDAY) // DAY).astype(int)
    for day in range(29, int(days.max()), 2):
        mine = np.flatnonzero(days == day)
        if len(mine):
            place = int(mine[np.argmax(gaps[mine])])
            yield place, float(arrivals[place + 1])


@pytest.mark.parametrize("rate", [3, 30])
def test_a_healthy_year_is_quiet(rate: float) -> None:
    """At the longest gap of every other day of a year the limit of thirty years is never passed."""
    arrivals = healthy_year(1, rate)
    found = []
    for place, end in longest_each_day(arrivals):
        low = int(np.searchsorted(arrivals, end - 32 * DAY))
        (value, *_) = estimate(counted(arrivals[low : place + 1]), Moment(at=end))
        found.append(value.value or 0.0)

    assert len(found) > 150
    assert max(found) < LIMIT
    assert np.median(found) < 0.05 * YEAR


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def watching(world: World, alerting: Alerting = DEFAULT_ALERTING) -> DatasetSampler:
    objective = Objective(kind=ObjectiveKind.AT_MOST, value=LIMIT, window=DAY)
    watched = dataset(
        relations={"items": relation("items", "items", "item", "arrived_at")},
        objectives={"pipeline_stall": (objective,)},
    )
    return world.sampler(watched, alerting)


def fill(world: World, arrivals: Instants) -> None:
    world.db.execute("BEGIN")
    for at in arrivals:
        world.item(f"i{at}", float(at))
    world.db.execute("COMMIT")


def rarity(sampler: DatasetSampler, now: float) -> float:
    (found,) = (
        m.estimate.value
        for m in sampler.cycle(now).board.measurements
        if m.estimate.statistic == "return_period_seconds"
    )
    assert found is not None
    return found


def test_the_daemon_finds_an_outage_within_a_quarter_of_an_hour_and_its_end_at_once(world: World) -> None:
    start = MONDAY + 29 * DAY + 10 * HOUR + 300
    arrivals = office(100)
    fill(world, arrivals[(arrivals > MONDAY + 7 * DAY) & (arrivals < start)])
    sampler = watching(world)

    found = {minute: rarity(sampler, start + 60 * minute) > LIMIT for minute in range(-2, 20)}

    first = next(minute for minute, over in found.items() if over)
    assert 8 <= first <= 14
    assert all(over == (minute >= first) for minute, over in found.items())
    world.item("back", start + 20 * 60 - 5)
    assert rarity(sampler, start + 20 * 60) < YEAR


def test_the_hours_of_four_weeks_are_kept_however_short_the_windows_are(world: World) -> None:
    now = MONDAY + 29 * DAY + 10 * HOUR
    arrivals = office(20)
    fill(world, arrivals[arrivals < now - 600])
    brief = Profile(name="brief", page=(BurnTier(burn=14.4, long=HOUR, short=300),), ticket=())

    found = rarity(watching(world, replace(DEFAULT_ALERTING, profiles=(brief,))), now)

    assert found == pytest.approx(period(arrivals[arrivals < now - 600], now, lag=120.0), rel=1e-5)


def test_a_store_that_is_filled_each_night_is_waited_for(world: World) -> None:
    """Rows of a day come together after it: once labelmon has seen a batch come, a day without rows is as ever."""
    arrivals = office(20, days=range(7))
    known = arrivals[(arrivals > MONDAY + DAY) & (arrivals < MONDAY + 28 * DAY)]
    fill(world, known)
    sampler = watching(world)
    found: dict[int, list[float]] = {}
    for day in (28, 29, 30, 31):
        fill(world, arrivals[(arrivals >= MONDAY + (day - 1) * DAY) & (arrivals < MONDAY + day * DAY)])
        found[day] = [rarity(sampler, MONDAY + day * DAY + hour * HOUR) for hour in range(1, 25, 3)]

    assert max(found[28]) > LIMIT  # nobody has seen it come yet, and `visibility` does not say
    assert max(*found[29], *found[30], *found[31]) < LIMIT
    # The batch that stays out is missed, a while after it was due.
    assert rarity(sampler, MONDAY + 33 * DAY + 18 * HOUR) > LIMIT
