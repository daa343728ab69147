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
        "divergence of the raw shares; kl_excess = KL - phi (K - 1) / 2 x (1/n + 1/m), what is left after chance and "
        "the usual change; G-test over phi = X^2 / df between the same weekdays of the baseline, by F, adjusted for "
        "all datasets (Benjamini-Hochberg); 95 % intervals by the noncentral chi-square"
    ),
    source=(
        "S. Kullback, R. A. Leibler (1951), Ann. Math. Statist. 22:79; J. Lin (1991), IEEE Trans. IT 37:145; "
        "P. McCullagh, J. A. Nelder (1989), Generalized Linear Models; Y. Benjamini, Y. Hochberg (1995), JRSS B 57:289"
    ),
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
    statistics=(
        Statistic(
            name="kl_divergence_nats",
            metric="kl_divergence_nats",
            interval=True,
            help="KL divergence of the current period from the baseline, smoothed.",
        ),
        Statistic(
            name="kl_excess_nats",
            metric="kl_excess_nats",
            interval=True,
            help="KL divergence beyond what chance and the usual change explain.",
        ),
        Statistic(name="psi", metric="psi_nats", interval=True, help="Population stability index, smoothed."),
        Statistic(name="js_divergence", metric="js_divergence_nats", interval=True, help="Jensen-Shannon divergence."),
        Statistic(
            name="kl_contribution_nats",
            metric="kl_contribution_nats",
            help="What one class adds to the KL divergence: p ln(p / q).",
        ),
        Statistic(name="drift_p_value", help="Chance of such a change, or a larger one, without drift."),
        Statistic(name="class_p_value", help="That chance for one class, adjusted for all classes: which ones moved."),
        Statistic(
            name="drift_adjusted_p_value",
            metric="adjusted_p_value",
            adjusts="drift_p_value",
            help="That chance, adjusted for all datasets that are tested.",
        ),
        Statistic(name="label_count", metric="predictions", help="Predictions in the current period."),
    ),
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
