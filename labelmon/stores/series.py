"""A series: one check's counts of one dataset, and exactly what is counted in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, column

from labelmon.check import Check, Item, Snapshot
from labelmon.counts import Op
from labelmon.durations import format_duration
from labelmon.model import Dataset, Objective, Relation
from labelmon.roles import RELATIONS

# What a row offers beside its roles (see labelmon.check.Row).
DERIVED = frozenset({"at_ms", "deadline_ms", "first_label_ms", "settled_ms", "ratings", "classes"})


@dataclass(frozen=True, kw_only=True)
class Span:
    """Event time [start_ms, end_ms), in buckets of `width` seconds; one single bucket when width is None."""

    start_ms: int
    end_ms: int
    width: int | None = None


@dataclass(frozen=True, kw_only=True)
class Series:
    """Counts of `check` on `dataset`, as far as `scope`, `within`, `settle` and `overlap` tell counts apart.

    Event, deadline and item series are grouped by `keys` and serve every scope; a snapshot with quantiles is
    one series per scope, since order statistics do not merge.
    """

    dataset: str
    check: Check
    relation: Relation
    labels: Relation | None
    keys: tuple[str, ...]
    classes: tuple[str, ...] = ()
    scope: Mapping[str, str] = field(default_factory=dict)
    within: float | None = None
    settle: float = 0.0
    overlap: int = 2

    @property
    def name(self) -> str:
        """`label_latency[within=1h]`: unique within the dataset."""
        parts = dict(self.scope)
        if self.within is not None:
            parts["within"] = format_duration(self.within)
        if isinstance(self.check.time, Item):
            parts |= {"settle": format_duration(self.settle), "overlap": str(self.overlap)}
        inside = ",".join(f"{key}={value}" for key, value in sorted(parts.items()))
        return f"{self.check.name}[{inside}]" if inside else self.check.name

    @property
    def is_snapshot(self) -> bool:
        """Whether the series is a state as of the cycle rather than events in time."""
        return isinstance(self.check.time, Snapshot)

    @property
    def ops(self) -> dict[str, Op]:
        """The columns and how they merge."""
        return self.check.ops

    @property
    def relations(self) -> tuple[Relation, ...]:
        """Every relation whose rows are counted."""
        return (self.relation, self.labels) if self.labels else (self.relation,)

    @property
    def definition(self) -> str:
        """A hash of what is counted; counts of different definitions are never added."""
        said = {
            "relations": [
                [
                    r.name,
                    r.table,
                    r.query,
                    sorted(map(list, r.where.items()), key=str),
                    sorted(r.columns.items()),
                ]
                for r in self.relations
            ],
            "keys": self.keys,
            "classes": self.classes,
            "scope": sorted(self.scope.items()),
            "within": self.within,
            "settle": self.settle,
            "overlap": self.overlap,
            "time": repr(self.check.time),
            "counts": {
                name: [str(c.expression(Recorder())), c.op, c.quantiles] for name, c in self.check.counts.items()
            },
            "where": str(self.check.where(Recorder())) if self.check.where else "",
        }
        text = json.dumps(said, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Recorder:
    """A row that notes which roles an expression reads."""

    def __init__(self) -> None:
        self.read: dict[str, None] = {}

    def __getattr__(self, role: str) -> ColumnElement[Any]:
        if role.startswith("__"):
            raise AttributeError(role)
        self.read[role] = None
        return column(role)


def roles_read(check: Check) -> tuple[str, ...]:
    """The roles of the check's relation that its expressions read, derived ones left out."""
    recorder = Recorder()
    expressions: list[Callable[[Any], ColumnElement[Any]]] = [c.expression for c in check.counts.values()]
    if check.where:
        expressions.append(check.where)
    for expression in expressions:
        expression(recorder)
    return tuple(role for role in recorder.read if role not in DERIVED)


def why_off(check: Check, dataset: Dataset) -> str:
    """Why `check` cannot run on `dataset`; '' if it can."""
    missing = []
    for name, role in (*check.required_roles, *((check.relation, role) for role in roles_read(check))):
        relation = dataset.relations.get(name)
        if relation is None:
            missing.append(f"relation {name}")
        elif role not in relation.columns and role in RELATIONS[name].names:
            missing.append(f"role {name}.{role}")
    if missing:
        return "needs " + ", ".join(dict.fromkeys(missing))
    if check.needs_labels:
        labels, relation = dataset.relations["labels"], dataset.relations[check.relation]
        if labels.store != relation.store:
            return f"needs {check.relation} and labels in one store, got {relation.store} and {labels.store}"
        if check.time.kind == "deadline" and not {"labeled_at", "stored_at"} & set(labels.columns):
            return "needs role labels.labeled_at or labels.stored_at"
    return ""


def series_for(check: Check, dataset: Dataset, objective: Objective) -> Series:
    """The series that holds the counts an objective asks for; `why_off` must be ''."""
    relation = dataset.relations[check.relation]
    mapped = tuple(key for key in check.keys if key in relation.columns)
    quantiles = any(c.quantiles for c in check.counts.values())
    scope = {k: v for k, v in objective.scope.items() if k != "within"} if quantiles else {}
    item = isinstance(check.time, Item)
    return Series(
        dataset=dataset.name,
        check=check,
        relation=relation,
        labels=dataset.relations["labels"] if check.needs_labels else None,
        keys=() if quantiles else mapped,
        classes=dataset.classes,
        scope=scope,
        within=objective.within if check.time.kind == "deadline" else None,
        settle=objective.settle if item else 0.0,
        overlap=objective.overlap if item else 2,
    )
