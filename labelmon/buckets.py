"""The width of a ledger bucket, from the shortest alert window."""

from __future__ import annotations

LADDER = (1, 5, 15, 60, 300, 900, 3600)


def bucket_width(shortest: int) -> int:
    """The largest bucket, in seconds, not above a quarter of the `shortest` window.

    A short window of fewer than four buckets would flap with the cadence of the data.

    Raises
    ------
    ValueError : for a window under 4 s.

    Examples
    --------
    >>> bucket_width(300), bucket_width(20)
    (60, 5)
    """
    if shortest < 4 * LADDER[0]:
        raise ValueError(f"need a shortest window of at least 4s, got {shortest}s")
    return max(width for width in LADDER if width <= shortest / 4)
