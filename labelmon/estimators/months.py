"""What labels cost by the calendar month of a time zone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from labelmon.check import Moment
from labelmon.counts import BUCKET, Counts
from labelmon.estimators.breakdown import FEWEST, census, unknown
from labelmon.model import Estimate

MONTHS = 13  # shown: a year back, and the month that has begun


def by_month(counts: Counts, timezone: str) -> Iterator[tuple[str, Mapping[str, float]]]:
    """(`2026-02`, the sum of each column) for each local month that has rows, oldest first.

    `counts` are by `bucket`, the start in seconds of an hour or of a local day, neither of which crosses a month.
    """
    zone = ZoneInfo(timezone)
    sums: dict[str, dict[str, float]] = {}
    frame = counts.project((BUCKET,)).frame.sort_values(BUCKET)
    for row in frame.to_dict("records"):
        month = datetime.fromtimestamp(int(row[BUCKET]), zone).strftime("%Y-%m")
        own = sums.setdefault(month, dict.fromkeys(counts.ops, 0.0))
        for column in counts.ops:
            own[column] += float(row[column])
    yield from sums.items()


def monthly_costs(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
    """`cost_growth` of the last full local month over the one before, and what each month's labels cost.

    Columns `costed` and `spent` count and add costs above 0. The month that has begun is shown (`monthly_spent` is what
    was spent so far) and never compared. A month of fewer than 20 labels with a cost says nothing of the growth.
    """
    now = datetime.fromtimestamp(moment.at, ZoneInfo(moment.timezone))
    months = {month: sums for month, sums in by_month(counts, moment.timezone) if sums["costed"]}
    found = [_growth(months, *_before(now, 2))]
    for month, sums in [*months.items()][-MONTHS:]:
        n, label = sums["costed"], {"month": month}
        found.append(census("monthly_cost_per_label", sums["spent"] / n, n, label))
        found.append(census("monthly_spent", sums["spent"], n, label))
    return tuple(found)


def _before(now: datetime, months: int) -> tuple[str, ...]:
    """The names of so many full months before `now`, oldest first."""
    place = now.year * 12 + now.month - 1
    return tuple(f"{m // 12:04d}-{m % 12 + 1:02d}" for m in range(place - months, place))


def _growth(months: Mapping[str, Mapping[str, float]], earlier: str, last: str) -> Estimate:
    sizes = {month: months[month]["costed"] if month in months else 0.0 for month in (earlier, last)}
    few = next((month for month, n in sizes.items() if n < FEWEST), None)
    if few:
        return unknown("cost_growth", f"{sizes[few]:g} labels with a cost in {few}; need {FEWEST}", sizes[last])
    then, now = (months[month]["spent"] / months[month]["costed"] for month in (earlier, last))
    return census("cost_growth", now / then, sizes[last])
