"""M7 label backlog: how many items wait for a label, and for how long?"""

from __future__ import annotations

from labelmon.check import Check, Column, GaugeSlo, Panel, Part, Runbook, Snapshot, Statistic, Threshold
from labelmon.counts import Op
from labelmon.estimators.queue import queue_ages, sizes_by
from labelmon.model import DAY, Cause, Severity

QUANTILES = (0.5, 0.9, 0.99)

CHECK = Check(
    name="label_backlog",
    seed_ref="M7",
    title="Label backlog",
    help="Items that have arrived and carry no label yet.",
    formula="count, oldest age and age percentiles (type 7) of items without a label, as of now: a census",
    source="Hyndman and Fan (1996), The American Statistician 50:361, definition 7",
    gotcha="Bursts: a long queue that drains is healthy, so the alert is on age and never on length.",
    relation="items",
    time=Snapshot(since="arrived_at"),
    needs_labels=True,
    keys=("priority",),
    where=lambda row: row.first_label_ms.is_(None),
    counts={
        "oldest": Column(lambda row: row.arrived_at, Op.MIN),
        "age": Column(lambda row: row.at_ms - row.arrived_at, quantiles=QUANTILES),
    },
    estimate=queue_ages("oldest", QUANTILES, "backlog_items"),
    parts=(Part(name="by_stage", keys=("stage",), estimate=sizes_by("stage", "backlog_items")),),
    statistics=(
        Statistic(
            name="backlog_items", metric="items", help="Items that wait for a label, also by the stage they are in."
        ),
        Statistic(
            name="oldest_age_seconds",
            metric="oldest_arrival_timestamp_seconds",
            age=True,
            help="When the item that waits longest arrived.",
        ),
        Statistic(
            name="age_p50_seconds",
            metric="median_arrival_timestamp_seconds",
            age=True,
            help="Half of the waiting items arrived before this instant.",
        ),
        Statistic(
            name="age_p90_seconds",
            metric="p90_arrival_timestamp_seconds",
            age=True,
            help="The oldest tenth of the waiting items arrived before this instant.",
        ),
        Statistic(
            name="age_p99_seconds",
            metric="p99_arrival_timestamp_seconds",
            age=True,
            help="The oldest hundredth of the waiting items arrived before this instant.",
        ),
        Statistic(name="age_max_seconds", help="The age of the oldest waiting item, once more beside the quantiles."),
    ),
    slo=GaugeSlo(
        statistic="oldest_age_seconds",
        at_most=float(DAY),
        thresholds=(
            # A handful of forgotten items is no outage: a page wants half of a real queue over age.
            Threshold(
                severity=Severity.PAGE,
                statistic="age_p50_seconds",
                at_least=10,
                meaning="half of the queue has waited longer than the limit",
            ),
            Threshold(
                severity=Severity.TICKET,
                statistic="oldest_age_seconds",
                meaning="the oldest item has waited longer than the limit",
            ),
        ),
    ),
    severities=(Severity.PAGE, Severity.TICKET),
    cause=Cause.STALL,
    runbook=Runbook(
        meaning="Items arrive and are not labelled: the queue ages past its limit.",
        first_looks=(
            "Is anybody labelling? Compare arrivals with new labels on the dashboard.",
            "Is it one priority or all? One points at routing, all point at the labeling tool or its workers.",
            "Did arrivals jump (a backfill, a new customer) or did labels stop?",
        ),
        mitigate=(
            "Bring the labeling tool or its workers back.",
            "Add annotators, or let automatic labeling take the confident part.",
            "Tell the owners of models that train on this data how old their labels will be.",
        ),
        over_when="The age of the queue is below the limit again; the alert resolves by itself.",
    ),
    panel=Panel(
        title="Backlog age",
        description="Age of the oldest waiting item and of the median one, against the limit.",
        statistics=("oldest_age_seconds", "age_p50_seconds"),
    ),
)
