"""How many corrections a review misses, told from errors that were seeded on purpose."""

from __future__ import annotations

from collections.abc import Mapping

from labelmon.check import Combiner, Moment
from labelmon.counts import Counts
from labelmon.estimators.breakdown import FEWEST, share, unknown
from labelmon.estimators.proportion import sufficiency, wilson
from labelmon.model import Estimate, State


def corrected_for_misses(*, corrected: str, seeded: str, caught: str) -> Combiner:
    """A combiner: `catch_rate` of seeded errors, and `corrected_with_misses`, the corrected share divided by it.

    It is handed the reviews ('') with column `corrected` and the audits of seeded errors ('seeded') with columns
    `seeded` and `caught`. The interval's low end divides the corrected share's low end by the catch rate's high
    end and the other way round, both Wilson's at 97.5 %, so that the quotient's holds with 95 % or more
    (Bonferroni). Without seeded errors nothing is said.
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
        (worst, best), (low, high) = wilson(found, planted, 0.975), wilson(changed, reviews.rows, 0.975)
        whole = Estimate(
            statistic="corrected_with_misses",
            value=min(1.0, changed / reviews.rows * planted / found),
            low=min(1.0, low / best),
            high=min(1.0, high / worst),
            n=reviews.rows,
            state=state,
            reason=reason,
        )
        return catch, whole

    return combine
