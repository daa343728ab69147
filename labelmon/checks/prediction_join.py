"""Join coverage of predictions: do predictions belong to items that exist?"""

from __future__ import annotations

from labelmon.check import Check, Column, Event, EventSlo, Panel, Runbook, Statistic
from labelmon.estimators.proportion import share_of
from labelmon.model import Cause, Severity

CHECK = Check(
    name="prediction_join",
    seed_ref="join coverage",
    title="Predictions with a known item",
    help="Share of predictions whose item is known in items.",
    formula="predictions whose item is found in items / predictions; 95 % interval by Wilson's score",
    source="E. B. Wilson (1927), JASA 22:209",
    gotcha=(
        "A bad join fakes quality: in one real set the wrong key found 93 items and an accuracy of 1.000, the right "
        "one 593 and .865. Every figure that joins is worth what this share is worth."
    ),
    relation="predictions",
    time=Event(instant="predicted_at"),
    partner="items",
    counts={"good": Column(lambda row: row.partner_known)},
    estimate=share_of("good", "join_coverage", "predictions"),
    statistics=(
        Statistic(
            name="join_coverage",
            metric="ratio",
            interval=True,
            help="Share of predictions that found their item.",
        ),
    ),
    slo=EventSlo(good="good", target=0.95),
    severities=(Severity.TICKET,),
    cause=Cause.SCHEMA,
    runbook=Runbook(
        meaning="Predictions name items that nobody knows: whatever joins the two tables counts only a part.",
        first_looks=(
            "Compare an id of each table by eye: another prefix, case, padding or type?",
            "Did it start at one moment (a release changed the ids) or was it always so (the wrong column is mapped)?",
            "Are items missing (a filter, a purge, late ingestion) rather than ids wrong?",
        ),
        mitigate=(
            "Map the right column, or a query that brings the ids into one form.",
            "Until then, do not trust latency, backlog, coverage or validation of this dataset.",
        ),
        over_when="New rows find their items again.",
    ),
    panel=Panel(
        title="Predictions with a known item",
        description="Share of predictions whose item is known, with its 95 % interval.",
    ),
)
