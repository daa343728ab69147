"""What a check reports, and what of it is good: statistics, objectives, thresholds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelmon.counts import ROWS
from labelmon.model import Severity


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A number a check reports: its name in `once --format json`, its metric suffix and what it means.

    Without a `metric` it is shown by `once`, the API and pages only; otherwise it is exported as
    `labelmon_<check>_<metric>`. `age` marks an age in seconds that is exported as the instant it counts from, so
    that it keeps growing between samples; its `metric` then ends in `timestamp_seconds`. With `adjusts`, the name of
    a p-value, it is that p-value adjusted for all datasets that are tested beside (Benjamini and Hochberg), and no
    estimator makes it.
    """

    name: str
    help: str
    metric: str = ""
    age: bool = False
    adjusts: str = ""
    interval: bool = False

    @property
    def in_seconds(self) -> bool:
        """Whether it is a length of time, which people write as 24h."""
        return self.age or self.metric.endswith("_seconds")


@dataclass(frozen=True, kw_only=True)
class EventSlo:
    """Good events over all events: `good` names a sum column, `of` what it is a share of. `target` is the default.

    `of` are the rows unless they have weights. `design_effect` names the statistic, of the check or of one of its
    parts, that says how many rows tell as much as one that was drawn by itself: evidence counts rows / effect.
    """

    good: str
    target: float
    within: float | None = None
    of: str = ROWS
    design_effect: str = ""

    def errors(self, total: Callable[[str], float]) -> float:
        """Bad events out of each column's `total`: the bad share of the rows, in [0, rows]."""
        rows, of = total(ROWS), total(self.of)
        bad = of - total(self.good)
        # Weights are summed in any order: what is left of them by rounding is no bad event.
        return min(rows, rows * bad / of) if bad > 1e-12 * of else 0.0

    def errors_by_cell(
        self, cells: Mapping[str, NDArray[np.float64]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(bad events, events) of each cell, out of the columns' sums by cell: `errors` for all cells at once."""
        rows, of = cells[ROWS], cells[self.of]
        bad = of - cells[self.good]
        share = np.divide(bad, of, out=np.zeros_like(rows), where=bad > 1e-12 * of)
        return np.minimum(rows, rows * share), rows


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """An alert of `severity` while `statistic` is past the objective and at least `at_least` rows are behind it.

    `proven` asks that the whole 95 % interval is past it, not just the estimate; `p_below` that the check's
    adjusted p-value is below it. `hold` seconds it must be so; None stands for those of all thresholds.
    """

    severity: Severity
    statistic: str
    at_least: int = 0
    proven: bool = False
    p_below: float = 0.0
    hold: int | None = None
    meaning: str


@dataclass(frozen=True, kw_only=True)
class GaugeSlo:
    """A number that must stay on one side: `statistic` at most (or at least) the default, in base units.

    `slice_width` are the seconds of the time slices that its budget counts, where they are not an hour of a state and
    a day of a table: longer where a day holds too little, and 0 for none at all.
    """

    statistic: str
    at_most: float | None = None
    at_least: float | None = None
    slice_width: int | None = None
    thresholds: tuple[Threshold, ...] = ()
