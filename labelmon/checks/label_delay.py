"""M3 label delay: how long do items take to a label, and in which stage, those that still wait included?"""

from __future__ import annotations

from labelmon.check import Check, Column, GaugeSlo, Panel, Runbook, Stages, Statistic, Threshold
from labelmon.estimators.delay import delays
from labelmon.model import DAY, Cause, Severity

CHECK = Check(
    name="label_delay",
    seed_ref="M3",
    title="Label delay",
    help="Percentiles of the time from arrival to a label over the arrivals of the last 30 days, whole and by stage.",
    formula=(
        "Kaplan-Meier over durations of done and (censored) pending items, 20 bins to a decade; interval where the "
        "log-log band with Greenwood's variance holds 1 - q, at least the value's bin"
    ),
    source=(
        "Kaplan and Meier (1958), JASA 53:457; Brookmeyer and Crowley (1982), Biometrics 38:29; Kalbfleisch and "
        "Prentice (1980)"
    ),
    gotcha=(
        "Percentiles of completed items alone are those of the quick ones: what still waits must count for as long as "
        "it has waited. A label older than its item is clock skew: it is counted apart and is not in the curve."
    ),
    relation="items",
    time=Stages(since="arrived_at"),
    hourly=True,
    needs_labels=True,
    keys=("step", "bin"),
    counts={"done": Column(lambda row: row.until_ms.is_not(None))},
    estimate=delays("done", "step", "bin", "pending_items", "clock_skew_items"),
    statistics=(
        Statistic(
            name="p95_seconds",
            metric="p95_seconds",
            interval=True,
            help="95 of 100 items have their label within this time.",
        ),
        Statistic(
            name="p50_seconds",
            metric="p50_seconds",
            interval=True,
            help="Half of the items have their label within this time.",
        ),
        Statistic(
            name="p99_seconds",
            metric="p99_seconds",
            interval=True,
            help="99 of 100 items have their label within this time.",
        ),
        Statistic(
            name="stage_p50_seconds",
            metric="stage_p50_seconds",
            interval=True,
            help="Half of the items are through a stage within this time.",
        ),
        Statistic(
            name="stage_p95_seconds",
            metric="stage_p95_seconds",
            interval=True,
            help="95 of 100 items are through a stage within this time.",
        ),
        Statistic(
            name="stage_p99_seconds",
            metric="stage_p99_seconds",
            interval=True,
            help="99 of 100 items are through a stage within this time.",
        ),
        Statistic(name="pending_items", metric="pending_items", help="Items that are not through yet."),
        Statistic(
            name="clock_skew_items",
            metric="clock_skew_items",
            help="Items whose end is older than their beginning; no percentile counts them.",
        ),
    ),
    slo=GaugeSlo(
        statistic="p95_seconds",
        at_most=float(DAY),
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="p95_seconds",
                at_least=100,
                proven=True,
                meaning="one item in twenty takes longer than the limit, those that still wait included",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.STALL,
    runbook=Runbook(
        meaning="Over the last 30 days more than one item in twenty took longer to its label than it should.",
        first_looks=(
            "Which stage takes the time: queued, started, labelled, stored or validated?",
            "Do the median and the slow end grow together, or is it a few that are stuck?",
            "Do items count as clock skew? Then times of one system are wrong, and so are these.",
        ),
        mitigate=(
            "Work on the slowest stage: routing, annotators, the store or the validators.",
            "Label the oldest waiting items first.",
        ),
        over_when="The 95th percentile is below the limit again: slow items leave it 30 days after they arrived.",
    ),
    panel=Panel(
        title="Time to a label",
        description="Half and 95 of 100 items had their label within this time, pending items counted as such.",
        statistics=("p95_seconds", "p50_seconds"),
    ),
)
