"""M10 label cost: what does a label cost, and a correct one?"""

from __future__ import annotations

from sqlalchemy import case

from labelmon.check import Check, Column, Event, GaugeSlo, Panel, Part, Runbook, Statistic, Threshold
from labelmon.estimators.cost import cost_per_correct, cost_per_label
from labelmon.model import Cause, Severity
from labelmon.sampling import UNMAPPED, drawn, weighed

CHECK = Check(
    name="label_cost",
    seed_ref="M10",
    title="Label cost",
    help="Cost per label and per correct label, by source, in the store's currency, and what no label explains.",
    formula=(
        "sum of costs above 0 / labels that carry one; cost per correct label = that / weighted accuracy of the audits "
        "in the window, its ends from accuracy's 95 % interval; unallocated = 1 - label costs / all costs"
    ),
    source="counted; E. B. Wilson (1927), JASA 22:209 for the accuracy",
    gotcha=(
        "Hidden overheads: tools, management and reviews are in no label's price. Map `costs` with all that was spent, "
        "and the share that no label explains stands beside it. Missing, zero and negative costs are counted apart."
    ),
    relation="labels",
    time=Event(instant="labeled_at"),
    keys=("label_source",),
    where=lambda row: row.label.is_not(None),
    counts={
        "costed": Column(lambda row: row.cost > 0),
        "spent": Column(lambda row: case((row.cost > 0, row.cost), else_=0.0)),
        "missing": Column(lambda row: row.cost.is_(None)),
        "zero": Column(lambda row: row.cost == 0),
        "negative": Column(lambda row: row.cost < 0),
    },
    optional=UNMAPPED,
    estimate=cost_per_label,
    parts=(
        Part(
            name="audits",
            relation="audits",
            keys=("stratum",),
            time=Event(instant="audited_at"),
            where=drawn,
            counts=weighed(lambda row: row.right),
        ),
        Part(
            name="costs",
            relation="costs",
            time=Event(instant="period"),
            counts={"amount": Column(lambda row: row.amount)},
        ),
    ),
    combine=cost_per_correct,
    statistics=(
        Statistic(name="cost_per_label", metric="per_label_amount", help="Mean cost of a label that carries one."),
        Statistic(
            name="cost_per_correct_label",
            metric="per_correct_label_amount",
            interval=True,
            help="Mean cost of a label over the share that audits found right.",
        ),
        Statistic(name="spent", metric="spent_amount", help="Sum of the labels' costs in the window."),
        Statistic(
            name="unallocated_cost", metric="unallocated_ratio", help="Share of all costs that no label explains."
        ),
        Statistic(name="excluded_costs", metric="excluded_labels", help="Labels whose cost is left out, by reason."),
    ),
    slo=GaugeSlo(
        statistic="cost_per_label",
        at_most=1.0,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="cost_per_label",
                at_least=20,
                meaning="a label costs more than agreed",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="Labels cost more than was agreed: the budget ends before the work does.",
        first_looks=(
            "Which source became dearer, or did the mix of sources move to a dear one?",
            "Did the number of ratings an item gets, or of reviews, change?",
            "Is it the price, or a cost that is written twice?",
        ),
        mitigate=(
            "Let automatic labeling take the confident part, and audit it.",
            "Lower the number of ratings where annotators agree anyway.",
        ),
        over_when="The cost per label is below the objective again.",
    ),
    panel=Panel(
        title="Label cost",
        description="Cost per label and per correct label in the objective's window, in the store's currency.",
        statistics=("cost_per_label", "cost_per_correct_label"),
    ),
)
