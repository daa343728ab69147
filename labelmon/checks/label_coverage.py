"""M4 label coverage: what share of all items carries a label?"""

from __future__ import annotations

from labelmon.check import Check, Column, GaugeSlo, Panel, Part, Runbook, Snapshot, Statistic, Threshold
from labelmon.estimators.coverage import coverage_of, coverage_within, worst_of
from labelmon.model import Cause, Severity

LABELLED = {"labelled": Column(lambda row: row.first_label_ms.is_not(None))}

CHECK = Check(
    name="label_coverage",
    seed_ref="M4",
    title="Label coverage",
    help="Share of all items that have arrived and carry a label.",
    formula=(
        "items with a label / items, overall and by expected class, priority and cohort: a census. An item in "
        "several cohorts counts once in the whole and in each of them, and stands under `overlapping_items`"
    ),
    source="counted, not estimated",
    gotcha=(
        "Class imbalance hides gaps: a rare class may have no labels at all while the whole looks fine, so the worst "
        "class, priority or cohort stands beside it. An unlabelled item has no class: its expected one is used."
    ),
    relation="items",
    time=Snapshot(since="arrived_at"),
    needs_labels=True,
    keys=("expected_class", "priority"),
    counts=LABELLED,
    estimate=coverage_of("labelled", "coverage"),
    parts=(
        Part(
            name="cohorts",
            keys=("cohort",),
            counts=LABELLED,
            estimate=coverage_within("labelled", "coverage"),
        ),
    ),
    combine=worst_of("labelled", "cohorts", worst="worst_coverage", overlap="overlapping_items"),
    statistics=(
        Statistic(name="coverage", metric="ratio", help="Share of items that carry a label."),
        Statistic(
            name="worst_coverage",
            metric="worst_ratio",
            help="The least coverage of any class, priority or cohort with at least 20 items.",
        ),
        Statistic(
            name="overlapping_items",
            metric="overlapping_items",
            help="Places in cohorts beyond the first of each item: what a sum over cohorts counts twice.",
        ),
    ),
    slo=GaugeSlo(
        statistic="coverage",
        at_least=0.9,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="worst_coverage",
                at_least=20,
                meaning="a class, priority or cohort is covered less than the objective asks",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.STALL,
    meant_for="core data",
    runbook=Runbook(
        meaning="Too many items have no label; what trains or is measured on labels does not see them.",
        first_looks=(
            "Is it everything, or one class, priority or cohort? Look at the coverage of each.",
            "Are the uncovered items new (a backlog) or old (never routed to anybody)?",
            "Do items and labels still use the same ids? Compare label_join.",
        ),
        mitigate=(
            "Route the uncovered class or cohort to annotators.",
            "Keep the uncovered part out of evaluation sets, or say so where they are used.",
        ),
        over_when="Every class, priority and cohort is back above the objective.",
    ),
    panel=Panel(
        title="Label coverage",
        description="Share of items with a label: overall, and of the worst class, priority or cohort.",
        statistics=("coverage", "worst_coverage"),
    ),
)
