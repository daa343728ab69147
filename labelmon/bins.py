"""The fixed bins that durations are counted in: 20 to a decade, from 1 s to 10^8 s (3.2 years)."""

from __future__ import annotations

PER_DECADE = 20
DECADES = 8
# Ascending, in ms: bin i holds durations in [EDGES_MS[i], EDGES_MS[i + 1]); the last bin has no end.
EDGES_MS = (0, *(round(1000 * 10 ** (place / PER_DECADE)) for place in range(PER_DECADE * DECADES + 1)))
BINS = len(EDGES_MS)
SKEWED = "skewed"  # the bin of durations below 0: a clock is wrong


def bin_name(place: int) -> str:
    """Bin `place` as a key: text of one length, so that it sorts."""
    return f"{place:03d}"


def edges(name: str) -> tuple[float, float | None]:
    """The ends of a bin in seconds; the last bin has no upper end."""
    place = int(name)
    return EDGES_MS[place] / 1000, EDGES_MS[place + 1] / 1000 if place + 1 < BINS else None
