"""M1 label accuracy: of the labels that were audited, what share was right?"""

from __future__ import annotations

from labelmon.check import Check, Column, Event, EventSlo, Panel, Part, Runbook, Statistic, Vote, by_first
from labelmon.estimators.confusion import weighted_classes
from labelmon.estimators.proportion import majority_vote, shares_by
from labelmon.estimators.survey import accuracy, clustered, tallies
from labelmon.model import Cause, Severity
from labelmon.sampling import LEFT_OUT, UNMAPPED, WITHOUT_VERDICT, drawn, picked, weighed, without_verdict

GOOD = {"good": Column(lambda row: row.right)}
WEIGHED = weighed(lambda row: row.right)

CHECK = Check(
    name="label_accuracy",
    seed_ref="M1",
    title="Label accuracy",
    help="Share of audited labels that equal the audit's truth, or are as near it as the dataset's `comparison` asks.",
    formula=(
        "weight of correct audits / weight of all, by the time of the audit; 95 % interval by Wilson's score on "
        "audits / design effect. Without weights, strata and clusters: correct / audited, and an effect of 1"
    ),
    source="E. B. Wilson (1927), JASA 22:209; J. Hajek (1971), in Foundations of Statistical Inference; L. Kish (1965)",
    gotcha=(
        "Sampling bias: audits that were not drawn at random say nothing about the rest. Gold, seeded and hand-picked "
        "audits and impossible weights (below 1) are left out, and `excluded_audits` counts them by reason."
    ),
    relation="audits",
    time=Event(instant="audited_at"),
    keys=("stratum",),
    where=drawn,
    optional=UNMAPPED,
    counts=GOOD | WEIGHED,
    estimate=accuracy(),
    parts=(
        Part(name="clusters", keys=("stratum", "cluster"), counts=WEIGHED, estimate=clustered()),
        Part(
            name="classes",
            keys=("stratum", "label", "truth"),
            counts=WEIGHED,
            estimate=weighted_classes(said="label", true="truth"),
        ),
        Part(name="annotators", keys=("annotator",), counts=GOOD, estimate=shares_by("good", "accuracy", "annotator")),
        Part(
            name="votes",
            time=Vote(instant="audited_at"),
            where=lambda row: row.votes > 0,
            counts={"good": Column(lambda row: row.good), "votes": Column(lambda row: row.votes)},
            estimate=majority_vote,
        ),
        Part(
            name="excluded",
            where=picked,
            counts=by_first(LEFT_OUT),
            estimate=tallies("excluded_audits", "reason"),
        ),
        Part(
            name="unjudged",
            compares=True,
            where=without_verdict,
            counts={WITHOUT_VERDICT: Column(without_verdict)},
            estimate=tallies("excluded_audits", "reason"),
        ),
    ),
    statistics=(
        Statistic(name="accuracy", metric="ratio", help="Share of audited labels that were right.", interval=True),
        Statistic(
            name="majority_vote_accuracy",
            metric="majority_vote_ratio",
            interval=True,
            help="Share of items whose most frequent label was right; a tie counts as the chance of a random one.",
        ),
        Statistic(
            name="precision", metric="precision_ratio", interval=True, help="Share right of labels of one class."
        ),
        Statistic(name="recall", metric="recall_ratio", interval=True, help="Share found of what is of one class."),
        Statistic(name="design_effect", help="How many audits tell as much as one of a simple random sample."),
        Statistic(name="excluded_audits", metric="excluded_audits", help="Audits left out of the estimate."),
    ),
    slo=EventSlo(good="good_weight", of="weight", design_effect="design_effect", target=0.95),
    severities=(Severity.PAGE, Severity.TICKET),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning=(
            "Audits find wrong labels faster than the error budget allows. Models that train on these labels, "
            "and every figure computed from them, are getting worse."
        ),
        first_looks=(
            "Open the samples link: do the wrong labels share a class, a source or a time of day?",
            "Did the label schema, the guideline or the labeling tool change just before the start?",
            "Are all audits by one auditor? A new auditor who reads the guideline differently looks the same.",
        ),
        mitigate=(
            "Stop automatic labeling if the wrong labels come from it.",
            "Hold back training on labels since the start of the incident.",
            "Send the affected items to re-annotation.",
        ),
        over_when="The short window's error ratio is back below the budget and the alert resolves by itself.",
    ),
    panel=Panel(
        title="Label accuracy",
        description="Audited accuracy over the objective's window, with its 95 % interval.",
    ),
)
