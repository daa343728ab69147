"""M10 label budget: does labeling cost more than was planned, and on what is it spent?"""

from __future__ import annotations

from sqlalchemy import case

from labelmon.check import Check, Column, Event, GaugeSlo, Panel, Part, Runbook, Statistic, Threshold
from labelmon.estimators.cost import budget_spent, costs_by
from labelmon.model import Cause, Severity

CHECK = Check(
    name="label_budget",
    seed_ref="M10",
    title="Label budget",
    help="Costs over budget of the periods in the window, and costs by category, in the store's currency.",
    formula="sum of amounts / sum of budgets, over the periods that have a budget and begin in the window: a census",
    source="counted, not estimated",
    gotcha=(
        "Costs of a period without a budget are in no share of a budget: what nobody planned for is left out, and "
        "stands beside it as `unbudgeted_cost`. A period counts when it begins: a month counts on its first day."
    ),
    relation="costs",
    time=Event(instant="period"),
    where=lambda row: row.amount.is_not(None),
    counts={
        "amount": Column(lambda row: row.amount),
        "budget": Column(lambda row: row.budget),
        "unbudgeted": Column(lambda row: case((row.budget.is_(None), row.amount), else_=0.0)),
    },
    estimate=budget_spent,
    parts=(
        Part(
            name="categories",
            keys=("category",),
            counts={"amount": Column(lambda row: row.amount)},
            estimate=costs_by("category"),
        ),
        Part(
            name="sources",
            keys=("label_source",),
            counts={"amount": Column(lambda row: row.amount)},
            estimate=costs_by("label_source"),
        ),
    ),
    statistics=(
        Statistic(name="budget_spent", metric="spent_ratio", help="Costs over budget of the periods that have one."),
        Statistic(name="budget", metric="planned_amount", help="What the periods of the window may cost."),
        Statistic(name="unbudgeted_cost", metric="unbudgeted_amount", help="Costs of periods without a budget."),
        Statistic(name="cost", help="Costs of one category, or of one source of labels."),
    ),
    slo=GaugeSlo(
        statistic="budget_spent",
        at_most=1.0,
        slice_width=0,  # a period counts when it begins: a month would be its first day
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="budget_spent",
                meaning="labeling costs more than was planned",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="More was spent on labels than the budget of the same periods allows.",
        first_looks=(
            "Which category or source grew? The page of the dataset lists costs by both.",
            "Did the cost of a label rise, or were more labels made? Compare with label_cost.",
            "Is an invoice written twice, or in another currency?",
        ),
        mitigate=(
            "Slow the dearest source down, or let automatic labeling take the confident part of it.",
            "Ask for a larger budget with the cost per correct label in hand.",
        ),
        over_when="Costs of the periods in the window are within their budget again.",
    ),
    panel=Panel(
        title="Label budget",
        description="Costs over budget of the periods in the objective's window; above 1 more was spent than planned.",
    ),
)
