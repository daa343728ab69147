"""`validators:` of a dataset: the rules that its labels are held to in the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labelmon.config.fields import FLAG, NUMBER, SOME_TEXT, TEXT, Reader, nearest
from labelmon.config.source import Node
from labelmon.model import Relation, Rule, RuleKind
from labelmon.patterns import portable
from labelmon.roles import RELATIONS, Kind

LABELS = RELATIONS["labels"]
TEXTS, NUMBERS = (
    tuple(role for role in LABELS.names if LABELS.kind(role) is kind) for kind in (Kind.TEXT, Kind.NUMBER)
)
_FLAGS = (RuleKind.CLASSES, RuleKind.VERSIONS, RuleKind.KNOWN_ITEMS)
_LISTS = (RuleKind.REQUIRED, RuleKind.UNIQUE)
_ROLES = {"type": "array", "items": {"enum": list(LABELS.names)}, "minItems": 1}
# What the JSON Schema says of each key, in order.
VALIDATORS_SCHEMA: Mapping[str, Mapping[str, object]] = {
    kind.value: {
        RuleKind.PATTERN: {
            "type": "object",
            "properties": {role: {"type": "string"} for role in TEXTS},
            "additionalProperties": False,
        },
        RuleKind.RANGE: {
            "type": "object",
            "properties": {
                role: {"type": "array", "items": NUMBER.schema, "minItems": 2, "maxItems": 2} for role in NUMBERS
            },
            "additionalProperties": False,
        },
    }.get(kind, _ROLES if kind in _LISTS else FLAG.schema)
    for kind in RuleKind
}


def read_validators(
    reader: Reader,
    node: Node | None,
    relations: Mapping[str, Relation],
    classes: tuple[str, ...],
    versions: tuple[str, ...],
) -> tuple[Rule, ...]:
    """The rules, in the order of their kinds; what they need and the dataset lacks is a problem."""
    if node is None:
        return ()
    keys = reader.mapping(node, VALIDATORS_SCHEMA, "validator")
    labels = relations.get("labels")
    if labels is None:
        reader.problem(node, "need the relation labels: its rows are what validators judge")
        return ()
    if isinstance(node.value, dict) and not node.value:
        reader.problem(node, "need at least one validator", f"known: {', '.join(VALIDATORS_SCHEMA)}")
    rules: list[Rule] = []
    for kind in RuleKind:
        entry = keys.get(kind.value)
        if entry is None:
            continue
        if kind in _FLAGS:
            rules += _flag(reader, entry, kind, relations, classes, versions)
        elif kind in _LISTS:
            roles = tuple(_mapped_roles(reader, entry, labels))
            together = [roles] if kind is RuleKind.UNIQUE else [(role,) for role in roles]
            rules += [Rule(kind=kind, roles=named) for named in together if named]
        elif kind is RuleKind.PATTERN:
            rules += _patterns(reader, entry, labels)
        else:
            rules += _ranges(reader, entry, labels)
    return tuple(rules)


def _flag(
    reader: Reader,
    node: Node,
    kind: RuleKind,
    relations: Mapping[str, Relation],
    classes: tuple[str, ...],
    versions: tuple[str, ...],
) -> Iterator[Rule]:
    if reader.scalar(node, FLAG, False) is not True:
        return
    labels, items = relations["labels"], relations.get("items")
    if kind is RuleKind.CLASSES and not classes:
        reader.problem(node, "need the dataset's `classes`, which labels are to be of")
    elif kind is RuleKind.VERSIONS and not versions:
        reader.problem(node, "need the dataset's `schema_versions`, which labels are to be of")
    elif kind is RuleKind.VERSIONS and "schema_version" not in labels.columns:
        reader.problem(node, "need the role schema_version in columns: of labels")
    elif kind is RuleKind.KNOWN_ITEMS and items is None:
        reader.problem(node, "need the relation items, which labels are to be found in")
    elif kind is RuleKind.KNOWN_ITEMS and items is not None and items.store != labels.store:
        reader.problem(node, f"need labels and items in one store, got {labels.store} and {items.store}")
    else:
        of = {RuleKind.CLASSES: "label", RuleKind.VERSIONS: "schema_version", RuleKind.KNOWN_ITEMS: "item"}
        yield Rule(kind=kind, roles=(of[kind],))


def _mapped_roles(reader: Reader, node: Node, labels: Relation) -> Iterator[str]:
    entries = reader.items(node)
    if not entries:
        reader.problem(node, "need at least one role", f"known: {', '.join(sorted(labels.columns))}")
    seen: set[str] = set()
    for entry in entries:
        role = reader.scalar(entry, TEXT)
        if role in seen:
            reader.problem(entry, f"need each role once, got {entry.shown} again")
        elif role is not None and role not in LABELS.names:
            reader.problem(entry, f"unknown role {entry.shown} of labels", nearest(role, LABELS.names))
        elif role is not None and _is_mapped(reader, entry, role, labels):
            yield role
        seen.add(role)


def _is_mapped(reader: Reader, node: Node, role: str, labels: Relation) -> bool:
    if role not in labels.columns:
        reader.problem(node, f"need the role {role} in columns: of labels", f"mapped: {', '.join(labels.columns)}")
    return role in labels.columns


def _patterns(reader: Reader, node: Node, labels: Relation) -> Iterator[Rule]:
    for role, entry in reader.mapping(node, TEXTS, "text role").items():
        text = reader.scalar(entry, SOME_TEXT)
        if text is None:
            continue
        try:
            pattern = portable(text)
        except ValueError as error:
            reader.problem(entry, f"need a regular expression that every store reads the same: {error}")
            continue
        if _is_mapped(reader, entry, role, labels):
            yield Rule(kind=RuleKind.PATTERN, roles=(role,), pattern=pattern)


def _ranges(reader: Reader, node: Node, labels: Relation) -> Iterator[Rule]:
    for role, entry in reader.mapping(node, NUMBERS, "numeric role").items():
        if not isinstance(entry.value, list) or len(entry.value) != 2:
            reader.problem(entry, f"need [least, most], got {entry.shown}")
            continue
        least, most = (reader.scalar(end, NUMBER) for end in entry.value)
        if least is None or most is None:
            continue
        if least > most:
            reader.problem(entry, f"need [least, most] in order, got {entry.told(f'[{least:g}, {most:g}]')}")
        elif _is_mapped(reader, entry, role, labels):
            yield Rule(kind=RuleKind.RANGE, roles=(role,), least=least, most=most)
