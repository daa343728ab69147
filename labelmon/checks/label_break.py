"""Label break: has the mix of labels changed so much within a day that somebody must look at once?"""

from __future__ import annotations

from labelmon.check import Check, Event, GaugeSlo, Panel, Runbook, Statistic, Threshold
from labelmon.estimators.drift import DAILY, drift_of
from labelmon.model import Cause, Severity

CHECK = Check(
    name="label_break",
    seed_ref="M5",
    title="Sudden label drift",
    help="How far the last day's labels have moved from the same weekday of the weeks before.",
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
    relation="labels",
    time=Event(instant="labeled_at"),
    history=True,
    keys=("label",),
    where=lambda row: row.label.is_not(None),
    settings=DAILY,
    estimate=drift_of("label"),
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
        Statistic(name="label_count", metric="labels", help="Labels in the current period."),
    ),
    slo=GaugeSlo(
        statistic="kl_excess_nats",
        at_most=0.25,
        thresholds=(
            Threshold(
                severity=Severity.PAGE,
                statistic="kl_excess_nats",
                at_least=100,
                p_below=0.0005,
                meaning="the mix of labels broke within a day: a class vanished or took over",
            ),
        ),
    ),
    severities=(Severity.PAGE,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="Within a day the mix of labels has become another one: a class vanished, or one took everything over.",
        first_looks=(
            "Which classes? Their contributions are on the dashboard. One at 0 points at a schema, tool or route.",
            "Was anything released since: the labeling tool, the guideline, automatic labeling, the intake?",
            "Did predictions break too? Then the intake changed; if only labels did, it is the labeling.",
        ),
        mitigate=(
            "Roll the release back, or stop the automatic labels it brought.",
            "Hold back training on labels since the break.",
        ),
        over_when="A day of labels has the usual mix again, or the new one is wanted: then pin a baseline to it.",
    ),
    panel=Panel(
        title="Sudden label drift",
        description="KL divergence of the last day from the same weekdays, beyond chance and the usual change.",
        statistics=("kl_excess_nats",),
    ),
)
