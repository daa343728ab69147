"""`calendar:` of a dataset: when its pipeline is open, so that silence at other times means nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from labelmon.config.fields import Kind, Reader
from labelmon.config.source import Node
from labelmon.model import Calendar

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUTES = 24 * 60
_DAY = "|".join(DAYS)
_TIME = r"(\d{2}):(\d{2})"
_SPAN = re.compile(rf"({_DAY})(?:-({_DAY}))? {_TIME}-{_TIME}", re.ASCII)
CALENDAR_KEYS = ("hours", "holidays")
Span = tuple[tuple[int, ...], int, int]


def _span(text: str) -> Span:
    """(days from Monday on, first minute, minute after the last)."""
    match = _SPAN.fullmatch(text)
    if not match:
        raise ValueError(text)
    first, last, *numbers = match.groups()
    low, high = DAYS.index(first), DAYS.index(last or first)
    start, start_minute, end, end_minute = map(int, numbers)
    if start_minute > 59 or end_minute > 59:
        raise ValueError(text)
    days = tuple(day % 7 for day in range(low, (high if high >= low else high + 7) + 1))
    return days, start * 60 + start_minute, end * 60 + end_minute


HOURS = Kind(
    read=_span,
    wants="days and hours such as Mon-Fri 08:00-18:00, days being Mon to Sun",
    schema={"type": "string", "pattern": f"^{_SPAN.pattern}$"},
    fits=lambda span: span[1] < span[2] <= MINUTES,
    limit="hours that end after they begin, at 24:00 at the latest (write what passes midnight as two)",
)
DATE = Kind(
    read=date.fromisoformat,
    wants="a day such as 2026-12-25",
    schema={"type": "string", "format": "date"},
)
CALENDAR_SCHEMA = {
    "hours": {"anyOf": [HOURS.schema, {"type": "array", "items": HOURS.schema, "minItems": 1}]},
    "holidays": {"type": "array", "items": DATE.schema},
}


def read_calendar(reader: Reader, node: Node | None) -> Calendar | None:
    """The calendar; without `hours` every day is open all day, but for the holidays."""
    if node is None:
        return None
    keys = reader.mapping(node, CALENDAR_KEYS)
    if isinstance(node.value, dict) and not node.value:
        reader.problem(node, "need hours or holidays", "or leave the calendar out")
    week: list[list[tuple[int, int]]] = [[(0, MINUTES)] for _ in DAYS]
    if "hours" in keys:
        week = [[] for _ in DAYS]
        if keys["hours"].value == []:
            reader.problem(keys["hours"], f"need {HOURS.wants}", "without any, nothing is ever due")
        for item, (days, start, end) in _spans(reader, keys["hours"]):
            for day in days:
                if any(start < high and low < end for low, high in week[day]):
                    reader.problem(item, f"need hours that do not overlap, got {item.shown}, twice on {DAYS[day]}")
                    break
                week[day].append((start, end))
    listed = reader.items(keys["holidays"]) if "holidays" in keys else []
    closed: list[date | None] = [reader.scalar(item, DATE) for item in listed]
    return Calendar(
        week=tuple(tuple(sorted(spans)) for spans in week),
        holidays=frozenset(day for day in closed if day is not None),
    )


def _spans(reader: Reader, node: Node) -> Iterator[tuple[Node, Span]]:
    for item in reader.items(node):
        span = reader.scalar(item, HOURS)
        if span is not None:
            yield item, span
