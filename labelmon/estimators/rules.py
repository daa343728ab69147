"""Labels held to several rules each: shares of checks, and how much the checks of one label say the same."""

from __future__ import annotations

from dataclasses import replace

from labelmon.check import Estimator, Moment
from labelmon.counts import ROWS, Counts
from labelmon.estimators.breakdown import census, share_by
from labelmon.estimators.proportion import sufficiency, wilson
from labelmon.model import Estimate

NOUN = "checks"


def checks_by_rule(good: str, statistic: str) -> Estimator:
    """An estimator: column `good` over checks, whole and by rule; the interval of the whole is on checks / effect."""
    shares = share_by(good, statistic, NOUN)

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        whole, *rest = shares(counts, moment)
        if whole.value is None:
            return (whole,)
        effective = whole.n / max(1.0, moment.design_effect or 1.0)
        low, high = wilson(whole.value * effective, effective)
        state, reason = sufficiency(effective, moment.budget, f"effective {NOUN}")
        return (replace(whole, low=low, high=high, state=state, reason=reason), *rest)

    return estimate


def failing_labels(statistic: str, effect: str) -> Estimator:
    """An estimator over labels: the share that fails, and the design effect of their checks.

    Columns: `failing`, and the sums of `judged` and `broken` (checks of a label, and failed ones), of their squares
    and of their product.
    """

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        whole, *_ = share_by("failing", statistic, "judged labels")(counts, moment)
        if whole.value is None:
            return (whole,)
        sums = {name: counts.total(name) or 0.0 for name in counts.ops if name not in {ROWS, "failing"}}
        return (whole, census(effect, design_effect(**sums), counts.rows))

    return estimate


def design_effect(
    *, judged: float, broken: float, judged_squared: float, broken_squared: float, product: float
) -> float:
    """By how much the variance of the share of failed checks exceeds that of as many independent checks; at least 1.

    Labels are the units, with m checks of which b failed: the sum of (b - p m)^2 over that of m x p (1 - p), by
    Taylor's linearization of the ratio p. Where nothing or everything failed, each label speaks with one voice.

    References
    ----------
    W. G. Cochran (1977), Sampling Techniques, 3rd ed., section 9A.

    Examples
    --------
    >>> sums = dict(judged=400.0, judged_squared=1600.0)  # 100 labels under four rules, ten break all of them
    >>> design_effect(**sums, broken=40.0, broken_squared=160.0, product=160.0)
    4.0
    """
    share_ = broken / judged
    if not 0 < share_ < 1:
        return judged_squared / judged
    spread = broken_squared - 2 * share_ * product + share_**2 * judged_squared
    return max(1.0, round(spread / (judged * share_ * (1 - share_)), 12))
