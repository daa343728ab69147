"""What can be measured on a dataset, and reading its counts from an open store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zlib import crc32

from labelmon.check import DERIVED_KEYS, PARTNER, Check
from labelmon.counts import BUCKET, OTHER, ROWS, Counts
from labelmon.errors import StoreError
from labelmon.model import Dataset, Objective, Relation
from labelmon.pseudonyms import Pseudonyms
from labelmon.roles import CLASS_ROLES, PERSON_ROLES, SCOPE_ROLES, UNIT_ROLES
from labelmon.stores import Reader, Series, Span, earliest_statement, statement
from labelmon.stores.needs import why_off
from labelmon.stores.series import part_series, series_for

# How many values of a key are told apart; the rest is `other`. Declared classes are never cut.
MOST_GROUPS = 50
MOST_PEOPLE = 200
MOST_UNITS = 2000  # clusters; above that random groups of them, which spread as the clusters themselves do


@dataclass(frozen=True, kw_only=True)
class Target:
    """One objective of one check and the series that holds its counts, or those of one of its parts."""

    check: Check
    objective: Objective
    series: Series

    @property
    def keys_scope(self) -> dict[str, str]:
        """The part of the scope that picks keys of the series, by key; a deadline's `within` is the series itself."""
        found = {}
        for name, value in self.objective.scope.items():
            key = next((key for key in SCOPE_ROLES.get(name, (name,)) if key in self.series.keys), None)
            if key is not None:
                found[key] = value
        return found

    @property
    def narrowed(self) -> bool:
        """Whether the series can be narrowed to all of the scope; a part that lacks a key of it cannot."""
        return len(self.keys_scope) == len(self.objective.scope.keys() - {"within", *self.series.scope})


def targets_of(dataset: Dataset, catalogue: Sequence[Check]) -> tuple[list[Target], dict[str, str]]:
    """The objectives of a dataset that can be measured, and why the other checks are off."""
    targets, off = [], {}
    for check in catalogue:
        reason = why_off(check, dataset)
        objectives = dataset.objectives.get(check.name, ())
        if reason or not objectives:
            off[check.name] = reason or "no objective is set"
            continue
        for objective in objectives:
            whole = series_for(check, dataset, objective)
            targets += [
                Target(check=check, objective=objective, series=series) for series in (whole, *part_series(whole))
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
        untimed = series.labels is relation and not {"labeled_at", "stored_at"} & set(relation.columns)
        if untimed or relation is series.partner:
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
    for key in UNIT_ROLES & set(counts.keys):
        counts = _anonymous(counts, key, pseudonyms)
    return _capped(counts, series)


def _anonymous(counts: Counts, key: str, pseudonyms: Pseudonyms) -> Counts:
    """Units under pseudonyms, since a batch may well be a person's; too many fall into groups by their pseudonym."""
    names = {str(value): pseudonyms.of(str(value)) for value in set(counts.frame[key])}
    if len(names) > MOST_UNITS:
        names = {unit: f"group {crc32(name.encode()) % MOST_UNITS}" if unit else "" for unit, name in names.items()}
    return counts.rename_values(key, names)


def _capped(counts: Counts, series: Series) -> Counts:
    """Rare values folded into `other`; keys that speak of the same things (two labels, two people) fold alike."""
    classes = [key for key in series.keys if key.removeprefix(PARTNER) in CLASS_ROLES] if not series.classes else []
    people = [key for key in series.keys if key in PERSON_ROLES]
    shown = CLASS_ROLES | PERSON_ROLES | UNIT_ROLES | DERIVED_KEYS
    others = [[key] for key in series.keys if key.removeprefix(PARTNER) not in shown]
    for keys, most in ((classes, MOST_GROUPS), (people, MOST_PEOPLE), *((keys, MOST_GROUPS) for keys in others)):
        totals: dict[str, float] = {}
        for key in keys:
            for value, rows in counts.project((key,)).frame[[key, ROWS]].itertuples(index=False, name=None):
                totals[value] = totals.get(value, 0.0) + rows
        if len(totals) > most:
            kept = sorted(totals, key=lambda value: (-totals[value], value))[: most - 1]
            for key in keys:
                counts = counts.fold(key, {*kept, OTHER})
    return counts


def _counted(row: tuple[object, ...], series: Series) -> bool:
    return row[0] is not None and (series.is_snapshot or bool(row[1 + len(series.keys)]))
