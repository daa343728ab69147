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
    help="Annotators whose audited labels are wrong far more often than those of their peers.",
    formula=(
        "P(X >= errors) under a beta-binomial whose mean and spread are those of the other annotators, "
        "weighed with a usual spread; Benjamini-Hochberg over annotators at 2.2 %; the worst few also as a group"
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
    parts=(Part(name="people", keys=("annotator",), counts=WRONG),),
    combine=annotators_at_fault(part="people", wrong="wrong"),
    statistics=(
        Statistic(name="flagged_annotators", metric="flagged_annotators", help="Annotators who err far more often."),
        Statistic(name="judged_annotators", metric="judged_annotators", help="Annotators with 20 audits or more."),
        Statistic(name="error_rate", help="Error rate of one annotator, given peers and own audits."),
        Statistic(name="peer_p_value", help="Chance of so many errors of an honest peer, adjusted for all annotators."),
        Statistic(name="flagged", help="1 where an annotator errs far more than peers."),
    ),
    slo=GaugeSlo(
        statistic="flagged_annotators",
        at_most=0.0,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="flagged_annotators",
                meaning="annotators err far more often than their peers",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="Somebody's labels are wrong far more often than others': a misread guideline, a broken tool, a robot.",
        first_looks=(
            "Who, by pseudonym, and by how much? The page of the dataset shows error rates with their intervals.",
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
        description="Annotators who err far more often than their peers, and how many could be judged.",
        statistics=("flagged_annotators", "judged_annotators"),
    ),
)
