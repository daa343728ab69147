"""A share of events, and the same share under each value of its keys."""

from __future__ import annotations

from labelmon.check import Estimator, Moment
from labelmon.counts import OTHER, ROWS, Counts
from labelmon.estimators.proportion import sufficiency, wilson
from labelmon.model import Estimate, State

# How a key is called as a label of a metric.
LABEL_OF = {
    "label": "class",
    "predicted": "class",
    "expected_class": "class",
    "validator": "rule",
    "partner_model_version": "model_version",
}
FEWEST = 20
MOST_GROUPS = 50


def share_by(column: str, statistic: str, noun: str = "events", *, by: str = "") -> Estimator:
    """An estimator: column `column` over all rows as `statistic` with its Wilson interval, and by each key.

    The shares by key are called `by`, or like the whole; values '' and `other` are left out, and a group of fewer
    than 20 rows is shown as insufficient.
    """

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        n = counts.rows
        if n == 0:
            return (Estimate(statistic=statistic, value=None, state=State.INSUFFICIENT, reason=f"no {noun}"),)
        state, reason = sufficiency(n, moment.budget, noun)
        found = [share(statistic, counts.total(column) or 0.0, n, state, reason)]
        for key in counts.keys:
            frame = counts.project((key,)).frame.sort_values([ROWS, key], ascending=[False, True])
            named = frame[~frame[key].isin(["", OTHER])].head(MOST_GROUPS)
            for value, rows, hits in zip(named[key], named[ROWS], named[column], strict=True):
                labels = {LABEL_OF.get(key, key): str(value)}
                few = rows < FEWEST
                state, reason = (State.INSUFFICIENT, f"{rows:g} {noun}; need {FEWEST}") if few else (State.OK, "")
                found.append(share(by or statistic, hits, rows, state, reason, labels))
        return tuple(found)

    return estimate


def share(
    statistic: str,
    hits: float,
    n: float,
    state: State = State.OK,
    reason: str = "",
    labels: dict[str, str] | None = None,
) -> Estimate:
    """Hits / n with its Wilson interval; `n` above 0."""
    low, high = wilson(hits, n)
    return Estimate(
        statistic=statistic, value=hits / n, low=low, high=high, n=n, state=state, reason=reason, labels=labels or {}
    )


def census(statistic: str, value: float, n: float, labels: dict[str, str] | None = None) -> Estimate:
    """A number that was counted, not estimated."""
    return Estimate(statistic=statistic, value=value, low=value, high=value, n=n, labels=labels or {})


def unknown(statistic: str, reason: str, n: float = 0.0, state: State = State.INSUFFICIENT) -> Estimate:
    """A number that nothing can be said about."""
    return Estimate(statistic=statistic, value=None, n=n, state=state, reason=reason)
