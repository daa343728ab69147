"""F4 schema mismatch: do labels say only what the schema allows?"""

from __future__ import annotations

from labelmon.check import Check, Column, Event, EventSlo, Panel, Part, Runbook, Statistic
from labelmon.estimators.proportion import share_of
from labelmon.estimators.schema import offenders
from labelmon.model import Cause, Severity

CHECK = Check(
    name="schema_mismatch",
    seed_ref="F4",
    title="Labels in the schema",
    help="Share of labels whose class is declared and whose schema version is in force.",
    formula=(
        "labels whose class is one of `classes` and whose schema version, where it is mapped, is one of "
        "`schema_versions` / labels; 95 % interval by Wilson's score; the offending values are counted one by one"
    ),
    source="E. B. Wilson (1927), JASA 22:209; Unicode Standard Annex 15 for spellings that look alike",
    gotcha=(
        "A new spelling of an old class is no new class: None and none are two labels to a computer. Values that equal "
        "a declared class but for case, spaces or compatible characters are named beside it."
    ),
    relation="labels",
    time=Event(instant="labeled_at"),
    where=lambda row: row.label.is_not(None),
    counts={"good": Column(lambda row: row.in_schema)},
    estimate=share_of("good", "in_schema", "labels"),
    parts=(
        Part(
            name="offenders",
            keys=("offending",),
            where=lambda row: row.label.is_not(None) & ~row.in_schema,
            most=20,
            estimate=offenders("offending_labels"),
        ),
    ),
    statistics=(
        Statistic(name="in_schema", metric="ratio", interval=True, help="Share of labels that are in the schema."),
        Statistic(name="offending_labels", help="Labels with one value that is not in the schema."),
    ),
    slo=EventSlo(good="good", target=0.999),
    severities=(Severity.TICKET,),
    cause=Cause.SCHEMA,
    runbook=Runbook(
        meaning="Labels carry values that the schema does not know: they count as `other`, and models cannot use them.",
        first_looks=(
            "Which values? Each is listed with its count, and with the declared class it looks like.",
            "Did it start at one moment? Then look for a release of the labeling tool or a new guideline.",
            "Did predictions change their vocabulary too (prediction_schema)? Then the two must be moved together.",
        ),
        mitigate=(
            "Roll back the tool, or map the new spelling in the relation's query, so that old and new labels agree.",
            "If the class is really new: declare it in `classes`, tell the owners of models, and migrate old labels.",
        ),
        over_when="New labels are in the schema again; the ticket closes when its short window says so.",
    ),
    panel=Panel(
        title="Labels in the schema",
        description="Share of labels whose class and schema version are declared, with its 95 % interval.",
    ),
)
