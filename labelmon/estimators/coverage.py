"""What share of what exists is covered: a census, overall, by each key, and where it is worst."""

from __future__ import annotations

from collections.abc import Mapping

from labelmon.check import Combiner, Estimator, Moment
from labelmon.counts import ROWS, Counts
from labelmon.estimators.breakdown import FEWEST, LABEL_OF, census, unknown
from labelmon.model import Estimate


def coverage_of(good: str, statistic: str, worst: str) -> Estimator:
    """An estimator: column `good` over all rows, and per value of each key; `worst` is the least of those."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:  # noqa: ARG001  a census has no moment
        if counts.rows == 0:
            return tuple(unknown(name, "no items") for name in (statistic, worst))
        whole = census(statistic, (counts.total(good) or 0.0) / counts.rows, counts.rows)
        groups = _groups(counts, good, statistic)
        least = _least(groups) or whole
        return whole, census(worst, least.value or 0.0, least.n), *groups

    return estimate


def coverage_within(good: str, statistic: str, worst: str) -> Estimator:
    """An estimator as `coverage_of`, of the groups alone: they may overlap, so that together they are no whole."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:  # noqa: ARG001
        groups = _groups(counts, good, statistic)
        least = _least(groups)
        if least is None:
            return unknown(worst, f"no group of {FEWEST} items or more"), *groups
        return census(worst, least.value or 0.0, least.n), *groups

    return estimate


def overlap(part: str, statistic: str) -> Combiner:
    """A combiner: by how many rows the groups of `part` exceed the items that they are made of."""

    def combine(tables: Mapping[str, Counts], moment: Moment) -> tuple[Estimate, ...]:
        del moment
        grouped = tables.get(part)
        if grouped is None:
            return ()
        items = tables[""].rows
        return (census(statistic, max(0.0, grouped.rows - items), items),)

    return combine


def _groups(counts: Counts, good: str, statistic: str) -> list[Estimate]:
    found = []
    for key in counts.keys:
        frame = counts.project((key,)).frame
        for value, rows, covered in zip(frame[key], frame[ROWS], frame[good], strict=True):
            if value:
                found.append(census(statistic, covered / rows, rows, {LABEL_OF.get(key, key): str(value)}))
    return found


def _least(groups: list[Estimate]) -> Estimate | None:
    enough = [group for group in groups if group.n >= FEWEST]
    return min(enough, key=lambda group: group.value or 0.0, default=None)
