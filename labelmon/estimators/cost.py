"""What labels cost: per label, per correct label, and what no label explains."""

from __future__ import annotations

from collections.abc import Mapping

from labelmon.check import Moment
from labelmon.counts import OTHER, Counts
from labelmon.estimators.breakdown import FEWEST, census, unknown
from labelmon.estimators.proportion import wilson
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


def _per_correct(n: float, spent: float, audits: Counts) -> Estimate:
    name, good, audited = "cost_per_correct_label", audits.total("good") or 0.0, audits.rows
    if n == 0 or audited == 0:
        return unknown(name, "no audits" if n else "no label carries a cost above 0")
    if good == 0:
        return unknown(name, "no audited label was right", audited, State.NOT_COMPUTABLE)
    low, high = wilson(good, audited)
    each = spent / n
    few = audited < FEWEST
    return Estimate(
        statistic=name,
        value=each * audited / good,
        low=each / high,
        high=each / low if low > 0 else None,
        n=audited,
        state=State.INSUFFICIENT if few else State.OK,
        reason=f"{audited:g} audits; need {FEWEST}" if few else "",
    )
