"""What is past its time: a census of labels and audits by age."""

from __future__ import annotations

from labelmon.check import Estimator, Moment
from labelmon.counts import ROWS, Counts
from labelmon.estimators.breakdown import LABEL_OF, census, unknown
from labelmon.model import Estimate, State


def freshness(fresh: str, dated: str, oldest: str) -> Estimator:
    """An estimator of `fresh` (by key too), `dated`, `expired_labels` and `oldest_expired_age_seconds`.

    Columns `fresh` and `dated` count labels that have not expired and that carry an expiry; `oldest` is the earliest
    expiry in ms.
    """

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        n = counts.rows
        if n == 0:
            return (unknown("fresh", "no labels"),)
        good, known = counts.total(fresh) or 0.0, counts.total(dated) or 0.0
        if known == 0:
            return unknown("fresh", "no label carries an expiry", n), census("dated", 0.0, n)
        found = [census("fresh", good / n, n), census("dated", known / n, n), census("expired_labels", n - good, n)]
        earliest = counts.total(oldest)
        if good < n and earliest is not None:
            found.append(census("oldest_expired_age_seconds", moment.at - earliest / 1000, n - good))
        else:
            found.append(unknown("oldest_expired_age_seconds", "nothing has expired", state=State.NOT_COMPUTABLE))
        for key in counts.keys:
            frame = counts.project((key,)).frame
            for value, rows, live in zip(frame[key], frame[ROWS], frame[fresh], strict=True):
                if value:
                    found.append(census("fresh", live / rows, rows, {LABEL_OF.get(key, key): str(value)}))
        return tuple(found)

    return estimate


def last_seen(newest: str, statistic: str, noun: str) -> Estimator:
    """An estimator: the age in seconds of the newest row; column `newest` is its instant in ms."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        latest = counts.total(newest)
        if latest is None:
            return (unknown(statistic, f"no {noun}"),)
        return (census(statistic, moment.at - latest / 1000, counts.rows),)

    return estimate


def oldest_by(oldest: str, statistic: str, noun: str) -> Estimator:
    """An estimator: the age in seconds of the oldest row, whole and by key; column `oldest` is its instant in ms."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        earliest = counts.total(oldest)
        if earliest is None:
            return (unknown(statistic, f"no {noun}"),)
        found = [census(statistic, moment.at - earliest / 1000, counts.rows)]
        for key in counts.keys:
            frame = counts.project((key,)).frame
            for value, rows, first in zip(frame[key], frame[ROWS], frame[oldest], strict=True):
                if value:
                    labels = {LABEL_OF.get(key, key): str(value)}
                    found.append(census(statistic, moment.at - first / 1000, rows, labels))
        return tuple(found)

    return estimate
