"""How many arrivals each hour promises: the hours of the week in local time, learnt from the weeks before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from labelmon.model import HOUR, Calendar

Array = NDArray[np.float64]
WEEK_HOURS = 168
PAST = 4 * WEEK_HOURS  # hours that are learnt from
BURST = 3.0  # an hour counts at most so many times what its like hold, and so many arrivals more
PRIOR = 1.0  # weeks that the day's level times the hour's share weighs
EMPTY = 3.0  # arrivals that an hour of the week must have missed to be taken as empty


@lru_cache(maxsize=1 << 16)
def local_hour(start: int, timezone: str) -> tuple[date, int, int]:
    """(day, day of the week from Monday, hour) of the local hour in which the UTC hour at `start` begins."""
    local = datetime.fromtimestamp(start, UTC).astimezone(ZoneInfo(timezone))
    return local.date(), local.weekday(), local.hour


@dataclass(frozen=True, kw_only=True)
class Hours:
    """A row of hours: their hour of the local week, from Monday 0:00, and the share of each that is open.

    Both have the shape (hours,).
    """

    slots: NDArray[np.int64]
    open: Array


def hours_of(start: int, many: int, timezone: str, calendar: Calendar | None) -> Hours:
    """So many hours from `start` (seconds, on the hour) on."""
    local = [local_hour(start + place * HOUR, timezone) for place in range(many)]
    slots = np.array([weekday * 24 + hour for _, weekday, hour in local], np.int64)
    opened = np.ones(many)
    if calendar is not None:
        opened = np.array([calendar.open_share(day, hour) for day, _, hour in local])
    return Hours(slots=slots, open=opened)


def weekly_rates(counts: Array, slots: NDArray[np.int64], used: NDArray[np.bool_]) -> Array:
    """Arrivals that each hour of the week promises, shape (168,), from `counts` of the hours `used`, shape (hours,).

    The mean of the hour in the weeks, drawn by as much as one week weighs to its day's total times its share of all
    days. A burst counts as its like do, at most; an hour that was always empty and would have held some stays empty, so
    that nobody waits for Sunday.
    """
    where = slots[used]
    capped = _without_bursts(counts[used], where)
    many = np.bincount(where, minlength=WEEK_HOURS).astype(float)
    total = np.bincount(where, weights=capped, minlength=WEEK_HOURS)
    mean = np.divide(total, many, out=np.zeros(WEEK_HOURS), where=many > 0).reshape(7, 24)
    whole = mean.sum()
    smooth = (np.outer(mean.sum(axis=1), mean.sum(axis=0)) / whole if whole else mean).ravel()
    empty = (total == 0) & (many * smooth >= EMPTY)
    return np.where(empty, 0.0, (total + PRIOR * smooth) / (many + PRIOR))


def flat_rate(counts: Array, opened: Array) -> float:
    """Arrivals in an open hour, over all of them alike: what there is to go by in the first two weeks."""
    return float(counts.sum() / opened.sum())


def _without_bursts(counts: Array, slots: NDArray[np.int64]) -> Array:
    """`counts`, each at most what the other weeks' same hour, or the other days', makes likely."""
    most = np.maximum(_others(counts, slots), _others(counts, slots % 24))
    capped: Array = np.minimum(counts, BURST * most + BURST)
    return capped


def _others(counts: Array, groups: NDArray[np.int64]) -> Array:
    """For each count the mean of the other ones of its group; 0 for the only one."""
    total, many = np.bincount(groups, weights=counts), np.bincount(groups)
    rest = many[groups] - 1
    found: Array = np.divide(total[groups] - counts, rest, out=np.zeros(len(counts)), where=rest > 0)
    return found


def placed(values: Mapping[int, float], start: int, many: int) -> Array:
    """`values` by the start of their hour, as an array over so many hours from `start` on; 0 where there is none."""
    found = np.zeros(many)
    for at, value in values.items():
        place = (at - start) // HOUR
        if 0 <= place < many:
            found[place] = value
    return found
