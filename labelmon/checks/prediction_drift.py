"""M5 drift of predictions: has the mix of what the model answers moved?"""

from __future__ import annotations

from labelmon.check import Check, Event, GaugeSlo, Panel, Part, Runbook, Threshold
from labelmon.estimators.drift import FORMULA, SETTINGS, SOURCE, drift_of, drift_statistics
from labelmon.estimators.marks import MARKED, version_marks
from labelmon.model import Cause, Severity

CHECK = Check(
    name="prediction_drift",
    seed_ref="M5",
    title="Prediction drift",
    help="How far the last week's predictions have moved from a baseline, by class.",
    formula=FORMULA,
    source=SOURCE,
    gotcha=(
        "Seasons, small numbers and plain unrest drift by themselves. Whole weeks are compared, chance and the usual "
        "change from day to day are taken off, and a ticket needs a change that neither explains in any dataset."
    ),
    relation="predictions",
    time=Event(instant="predicted_at"),
    history=True,
    keys=("predicted",),
    where=lambda row: row.predicted.is_not(None),
    settings=SETTINGS,
    estimate=drift_of("predicted"),
    parts=(Part(name="models", keys=("model_version",), history=True, estimate=version_marks("model_version")),),
    statistics=(*drift_statistics("predictions"), MARKED),
    slo=GaugeSlo(
        statistic="kl_excess_nats",
        at_most=0.005,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="kl_excess_nats",
                at_least=200,
                p_below=0.001,
                meaning="the mix of predictions changed by more than chance and the usual unrest explain",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="The model's answers are not mixed as before: its inputs, its version or its features have changed.",
        first_looks=(
            "Which classes moved, and did a model version come or go (`version_share_change`)?",
            "Did labels drift too? Then the world changed; if only predictions did, look at the model and its inputs.",
            "Did the volume of predictions jump? A new caller brings its own mix.",
        ),
        mitigate=(
            "Roll the model version back if the drift began with it.",
            "Ask for labels on the classes that grew: accuracy on them is what nobody knows yet.",
        ),
        over_when="The divergence is below the objective again, or the new mix has become the baseline.",
    ),
    panel=Panel(
        title="Prediction drift",
        description="KL of the last week from its baseline beyond chance and the usual change, and all of it, in nats.",
        statistics=("kl_excess_nats", "kl_divergence_nats"),
    ),
)
