"""Concept drift: do labels still answer the same prediction as they used to?"""

from __future__ import annotations

from labelmon.check import Check, Event, GaugeSlo, Panel, Runbook, Statistic, Threshold
from labelmon.estimators.concept import concept_drift
from labelmon.estimators.drift import SETTINGS
from labelmon.model import Cause, Severity

CHECK = Check(
    name="concept_drift",
    seed_ref="concept drift",
    title="Concept drift",
    help="How far the last week's labels of items with the same prediction have moved from the weeks before.",
    formula=(
        "inside each predicted class (the item's last prediction before its label) the mix of labels against the same "
        "mix of the baseline: G-test over phi of the weeks before, Benjamini-Hochberg over predicted classes, the "
        "smallest being Simes' p-value of the whole, adjusted again for all datasets; kl_excess = the mean over "
        "predictions of KL - phi (K - 1) / 2 x (1/n + 1/m); its 95 % interval by the noncentral chi-square"
    ),
    source=(
        "R. J. Simes (1986), Biometrika 73:751; S. Kullback, R. A. Leibler (1951), Ann. Math. Statist. 22:79; "
        "P. McCullagh, J. A. Nelder (1989), Generalized Linear Models; Y. Benjamini, Y. Hochberg (1995), JRSS B 57:289"
    ),
    gotcha=(
        "When other items arrive, labels drift and mean what they did; and labels can swap their meaning while their "
        "mix stays. Only items of the same prediction are compared. Which predictions get a label should not change."
    ),
    relation="labels",
    time=Event(instant="labeled_at"),
    partner="predictions",
    history=True,
    keys=("label", "partner_predicted"),
    where=lambda row: row.label.is_not(None) & row.partner_predicted.is_not(None),
    settings=tuple(setting for setting in SETTINGS if setting.name in {"period", "baseline", "pinned"}),
    estimate=concept_drift("label", "partner_predicted"),
    statistics=(
        Statistic(
            name="kl_excess_nats",
            metric="kl_excess_nats",
            interval=True,
            help="KL divergence of labels given the prediction beyond what chance and the usual change explain.",
        ),
        Statistic(
            name="kl_contribution_nats",
            metric="kl_contribution_nats",
            help="What one predicted class adds to it; below 0 where it moved less than chance would.",
        ),
        Statistic(name="drift_p_value", help="Chance of such a change, or a larger one, without drift."),
        Statistic(name="class_p_value", help="That chance for one predicted class, adjusted for all of them."),
        Statistic(name="label_p_value", help="That chance for one label (other_class) of one predicted class."),
        Statistic(name="share_change", help="How much more of a predicted class now gets that label (other_class)."),
        Statistic(
            name="drift_adjusted_p_value",
            metric="adjusted_p_value",
            adjusts="drift_p_value",
            help="That chance, adjusted for all datasets that are tested.",
        ),
        Statistic(name="judged_share", help="Share of these labels whose predicted class is frequent enough to judge."),
        Statistic(name="label_count", metric="labels", help="Labels with a prediction before them in the period."),
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
                meaning="labels of the same prediction changed by more than chance and the usual unrest explain",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="The same prediction is labelled otherwise than before: the world, the guideline or the model changed.",
        first_looks=(
            "Which predicted class, and which label took its place? `label_p_value` and `share_change` name them.",
            "Was a guideline, a tool or a model version changed on that day?",
            "Did label accuracy on audits fall too? Then labels are wrong; if it did not, the world has changed.",
        ),
        mitigate=(
            "If labels are wrong: hold back training on them and send the class to re-annotation.",
            "If the world has changed: retrain on labels since then, and pin the baseline after the change.",
        ),
        over_when="Labels given the prediction are as in the baseline again, or the new ones have become the baseline.",
    ),
    panel=Panel(
        title="Concept drift",
        description="KL of labels given the prediction, last week from its baseline, beyond chance and usual change.",
        statistics=("kl_excess_nats",),
    ),
)
