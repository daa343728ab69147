"""`calendar:` of a dataset: when it is open, and every mistake with its place."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from labelmon.config.schema import json_schema
from labelmon.model import Calendar
from tests.config.test_load import problems, read

HEAD = """
stores: {s: {url: "sqlite:///labels.db"}}
datasets:
  d:
    owner: {team: t}
    relations: {items: {store: s}}
"""


def test_hours_and_holidays(tmp_path: Path) -> None:
    said = """    calendar:
      hours: [Mon-Fri 08:00-12:00, Mon-Thu 13:00-18:30, Sun-Mon 20:00-24:00]
      holidays: [2026-12-25, "2026-12-26"]
"""

    calendar = read(tmp_path, HEAD + said).datasets["d"].calendar

    morning, afternoon, evening = (480, 720), (780, 1110), (1200, 1440)
    usual = (morning, afternoon)
    assert calendar == Calendar(
        week=((*usual, evening), usual, usual, usual, (morning,), (), (evening,)),
        holidays=frozenset({date(2026, 12, 25), date(2026, 12, 26)}),
    )


def test_without_hours_every_day_is_open_but_holidays(tmp_path: Path) -> None:
    calendar = read(tmp_path, HEAD + "    calendar: {holidays: 2026-12-25}\n").datasets["d"].calendar

    assert calendar is not None
    assert [calendar.open_share(date(2026, 12, day), 3) for day in (24, 25, 26)] == [1, 0, 1]


def test_without_a_calendar_there_is_none(tmp_path: Path) -> None:
    assert read(tmp_path, HEAD).datasets["d"].calendar is None


@pytest.mark.parametrize(("hour", "share"), [(7, 0), (8, 0.5), (9, 1), (12, 0), (18, 0.25)])
def test_an_hour_may_be_open_in_part(tmp_path: Path, hour: int, share: float) -> None:
    said = "    calendar: {hours: [Mon 08:30-12:00, Mon 13:00-18:15]}\n"

    calendar = read(tmp_path, HEAD + said).datasets["d"].calendar

    assert calendar is not None
    assert calendar.open_share(date(2026, 3, 2), hour) == share
    assert calendar.open_share(date(2026, 3, 3), hour) == 0


def test_every_mistake_is_named_with_its_place(tmp_path: Path) -> None:
    said = """    calendar:
      hours:
        - Mon-Fri 08:00-18:00
        - Sat 18:00-09:00
        - Sun 8-9
        - Thu-Sat 17:00-20:00
        - Sat 23:00-24:30
      holidays: [2026-12-25, 2026-02-30]
      holliday: x
"""

    wants = "need days and hours such as Mon-Fri 08:00-18:00, days being Mon to Sun, got"
    limit = "need hours that end after they begin, at 24:00 at the latest (write what passes midnight as two), got"
    assert problems(tmp_path, HEAD + said) == [
        f"10 datasets.d.calendar.hours[1]: {limit} 'Sat 18:00-09:00'",
        f"11 datasets.d.calendar.hours[2]: {wants} 'Sun 8-9'",
        "12 datasets.d.calendar.hours[3]: need hours that do not overlap, got 'Thu-Sat 17:00-20:00', twice on Thu",
        f"13 datasets.d.calendar.hours[4]: {limit} 'Sat 23:00-24:30'",
        "14 datasets.d.calendar.holidays[1]: need a day such as 2026-12-25, got '2026-02-30'",
        "15 datasets.d.calendar.holliday: unknown key",
    ]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("{}", "7 datasets.d.calendar: need hours or holidays"),
        ("Mon", "7 datasets.d.calendar: need a mapping, got 'Mon'"),
        (
            "{hours: []}",
            "7 datasets.d.calendar.hours: need days and hours such as Mon-Fri 08:00-18:00, days being Mon to Sun",
        ),
    ],
)
def test_a_calendar_says_something(tmp_path: Path, said: str, problem: str) -> None:
    assert problems(tmp_path, HEAD + f"    calendar: {said}\n") == [problem]


def test_editors_know_the_keys() -> None:
    dataset = json_schema()["properties"]["datasets"]["additionalProperties"]
    calendar = dataset["properties"]["calendar"]

    assert set(calendar["properties"]) == {"hours", "holidays"}
    pattern = calendar["properties"]["hours"]["anyOf"][0]["pattern"]
    assert re.fullmatch(pattern, "Mon-Fri 08:00-18:00")
    assert not re.fullmatch(pattern, "Mon-Fri 8-18")
