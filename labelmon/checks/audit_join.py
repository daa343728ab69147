"""Join coverage of audits: do the labels that were audited still exist?"""

from __future__ import annotations

from labelmon.check import Check, Column, Event, EventSlo, Panel, Runbook, Statistic
from labelmon.estimators.audits import joined
from labelmon.model import Cause, Severity

CHECK = Check(
    name="audit_join",
    seed_ref="join coverage",
    title="Audits of known labels",
    help="Share of audits whose item carries a label.",
    formula="audits whose item is found in labels / audits; 95 % interval by Wilson's score",
    source="E. B. Wilson (1927), JASA 22:209",
    gotcha=(
        "An audit of a label that no longer exists still counts in the accuracy: it judged a label that was there. "
        "Many of them say that labels are replaced or lost behind the audits' back, or that the ids do not match."
    ),
    relation="audits",
    time=Event(instant="audited_at"),
    partner="labels",
    counts={"good": Column(lambda row: row.partner_known)},
    estimate=joined("good"),
    statistics=(
        Statistic(
            name="join_coverage",
            metric="ratio",
            interval=True,
            help="Share of audits whose item carries a label.",
        ),
        Statistic(
            name="orphaned_audits",
            metric="orphaned_audits",
            help="Audits in the window whose item carries no label any more; accuracy still counts them.",
        ),
    ),
    slo=EventSlo(good="good", target=0.95),
    severities=(Severity.TICKET,),
    cause=Cause.SCHEMA,
    runbook=Runbook(
        meaning="Audits judge labels that are not there: accuracy says little about the labels that are.",
        first_looks=(
            "Compare an item id of each table by eye: another prefix, case, padding or type?",
            "Were labels deleted or moved to another dataset after they were audited?",
            "Do audits come from another environment, or an older version of the dataset?",
        ),
        mitigate=(
            "Map the right column, or a query that brings the ids into one form.",
            "Draw a fresh audit from the labels that exist, with labelmon audit-sample.",
        ),
        over_when="New audits find their labels again.",
    ),
    panel=Panel(
        title="Audits of known labels",
        description="Share of audits whose item carries a label, with its 95 % interval.",
    ),
)
