"""M1 label accuracy: of the labels that were audited, what share was right?"""

from __future__ import annotations

from labelmon.check import Check, Column, Event, EventSlo, Panel, Part, Runbook, Statistic, Vote
from labelmon.estimators.proportion import majority_vote, share_of, shares_by
from labelmon.model import Cause, Severity

GOOD = {"good": Column(lambda row: row.label == row.truth)}

CHECK = Check(
    name="label_accuracy",
    seed_ref="M1",
    title="Label accuracy",
    help="Share of audited labels that equal the audit's truth.",
    formula="correct / audited, by the time of the audit; 95 % interval by Wilson's score",
    source="E. B. Wilson (1927), JASA 22:209",
    gotcha="Sampling bias: audits that were not drawn at random say nothing about the rest.",
    relation="audits",
    time=Event(instant="audited_at"),
    where=lambda row: row.label.is_not(None) & row.truth.is_not(None),
    counts=GOOD,
    estimate=share_of("good", "accuracy", "audits"),
    parts=(
        Part(name="annotators", keys=("annotator",), counts=GOOD, estimate=shares_by("good", "accuracy", "annotator")),
        Part(
            name="votes",
            time=Vote(instant="audited_at"),
            where=lambda row: row.votes > 0,
            counts={"good": Column(lambda row: row.good), "votes": Column(lambda row: row.votes)},
            estimate=majority_vote,
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
    ),
    slo=EventSlo(good="good", target=0.95),
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
