"""What share of what exists is covered: a census, overall, by each key, and where it is worst."""

from __future__ import annotations

from collections.abc import Mapping

from labelmon.check import Combiner, Estimator, Moment
from labelmon.counts import ROWS, Counts
from labelmon.estimators.breakdown import FEWEST, LABEL_OF, census, unknown
from labelmon.model import Estimate


def coverage_of(good: str, statistic: str) -> Estimator:
    """An estimator: column `good` over all rows, and per value of each key."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:  # noqa: ARG001  a census has no moment
        if counts.rows == 0:
            return (unknown(statistic, "no items"),)
        whole = census(statistic, (counts.total(good) or 0.0) / counts.rows, counts.rows)
        return whole, *_groups(counts, good, statistic)

    return estimate


def coverage_within(good: str, statistic: str) -> Estimator:
    """An estimator as `coverage_of`, of the groups alone: they may overlap, so that together they are no whole."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:  # noqa: ARG001
        return tuple(_groups(counts, good, statistic))

    return estimate


def worst_of(good: str, part: str, *, worst: str, overlap: str) -> Combiner:
    """A combiner: the least coverage of any group of the check and of its `part`, and how far the part's overlap.

    `overlap` is by how many rows the groups of the part exceed the items that they are made of.
    """

    def combine(tables: Mapping[str, Counts], moment: Moment) -> tuple[Estimate, ...]:
        del moment
        items, grouped = tables[""], tables.get(part)
        n = items.rows
        if n == 0:
            return (unknown(worst, "no items"),)
        groups = [group for table in (items, grouped) if table is not None for group in _groups(table, good, worst)]
        enough = [(group.value or 0.0, group.n) for group in groups if group.n >= FEWEST]
        least, behind = min(enough, default=((items.total(good) or 0.0) / n, n))
        if grouped is None:
            return (census(worst, least, behind),)
        return census(worst, least, behind), census(overlap, max(0.0, grouped.rows - n), n)

    return combine


def _groups(counts: Counts, good: str, statistic: str) -> list[Estimate]:
    found = []
    for key in counts.keys:
        frame = counts.project((key,)).frame
        for value, rows, covered in zip(frame[key], frame[ROWS], frame[good], strict=True):
            if value:
                found.append(census(statistic, covered / rows, rows, {LABEL_OF.get(key, key): str(value)}))
    return found
