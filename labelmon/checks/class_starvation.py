"""F5 class imbalance: does every class still get labels at the rate it used to?"""

from __future__ import annotations

from labelmon.check import Check, Event, GaugeSlo, Panel, Runbook, Statistic, Threshold
from labelmon.estimators.starvation import SETTINGS, starvation
from labelmon.model import Cause, Severity

CHECK = Check(
    name="class_starvation",
    seed_ref="F5",
    title="Starved classes",
    help="Classes that got far fewer labels in the last period than the weeks before promised.",
    formula=(
        "P(X <= k), X negative binomial with the mean of the class's periods in the four weeks before and the "
        "overdispersion of all classes' (Poisson where these vary no more than chance), Holm's correction over the "
        "classes; a class without any label has a rate below 3 / exposure with 95 % (rule of three)"
    ),
    source="S. Holm (1979), Scand. J. Statist. 6:65; J. A. Hanley, A. Lippman-Hand (1983), JAMA 249:1743",
    gotcha=(
        "A rare class is often absent by chance: only a count that its own past makes unlikely counts as starved, and "
        "a class that was never frequent enough to be missed is said to be unknown."
    ),
    relation="labels",
    time=Event(instant="labeled_at"),
    history=True,
    keys=("label",),
    where=lambda row: row.label.is_not(None),
    settings=SETTINGS,
    estimate=starvation("label"),
    statistics=(
        Statistic(name="starved_classes", metric="classes", help="Classes that get far fewer labels than before."),
        Statistic(name="expected_labels", metric="expected_labels", help="Labels that the weeks before promise."),
        Statistic(name="received_labels", metric="received_labels", help="Labels that the class got in the period."),
        Statistic(name="rate_upper_bound", help="Labels a period that a class without any may still have, with 95 %."),
        Statistic(name="starvation_p_value", help="Chance of so few labels of a class, corrected for all classes."),
    ),
    slo=GaugeSlo(
        statistic="starved_classes",
        at_most=0.0,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="starved_classes",
                meaning="classes get far fewer labels than before",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="A class has run dry: models that train on recent labels will forget it.",
        first_looks=(
            "Which class, and since when? Its expected and received labels are on the dashboard.",
            "Do predictions of the class go on? Then items are there and labels are not: look at routing.",
            "Is the class now spelled otherwise (schema_mismatch), or folded into another by a new guideline?",
        ),
        mitigate=(
            "Send items that the model predicts as the class to annotators first.",
            "Train with weights by class until its labels are back.",
        ),
        over_when="The class gets labels again at the rate of the weeks before.",
    ),
    panel=Panel(
        title="Starved classes",
        description="Classes that got far fewer labels in the last period than the weeks before promised.",
        statistics=("starved_classes",),
    ),
)
