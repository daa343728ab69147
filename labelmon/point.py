"""One objective to be measured, and what the counts of its series say: estimates with their states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from labelmon.check import Check, EventSlo, Moment
from labelmon.counts import Counts
from labelmon.durations import format_duration
from labelmon.model import (
    Dataset,
    Measurement,
    Objective,
)
from labelmon.recount import Pace
from labelmon.slices import Slices
from labelmon.stores import Series
from labelmon.timeline import Timeline

# The last estimates of a series that is counted by the hour or the day, under what they were made of.
Memo = dict[str, tuple[tuple[object, ...], list[Measurement]]]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One objective to be measured: its counts, and what is known about them."""

    check: Check
    objective: Objective
    line: Timeline
    history: int | None
    series: Series
    failure: str
    sampled_at: float | None
    judged_by: str  # SloStatus.judged_by of the last cycle
    pace: Pace
    keys_scope: Mapping[str, str] = field(default_factory=dict)
    narrowed: bool = True
    estimated: bool = True  # whether its estimates are asked for, or only where its objective stands
    rest: int = 0  # seconds for which estimates stand although counts moved on
    memo: Memo = field(default_factory=dict)
    slices: dict[str, Slices] = field(default_factory=dict)
    recounted: float | None = None  # when older cells were last counted again; None for states, which never are


def estimates(
    dataset: Dataset,
    series: Series,
    objective: Objective,
    counts: Counts,
    at: float,
    design_effect: float | None = None,
    lag: float = 0.0,
) -> list[Measurement]:
    """The estimates of a series' counts, as measurements under the objective's scope and window."""
    check = series.check
    window = ""
    if isinstance(check.slo, EventSlo) or (not series.is_snapshot and not check.history):
        window = "all" if objective.window is None else format_duration(objective.window)
    moment = replace(moment_of(dataset, check, objective, at, design_effect), lag=lag)
    return [
        Measurement(dataset=dataset.name, check=check.name, estimate=e, window=window, labels=dict(objective.scope))
        for e in (series.table.estimate(counts, moment) if series.table.estimate else ())
    ]


def combined(
    dataset: Dataset, check: Check, objective: Objective, tables: Mapping[str, Counts], at: float
) -> list[Measurement]:
    """What a check says of its counts and those of its parts together."""
    if check.combine is None or "" not in tables:
        return []
    window = "all" if objective.window is None else format_duration(objective.window)
    return [
        Measurement(dataset=dataset.name, check=check.name, estimate=e, window=window, labels=dict(objective.scope))
        for e in check.combine(tables, moment_of(dataset, check, objective, at))
    ]


def moment_of(
    dataset: Dataset, check: Check, objective: Objective, at: float, design_effect: float | None = None
) -> Moment:
    """What an estimator may know besides its counts."""
    return Moment(
        at=at,
        budget=objective.budget or None,
        classes=dataset.classes,
        ordinal=dataset.ordinal,
        timezone=dataset.timezone,
        settings={setting.name: setting.default for setting in check.settings} | dict(objective.settings),
        design_effect=design_effect,
        calendar=dataset.calendar,
    )


def bounds(objective: Objective, now: float, pace: Pace) -> tuple[int, int]:
    """[start, end) of the objective's window in event time, seconds."""
    end = pace.window_end(now)
    return (0 if objective.window is None else pace.window_start(end, objective.window)), end
