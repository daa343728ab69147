"""F6 annotator anomaly: does somebody err far more than the others?"""

from __future__ import annotations

from sqlalchemy import not_

from labelmon.check import Check, Column, Event, GaugeSlo, Panel, Part, Runbook, Statistic, Threshold
from labelmon.estimators.anomaly import annotators_at_fault
from labelmon.model import Cause, Severity

WRONG = {"wrong": Column(lambda row: not_(row.right))}

CHECK = Check(
    name="annotator_anomaly",
    seed_ref="F6",
    title="Annotators apart",
    help="Annotators whose audited labels are wrong far more often than those of peers, or than in their own past.",
    formula=(
        "P(X >= errors) under a beta-binomial whose mean and spread are those of the other annotators, "
        "weighed with a usual spread; Benjamini-Hochberg over annotators at 2.2 %; the worst few also as a group. The "
        "same on gold audits alone; and of the newest week's errors given the own earlier audits, at 1.5 %"
    ),
    source="J. C. Kleinman (1973), JASA 68:46; Y. Benjamini, Y. Hochberg (1995), J. R. Statist. Soc. B 57:289",
    gotcha=(
        "Honest people differ in skill: a plain binomial test flags one of 40 honest annotators every other round. "
        "Peers and spread are what an annotator is held against, and nobody is named in a metric."
    ),
    relation="audits",
    time=Event(instant="audited_at"),
    where=lambda row: row.complete & row.annotator.is_not(None),
    counts=WRONG,
    optional={"seeded": None},
    parts=(
        Part(name="people", keys=("annotator",), counts=WRONG, history=True),
        Part(
            name="gold",
            keys=("annotator",),
            where=lambda row: (
                row.gold.is_(True) & ~row.seeded.is_(True) & row.label.is_not(None) & row.truth.is_not(None)
            ),
            counts=WRONG,
        ),
    ),
    combine=annotators_at_fault(part="people", wrong="wrong", gold="gold"),
    statistics=(
        Statistic(name="flagged_annotators", metric="flagged_annotators", help="Annotators who err far more often."),
        Statistic(name="judged_annotators", metric="judged_annotators", help="Annotators with 20 audits or more."),
        Statistic(name="error_rate", help="Error rate of one annotator, given peers and own audits."),
        Statistic(name="peer_p_value", help="Chance of so many errors of an honest peer, adjusted for all annotators."),
        Statistic(name="flagged", help="1 where an annotator errs far more than peers."),
        Statistic(
            name="gold_failing_annotators",
            metric="gold_failing_annotators",
            help="Annotators who err far more often than peers on gold audits.",
        ),
        Statistic(name="gold_p_value", help="That chance on gold audits alone."),
        Statistic(name="gold_failing", help="1 where an annotator errs far more than peers on gold audits."),
        Statistic(
            name="worsened_annotators",
            metric="worsened_annotators",
            help="Annotators whose newest week has far more errors than their own earlier audits promise.",
        ),
        Statistic(name="own_past_p_value", help="Chance of so many errors in a week like the own past, adjusted."),
        Statistic(name="worsened", help="1 where the newest week is far worse than the own past."),
        Statistic(name="apart_annotators", metric="apart_annotators", help="Annotators whom any of the tests flags."),
    ),
    slo=GaugeSlo(
        statistic="apart_annotators",
        at_most=0.0,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="apart_annotators",
                meaning="annotators err far more often than their peers or their own past",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="Somebody's labels are wrong far more often than others', or than before: a misread rule, a robot.",
        first_looks=(
            "Who, by pseudonym, and against whom: peers, gold or the own past? The dataset's page shows each one.",
            "What do the wrong labels have in common: one class, one batch, one day?",
            "Are all of the annotator's audits by one auditor? Then ask a second one.",
        ),
        mitigate=(
            "Hold back the annotator's recent labels from training, and send a sample to somebody else.",
            "Talk first: most of the time it is a guideline read differently.",
        ),
        over_when="The annotator's newer audits are like those of the peers.",
    ),
    panel=Panel(
        title="Annotators apart",
        description="Annotators who err far more often than peers, on gold or than in their past, and those judged.",
        statistics=("flagged_annotators", "gold_failing_annotators", "worsened_annotators", "judged_annotators"),
    ),
)
