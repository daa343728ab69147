"""F4 schema mismatch of predictions: does the model answer in the schema's words?"""

from __future__ import annotations

from labelmon.check import Check, Column, Event, EventSlo, Panel, Part, Runbook, Statistic
from labelmon.estimators.proportion import share_of
from labelmon.estimators.schema import offenders
from labelmon.model import Cause, Severity

CHECK = Check(
    name="prediction_schema",
    seed_ref="F4",
    title="Predictions in the schema",
    help="Share of predictions whose class is one that labels may have.",
    formula="predictions whose class is one of `classes` / predictions; 95 % interval by Wilson's score",
    source="E. B. Wilson (1927), JASA 22:209",
    gotcha=(
        "A model answers in the vocabulary it was trained on. After the schema of the labels changed, every figure "
        "that compares the two counts the old words as wrong, and the model seems to get worse."
    ),
    relation="predictions",
    time=Event(instant="predicted_at"),
    where=lambda row: row.predicted.is_not(None),
    counts={"good": Column(lambda row: row.in_schema)},
    estimate=share_of("good", "in_schema", "predictions"),
    parts=(
        Part(
            name="offenders",
            keys=("offending",),
            where=lambda row: row.predicted.is_not(None) & ~row.in_schema,
            most=20,
            estimate=offenders("offending_predictions"),
        ),
    ),
    statistics=(
        Statistic(name="in_schema", metric="ratio", interval=True, help="Share of predictions in the schema."),
        Statistic(name="offending_predictions", help="Predictions with one value that is not in the schema."),
    ),
    slo=EventSlo(good="good", target=0.999),
    severities=(Severity.TICKET,),
    cause=Cause.SCHEMA,
    runbook=Runbook(
        meaning="The model predicts classes that labels cannot have: serving and labeling speak different schemas.",
        first_looks=(
            "Which values? Each is listed with its count, and with the declared class it looks like.",
            "Did a model version start it? Compare the time with the last rollout.",
            "Or did the labels' schema move on without the model (schema_mismatch, label_drift)?",
        ),
        mitigate=(
            "Roll back the model, or translate its classes where predictions are logged.",
            "Hold figures that compare predictions with labels until both use one schema.",
        ),
        over_when="New predictions are in the schema again; the ticket closes when its short window says so.",
    ),
    panel=Panel(
        title="Predictions in the schema",
        description="Share of predictions whose class is declared, with its 95 % interval.",
    ),
)
