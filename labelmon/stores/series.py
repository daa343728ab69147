"""A series: one check's counts of one dataset, and exactly what is counted in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, column

from labelmon.check import (
    DERIVED_KEYS,
    PARTNER,
    Check,
    Column,
    Event,
    Expression,
    Item,
    Part,
    Snapshot,
    Stages,
    TimeKind,
    Vote,
)
from labelmon.counts import Op
from labelmon.durations import format_duration
from labelmon.model import DAY, HOUR, Comparison, Dataset, Objective, Relation, Rule, RuleKind
from labelmon.roles import INSTANTS, LABEL_ROLES
from labelmon.stores.compared import NUMBERS, VERDICTS, verdict

# What a row offers beside its roles (see labelmon.check.Row).
DERIVED = frozenset(
    {
        "at_ms",
        "deadline_ms",
        "first_label_ms",
        "settled_ms",
        "until_ms",
        "other_number",
        "in_newer",
        "in_older",
        "classes",
        "partner_known",
        "partner_first_ms",
        "in_schema",
        "kept",
        "rules_judged",
        "rules_broken",
        *VERDICTS,
        "votes",
        "good",
        *DERIVED_KEYS,
    }
)


@dataclass(frozen=True, kw_only=True)
class Span:
    """Event time [start_ms, end_ms), in buckets of `width` seconds; one single bucket when width is None.

    `whole` stands for all there is: no item waits to settle, and rows without a time count too.
    """

    start_ms: int
    end_ms: int
    width: int | None = None
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Series:
    """Counts of `check` on `dataset`, as far as `scope`, `within`, `settle` and `overlap` tell counts apart.

    Event, deadline and item series are grouped by `keys` and serve every scope; a snapshot with quantiles is
    one series per scope, since order statistics do not merge. `part` names a second table of the check. An
    `untimed` series counts rows that carry no time: all there are, as of the cycle.
    """

    dataset: str
    check: Check
    relation: Relation
    labels: Relation | None
    keys: tuple[str, ...]
    classes: tuple[str, ...] = ()
    schema_versions: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    scope: Mapping[str, str] = field(default_factory=dict)
    within: float | None = None
    settle: float = 0.0
    overlap: int = 2
    part: str = ""
    partner: Relation | None = None
    untimed: bool = False
    comparison: Comparison | None = None
    others: Mapping[str, Relation] = field(default_factory=dict, repr=False)  # what parts may count instead

    @property
    def table(self) -> Check | Part:
        """What declares the counted columns: the check itself, or one of its parts."""
        return next((part for part in self.check.parts if part.name == self.part), self.check)

    @property
    def time(self) -> TimeKind:
        """Which rows are counted, and when."""
        return self.table.time or self.check.time

    @property
    def counts(self) -> Mapping[str, Column]:
        """The counted columns beside `rows`."""
        return self.table.counts

    @property
    def where(self) -> Expression | None:
        """Which rows are left out."""
        table = self.table
        if isinstance(table, Part) and table.relation:  # rows of another relation have other roles
            return table.where
        return table.where or self.check.where

    @property
    def most(self) -> int | None:
        """How many groups of a bucket are kept; None for all."""
        return self.table.most if isinstance(self.table, Part) else None

    @property
    def by_bucket(self) -> bool:
        """Whether estimators are handed the counts by `bucket` rather than summed up."""
        return self.table.history and not self.untimed

    @property
    def grain(self) -> int | None:
        """Seconds of its finest buckets where they are larger than the dataset's: people by the day."""
        if self.part:
            return DAY
        return HOUR if (self.check.history and not self.check.sharp) or self.check.hourly else None

    @property
    def name(self) -> str:
        """`label_latency[within=1h]`: unique within the dataset."""
        parts = dict(self.scope)
        if self.within is not None:
            parts["within"] = format_duration(self.within)
        if isinstance(self.time, Item) and not self.untimed:
            parts |= {"settle": format_duration(self.settle), "overlap": str(self.overlap)}
        inside = ",".join(f"{key}={value}" for key, value in sorted(parts.items()))
        base = f"{self.check.name}.{self.part}" if self.part else self.check.name
        return f"{base}[{inside}]" if inside else base

    @property
    def is_snapshot(self) -> bool:
        """Whether the series is a state as of the cycle rather than events in time."""
        return isinstance(self.time, Snapshot) or self.untimed

    @property
    def ops(self) -> dict[str, Op]:
        """The columns and how they merge."""
        return self.table.ops

    @property
    def judges_schema(self) -> bool:
        """Whether rows are held to the declared classes and schema versions."""
        return "offending" in self.keys or reads(self.table, {"in_schema"})

    @property
    def schema_roles(self) -> tuple[str, ...]:
        """The mapped roles that say what a row's class and schema version are."""
        return tuple(r for r in ("label", "predicted", "schema_version") if r in self.relation.columns)

    @property
    def relations(self) -> tuple[Relation, ...]:
        """Every relation whose rows are counted."""
        return tuple(relation for relation in (self.relation, self.labels, self.partner) if relation)

    @property
    def definition(self) -> str:
        """A hash of what is counted; counts of different definitions are never added."""
        said: dict[str, object] = {
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
            **({"schema_versions": self.schema_versions} if self.judges_schema or self.rules else {}),
            **({"rules": [repr(rule) for rule in self.rules]} if self.rules else {}),
            "scope": sorted(self.scope.items()),
            "within": self.within,
            "settle": self.settle,
            "overlap": self.overlap,
            "time": repr(self.time),
            "counts": {
                name: [str(c.expression(Recorder(self.comparison))), c.op, c.quantiles]
                for name, c in self.counts.items()
            },
            "where": str(self.where(Recorder(self.comparison))) if self.where else "",
        }
        if self.check.optional:
            said["optional"] = sorted(self.check.optional.items())
        if isinstance(self.time, Vote) and self.check.where:
            said["among"] = str(self.check.where(Recorder(self.comparison)))
        text = json.dumps(said, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Recorder:
    """A row that notes which roles an expression reads."""

    def __init__(self, comparison: Comparison | None = None) -> None:
        self.read: dict[str, None] = {}
        self._comparison = comparison

    def __getattr__(self, role: str) -> ColumnElement[Any]:
        if role.startswith("__"):
            raise AttributeError(role)
        if role in VERDICTS:
            self.read[role] = None
            return verdict(role, self, self._comparison)
        self.read[role] = None
        return column(role)


def reads(table: Check | Part, derived_roles: set[str]) -> bool:
    """Whether a table's expressions read one of these."""
    recorder = Recorder()
    for expression in (*(counted.expression for counted in table.counts.values()), table.where):
        if expression is not None:
            expression(recorder)
    return bool(derived_roles & recorder.read.keys())


def judges_rules(check: Check) -> bool:
    """Whether a check holds rows to the rules that their dataset declares."""
    return reads(check, {"kept", "rules_judged", "rules_broken"})


def roles_read(
    table: Check | Part, where: Expression | None = None, comparison: Comparison | None = None
) -> tuple[str, ...]:
    """The roles that a table's expressions read, derived ones left out."""
    recorder = Recorder(comparison)
    expressions: list[Callable[[Any], ColumnElement[Any]]] = [c.expression for c in table.counts.values()]
    if chosen := where or table.where:
        expressions.append(chosen)
    for expression in expressions:
        expression(recorder)
    return tuple(role for role in recorder.read if not derived(role))


def reads_numbers(check: Check) -> bool:
    """Whether a check takes labels as numbers."""
    return "label_number" in roles_read(check)


def partner_roles(table: Check | Part, where: Expression | None) -> tuple[str, ...]:
    """The partner's roles that a table reads or groups by."""
    recorder = Recorder()
    for expression in (*(counted.expression for counted in table.counts.values()), where):
        if expression is not None:
            expression(recorder)
    named = (name for name in (*recorder.read, *table.keys) if name.startswith(PARTNER) and name not in DERIVED)
    return tuple(dict.fromkeys(name.removeprefix(PARTNER) for name in named))


def derived(role: str) -> bool:
    """Whether a statement makes `role` out of others."""
    return role in DERIVED or role.startswith(PARTNER)


def reads_classes(table: Check | Part, time: TimeKind) -> bool:
    """Whether rows are told apart or held to a schema by the class of a label."""
    keys = {key.removeprefix(PARTNER) for key in table.keys}
    return bool(keys & {*LABEL_ROLES, "offending"}) or isinstance(time, Vote) or reads(table, {"in_schema"})


def series_for(check: Check, dataset: Dataset, objective: Objective) -> Series:
    """The series that holds the counts an objective asks for; `why_off` must be ''."""
    relation = dataset.relations[check.relation]
    quantiles = any(c.quantiles for c in check.counts.values())
    beside = {key for part in check.parts if not part.relation for key in part.keys} - {*check.keys}
    kept = isinstance(check.time, Snapshot)  # a scope by a key that only parts have: the statement itself is narrowed
    scope = {k: v for k, v in objective.scope.items() if k != "within" and (quantiles or (kept and k in beside))}
    item = isinstance(check.time, Item)
    rules = dataset.validators if judges_rules(check) else ()
    partner = "items" if any(rule.kind is RuleKind.KNOWN_ITEMS for rule in rules) else check.partner
    return Series(
        dataset=dataset.name,
        check=check,
        relation=relation,
        labels=dataset.relations["labels"] if check.needs_labels else None,
        keys=() if quantiles else _mapped(check.keys, relation),
        classes=dataset.classes,
        schema_versions=dataset.schema_versions,
        rules=rules,
        scope=scope,
        within=objective.within if check.time.kind == "deadline" else None,
        settle=objective.settle if item else 0.0,
        overlap=objective.overlap if item else 2,
        partner=dataset.relations[partner] if partner else _last_stage(check, dataset),
        comparison=dataset.comparison,
        others=dataset.relations if any(part.relation or part.partner for part in check.parts) else {},
        untimed=item and "labeled_at" not in relation.columns,
    )


def _last_stage(check: Check, dataset: Dataset) -> Relation | None:
    """The validations that end an item's way, where there are some beside its labels."""
    found = dataset.relations.get("validations") if isinstance(check.time, Stages) else None
    return found if found and found.store == dataset.relations[check.relation].store else None


def part_series(whole: Series) -> list[Series]:
    """The series of the check's parts whose roles are mapped, beside its main one."""
    found = []
    for part in whole.check.parts:
        relation = whole.others.get(part.relation) if part.relation else whole.relation
        partner = whole.others.get(part.partner) if part.partner else whole.partner
        partner = None if partner is relation else partner  # rows are not looked up in their own relation
        joined = partner_roles(part, part.where)
        if relation is None or (joined and not _joins(relation, partner, joined)):
            continue
        if whole.comparison and reads_classes(part, part.time or whole.check.time):
            continue
        if part.compares and not whole.comparison:
            continue
        read = (NUMBERS.get(role, role) for role in roles_read(part, comparison=whole.comparison))
        roles = {role for role in (*part.keys, *read) if not derived(role)} - set(whole.check.optional)
        if isinstance(part.time, Event):
            roles.add(part.time.instant)
        labels = whole.others.get("labels") if part.needs_labels else whole.labels
        if part.needs_labels and (labels is None or labels.store != relation.store):
            continue
        if roles <= set(relation.columns):
            made = replace(whole, part=part.name, keys=part.keys, relation=relation, partner=partner, labels=labels)
            found.append(made)
    return found


def _joins(relation: Relation, partner: Relation | None, roles: tuple[str, ...]) -> bool:
    """Whether the partner's last row of an item can be looked up, with these roles."""
    if partner is None or partner.store != relation.store:
        return False
    return {*roles, INSTANTS[partner.name]} <= set(partner.columns)


def _mapped(keys: tuple[str, ...], relation: Relation) -> tuple[str, ...]:
    return tuple(key for key in keys if key in relation.columns or derived(key))
