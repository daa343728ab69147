"""M10 label cost by month: does a label cost more than a month ago?"""

from __future__ import annotations

from sqlalchemy import case

from labelmon.check import Check, Column, Event, GaugeSlo, Panel, Runbook, Statistic, Threshold
from labelmon.estimators.months import monthly_costs
from labelmon.model import Cause, Severity

CHECK = Check(
    name="label_cost_trend",
    seed_ref="M10",
    title="Label cost by month",
    help="Cost per label of each local month, and of the last full month over the one before.",
    formula=(
        "sum of costs above 0 / labels that carry one, by the month of `labeled_at` in the dataset's time zone; growth "
        "= that of the last full month / that of the month before: a census"
    ),
    source="counted, not estimated",
    gotcha=(
        "A month that has only begun is cheap in sum and may be dear per label: it is shown and never compared. A "
        "change of the mix of sources moves the mean without any price having moved: compare label_cost by source."
    ),
    relation="labels",
    time=Event(instant="labeled_at"),
    where=lambda row: row.label.is_not(None),
    counts={
        "costed": Column(lambda row: row.cost > 0),
        "spent": Column(lambda row: case((row.cost > 0, row.cost), else_=0.0)),
    },
    history=True,
    estimate=monthly_costs,
    statistics=(
        Statistic(name="cost_growth", metric="growth_ratio", help="Cost per label, last full month over that before."),
        Statistic(name="monthly_cost_per_label", help="Mean cost of a label of one local month."),
        Statistic(name="monthly_spent", help="Sum of the labels' costs in one local month, the current one so far."),
    ),
    slo=GaugeSlo(
        statistic="cost_growth",
        at_most=1.25,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="cost_growth",
                at_least=20,
                meaning="a label costs that much more than in the month before",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="A label became dearer within a month: the budget of the year ends before its work does.",
        first_looks=(
            "Did a source become dearer, or did the mix of sources move to a dear one (label_cost by source)?",
            "Are there more ratings an item, more reviews, or harder items than a month ago?",
            "Is it the price, or a cost that is written twice?",
        ),
        mitigate=(
            "Talk to whoever sets the price, with the figures of the last months.",
            "Let automatic labeling take the confident part, and audit it.",
        ),
        over_when="The last full month is within the objective of the month before it.",
    ),
    panel=Panel(
        title="Label cost, month over month",
        description="Cost per label of the last full month over that of the month before, against the objective.",
    ),
)
