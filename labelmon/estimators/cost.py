"""What labels cost: per label, per correct label, and what no label explains."""

from __future__ import annotations

from collections.abc import Mapping

from labelmon.check import Estimator, Moment
from labelmon.counts import OTHER, ROWS, Counts
from labelmon.estimators.breakdown import FEWEST, census, unknown
from labelmon.estimators.survey import weighted_share
from labelmon.model import Estimate, State

REASONS = ("missing", "zero", "negative")


def cost_per_label(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
    """`cost_per_label` and `spent`, over all and by source; `excluded_costs` by reason.

    Columns `costed` and `spent` count and add costs above 0; the reasons count what is left out.
    """
    del moment
    excluded = {reason: counts.total(reason) or 0.0 for reason in REASONS}
    found = [census("excluded_costs", n, counts.rows, {"reason": reason}) for reason, n in excluded.items() if n]
    n, spent = counts.total("costed") or 0.0, counts.total("spent") or 0.0
    if n == 0:
        reason = "no label carries a cost above 0" if counts.rows else "no labels"
        return unknown("cost_per_label", reason), *found
    found += [census("cost_per_label", spent / n, n), census("spent", spent, n)]
    for key in counts.keys:
        frame = counts.project((key,)).frame
        for value, some, amount in zip(frame[key], frame["costed"], frame["spent"], strict=True):
            if value not in {"", OTHER} and some:
                found.append(census("cost_per_label", amount / some, some, {key: str(value)}))
                found.append(census("spent", amount, some, {key: str(value)}))
    return tuple(found)


def cost_per_correct(tables: Mapping[str, Counts], moment: Moment) -> tuple[Estimate, ...]:
    """`cost_per_correct_label` = cost / accuracy of the part `audits`, and `unallocated_cost` of the part `costs`."""
    del moment
    labels, audits, costs = tables[""], tables.get("audits"), tables.get("costs")
    n, spent = labels.total("costed") or 0.0, labels.total("spent") or 0.0
    found = []
    if audits is not None:
        found.append(_per_correct(n, spent, audits))
    if costs is not None:
        total = costs.total("amount") or 0.0
        if total > 0:
            found.append(census("unallocated_cost", 1 - spent / total, costs.rows))
        else:
            found.append(unknown("unallocated_cost", "no costs in the window"))
    return tuple(found)


def budget_spent(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
    """`budget_spent`, `budget` and `unbudgeted_cost`, from the sums of `amount`, `budget` and `unbudgeted`."""
    del moment
    if counts.rows == 0:
        return (unknown("budget_spent", "no costs in the window"),)
    amount, budget, open_ = (counts.total(column) or 0.0 for column in ("amount", "budget", "unbudgeted"))
    beside = census("unbudgeted_cost", open_, counts.rows)
    if budget <= 0:
        return unknown("budget_spent", "no period in the window has a budget", counts.rows), beside
    spent = census("budget_spent", (amount - open_) / budget, counts.rows)
    return spent, census("budget", budget, counts.rows), beside


def costs_by(key: str) -> Estimator:
    """An estimator of `cost` under each value of `key` that has a name."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        del moment
        frame = counts.project((key,)).frame
        named = frame[~frame[key].isin(["", OTHER])]
        return tuple(
            census("cost", float(amount), float(rows), {key: str(value)})
            for value, rows, amount in zip(named[key], named[ROWS], named["amount"], strict=True)
        )

    return estimate


def _per_correct(n: float, spent: float, audits: Counts) -> Estimate:
    name = "cost_per_correct_label"
    if n == 0 or audits.rows == 0:
        return unknown(name, "no audits that were drawn at random" if n else "no label carries a cost above 0")
    accuracy = weighted_share(audits, name)
    if not accuracy.value:
        return unknown(name, "no audited label was right", audits.rows, State.NOT_COMPUTABLE)
    each, few = spent / n, audits.rows < FEWEST
    return Estimate(
        statistic=name,
        value=each / accuracy.value,
        low=each / accuracy.high if accuracy.high else None,
        high=each / accuracy.low if accuracy.low else None,
        n=audits.rows,
        state=State.INSUFFICIENT if few else State.OK,
        reason=f"{audits.rows:g} audits; need {FEWEST}" if few else "",
    )
