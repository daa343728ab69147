"""What waits: how much, how long. A census, so there is no sampling error and every interval is a point."""

from __future__ import annotations

from labelmon.check import Estimator, Moment, quantile_column
from labelmon.counts import OTHER, ROWS, Counts
from labelmon.estimators.breakdown import census, unknown
from labelmon.model import Estimate, State


def queue_ages(since: str, quantiles: tuple[float, ...], size: str) -> Estimator:
    """An estimator of a queue: its `size` (a statistic name) and the ages of what waits, in seconds.

    Column `since` is the minimum of the instants (ms) at which rows began to wait and `<since>_age` carries
    their age quantiles, both counted as of the moment.
    """

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        waiting = counts.rows
        found = [census(size, waiting, waiting)]
        if waiting == 0:
            # An empty queue has a size, 0, but no oldest item: an age of 0 would be made up.
            quantile_names = (f"{quantile_column('age', q)}_seconds" for q in quantiles)
            names = ["oldest_age_seconds", *quantile_names, *(["age_max_seconds"] if quantiles else [])]
            return (*found, *(unknown(name, "nothing waits", state=State.NOT_COMPUTABLE) for name in names))
        oldest = counts.total(since)
        if oldest is not None:
            found.append(census("oldest_age_seconds", moment.at - oldest / 1000, waiting))
        for quantile in quantiles:
            column = quantile_column("age", quantile)
            since_ms = counts.total(column)
            if since_ms is not None:
                found.append(census(f"{column}_seconds", since_ms / 1000, waiting))
        if oldest is not None and quantiles:
            found.append(census("age_max_seconds", moment.at - oldest / 1000, waiting))
        return tuple(found)

    return estimate


def sizes_by(key: str, size: str) -> Estimator:
    """An estimator of the queue's `size` under each known value of `key`."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:  # noqa: ARG001
        frame = counts.project((key,)).frame
        known = frame[~frame[key].isin(["", OTHER])]
        return tuple(
            census(size, float(n), float(n), {key: str(v)}) for v, n in zip(known[key], known[ROWS], strict=True)
        )

    return estimate
