"""Audit health: does anybody still audit, and everything?"""

from __future__ import annotations

from labelmon.check import Check, Column, Event, GaugeSlo, Panel, Part, Runbook, Snapshot, Statistic, Threshold
from labelmon.counts import Op
from labelmon.estimators.audits import unaudited
from labelmon.estimators.freshness import last_seen
from labelmon.model import DAY, Cause, Severity

CHECK = Check(
    name="audit_health",
    seed_ref="audit health",
    title="Audits",
    help="How long ago the last audit was, and which classes, annotators and strata nobody audits.",
    formula=(
        "now - time of the newest audit; classes and annotators with 50 labels or more in the window and no audit in "
        "it; strata that were audited once and not in the window: a census"
    ),
    source="counted, not estimated",
    gotcha=(
        "Without audits accuracy goes quietly insufficient, and nothing that is insufficient ever fires. This check is "
        "what fires then."
    ),
    relation="audits",
    time=Snapshot(since="audited_at"),
    keys=("stratum",),
    counts={"newest": Column(lambda row: row.audited_at, Op.MAX)},
    estimate=last_seen("newest", "last_audit_age_seconds", "audits"),
    parts=(
        Part(name="audited", keys=("label",), time=Event(instant="audited_at")),
        Part(name="labelled", relation="labels", keys=("label",), time=Event(instant="labeled_at")),
        Part(name="audited_of", keys=("annotator",), time=Event(instant="audited_at")),
        Part(name="labelled_by", relation="labels", keys=("annotator",), time=Event(instant="labeled_at")),
        Part(name="audited_strata", keys=("stratum",), time=Event(instant="audited_at")),
    ),
    combine=unaudited,
    statistics=(
        Statistic(
            name="last_audit_age_seconds",
            metric="last_audit_timestamp_seconds",
            age=True,
            help="When the newest audit was made.",
        ),
        Statistic(
            name="unaudited_classes",
            metric="unaudited_classes",
            help="Classes with 50 labels or more in the window and no audit.",
        ),
        Statistic(
            name="unaudited_annotators",
            metric="unaudited_annotators",
            help="Annotators with 50 labels or more in the window and no audit.",
        ),
        Statistic(
            name="unaudited_strata",
            metric="unaudited_strata",
            help="Strata of earlier audits without one in the window.",
        ),
        Statistic(name="unaudited_labels", help="Labels in the window of a class or an annotator without audits."),
    ),
    slo=GaugeSlo(
        statistic="last_audit_age_seconds",
        at_most=7.0 * DAY,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="last_audit_age_seconds",
                meaning="nobody has audited for longer than the limit",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.STALE,
    runbook=Runbook(
        meaning="Nobody audits: accuracy is unknown, and no alert on it can fire.",
        first_looks=(
            "Did audits stop, or does their table only no longer arrive? Compare the newest row in the store.",
            "Who audits, and are they away? A single auditor is a single point of failure.",
            "Are whole classes, annotators or strata never audited? They are listed with their number of labels.",
        ),
        mitigate=(
            "Draw the next audit with labelmon audit-sample, and hand it to somebody by name.",
            "Say on the dashboards that accuracy is unknown until then.",
        ),
        over_when="A new audit has arrived.",
    ),
    panel=Panel(
        title="Age of the last audit",
        description="How long ago the newest audit was made, against the limit.",
        statistics=("last_audit_age_seconds",),
    ),
)
