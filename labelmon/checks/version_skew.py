"""Version skew: does the dataset that a model is trained or tested on look like what it sees?"""

from __future__ import annotations

from labelmon.check import Check, Event, GaugeSlo, Panel, Part, Runbook, Statistic, Threshold, Versions
from labelmon.estimators.drift import SETTINGS
from labelmon.estimators.versions import version_skew
from labelmon.model import Cause, Severity

CHECK = Check(
    name="version_skew",
    seed_ref="version skew",
    title="Versions against production",
    help="How far the classes of the newest train, test or canary version are from the last weeks' predictions.",
    formula=(
        "kl_excess = KL(version || predictions) - phi (K - 1) / 2 x (1/n + 1/m), the largest of all purposes; G-test "
        "over phi of the same weekdays of four weeks of predictions, Simes' over purposes, adjusted for all datasets"
    ),
    source=(
        "S. Kullback, R. A. Leibler (1951), Ann. Math. Statist. 22:79; R. J. Simes (1986), Biometrika 73:751; "
        "P. McCullagh, J. A. Nelder (1989), Generalized Linear Models"
    ),
    gotcha=(
        "Production changes from week to week: against one day of it every version is apart. And a training set that "
        "was balanced on purpose is apart for good: set the objective to what was meant."
    ),
    relation="versions",
    time=Versions(),
    keys=("purpose", "label"),
    where=lambda row: row.label.is_not(None),
    optional={"purpose": None},
    settings=tuple(setting for setting in SETTINGS if setting.name in {"direction", "prior"}),
    parts=(
        Part(
            name="served",
            relation="predictions",
            time=Event(instant="predicted_at"),
            keys=("predicted",),
            where=lambda row: row.predicted.is_not(None),
            history=True,
        ),
    ),
    combine=version_skew(part="served"),
    statistics=(
        Statistic(
            name="kl_excess_nats",
            metric="kl_excess_nats",
            interval=True,
            help="KL divergence of the version farthest from production, beyond chance and the usual change.",
        ),
        Statistic(name="kl_divergence_nats", help="KL divergence of a version from production, smoothed."),
        Statistic(name="psi", help="Population stability index of a version against production, smoothed."),
        Statistic(name="js_divergence", help="Jensen-Shannon divergence of a version and production."),
        Statistic(name="kl_contribution_nats", help="What one class adds to the KL divergence: p ln(p / q)."),
        Statistic(name="drift_p_value", help="Chance of such a difference, or a larger one, without skew."),
        Statistic(name="class_p_value", help="That chance for one class, adjusted for all classes."),
        Statistic(
            name="drift_adjusted_p_value",
            metric="adjusted_p_value",
            adjusts="drift_p_value",
            help="That chance, adjusted for all datasets that are tested.",
        ),
    ),
    slo=GaugeSlo(
        statistic="kl_excess_nats",
        at_most=0.05,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="kl_excess_nats",
                at_least=200,
                p_below=0.001,
                meaning="a dataset version does not look like what production sees",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="A version that models are trained or tested on holds other classes than production: scores mislead.",
        first_looks=(
            "Which purpose is apart, train, test or canary, and by which classes?",
            "Did production move (see prediction_drift), or the version?",
            "Was the version balanced or filtered on purpose?",
        ),
        mitigate=(
            "Draw the next version from recent items, or weigh its classes by production.",
            "Do not compare scores across versions until then.",
        ),
        over_when="The newest version of each purpose is within the objective of what is predicted now.",
    ),
    panel=Panel(
        title="Versions against production",
        description="KL divergence of the farthest version from recent predictions, beyond chance and usual change.",
    ),
)
