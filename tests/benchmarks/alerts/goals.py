"""What the alerts are held to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.benchmarks.alerts.cells import Cell

MOST_FALSE = {"labelmon_pages_upper": 0.15, "labelmon_tickets_upper": 0.3}
MOST_FALSE_CLUSTERED = {"labelmon_pages_upper": 0.5}


def most_hours(cell: Cell) -> float | None:
    """The longest median delay of a page; None where nothing is asked."""
    thin = cell.objective == 0.99
    if cell.burn == 20:
        return {5: 6.5, 20: 1.4}.get(cell.per_hour, 1.2) if thin else 1.2
    if cell.burn == 6:
        return 40.0 if thin and cell.per_hour == 5 else 8.0
    return None


def missed(cell: Cell, figures: Mapping[str, float | None]) -> Iterator[str]:
    """The goals that the figures of a cell miss."""
    if cell.burn <= 1:
        for name, most in (MOST_FALSE_CLUSTERED if cell.clustered else MOST_FALSE).items():
            got = figures[name]
            if got is None or got > most:
                yield f"{cell.name}: {name.replace('_', ' ')} {got} per 30 days; want <= {most}"
        return
    most_delay, median = most_hours(cell), figures["labelmon_page_median"]
    if most_delay is not None and (median is None or median > most_delay):
        yield f"{cell.name}: median delay of a page {median} h; want <= {most_delay}"
