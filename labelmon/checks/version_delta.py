"""Version delta: what changed between the two newest versions of the dataset?"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, func, not_

from labelmon.check import Check, Column, GaugeSlo, Panel, Row, Runbook, Statistic, Threshold, Versions
from labelmon.estimators.versions import version_delta
from labelmon.model import Cause, Severity


def _shared(row: Row) -> ColumnElement[bool]:
    """Whether an item is in both versions."""
    return and_(row.in_newer == 1, row.in_older == 1)


def _same(row: Row) -> ColumnElement[bool]:
    """Whether its label is the same in both; none is the same as none."""
    return func.coalesce(row.label, "") == func.coalesce(row.other_label, "")


CHECK = Check(
    name="version_delta",
    seed_ref="label delta",
    title="Changed labels between versions",
    help="Share of the items in both of the two newest dataset versions whose label changed, and from what to what.",
    formula=(
        "items of both versions with another label / items of both: a census. The newest version is the one released "
        "last (`released_at`), or else the one of the longest and then last name: v9 before v10, 2026-01 before 2026-02"
    ),
    source="counted, not estimated",
    gotcha=(
        "Counts by class of two versions may agree while labels swap, and differ because items came and went: only "
        "items in both tell what was relabelled. Names like 1.10 and 2.0 are not in order of age: map `released_at`."
    ),
    relation="versions",
    time=Versions(pairs=True),
    keys=("version", "other_version", "label", "other_label"),
    counts={
        "shared": Column(_shared),
        "changed": Column(lambda row: and_(_shared(row), not_(_same(row)))),
        "added": Column(lambda row: row.in_older == 0),
        "removed": Column(lambda row: row.in_newer == 0),
    },
    optional={"purpose": None},
    estimate=version_delta,
    statistics=(
        Statistic(name="changed_share", metric="changed_ratio", help="Share of shared items whose label changed."),
        Statistic(name="shared_items", help="Items in both of the two newest versions."),
        Statistic(name="added_items", metric="added_items", help="Items that only the newer version holds."),
        Statistic(name="removed_items", metric="removed_items", help="Items that only the older version holds."),
        Statistic(name="changed_items", metric="changed_items", help="Items that went from one class to another."),
    ),
    slo=GaugeSlo(
        statistic="changed_share",
        at_most=0.05,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="changed_share",
                at_least=20,
                meaning="more labels changed between two versions than agreed",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.SCHEMA,
    runbook=Runbook(
        meaning="The newest version relabels more than was agreed: a model trained on it learns something else.",
        first_looks=(
            "From which class to which did labels go? One pair points at a guideline, all at a merge or a join.",
            "Was a relabelling planned? Then its notes say how much was to change.",
            "Were items added or removed as well? A version built from the wrong source changes both.",
        ),
        mitigate=(
            "Train on the older version until the change is understood.",
            "Rebuild the version, or write down why so many labels changed and raise the objective.",
        ),
        over_when="A newer version changes less, or the version is taken back.",
    ),
    panel=Panel(
        title="Changed labels between versions",
        description="Share of items in both of the two newest dataset versions whose label changed.",
    ),
)
