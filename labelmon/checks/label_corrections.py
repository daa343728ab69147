"""M8 label corrections: how many reviewed labels had to be corrected?"""

from __future__ import annotations

from labelmon.check import Check, Column, Event, EventSlo, Panel, Part, Runbook, Statistic
from labelmon.estimators.breakdown import share_by
from labelmon.estimators.corrections import corrected_for_misses
from labelmon.estimators.proportion import shares_by
from labelmon.model import Cause, Severity

CORRECTED = Column(lambda row: row.label != row.corrected_label)

CHECK = Check(
    name="label_corrections",
    seed_ref="M8",
    title="Labels that reviews kept",
    help="Share of reviewed labels that were corrected, by class, and with those that seeded errors say were missed.",
    formula=(
        "corrected / reviewed, 95 % interval by Wilson's score; true share = corrected share / catch rate, where the "
        "catch rate is the share of seeded errors that were found, with MOVER-R from both intervals"
    ),
    source="E. B. Wilson (1927), JASA 22:209; seeded errors: H. D. Mills (1972), IBM FSC 72-6015",
    gotcha=(
        "Underreported fixes: a reviewer who waves labels through has a fine correction rate. Errors seeded on purpose "
        "(audits with `seeded`) tell which share is caught, and the corrected share is divided by it."
    ),
    relation="reviews",
    time=Event(instant="reviewed_at"),
    keys=("label",),
    where=lambda row: row.label.is_not(None) & row.corrected_label.is_not(None),
    counts={
        "kept": Column(lambda row: row.label == row.corrected_label),
        "corrected": CORRECTED,
    },
    estimate=share_by("corrected", "corrected", "reviews"),
    parts=(
        Part(
            name="authors",
            keys=("author",),
            counts={"corrected": CORRECTED},
            estimate=shares_by("corrected", "corrected", "author", noun="reviews"),
        ),
        Part(
            name="seeded",
            relation="audits",
            time=Event(instant="audited_at"),
            where=lambda row: row.seeded.is_not(None) & row.seeded,
            counts={
                "seeded": Column(lambda row: row.truth.is_not(None)),
                "caught": Column(lambda row: row.label == row.truth),
            },
        ),
    ),
    combine=corrected_for_misses(corrected="corrected", seeded="seeded", caught="caught"),
    statistics=(
        Statistic(name="corrected", metric="ratio", interval=True, help="Share of reviewed labels that were changed."),
        Statistic(
            name="catch_rate",
            metric="catch_ratio",
            interval=True,
            help="Share of errors seeded on purpose that a review found.",
        ),
        Statistic(
            name="corrected_with_misses",
            metric="with_misses_ratio",
            interval=True,
            help="Share of reviewed labels that needed a correction, missed ones included.",
        ),
    ),
    slo=EventSlo(good="kept", target=0.98),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="Reviews change more labels than they should: annotators and reviewers read the task differently.",
        first_looks=(
            "Which class is corrected, and into which other? One pair of classes points at the guideline.",
            "Is it one author? A new annotator, or a new reviewer with another reading?",
            "Did the share of items sent to review change? Reviewing only the doubtful ones raises it by itself.",
        ),
        mitigate=(
            "Clarify the guideline on the corrected pair, and tell the annotators.",
            "Send recent labels of the class to re-annotation.",
        ),
        over_when="Reviews keep labels again; the ticket closes when its short window says so.",
    ),
    panel=Panel(
        title="Corrected labels",
        description="Share of reviewed labels that were corrected, and with missed ones, with 95 % intervals.",
        statistics=("corrected", "corrected_with_misses"),
    ),
)
