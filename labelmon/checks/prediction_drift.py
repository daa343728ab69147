"""M5 drift of predictions: has the mix of what the model answers moved?"""

from __future__ import annotations

from labelmon.check import Check, Event, GaugeSlo, Panel, Runbook, Statistic, Threshold
from labelmon.estimators.drift import SETTINGS, drift_of
from labelmon.model import Cause, Severity

CHECK = Check(
    name="prediction_drift",
    seed_ref="M5",
    title="Prediction drift",
    help="How far the last week's predictions have moved from a baseline, by class.",
    formula=(
        "KL(current || baseline) in nats, PSI, both with a pseudo-count on every class, and the Jensen-Shannon "
        "divergence of the raw shares; 95 % interval by the delta method"
    ),
    source="S. Kullback, R. A. Leibler (1951), Ann. Math. Statist. 22:79; J. Lin (1991), IEEE Trans. IT 37:145",
    gotcha=(
        "Seasons and small numbers drift by themselves: whole weeks are compared, and even without drift KL is about "
        "(K - 1) / 2 x (1/n + 1/m). The ticket therefore waits until the whole interval is above the objective."
    ),
    relation="predictions",
    time=Event(instant="predicted_at"),
    history=True,
    keys=("predicted",),
    where=lambda row: row.predicted.is_not(None),
    settings=SETTINGS,
    estimate=drift_of("predicted"),
    statistics=(
        Statistic(
            name="kl_divergence_nats",
            metric="kl_divergence_nats",
            interval=True,
            help="KL divergence of the current period from the baseline, smoothed.",
        ),
        Statistic(name="psi", metric="psi_nats", interval=True, help="Population stability index, smoothed."),
        Statistic(name="js_divergence", metric="js_divergence_nats", interval=True, help="Jensen-Shannon divergence."),
        Statistic(
            name="kl_contribution_nats",
            metric="kl_contribution_nats",
            help="What one class adds to the KL divergence: p ln(p / q).",
        ),
        Statistic(name="label_count", metric="predictions", help="Predictions in the current period."),
    ),
    slo=GaugeSlo(
        statistic="kl_divergence_nats",
        at_most=0.1,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="kl_divergence_nats",
                at_least=200,
                proven=True,
                meaning="even the lower end of the divergence's interval is above the objective",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="The model's answers are not mixed as before: its inputs, its version or its features have changed.",
        first_looks=(
            "Which classes moved, and did a model version change at that time?",
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
        description="KL and Jensen-Shannon divergence of the last week from its baseline, in nats.",
        statistics=("kl_divergence_nats", "js_divergence"),
    ),
)
