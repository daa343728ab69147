"""M3 label latency: of the items whose deadline has passed, what share had a label in time?"""

from __future__ import annotations

from labelmon.check import Check, Column, Deadline, EventSlo, Panel, Runbook, Statistic
from labelmon.estimators.proportion import share_of
from labelmon.model import Cause, Severity

CHECK = Check(
    name="label_latency",
    seed_ref="M3",
    title="Label latency",
    help="Share of items that had a label when their deadline passed.",
    formula="labelled by arrival + within / deadlines passed; 95 % interval by Wilson's score",
    source="E. B. Wilson (1927), JASA 22:209",
    gotcha=(
        "Completed-only figures flatter: items still pending count as late when their deadline passes, and "
        "nothing is counted before. A label older than its item is clock skew, and in time."
    ),
    relation="items",
    time=Deadline(start="arrived_at"),
    needs_labels=True,
    keys=("priority",),
    counts={"good": Column(lambda row: row.first_label_ms <= row.deadline_ms)},
    estimate=share_of("good", "within_ratio", "deadlines"),
    statistics=(
        Statistic(
            name="within_ratio",
            metric="within_ratio",
            interval=True,
            help="Share of items that were labelled within the limit of their objective.",
        ),
    ),
    slo=EventSlo(good="good", target=0.99, within=3600.0),
    severities=(Severity.PAGE, Severity.TICKET),
    cause=Cause.STALL,
    meant_for="streaming data",
    runbook=Runbook(
        meaning="Items wait longer for their label than promised: training and feedback run on stale data.",
        first_looks=(
            "Is the backlog growing too? Then fewer labels are made than items arrive.",
            "Did labels stop altogether, or only for one priority or source?",
            "Is the store behind (replication lag, a stuck ingest job) rather than the annotators?",
        ),
        mitigate=(
            "Move annotators to the late priority, or add some.",
            "Restart the stuck step of the pipeline.",
            "Let automatic labeling take the confident part of the queue.",
        ),
        over_when="Deadlines that pass now are met again; the alert resolves when its short window says so.",
    ),
    panel=Panel(
        title="Labelled in time",
        description="Share of passed deadlines that were met over the objective's window, with its 95 % interval.",
    ),
)
