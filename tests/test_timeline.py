"""How late rows arrive, as cells say that were watched arriving."""

from __future__ import annotations

import pytest

from labelmon.cells import Cell
from labelmon.counts import ROWS, Op
from labelmon.timeline import Timeline, timeline

HOUR, MINUTE = 3600, 60
START = 480_000 * HOUR


def line(*seen: tuple[int, float | None]) -> Timeline:
    """Minutes of (start, when they were first seen), or never watched."""
    cells = [
        Cell(start=at, width=MINUTE, keys=("a",), values=(1.0,), lag=None if when is None else when - at - MINUTE)
        for at, when in seen
    ]
    return timeline(("class",), {ROWS: Op.SUM}, cells)


def live(hours: range) -> list[tuple[int, float | None]]:
    return [(START + h * HOUR + 600, START + h * HOUR + 780.0) for h in hours]


def test_what_is_seen_soon_arrives_soon() -> None:
    assert line(*live(range(100))).arrival_lag(START) == 120


def test_one_bulk_upload_does_not_decide() -> None:
    """A week of eight hours on five days, and then all of its nights at once."""
    week = live(range(40))
    past = [(START - h * HOUR, START + 40.5 * HOUR) for h in range(1, 128)]

    assert line(*past, *week).arrival_lag(START - 300 * HOUR) == 120


def test_an_upload_a_night_decides() -> None:
    """Each at the end of its day: three of four hours wait for 18 hours at most, whatever is seen soon beside them."""
    nights = [(START + h * HOUR, START + (h // 24 + 1) * 24 * HOUR) for h in range(24 * 7)]

    soon = [(at + MINUTE, at + 2 * MINUTE) for at, _ in nights if at % (24 * HOUR) < 4 * HOUR]

    assert line(*nights).arrival_lag(START) == pytest.approx(18 * HOUR, abs=HOUR)
    assert (line(*nights, *soon).arrival_lag(START) or 0) > 12 * HOUR
    assert line(*nights).arrival_lag(START, 1.0) == 24 * HOUR - MINUTE


def test_an_hour_counts_as_soon_as_its_first_row_is_seen() -> None:
    late = [(START + h * HOUR, START + h * HOUR + 30 * HOUR) for h in range(100)]

    assert line(*late, *live(range(100))).arrival_lag(START) == 120


def test_nothing_was_watched() -> None:
    assert line().arrival_lag(0) is None
    assert line((START, None)).arrival_lag(0) is None
    assert line((START, START + 600.0)).arrival_lag(START + HOUR) is None
