"""Shares of events: Wilson intervals, and the evidence that an error ratio exceeds its budget."""

from __future__ import annotations

from math import ceil, log, sqrt
from statistics import NormalDist

from labelmon.check import Estimator, Moment
from labelmon.counts import OTHER, ROWS, Counts
from labelmon.model import Estimate, State

FEWEST_OF_ONE = 20  # audits before one annotator's figure says anything
ALPHA = 0.001  # evidence above ln(1/ALPHA) nats convinces


def wilson(good: float, total: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion.

    Parameters
    ----------
    good, total : event counts, real numbers (effective counts are fractions), 0 <= good <= total, total > 0
    confidence : coverage of the two-sided interval, in (0, 1)

    Returns
    -------
    (low, high), both in [0, 1] and around good / total.

    Raises
    ------
    ValueError : outside those ranges.

    References
    ----------
    E. B. Wilson (1927), JASA 22:209.

    Examples
    --------
    >>> [round(end, 4) for end in wilson(95, 100)]
    [0.8882, 0.9785]
    """
    if not (0 <= good <= total and total > 0):
        raise ValueError(f"need 0 <= good <= total and total > 0, got {good=}, {total=}")
    # Three lines of our own: importing statsmodels costs the daemon 3 s at every start. Tests hold them to it.
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, slack = good / total, z * z / total
    middle = (share + slack / 2) / (1 + slack)
    half = z * sqrt(share * (1 - share) / total + slack / (4 * total)) / (1 + slack)
    # Rounding may leave an end 1e-17 on the wrong side of the estimate it must hold.
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def evidence_nats(errors: float, events: float, budget: float) -> float:
    """Evidence that the error ratio exceeds `budget`: n KL(k/n || budget), 0 when k/n <= budget.

    By Chernoff's bound, exp(-evidence) bounds the chance to see so many errors while the true ratio is at
    most `budget`.

    Parameters
    ----------
    errors, events : (effective) counts, 0 <= errors <= events
    budget : share of events that may be bad, in (0, 1)

    Returns
    -------
    Nats, in [0, inf).

    Raises
    ------
    ValueError : outside those ranges.

    References
    ----------
    H. Chernoff (1952), Ann. Math. Statist. 23:493.

    Examples
    --------
    >>> round(evidence_nats(1, 5, 0.05), 3)
    0.59
    >>> round(evidence_nats(3, 3, 0.05), 3)
    8.987
    """
    if not 0 <= errors <= events:
        raise ValueError(f"need 0 <= errors <= events, got {errors=}, {events=}")
    if not 0 < budget < 1:
        raise ValueError(f"need 0 < budget < 1, got {budget=}")
    if errors <= events * budget:
        return 0.0
    good = events - errors
    nats = errors * log(errors / (events * budget))
    return nats + (good * log(good / (events * (1 - budget))) if good > 0 else 0.0)


def fewest_events(budget: float, alpha: float = ALPHA) -> int:
    """How many events it takes to prove even a total failure against `budget` at `alpha`.

    Examples
    --------
    >>> fewest_events(0.05), fewest_events(0.5)
    (3, 10)
    """
    return ceil(log(1 / alpha) / log(1 / budget))


def sufficiency(events: float, budget: float | None, noun: str = "events") -> tuple[State, str]:
    """Whether so many events could prove even a total failure against `budget`, and why not."""
    needed = fewest_events(budget) if budget else 1
    if events >= needed:
        return State.OK, ""
    return State.INSUFFICIENT, f"{events:g} {noun}; {needed} could prove a total failure"


def share_of(good: str, statistic: str, noun: str = "events") -> Estimator:
    """An estimator: column `good` over all rows, named `statistic`, with its Wilson interval."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        n = counts.rows
        if n == 0:
            return (Estimate(statistic=statistic, value=None, state=State.INSUFFICIENT, reason=f"no {noun}"),)
        hits = counts.total(good) or 0.0
        low, high = wilson(hits, n)
        state, reason = sufficiency(n, moment.budget, noun)
        return (
            Estimate(
                statistic=statistic,
                value=hits / n,
                low=low,
                high=high,
                n=n,
                state=state,
                reason=reason,
            ),
        )

    return estimate


def shares_by(good: str, statistic: str, key: str, most: int = 200, noun: str = "audits") -> Estimator:
    """An estimator: column `good` over rows for each value of `key` (not '' or `other`), most rows first."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        del moment
        frame = counts.project((key,)).frame.sort_values([ROWS, key], ascending=[False, True])
        named = frame[~frame[key].isin(["", OTHER])].head(most)
        return tuple(
            _with_interval(statistic, hits, n, {key: str(value)}, noun)
            for value, n, hits in zip(named[key], named[ROWS], named[good], strict=True)
        )

    return estimate


def majority_vote(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
    """Share of items whose most frequent label is the truth; a tie counts as the chance that a random one is.

    Columns: `good` as above, `votes` the labels counted. With one label an item there is no vote to speak of.
    """
    del moment
    n, votes = counts.rows, counts.total("votes") or 0.0
    name = "majority_vote_accuracy"
    if n == 0 or votes <= n:
        reason = "no item has more than one audited label" if n else "no audits"
        return (Estimate(statistic=name, value=None, n=n, state=State.INSUFFICIENT, reason=reason),)
    return (_with_interval(name, min(n, counts.total("good") or 0.0), n, {}),)


def _with_interval(statistic: str, hits: float, n: float, labels: dict[str, str], noun: str = "audits") -> Estimate:
    low, high = wilson(hits, n)
    few = n < FEWEST_OF_ONE
    return Estimate(
        statistic=statistic,
        value=hits / n,
        low=low,
        high=high,
        n=n,
        labels=labels,
        state=State.INSUFFICIENT if few else State.OK,
        reason=f"{n:g} {noun}; need {FEWEST_OF_ONE}" if few else "",
    )
