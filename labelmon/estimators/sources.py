"""Labels by where they come from: people or machines."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

from labelmon.check import Estimator, Moment
from labelmon.counts import OTHER, Counts
from labelmon.estimators.breakdown import FEWEST, census, share, unknown
from labelmon.estimators.proportion import sufficiency, wilson
from labelmon.estimators.survey import design_effect, weighted_share
from labelmon.model import DAY, Estimate, State

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


def workload(tables: Mapping[str, Counts], moment: Moment) -> tuple[Estimate, ...]:
    """`human_labels_per_day`, and `human_queue_seconds` that people need for the items of the part `pending`.

    Columns of the labels: `auto` as above, `first` the earliest label in the window in ms. People who have hardly begun
    have no pace: below a day of labels nothing is said.
    """
    names, labels, pending = ("human_labels_per_day", "human_queue_seconds"), tables[""], tables.get("pending")
    first = labels.total("first")
    if first is None or (days := (moment.at - first / 1000) / DAY) < 1:
        reason = "no label carries a source" if first is None else "less than a day of labels"
        return tuple(unknown(name, reason, labels.rows) for name in names[: 1 if pending is None else 2])
    made = labels.rows - (labels.total("auto") or 0.0)
    pace = census(names[0], made / days, labels.rows)
    if pending is None:
        return (pace,)
    if made == 0 and pending.rows:
        return pace, unknown(names[1], "people make no labels", pending.rows, State.NOT_COMPUTABLE)
    return pace, census(names[1], pending.rows / made * days * DAY if pending.rows else 0.0, pending.rows)


def errors_by_source(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
    """`error` by `label_source` over weighted audits, and `error_difference` of automatic and human labels.

    The weighed columns' "good" are the wrong labels here. Each side's interval is on audits / design effect.
    """
    del moment
    key = "partner_label_source"
    frame = counts.project((key,)).frame
    found = [
        _error(counts.where(**{key: source}), counts, {"label_source": source})
        for source in map(str, frame[key])
        if source not in {"", OTHER}
    ]
    known = counts.frame[~counts.frame[key].isin(["", OTHER])]
    automatic = known[key].isin(AUTOMATIC)
    machine, human = (Counts(counts.keys, counts.ops, known[side]) for side in (automatic, ~automatic))
    n = machine.rows + human.rows
    if min(machine.rows, human.rows) < FEWEST:
        reason = f"{machine.rows:g} audits of automatic and {human.rows:g} of human labels; need {FEWEST} of each"
        return (*found, unknown("error_difference", reason, n))
    one, other = (_effective(side, counts) for side in (machine, human))
    low, high = newcombe(one, other)
    difference = one[0] / one[1] - other[0] / other[1]
    return (*found, Estimate(statistic="error_difference", value=difference, low=low, high=high, n=n))


def _error(counts: Counts, whole: Counts, labels: dict[str, str]) -> Estimate:
    few = counts.rows < FEWEST
    reason = f"{counts.rows:g} audits; need {FEWEST}" if few else ""
    return weighted_share(counts, "error", State.INSUFFICIENT if few else State.OK, reason, labels, whole=whole)


def _effective(counts: Counts, whole: Counts) -> tuple[float, float]:
    """(wrong, audits) that a simple random sample would need to know as much."""
    n = counts.rows / design_effect(counts, whole)
    share = weighted_share(counts, "error").value
    return (share or 0.0) * n, n


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
