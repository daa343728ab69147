"""Label retention: are labels kept longer than allowed?"""

from __future__ import annotations

from labelmon.check import Check, Column, GaugeSlo, Panel, Runbook, Snapshot, Statistic, Threshold
from labelmon.counts import Op
from labelmon.estimators.freshness import oldest_by
from labelmon.model import DAY, Cause, Severity

CHECK = Check(
    name="label_retention",
    seed_ref="retention",
    title="Label retention",
    help="Age of the oldest label that is still kept, whole and by source, against how long labels may be kept.",
    formula="now - the earliest labeled_at of the labels in the store: a census",
    source="counted, not estimated",
    gotcha=(
        "A time to live says until when a label is good, retention until when it may exist: a label without an expiry "
        "is fresh for ever and against the law all the same. Seven years stand in for a limit that only you know."
    ),
    relation="labels",
    time=Snapshot(since="labeled_at"),
    keys=("label_source",),
    counts={"oldest": Column(lambda row: row.labeled_at, Op.MIN)},
    estimate=oldest_by("oldest", "oldest_label_age_seconds", "labels"),
    statistics=(
        Statistic(
            name="oldest_label_age_seconds",
            metric="oldest_label_timestamp_seconds",
            age=True,
            help="When the oldest label that is still kept was made.",
        ),
    ),
    slo=GaugeSlo(
        statistic="oldest_label_age_seconds",
        at_most=7.0 * 365 * DAY,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="oldest_label_age_seconds",
                meaning="labels are kept longer than they may be",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.STALE,
    runbook=Runbook(
        meaning="Labels are kept longer than retention allows: a finding for an audit, or a breach of a contract.",
        first_looks=(
            "Which source do the oldest labels come from? Its purge job is the first suspect.",
            "Did the purge stop, or does it leave out a table, a partition or an archive?",
            "Are the times right? A label of 1970 is a missing time rather than an old label.",
        ),
        mitigate=(
            "Run the purge, and look at what holds it up.",
            "Where labels must be kept on purpose, write down who said so and raise the objective.",
        ),
        over_when="The oldest label is younger than the limit again.",
    ),
    panel=Panel(
        title="Age of the oldest label",
        description="How old the oldest label is that is still kept, against the limit.",
    ),
)
