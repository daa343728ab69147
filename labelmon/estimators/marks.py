"""Which versions came or went as a mix moved: the first thing to hold a drift against."""

from __future__ import annotations

from labelmon.check import Estimator, Moment, Statistic
from labelmon.counts import BUCKET, OTHER, ROWS, Counts
from labelmon.estimators.breakdown import LABEL_OF, census
from labelmon.model import DAY, Estimate

WEEK = 7
MARKED = Statistic(
    name="version_share_change",
    help="Share of the last seven days' rows that are of one version, minus its share of the days before.",
)


def version_marks(key: str) -> Estimator:
    """An estimator over daily counts by `bucket` and `key`: how much more of the last week each version is.

    A version that came with a drift, or went, stands out by a change near 1 or -1. Nothing is said as long as one side
    is empty, or while there is but one version on both.
    """

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        frame = counts.frame
        edge = (-(-int(moment.at) // DAY) - WEEK) * DAY
        recent = frame[BUCKET].astype("int64") >= edge
        now, before = (frame[side].groupby(key)[ROWS].sum() for side in (recent, ~recent))
        names = sorted({*now.index, *before.index} - {"", OTHER})
        n, m = float(now.sum()), float(before.sum())
        if not (n and m) or len(names) < 2:
            return ()
        return tuple(
            census(
                MARKED.name,
                float(now.get(name, 0.0)) / n - float(before.get(name, 0.0)) / m,
                n,
                {LABEL_OF.get(key, key): str(name)},
            )
            for name in names
        )

    return estimate
