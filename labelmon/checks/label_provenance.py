"""M9 label provenance: does each label say who made it, when, and how?"""

from __future__ import annotations

from sqlalchemy import and_

from labelmon.check import Check, Column, Event, EventSlo, Panel, Part, Runbook, Statistic
from labelmon.estimators.provenance import UNMAPPED, commented, completeness
from labelmon.model import Cause, Severity

FIELDS = ("annotator", "tool", "guideline_version", "schema_version", "source_uri")


def _present(field: str) -> Column:
    return Column(lambda row: (getattr(row, field) != "") & (getattr(row, field) != UNMAPPED))


def _missing(field: str) -> Column:
    return Column(lambda row: getattr(row, field).is_(None) | (getattr(row, field) == ""))


CHECK = Check(
    name="label_provenance",
    seed_ref="M9",
    title="Label provenance",
    help="Share of labels that carry every provenance field the dataset maps, and the gaps of each field.",
    formula=f"labels where none of the mapped fields ({', '.join(FIELDS)}) is missing or empty / labels: a census",
    source="counted, not estimated",
    gotcha=(
        "Missing fields hide in a default: an empty text counts as missing. A goal of 100 % (`target: 1`, the same as "
        "`none_bad: true`, for regulated data) has no error budget: its alert fires on any bad event."
    ),
    relation="labels",
    time=Event(instant="labeled_at"),
    where=lambda row: row.label.is_not(None),
    optional=dict.fromkeys(FIELDS, UNMAPPED),
    counts={
        "good": Column(lambda row: and_(*[getattr(row, field) != "" for field in FIELDS])),
        **{f"has_{field}": _present(field) for field in FIELDS},
        **{f"no_{field}": _missing(field) for field in FIELDS},
    },
    estimate=completeness("good", FIELDS),
    parts=(
        Part(
            name="comments",
            counts={"commented": Column(lambda row: row.comment.is_not(None) & (row.comment != ""))},
            estimate=commented("commented"),
        ),
    ),
    statistics=(
        Statistic(name="provenance", metric="ratio", help="Share of labels with all mapped provenance fields."),
        Statistic(name="missing_field", metric="missing_ratio", help="Share of labels without one field."),
        Statistic(
            name="commented",
            metric="commented_ratio",
            help="Share of labels with a comment, never its text: many ask what the guideline does not answer.",
        ),
    ),
    slo=EventSlo(good="good", target=0.999),
    severities=(Severity.TICKET,),
    cause=Cause.SCHEMA,
    meant_for="data that nobody regulates; regulated data take 1",
    runbook=Runbook(
        meaning="Labels do not say who made them, when or how: nobody can audit or trace them.",
        first_looks=(
            "Which field is missing? One field points at the tool or the export that should write it.",
            "Did it start at one moment? Look for a release of the tool or of the export.",
            "Is it one source of labels (an import, automatic labels) or all?",
        ),
        mitigate=(
            "Make the tool or the import write the field again.",
            "Fill the gap from the tool's own logs while they are still kept.",
            "Keep labels without provenance out of regulated datasets.",
        ),
        over_when="New labels carry every field again.",
    ),
    panel=Panel(
        title="Label provenance",
        description="Share of labels that carry every mapped provenance field.",
    ),
)
