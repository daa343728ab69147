"""Join coverage of labels: do labels belong to items that exist?"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, not_

from labelmon.check import Check, Column, Event, EventSlo, Panel, Part, Row, Runbook, Statistic
from labelmon.estimators.proportion import share_of
from labelmon.estimators.survey import tallies
from labelmon.model import Cause, Severity


def _before_item(row: Row) -> ColumnElement[bool]:
    """Whether a label is older than its item."""
    return and_(row.partner_first_ms.is_not(None), row.labeled_at < row.partner_first_ms)


CHECK = Check(
    name="label_join",
    seed_ref="join coverage",
    title="Labels with a known item",
    help="Share of labels whose item is known in items.",
    formula=(
        "labels whose item is found in items / labels; 95 % interval by Wilson's score. Labels that are older than "
        "their item's first arrival are left out of both and counted under reason `before_item`"
    ),
    source="E. B. Wilson (1927), JASA 22:209",
    gotcha=(
        "A bad join fakes quality: in one real set the wrong key found 93 items and an accuracy of 1.000, the right "
        "one 593 and .865. Every figure that joins is worth what this share is worth. A label older than its item may "
        "have found another item under a reused id, or its clock is wrong: it proves no join."
    ),
    relation="labels",
    time=Event(instant="labeled_at"),
    partner="items",
    where=lambda row: not_(_before_item(row)),
    counts={"good": Column(lambda row: row.partner_known)},
    estimate=share_of("good", "join_coverage", "labels"),
    parts=(
        Part(
            name="excluded",
            where=_before_item,
            counts={"before_item": Column(_before_item)},
            estimate=tallies("excluded_labels", "reason"),
        ),
    ),
    statistics=(
        Statistic(
            name="join_coverage",
            metric="ratio",
            interval=True,
            help="Share of labels that found their item.",
        ),
        Statistic(name="excluded_labels", metric="excluded_labels", help="Labels left out of the share, by reason."),
    ),
    slo=EventSlo(good="good", target=0.95),
    severities=(Severity.TICKET,),
    cause=Cause.SCHEMA,
    runbook=Runbook(
        meaning="Labels name items that nobody knows: whatever joins the two tables counts only a part.",
        first_looks=(
            "Compare an id of each table by eye: another prefix, case, padding or type?",
            "Did it start at one moment (a release changed the ids) or was it always so (the wrong column is mapped)?",
            "Are items missing (a filter, a purge, late ingestion) or, with many `excluded_labels`, ids reused?",
        ),
        mitigate=(
            "Map the right column, or a query that brings the ids into one form.",
            "Until then, do not trust latency, backlog, coverage or validation of this dataset.",
        ),
        over_when="New rows find their items again.",
    ),
    panel=Panel(
        title="Labels with a known item",
        description="Share of labels whose item is known, with its 95 % interval.",
    ),
)
