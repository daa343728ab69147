"""What share of what exists is covered: a census, overall, by each key, and where it is worst."""

from __future__ import annotations

from labelmon.check import Estimator, Moment
from labelmon.counts import ROWS, Counts
from labelmon.estimators.breakdown import FEWEST, LABEL_OF, census, unknown
from labelmon.model import Estimate


def coverage_of(good: str, statistic: str, worst: str) -> Estimator:
    """An estimator: column `good` over all rows, and per value of each key; `worst` is the least of those."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:  # noqa: ARG001  a census has no moment
        if counts.rows == 0:
            return tuple(unknown(name, "no items") for name in (statistic, worst))
        found = [census(statistic, (counts.total(good) or 0.0) / counts.rows, counts.rows)]
        groups = []
        for key in counts.keys:
            frame = counts.project((key,)).frame
            for value, rows, covered in zip(frame[key], frame[ROWS], frame[good], strict=True):
                if value:
                    groups.append(census(statistic, covered / rows, rows, {LABEL_OF.get(key, key): str(value)}))
        enough = [group for group in groups if group.n >= FEWEST]
        least = min(enough, key=lambda group: group.value or 0.0, default=found[0])
        found.append(census(worst, least.value or 0.0, least.n))
        return (*found, *groups)

    return estimate
