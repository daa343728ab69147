"""Quality by class: precision, recall and F1 from a confusion table."""

from __future__ import annotations

from labelmon.check import Estimator, Moment
from labelmon.counts import OTHER, ROWS, Counts
from labelmon.estimators.breakdown import FEWEST, MOST_GROUPS, census, share, unknown
from labelmon.estimators.proportion import sufficiency, wilson
from labelmon.model import Estimate, State


def class_quality(good: str) -> Estimator:
    """An estimator over counts by `label` and `partner_predicted`: the share confirmed, and each class's quality.

    Values '' and `other` are in the whole, and make no class of their own.
    """

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        n = counts.rows
        if n == 0:
            return (unknown("confirmed", "no label has a prediction before it"),)
        state, reason = sufficiency(n, moment.budget, "labels with a prediction")
        found = [share("confirmed", counts.total(good) or 0.0, n, state, reason)]
        frame = counts.frame
        labelled = frame.groupby("label")[ROWS].sum()
        predicted = frame.groupby("partner_predicted")[ROWS].sum()
        hits = frame.groupby("label")[good].sum()
        classes = sorted(({*labelled.index, *predicted.index}) - {"", OTHER}, key=lambda c: (-labelled.get(c, 0.0), c))
        for name in classes[:MOST_GROUPS]:
            had, said, hit = (float(side.get(name, 0.0)) for side in (labelled, predicted, hits))
            labels = {"class": str(name)}
            found.append(_ratio("precision", hit, said, "predictions", labels))
            found.append(_ratio("recall", hit, had, "labels", labels))
            found.append(f1(hit, said, had, labels))
        wrong = frame[(frame["label"] != frame["partner_predicted"]) & (frame[ROWS] > 0)]
        for label, other, rows in wrong[["label", "partner_predicted", ROWS]].itertuples(index=False, name=None):
            found.append(census("confusion", rows, n, {"class": str(label), "other_class": str(other)}))
        return tuple(found)

    return estimate


def _ratio(name: str, hits: float, n: float, noun: str, labels: dict[str, str]) -> Estimate:
    if n == 0:
        none = unknown(name, f"no {noun} of this class")
        return Estimate(statistic=name, value=None, state=none.state, reason=none.reason, labels=labels)
    few = n < FEWEST
    reason = f"{n:g} {noun}; need {FEWEST}" if few else ""
    return share(name, hits, n, State.INSUFFICIENT if few else State.OK, reason, labels)


def f1(hits: float, predicted: float, labelled: float, labels: dict[str, str]) -> Estimate:
    """F1 = 2 hits / (predicted + labelled) of one class, with a 95 % interval.

    Of the predicted + labelled - hits rows that touch the class a share s are hits, and F1 = 2 s / (1 + s) grows
    with s: the ends are those of Wilson's interval of s. `n` is the number of rows that touch the class.

    References
    ----------
    K. Takahashi, K. Yamamoto, A. Kuchiba, T. Koyama (2022), Applied Intelligence 52:4961, for F1 of one class.
    """
    total = predicted + labelled
    if total == 0:
        return Estimate(statistic="f1", value=None, state=State.INSUFFICIENT, reason="no such class", labels=labels)
    value = 2 * hits / total
    touched = total - hits
    low, high = wilson(hits, touched)
    few = min(predicted, labelled) < FEWEST
    return Estimate(
        statistic="f1",
        value=value,
        low=min(value, 2 * low / (1 + low)),
        high=max(value, 2 * high / (1 + high)),
        n=touched,
        state=State.INSUFFICIENT if few else State.OK,
        reason=f"{min(predicted, labelled):g} rows on one side; need {FEWEST}" if few else "",
        labels=labels,
    )
