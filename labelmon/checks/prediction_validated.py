"""Predictions validated: of the predictions served, how many had a label within a day to be judged by?"""

from __future__ import annotations

from labelmon.check import Check, Column, Deadline, EventSlo, Panel, Runbook, Statistic
from labelmon.estimators.proportion import share_of
from labelmon.model import DAY, Cause, Severity

CHECK = Check(
    name="prediction_validated",
    seed_ref="24 h validation",
    title="Predictions validated",
    help="Share of predictions whose item had a label within the limit, a day by default.",
    formula=(
        "predictions with a label by prediction + within / predictions older than within; 95 % interval by Wilson's "
        "score"
    ),
    source="E. B. Wilson (1927), JASA 22:209",
    gotcha=(
        "Immature predictions are no failures: each counts when its deadline passes, and not before. A join on the "
        "wrong id looks the same as no labels at all: see prediction_join."
    ),
    relation="predictions",
    time=Deadline(start="predicted_at"),
    needs_labels=True,
    counts={"good": Column(lambda row: row.first_label_ms <= row.deadline_ms)},
    estimate=share_of("good", "validated", "predictions"),
    statistics=(
        Statistic(
            name="validated",
            metric="ratio",
            interval=True,
            help="Share of predictions that had a label within the limit of their objective.",
        ),
    ),
    slo=EventSlo(good="good", target=0.95, within=float(DAY)),
    severities=(Severity.TICKET,),
    cause=Cause.STALL,
    runbook=Runbook(
        meaning="Labels for what the model served come too late or not at all: its live accuracy is unknown.",
        first_looks=(
            "Do the predictions' items exist at all? If prediction_join is low, the ids do not match.",
            "Is the label backlog old? Then annotators are behind, and predictions wait with everything else.",
            "Did the sampling of predictions for labelling change or stop?",
        ),
        mitigate=(
            "Restart the job that sends predictions to labelling, or repair the ids it writes.",
            "Prefer fresh predictions in the queue until the share is back.",
        ),
        over_when="Deadlines that pass now are met again; the ticket closes when its short window says so.",
    ),
    panel=Panel(
        title="Predictions validated",
        description="Share of predictions with a label within the limit, with its 95 % interval.",
    ),
)
