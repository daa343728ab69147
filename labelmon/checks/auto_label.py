"""Automatic labels: how large is their share, and how much is left for people?"""

from __future__ import annotations

from sqlalchemy import not_

from labelmon.check import Check, Column, Event, GaugeSlo, Panel, Part, Runbook, Statistic, Threshold
from labelmon.estimators.sources import AUTOMATIC, auto_share, errors_by_source
from labelmon.model import Cause, Severity
from labelmon.sampling import UNMAPPED, drawn, weighed

CHECK = Check(
    name="auto_label",
    seed_ref="auto-labeling",
    title="Automatic labels",
    help="Share of labels that no person made, and the audited error of each source.",
    formula=(
        f"labels whose source is one of {', '.join(AUTOMATIC)} / labels with a source; weight of wrong / weight of "
        "audited by the source of the item's last label before the audit, and the difference automatic - human; "
        "intervals by Wilson's score on audits / design effect and Newcombe's hybrid score"
    ),
    source="E. B. Wilson (1927), JASA 22:209; R. G. Newcombe (1998), Statist. Med. 17:873, method 10",
    gotcha=(
        "Never audit automatic labels with automatic labels: an error that both make is never found. Audits need a "
        "person behind them, and this check says what automatic labels cost in errors only where they have one."
    ),
    relation="labels",
    time=Event(instant="labeled_at"),
    keys=("label_source",),
    where=lambda row: row.label.is_not(None) & row.label_source.is_not(None),
    counts={"auto": Column(lambda row: row.label_source.in_(AUTOMATIC))},
    optional=UNMAPPED,
    estimate=auto_share("auto"),
    parts=(
        Part(
            name="audited",
            relation="audits",
            time=Event(instant="audited_at"),
            keys=("stratum", "partner_label_source"),
            where=drawn,
            counts=weighed(lambda row: not_(row.right)),
            partner="labels",
            estimate=errors_by_source,
        ),
    ),
    statistics=(
        Statistic(name="auto_share", metric="ratio", interval=True, help="Share of labels that no person made."),
        Statistic(name="human_labels", metric="human_labels", help="Labels in the window that people made."),
        Statistic(name="error", metric="error_ratio", interval=True, help="Audited error of one source of labels."),
        Statistic(
            name="error_difference",
            metric="error_difference_ratio",
            interval=True,
            help="Audited error of automatic labels minus that of human ones.",
        ),
    ),
    slo=GaugeSlo(
        statistic="auto_share",
        at_most=0.9,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="auto_share",
                at_least=200,
                proven=True,
                meaning="more labels than agreed are made by no person",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="Machines make more of the labels than was agreed: their errors now decide the quality of the whole.",
        first_looks=(
            "Did the confidence threshold of automatic labeling change, or did people stop labeling?",
            "Is the audited error of automatic labels above that of people, beyond the interval?",
            "Do automatic labels arrive for classes they were never approved for?",
        ),
        mitigate=(
            "Raise the confidence threshold, so that more goes to people.",
            "Audit automatic labels by people before they are used for training.",
        ),
        over_when="The share of automatic labels is back below the objective.",
    ),
    panel=Panel(
        title="Automatic labels",
        description="Share of labels that no person made, with its 95 % interval, against the objective.",
    ),
)
