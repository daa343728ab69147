"""Labels by where they come from: people or machines."""

from __future__ import annotations

from math import sqrt

from labelmon.check import Estimator, Moment
from labelmon.counts import OTHER, ROWS, Counts
from labelmon.estimators.breakdown import FEWEST, census, share, unknown
from labelmon.estimators.proportion import sufficiency, wilson
from labelmon.model import Estimate, State

AUTOMATIC = ("auto", "automatic", "machine", "model", "programmatic", "weak")


def auto_share(auto: str) -> Estimator:
    """An estimator of `auto_share` and `human_labels`; column `auto` counts labels that no person made."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        n = counts.rows
        if n == 0:
            return unknown("auto_share", "no label carries a source"), census("human_labels", 0.0, 0.0)
        made = counts.total(auto) or 0.0
        state, reason = sufficiency(n, moment.budget, "labels")
        return share("auto_share", made, n, state, reason), census("human_labels", n - made, n)

    return estimate


def errors_by_source(wrong: str) -> Estimator:
    """An estimator of `error` by `label_source` over audits, and `error_difference` of automatic and human labels."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        del moment
        frame = counts.project(("partner_label_source",)).frame
        found = []
        sides = {True: [0.0, 0.0], False: [0.0, 0.0]}
        for source, rows, errors in zip(frame["partner_label_source"], frame[ROWS], frame[wrong], strict=True):
            if source in {"", OTHER}:
                continue
            few = rows < FEWEST
            reason = f"{rows:g} audits; need {FEWEST}" if few else ""
            state = State.INSUFFICIENT if few else State.OK
            found.append(share("error", errors, rows, state, reason, {"label_source": str(source)}))
            side = sides[source in AUTOMATIC]
            side[0] += errors
            side[1] += rows
        (machine_wrong, machine_n), (human_wrong, human_n) = sides[True], sides[False]
        n = machine_n + human_n
        if min(machine_n, human_n) < FEWEST:
            reason = f"{machine_n:g} audits of automatic and {human_n:g} of human labels; need {FEWEST} of each"
            return (*found, unknown("error_difference", reason, n))
        low, high = newcombe((machine_wrong, machine_n), (human_wrong, human_n))
        difference = machine_wrong / machine_n - human_wrong / human_n
        return (*found, Estimate(statistic="error_difference", value=difference, low=low, high=high, n=n))

    return estimate


def newcombe(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """95 % interval of the difference of two proportions, each (hits, n), by Newcombe's hybrid score.

    References
    ----------
    R. G. Newcombe (1998), Statistics in Medicine 17:873, method 10.

    Examples
    --------
    >>> [round(end, 4) for end in newcombe((56, 70), (48, 80))]
    [0.0524, 0.3339]
    """
    (a, m), (b, n) = one, other
    (low_a, high_a), (low_b, high_b) = wilson(a, m), wilson(b, n)
    p, q = a / m, b / n
    return p - q - sqrt((p - low_a) ** 2 + (high_b - q) ** 2), p - q + sqrt((high_a - p) ** 2 + (q - low_b) ** 2)
