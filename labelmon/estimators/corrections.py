"""How many corrections a review misses, told from errors that were seeded on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

from labelmon.check import Combiner, Moment
from labelmon.counts import Counts
from labelmon.estimators.breakdown import FEWEST, share, unknown
from labelmon.estimators.proportion import sufficiency, wilson
from labelmon.model import Estimate, State


def corrected_for_misses(*, corrected: str, seeded: str, caught: str) -> Combiner:
    """A combiner: `catch_rate` of seeded errors, and `corrected_with_misses`, the corrected share divided by it.

    It is handed the reviews ('') with column `corrected` and the audits of seeded errors ('seeded') with columns
    `seeded` and `caught`. The interval is `ratio_interval` of the two shares and their Wilson intervals. Without
    seeded errors nothing is said.
    """

    def combine(tables: Mapping[str, Counts], moment: Moment) -> tuple[Estimate, ...]:
        reviews, errors = tables[""], tables.get("seeded")
        if errors is None:
            return ()
        planted = errors.total(seeded) or 0.0
        if planted == 0 or reviews.rows == 0:
            reason = "no seeded errors" if planted == 0 else "no reviews"
            return unknown("catch_rate", reason), unknown("corrected_with_misses", reason)
        few = planted < FEWEST
        state = State.INSUFFICIENT if few else State.OK
        reason = f"{planted:g} seeded errors; need {FEWEST}" if few else ""
        found, changed = errors.total(caught) or 0.0, reviews.total(corrected) or 0.0
        catch = share("catch_rate", found, planted, state, reason)
        if found == 0:
            missed = unknown(
                "corrected_with_misses",
                "no seeded error was caught: any number of errors may be missed",
                reviews.rows,
                State.NOT_COMPUTABLE,
            )
            return catch, missed
        judged, why = sufficiency(reviews.rows, moment.budget, "reviews")
        if state is State.OK and judged is not State.OK:
            state, reason = judged, why
        low, high = ratio_interval((changed, reviews.rows), (found, planted))
        whole = Estimate(
            statistic="corrected_with_misses",
            value=min(1.0, changed / reviews.rows * planted / found),
            low=min(1.0, low),
            high=min(1.0, high),
            n=reviews.rows,
            state=state,
            reason=reason,
        )
        return catch, whole

    return combine


def ratio_interval(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """95 % interval of the ratio of two independent shares, each (hits, n) with hits of the second above 0.

    MOVER-R: how far each share's own Wilson limit is from it carries over to the ratio. The low end is written so
    that it holds on both sides of the pole of the published form, where the second's upper limit is twice its share.

    References
    ----------
    A. Donner, G. Y. Zou (2012), Statistical Methods in Medical Research 21:347.

    Examples
    --------
    >>> [round(end, 4) for end in ratio_interval((30, 1000), (40, 100))]
    [0.0496, 0.1158]
    """
    (p, (least, most)), (q, (low, high)) = ((hits / n, wilson(hits, n)) for hits, n in (one, other))
    product, near, far = p * q, least * (2 * p - least), low * (2 * q - low)
    start = near / (product + sqrt(product**2 - near * high * (2 * q - high))) if product > 0 else 0.0
    return start, (product + sqrt(product**2 - most * (2 * p - most) * far)) / far
