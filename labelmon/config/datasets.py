"""Datasets: relations, roles, objectives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from labelmon.check import Check, Deadline, EventSlo, Item, Setting, SettingValue, Snapshot
from labelmon.checks import catalogue
from labelmon.config.calendar import read_calendar
from labelmon.config.comparison import read_comparison
from labelmon.config.fields import (
    DATASET_NAME,
    DURATION,
    FLAG,
    LABEL,
    MOST_SECONDS,
    NUMBER,
    SECONDS,
    SHARE,
    SOME_TEXT,
    SPAN,
    TEXT,
    WHOLE,
    Kind,
    Reader,
    nearest,
)
from labelmon.config.places import read_owner
from labelmon.config.source import Node
from labelmon.config.types import Receiver
from labelmon.config.validators import read_validators
from labelmon.durations import format_duration
from labelmon.model import DAY, Dataset, Objective, ObjectiveKind, Relation, StoreSpec, Tier
from labelmon.roles import RELATIONS, SCOPE_ROLES

DATASET_KEYS = (
    "pipeline",
    "owner",
    "tier",
    "interval",
    "lateness",
    "visibility",
    "recount_interval",
    "reconcile_interval",
    "timezone",
    "calendar",
    "classes",
    "scale",
    "comparison",
    "schema_versions",
    "validators",
    "relations",
    "objectives",
)
RELATION_KEYS = ("store", "table", "query", "where", "columns")
OBJECTIVE_KINDS = tuple(kind.value for kind in ObjectiveKind)
OBJECTIVE_KEYS = (*OBJECTIVE_KINDS, "window", "scope", "within", "settle", "overlap", "bad_slices")
SCOPE_KEYS = ("priority", "class", "label_source", "cohort")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a dataset may refer to."""

    folder: Path
    stores: Mapping[str, StoreSpec]
    receivers: dict[str, Receiver]
    bucket: int
    notices: list[str] = field(default_factory=list)


def read_datasets(reader: Reader, node: Node | None, around: Surroundings) -> dict[str, Dataset]:
    """`datasets:`, by name; those with problems are left out."""
    found = {}
    for name, entry in reader.mapping(node, None).items():
        try:
            DATASET_NAME.read(name)
        except ValueError:
            reader.problem(entry, f"need {DATASET_NAME.wants}, got {name!r}")
        dataset = _dataset(reader, name, entry, around)
        if dataset is not None:
            found[name] = dataset
    return found


def _dataset(reader: Reader, name: str, node: Node, around: Surroundings) -> Dataset | None:
    keys = reader.mapping(node, DATASET_KEYS)
    interval = reader.scalar(keys.get("interval"), SPAN, 60.0)
    if interval > around.bucket:
        at = keys.get("interval", node)
        got = at.told(format_duration(interval)) if "interval" in keys else format_duration(interval)
        reader.problem(
            at,
            f"need an interval of at most {format_duration(around.bucket)}, got {got}",
            "a bucket is a quarter of the shortest alert window, and each needs a sample",
        )
    relations = {
        key: relation
        for key, entry in reader.mapping(keys.get("relations"), RELATIONS, "relation").items()
        if (relation := _relation(reader, key, entry, around)) is not None
    }
    if isinstance(node.value, dict) and ("relations" not in keys or keys["relations"].value == {}):
        reader.problem(keys.get("relations", node), "need at least one relation", f"known: {', '.join(RELATIONS)}")
    if "owner" not in keys:
        around.notices.append(f"dataset {name} has no owner: its team is `unowned` and nobody is told")
    classes = _classes(reader, keys.get("classes"), around.folder)
    versions = reader.texts(keys["schema_versions"]) if "schema_versions" in keys else ()
    validators = read_validators(reader, keys.get("validators"), relations, classes, versions)
    if validators and "validations" in relations:
        around.notices.append(f"dataset {name} maps validations: what they found is counted, its validators do not run")
    ordinal = _ordinal(reader, keys.get("scale"), classes)
    comparison, relations = read_comparison(reader, keys.get("comparison"), relations, ordinal=ordinal)
    objectives = _objectives(reader, name, keys.get("objectives"), relations, around)
    if not relations:
        return None
    values = {
        key: reader.scalar(keys.get(key), DURATION) for key in ("visibility", "recount_interval", "reconcile_interval")
    }
    return Dataset(
        name=name,
        pipeline=reader.scalar(keys.get("pipeline"), LABEL, name),
        owner=read_owner(reader, keys.get("owner"), around.receivers, "unowned"),
        tier=Tier(reader.choice(keys.get("tier"), [t.value for t in Tier], "tier", Tier.STANDARD.value)),
        relations=relations,
        objectives=objectives,
        interval=interval,
        lateness=int(reader.scalar(keys.get("lateness"), SECONDS, 2 * DAY)),
        visibility=values["visibility"],
        recount_interval=values["recount_interval"],
        reconcile_interval=values["reconcile_interval"] or float(DAY),
        timezone=_timezone(reader, keys.get("timezone")),
        calendar=read_calendar(reader, keys.get("calendar")),
        classes=classes,
        ordinal=ordinal,
        comparison=comparison,
        schema_versions=versions,
        validators=validators,
    )


def _timezone(reader: Reader, node: Node | None) -> str:
    name: str = reader.scalar(node, TEXT, "UTC")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        if node is not None:
            reader.problem(node, f"unknown time zone {node.shown}", "need an IANA name such as Europe/Berlin")
        return "UTC"
    return name


def _ordinal(reader: Reader, node: Node | None, classes: tuple[str, ...]) -> bool:
    ordinal = bool(reader.choice(node, ("nominal", "ordinal"), "scale", "nominal") == "ordinal")
    if ordinal and node is not None and not classes:
        reader.problem(node, "need `classes` in their order for an ordinal scale")
    return ordinal


def _classes(reader: Reader, node: Node | None, folder: Path) -> tuple[str, ...]:
    if node is None:
        return ()
    if not isinstance(node.value, dict):
        found = reader.texts(node)
    else:
        keys = reader.mapping(node, ("file",))
        path = reader.scalar(keys.get("file"), TEXT, "")
        try:
            found = tuple(line for line in (folder / path).read_text(encoding="utf-8").splitlines() if line)
        except (OSError, ValueError) as error:  # ValueError: no UTF-8, or no file's name
            reader.problem(node, f"cannot read the classes file ({type(error).__name__})")
            return ()
    repeated = sorted({name for name in found if found.count(name) > 1})
    if repeated:
        said = "names out of the environment" if node.hides else ", ".join(repeated)
        reader.problem(node, f"each class once, repeated: {said}")
    return tuple(dict.fromkeys(found))


def _relation(reader: Reader, name: str, node: Node, around: Surroundings) -> Relation | None:
    keys = reader.mapping(node, RELATION_KEYS)
    only = next(iter(around.stores)) if len(around.stores) == 1 else None
    if "store" not in keys and only is None:
        reader.problem(node, "need a store", f"known: {', '.join(sorted(around.stores)) or 'none'}")
    store = reader.choice(keys.get("store"), around.stores, "store", only if "store" not in keys else None)
    table, query = (reader.scalar(keys.get(key), SOME_TEXT, "") for key in ("table", "query"))
    views = around.stores[store].files if store else {}
    if table and query:
        reader.problem(
            node,
            "need at most one of table and query",
            "without either the table is called like the relation",
        )
    if not table and not query:
        table = name
    if views and table and table not in views:
        at = keys.get("table")
        reader.problem(at or node, f"unknown file view {at.shown if at else repr(table)}", nearest(table, views))
    roles = RELATIONS[name]
    columns = dict.fromkeys(roles.required)
    mapped = reader.mapping(keys.get("columns"), roles.names, "column role")
    found = {role: role for role in columns}
    for role, entry in mapped.items():
        found[role] = reader.scalar(entry, SOME_TEXT, role)
    where: dict[str, tuple[str, ...]] = {}
    for column, entry in reader.mapping(keys.get("where"), None).items():
        where[column] = reader.texts(entry)
        if entry.value == []:
            reader.problem(entry, "need at least one value", "without any, no row counts")
    if name == "labels" and "columns" not in keys:
        found["labeled_at"] = "labeled_at"
    if store is None or (table and query):
        return None
    return Relation(name=name, store=store, table=table, query=query, where=where, columns=found)


def _objectives(
    reader: Reader, name: str, node: Node | None, relations: Mapping[str, Relation], around: Surroundings
) -> dict[str, tuple[Objective, ...]]:
    checks = {check.name: check for check in catalogue()}
    if node is None:
        defaults: dict[str, tuple[Objective, ...]] = {
            check.name: (default_objective(check),)
            for check in checks.values()
            if all(where in relations and role in relations[where].columns for where, role in check.required_roles)
        }
        around.notices.append(
            f"dataset {name} has no objectives: the defaults hold for {', '.join(defaults) or 'no check'}"
        )
        return defaults
    found = {}
    for check_name, entry in reader.mapping(node, checks, "check").items():
        check = checks[check_name]
        entries = reader.items(entry)
        if not entries:
            reader.problem(entry, "need at least one objective", "or leave the check out")
        pairs = [(item, _objective(reader, check, item, relations)) for item in entries]
        objectives = [(item, objective) for item, objective in pairs if objective is not None]
        seen: set[tuple[tuple[str, str], ...]] = set()
        for item, objective in objectives:
            scope = tuple(sorted(objective.scope.items()))
            if scope in seen:
                said = ",".join(k if item.hides else f"{k}={v}" for k, v in scope) or "none"
                reader.problem(item, f"two objectives with one scope ({said})", "keep one of the two")
            seen.add(scope)
        found[check_name] = tuple(objective for _, objective in objectives)
    return found


def default_objective(check: Check) -> Objective:
    """What holds where a config says nothing: the seed's target."""
    slo = check.slo
    if isinstance(slo, EventSlo):
        scope = {"within": format_duration(slo.within)} if slo.within is not None else {}
        return Objective(kind=ObjectiveKind.TARGET, value=slo.target, within=slo.within, scope=scope)
    kind = ObjectiveKind.AT_MOST if slo.at_most is not None else ObjectiveKind.AT_LEAST
    return Objective(kind=kind, value=slo.at_most if slo.at_most is not None else slo.at_least)


def _objective(reader: Reader, check: Check, node: Node, relations: Mapping[str, Relation]) -> Objective | None:
    keys = reader.mapping(node, (*OBJECTIVE_KEYS, *(setting.name for setting in check.settings)))
    kinds = [key for key in OBJECTIVE_KINDS if key in keys]
    if len(kinds) != 1:
        reader.problem(node, f"need exactly one of {', '.join(OBJECTIVE_KINDS)}, got {' and '.join(kinds) or 'none'}")
        return None
    kind, value = _goal(reader, check, keys[kinds[0]], ObjectiveKind(kinds[0]))
    if kind is None:
        return None
    default = check.slo.within if isinstance(check.slo, EventSlo) else None
    deadline, item = isinstance(check.time, Deadline), isinstance(check.time, Item)
    for key, wanted, what in (
        ("within", deadline, "deadline"),
        ("settle", item, "item"),
        ("overlap", item, "item"),
        ("bad_slices", check.slice_width is not None, "sliced gauge"),
    ):
        if key in keys and not wanted:
            reader.problem(keys[key], f"goes with {what} checks only; {check.name} is none")
    scope = _scope(reader, check, keys.get("scope"), relations)
    within = reader.scalar(keys.get("within"), SPAN, default) if deadline else None
    if within is not None:
        scope["within"] = format_duration(within)
    window = _window(reader, keys.get("window"))
    return Objective(
        kind=kind,
        value=value,
        window=window,
        scope=scope,
        within=within,
        settle=reader.scalar(keys.get("settle"), DURATION, float(DAY)),
        overlap=reader.scalar(keys.get("overlap"), WHOLE, 2),
        bad_slices=reader.scalar(keys.get("bad_slices"), SHARE, 0.05),
        settings={s.name: _setting(reader, s, keys[s.name]) for s in check.settings if s.name in keys},
    )


def _setting(reader: Reader, setting: Setting, node: Node) -> SettingValue:
    if setting.choices:
        return str(reader.choice(node, setting.choices, setting.name, setting.default))
    if setting.parse:
        text = reader.scalar(node, TEXT, setting.default)
        try:
            setting.parse(text)
        except ValueError as error:
            reader.problem(node, f"{error}; {setting.help}")
        return str(text)
    value = reader.scalar(node, NUMBER, setting.default)
    if value < setting.least:
        reader.problem(node, f"need at least {setting.least:g}, got {node.shown}")
    return float(value)


def _goal(reader: Reader, check: Check, node: Node, kind: ObjectiveKind) -> tuple[ObjectiveKind | None, float | None]:
    # A gauge's alert compares in one direction, the check's own: the other would fire on good news.
    wanted = "target or none_bad: it counts events"
    fits = kind in {ObjectiveKind.TARGET, ObjectiveKind.NONE_BAD}
    if not isinstance(check.slo, EventSlo):
        side = ObjectiveKind.AT_LEAST if check.slo.at_most is None else ObjectiveKind.AT_MOST
        wanted, fits = f"{side}: it is a gauge", kind is side
    if not fits:
        reader.problem(node, f"{check.name} takes {wanted}")
        return None, None
    if kind is ObjectiveKind.NONE_BAD:
        if reader.scalar(node, FLAG, False) is not True:
            reader.problem(node, "need none_bad: true, or leave it out")
        return kind, None
    if kind is ObjectiveKind.TARGET:
        value = reader.scalar(node, NUMBER)
        if value is None or not 0 < value <= 1:
            if value is not None:
                reader.problem(node, f"need a share above 0 and at most 1, got {node.told(f'{value:g}')}")
            return None, None
        return (ObjectiveKind.NONE_BAD, None) if value == 1 else (kind, value)
    age = check.statistic(check.slo.statistic).in_seconds  # type: ignore[union-attr]
    return kind, reader.scalar(node, _age_or_number(age))


def _age_or_number(age: bool) -> Kind:  # noqa: FBT001
    if not age:
        return NUMBER

    def read(text: str) -> float:
        try:
            seconds = float(text)
        except ValueError:
            seconds = DURATION.read(text)
        if not 0 <= seconds <= MOST_SECONDS:
            raise ValueError(text)
        return float(seconds)

    return Kind(read=read, wants="a duration such as 24h, or seconds", schema={"type": ["string", "number"]})


def _window(reader: Reader, node: Node | None) -> int | None:
    if node is None:
        return 30 * DAY
    if node.value == "all":
        return None
    seconds = int(reader.scalar(node, SECONDS, 30 * DAY))
    if seconds < 1:
        reader.problem(node, "need a window of at least 1s, or all")
    return seconds


def _scope(reader: Reader, check: Check, node: Node | None, relations: Mapping[str, Relation]) -> dict[str, str]:
    relation = relations.get(check.relation)
    usable = [key for key in SCOPE_KEYS if _groups_by(key, check, relation)]
    found = {}
    for key, entry in reader.mapping(node, SCOPE_KEYS, "scope key").items():
        value: Any = reader.scalar(entry, TEXT)
        if key not in usable:
            reader.problem(
                entry,
                f"{check.name} cannot be scoped by {key} here",
                f"it groups by {', '.join(check.keys) or 'nothing'}; map the role in columns: of {check.relation}",
            )
        elif value is not None:
            found[key] = value
    return found


def _groups_by(key: str, check: Check, relation: Relation | None) -> bool:
    names = SCOPE_ROLES.get(key, (key,))
    parts = check.parts if isinstance(check.time, Snapshot) else ()
    keys = {*check.keys, *(key for part in parts if not part.relation for key in part.keys)}
    return relation is not None and any(name in keys and name in relation.columns for name in names)
