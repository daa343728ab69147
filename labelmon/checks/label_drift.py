"""M5 label drift: has the mix of labels moved?"""

from __future__ import annotations

from labelmon.check import Check, Event, GaugeSlo, Panel, Part, Runbook, Threshold
from labelmon.estimators.drift import FORMULA, SETTINGS, SOURCE, drift_of, drift_statistics
from labelmon.estimators.marks import MARKED, version_marks
from labelmon.model import Cause, Severity

CHECK = Check(
    name="label_drift",
    seed_ref="M5",
    title="Label drift",
    help="How far the last week's labels have moved from a baseline, by class.",
    formula=FORMULA,
    source=SOURCE,
    gotcha=(
        "Seasons, small numbers and plain unrest drift by themselves. Whole weeks are compared, chance and the usual "
        "change from day to day are taken off, and a ticket needs a change that neither explains in any dataset."
    ),
    relation="labels",
    time=Event(instant="labeled_at"),
    history=True,
    keys=("label",),
    where=lambda row: row.label.is_not(None),
    settings=SETTINGS,
    estimate=drift_of("label"),
    parts=(
        Part(name="schemas", keys=("schema_version",), history=True, estimate=version_marks("schema_version")),
        Part(name="guidelines", keys=("guideline_version",), history=True, estimate=version_marks("guideline_version")),
    ),
    statistics=(*drift_statistics("labels"), MARKED),
    slo=GaugeSlo(
        statistic="kl_excess_nats",
        at_most=0.005,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="kl_excess_nats",
                at_least=200,
                p_below=0.001,
                meaning="the mix of labels changed by more than chance and the usual unrest explain",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="The mix of labels is not what it was: the world, the guideline or the pipeline has changed.",
        first_looks=(
            "Which classes moved? Their contributions are on the dashboard, from what to what in the ticket.",
            "Is a new spelling of an old class among them (None and none), or a new version? Then the schema drifts.",
            "Did predictions drift too? Then the inputs changed; if only labels did, look at the annotators.",
        ),
        mitigate=(
            "If the world changed: tell the owners of models trained on the old mix, and plan retraining.",
            "If the guideline or tool changed: relabel a sample of the old period under the new rules.",
        ),
        over_when="The divergence is below the objective again, or the new mix has become the baseline.",
    ),
    panel=Panel(
        title="Label drift",
        description="KL of the last week from its baseline beyond chance and the usual change, and all of it, in nats.",
        statistics=("kl_excess_nats", "kl_divergence_nats"),
    ),
)
