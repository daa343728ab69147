"""What can be measured on a dataset, and reading its counts from an open store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labelmon.check import Check
from labelmon.counts import BUCKET, OTHER, Counts
from labelmon.errors import StoreError
from labelmon.model import Dataset, Objective, Relation
from labelmon.pseudonyms import Pseudonyms
from labelmon.stores import Reader, Series, Span, earliest_statement, statement
from labelmon.stores.series import series_for, why_off

MOST_GROUPS = 50  # values of a key that are told apart; the rest is `other`


@dataclass(frozen=True, kw_only=True)
class Target:
    """One objective of one check and the series that holds its counts."""

    check: Check
    objective: Objective
    series: Series


def targets_of(dataset: Dataset, catalogue: Sequence[Check]) -> tuple[list[Target], dict[str, str]]:
    """The objectives of a dataset that can be measured, and why the other checks are off."""
    targets, off = [], {}
    for check in catalogue:
        reason = why_off(check, dataset)
        objectives = dataset.objectives.get(check.name, ())
        if reason or not objectives:
            off[check.name] = reason or "no objective is set"
            continue
        targets += [
            Target(check=check, objective=objective, series=series_for(check, dataset, objective))
            for objective in objectives
        ]
    return targets, off


def describe(reader: Reader, series: Series, known: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Engine types of every column the series' relations map; `known` is filled as a cache.

    Raises
    ------
    StoreError : `missing_column`, naming the column and what there is.
    """
    for relation in series.relations:
        if relation.name not in known:
            known[relation.name] = reader.columns(relation)
        missing = missing_columns(relation, known[relation.name])
        if missing:
            there = ", ".join(sorted(known.pop(relation.name)))
            raise StoreError(
                f"store {reader.store}: relation {relation.name} has no column {', '.join(missing)}; "
                f"there are: {there}",
                reason="missing_column",
                retryable=False,
            )
    return known


def missing_columns(relation: Relation, there: Iterable[str]) -> list[str]:
    """Columns that a relation maps or filters by and the store does not have."""
    return sorted({*relation.columns.values(), *relation.where} - set(there))


def earliest_row(reader: Reader, series: Series, types: dict[str, dict[str, str]], at_ms: int) -> int | None:
    """Event time (s) up to which retention may have taken rows: the latest of the relations' earliest rows.

    None when a relation is empty: then nothing in it can be told from a purge.
    """
    delay = (series.within or 0.0) + series.settle
    found = []
    for relation in series.relations:
        if series.labels is relation and not {"labeled_at", "stored_at"} & set(relation.columns):
            continue
        ((earliest_ms,),) = reader.fetch(earliest_statement(series, reader.dialect, types, relation, at_ms))
        if earliest_ms is None:
            return None
        found.append(earliest_ms / 1000 + delay)
    return int(max(found)) if found else None


def read_counts(
    reader: Reader,
    series: Series,
    types: dict[str, dict[str, str]],
    span: Span,
    at_ms: int,
    pseudonyms: Pseudonyms,
) -> Counts:
    """The counts of a span, people already pseudonyms and rare values of a key folded into `other`."""
    rows = reader.fetch(statement(series, reader.dialect, types, span, at_ms))
    counts = Counts.of((BUCKET, *series.keys), series.ops, [row for row in rows if _counted(row, series)])
    counts = pseudonyms.apply(counts)
    for key in series.keys:
        totals = counts.project((key,)).frame.sort_values(["rows", key], ascending=[False, True])
        if len(totals) > MOST_GROUPS:
            counts = counts.fold(key, {*totals[key].iloc[: MOST_GROUPS - 1], OTHER})
    return counts


def _counted(row: tuple[object, ...], series: Series) -> bool:
    return row[0] is not None and (series.is_snapshot or bool(row[1 + len(series.keys)]))
