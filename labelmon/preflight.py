"""`labelmon check-config`: the config, and whether every store has what the config names."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from labelmon.alerting.power import dead_tiers
from labelmon.buckets import bucket_width
from labelmon.check import EventSlo
from labelmon.checks import catalogue
from labelmon.config import Config, load
from labelmon.durations import format_duration
from labelmon.errors import ConfigError, Problem, StoreError
from labelmon.model import Dataset, scope_label
from labelmon.profiles import Alerting
from labelmon.reading import Target, missing_columns, targets_of
from labelmon.stores import Reader, open_store


def check(path: Path, *, offline: bool) -> str:
    """What is fine about the config at `path`, in a few lines.

    Raises
    ------
    ConfigError : with every problem of the file; and, when the file itself is sound, of its stores.
    """
    config = load(path)
    problems = [] if offline else store_problems(config, path)
    if problems:
        raise ConfigError(problems)
    lines = [f"{path}: {len(config.datasets)} datasets in {len(config.stores)} stores"]
    lines += [f"  note: {notice}" for notice in config.notices]
    width = bucket_width(config.alerting.shortest_window)
    lines.append(f"  buckets of {format_duration(width)}")
    for dataset in config.datasets.values():
        lines += _dataset_lines(dataset, config.alerting)
    return "\n".join(lines)


def store_problems(config: Config, path: Path) -> list[Problem]:
    """Stores that do not open, tables that are not there, columns that a relation maps in vain."""
    problems: list[Problem] = []

    def problem(key: str, message: str, hint: str = "") -> None:
        line = next((config.lines[k] for k in _prefixes(key) if k in config.lines), 1)
        problems.append(Problem(file=str(path), line=line, key=key, message=message, hint=hint))

    for name, spec in config.stores.items():
        used = [(d, r) for d in config.datasets.values() for r in d.relations.values() if r.store == name]
        try:
            with open_store(spec).snapshot() as reader:
                for dataset, relation in used:
                    key = f"datasets.{dataset.name}.relations.{relation.name}"
                    try:
                        _compare(reader, dataset, relation.name, key, problem)
                    except StoreError as error:
                        if error.reason == "unreachable":
                            raise  # a problem of the store, told once
                        problem(key, str(error))
        except StoreError as error:
            problem(f"stores.{name}", str(error))
    return problems


def _compare(reader: Reader, dataset: Dataset, name: str, key: str, problem: Callable[..., None]) -> None:
    relation = dataset.relations[name]
    there = reader.columns(relation)
    missing = set(missing_columns(relation, there))
    known = ", ".join(there)
    for role, column in relation.columns.items():
        if column in missing:
            close = difflib.get_close_matches(column, there, 1)
            hint = f"columns: {known}" + (f'   did you mean "{close[0]}"?' if close else "")
            problem(f"{key}.columns.{role}", f"no column {column!r} in {relation.table or 'the query'}", hint)
    for column in relation.where:
        if column in missing:
            problem(f"{key}.where.{column}", f"no column {column!r}", f"columns: {known}")


def _prefixes(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]


def _dataset_lines(dataset: Dataset, alerting: Alerting) -> list[str]:
    targets, off = targets_of(dataset, catalogue())
    on = ", ".join(dict.fromkeys(target.series.name for target in targets if not target.series.part)) or "nothing"
    whole = {id(target.objective): target for target in targets if not target.series.part}.values()
    return [
        f"  {dataset.name}: measures {on}",
        *(f"    {name} is off: {why}" for name, why in off.items()),
        *(line for target in whole for line in _dead_lines(target, alerting)),
    ]


def _dead_lines(target: Target, alerting: Alerting) -> list[str]:
    """The alert tiers that the objective's budget leaves dead."""
    objective = target.objective
    if not isinstance(target.check.slo, EventSlo) or not objective.budget:
        return []
    name = " ".join(filter(None, (target.check.name, scope_label(objective.scope))))
    return [f"    {name} at {1 - objective.budget:.6g}: {said}" for said in dead_tiers(objective.budget, alerting)]
