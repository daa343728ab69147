"""What machines say of their own labels, against what audits say of them."""

from __future__ import annotations

from collections.abc import Callable

from labelmon.check import Estimator, Moment
from labelmon.counts import OTHER, Counts
from labelmon.estimators.breakdown import FEWEST, census, unknown
from labelmon.estimators.proportion import wilson
from labelmon.estimators.survey import GOOD, GOOD_SQUARED, WEIGHT, WEIGHT_SQUARED, weighted_share
from labelmon.model import Estimate, State

REASONS = ("missing", "below_zero", "above_one")


def gap_of(statistic: str, noun: str) -> Estimator:
    """An estimator: the weighted mean of what is claimed minus that of right (1 or 0), in [-1, 1].

    The interval is Wilson's of the right share on as many rows as would make its variance that of the difference,
    which the claims of a model that knows when it is wrong make smaller. The variance is linearized, with replacement:
    sum of w^2 (claim - right - gap)^2 / (sum of w)^2; strata, which would narrow it, are left out.

    References
    ----------
    C.-E. Sarndal, B. Swensson, J. Wretman (1992), Model Assisted Survey Sampling, 5.7.
    """

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        del moment
        n = counts.rows
        if n < FEWEST:
            return (unknown(statistic, f"{n:g} {noun}; need {FEWEST}", n),)
        return (_gap(statistic, n, lambda column: counts.total(column) or 0.0),)

    return estimate


def _gap(statistic: str, n: float, total: Callable[[str], float]) -> Estimate:
    weight = total(WEIGHT)
    share, sure = min(1.0, total(GOOD) / weight), total("surely") / weight
    gap = sure - share
    # sum of w^2 d and of w^2 d^2, d = claim - right; right is its own square
    first = total("sure_once") - total(GOOD_SQUARED)
    second = total("sure_squared") - 2 * total("sure_and_right") + total(GOOD_SQUARED)
    variance = (second - 2 * gap * first + gap * gap * total(WEIGHT_SQUARED)) / weight**2
    alike = n * total(WEIGHT_SQUARED) / weight**2  # what unequal weights cost by themselves
    plain = share * (1 - share) / n
    # All right or all wrong: nothing is known of the variance but the weights.
    effect = alike if plain <= 1e-12 else max(variance / plain, alike / 4)
    low, high = wilson(share * n / effect, n / effect)
    return Estimate(statistic=statistic, value=gap, low=sure - high, high=sure - low, n=n)


def confidences(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
    """`mean_confidence` and `unsure_share` of labels whose confidence is one, and the others by reason.

    Columns: `known`, `sum`, `unsure` (below one half), and the reasons.
    """
    del moment
    left_out = ((reason, counts.total(reason) or 0.0) for reason in REASONS)
    found = [census("excluded_confidences", n, counts.rows, {"reason": reason}) for reason, n in left_out if n]
    known = counts.total("known") or 0.0
    if known == 0:
        reason = "no automatic label has a confidence in [0, 1]" if counts.rows else "no automatic labels"
        return *(unknown(name, reason, counts.rows) for name in ("mean_confidence", "unsure_share")), *found
    mean, unsure = ((counts.total(column) or 0.0) / known for column in ("sum", "unsure"))
    return census("mean_confidence", mean, known), census("unsure_share", unsure, known), *found


def errors_by_stage(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
    """`rollout_error` of each stage, over weighed audits whose "good" are the wrong labels."""
    del moment
    found = []
    for stage in sorted({str(value) for value in counts.frame["partner_rollout"]} - {"", OTHER}):
        own = counts.where(partner_rollout=stage)
        few = own.rows < FEWEST
        state, reason = (State.INSUFFICIENT, f"{own.rows:g} audits; need {FEWEST}") if few else (State.OK, "")
        found.append(weighted_share(own, "rollout_error", state, reason, {"rollout": stage}, whole=counts))
    return tuple(found)
