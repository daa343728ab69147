"""Label break: has the mix of labels changed so much within a day that somebody must look at once?"""

from __future__ import annotations

from labelmon.check import Check, Event, GaugeSlo, Panel, Runbook, Threshold
from labelmon.estimators.drift import DAILY, FORMULA, SOURCE, drift_of, drift_statistics
from labelmon.model import Cause, Severity

CHECK = Check(
    name="label_break",
    seed_ref="M5",
    title="Sudden label drift",
    help="How far the last day's labels have moved from the same weekday of the weeks before.",
    formula=FORMULA,
    source=SOURCE,
    gotcha=(
        "A Sunday differs from a Saturday every week: a day is held against the same weekday of four weeks. A restless "
        "dataset breaks a little every day, so that only what its usual unrest does not explain may wake somebody."
    ),
    relation="labels",
    time=Event(instant="labeled_at"),
    history=True,
    keys=("label",),
    where=lambda row: row.label.is_not(None),
    settings=DAILY,
    estimate=drift_of("label"),
    statistics=drift_statistics("labels"),
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
