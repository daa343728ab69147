"""`comparison:` of a dataset: when a label that is no class is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from labelmon.config.fields import NUMBER, SOME_TEXT, Kind, Reader
from labelmon.config.source import Node
from labelmon.model import Compared, Comparison, Relation

COMPARISON_KEYS = ("number", "score", "at_least", "at_most", "equal")
NUMBER_KEYS = ("within", "within_share")
KINDS = tuple(kind.value for kind in Compared)
TOLERANCE = Kind(
    read=NUMBER.read,
    wants="a number",
    schema={"type": "number", "minimum": 0},
    fits=lambda value: value >= 0,
    limit="a tolerance of at least 0",
)


def read_comparison(
    reader: Reader, node: Node | None, relations: Mapping[str, Relation], *, ordinal: bool
) -> tuple[Comparison | None, dict[str, Relation]]:
    """The comparison, and the relations with the column of audits that it names mapped to its role."""
    found = dict(relations)
    if node is None:
        return None, found
    keys = reader.mapping(node, COMPARISON_KEYS)
    if ordinal:
        reader.problem(node, "need either a comparison or `scale: ordinal`", "an ordinal scale is one of classes")
    kinds = [name for name in KINDS if name in keys]
    limits = [name for name in ("at_least", "at_most") if name in keys]
    comparison = None
    if len(kinds) != 1:
        if isinstance(node.value, dict):
            got = " and ".join(kinds) or "none"
            reader.problem(node, f"need exactly one of {', '.join(KINDS)}, got {got}")
    else:
        comparison = _number(reader, keys["number"]) if "number" in keys else _column(reader, keys, kinds[0], found)
    if "score" in keys and len(limits) != 1:
        got = " and ".join(limits) or "none"
        reader.problem(node, f"need exactly one of at_least and at_most with a score, got {got}")
    for name in limits if "score" not in keys else ():
        reader.problem(keys[name], f"{name} goes with a score only")
    ends = {name: reader.scalar(keys.get(name), NUMBER) for name in limits}
    if comparison is not None and comparison.kind is Compared.SCORE:
        comparison = replace(comparison, **ends)
    return comparison, found


def _number(reader: Reader, node: Node) -> Comparison:
    keys = reader.mapping(node, NUMBER_KEYS)
    if isinstance(node.value, dict) and not keys:
        reader.problem(node, f"need at least one of {' and '.join(NUMBER_KEYS)}")
    within, share = (reader.scalar(keys.get(name), TOLERANCE) for name in NUMBER_KEYS)
    return Comparison(kind=Compared.NUMBER, within=within, within_share=share)


def _column(reader: Reader, keys: Mapping[str, Node], kind: str, found: dict[str, Relation]) -> Comparison:
    """A comparison by a column of the audits, which plays the role that is called like the kind."""
    node = keys[kind]
    name = reader.scalar(node, SOME_TEXT)
    audits = found.get("audits")
    if audits is None and kind == Compared.SCORE and "pairs" in found:
        return Comparison(kind=Compared.SCORE)  # pairs of labels are compared, and none with a truth
    if audits is None:
        reader.problem(node, f"need the relation audits, whose column {node.shown} is")
    elif name is not None:
        mapped = audits.columns.get(kind, name)
        if mapped != name:
            reader.problem(node, f"audits map {kind} to another column, got {node.shown}", "name the same one twice")
        found["audits"] = replace(audits, columns={**audits.columns, kind: name})
    return Comparison(kind=Compared(kind))
