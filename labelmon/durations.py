"""Durations as Prometheus writes them: 500ms, 60s, 5m, 48h, 28d, 1h30m."""

from __future__ import annotations

import re

_UNITS = {"y": 31_536_000.0, "w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PATTERN = re.compile(r"(?=\d)" + "".join(rf"(?:(\d+){unit})?" for unit in _UNITS))


def parse_duration(text: str) -> float:
    """Seconds in `text`.

    Raises
    ------
    ValueError : if `text` is no Prometheus duration.

    Examples
    --------
    >>> parse_duration("1h30m")
    5400.0
    """
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"need a duration such as 60s, 48h or 28d, got {text!r}")
    return sum(float(n) * unit for n, unit in zip(match.groups(), _UNITS.values(), strict=True) if n)


def format_duration(seconds: float) -> str:
    """`seconds` in the fewest units, days at the largest.

    Examples
    --------
    >>> format_duration(5400), format_duration(30 * 86400), format_duration(0.5)
    ('1h30m', '30d', '500ms')
    """
    rest = round(seconds * 1000)
    parts = []
    for name, width in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, width)
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts) or "0s"
