"""What a check needs of a dataset: relations, roles, classes, rules, one store, times."""

from __future__ import annotations

from labelmon.check import Check, GaugeSlo, Item, Stages
from labelmon.model import Compared, Comparison, Dataset
from labelmon.roles import INSTANTS, RELATIONS
from labelmon.stores.series import judges_rules, partner_roles, reads, reads_classes, reads_numbers, roles_read

PAIRS = "pairs"  # the relation whose rows were compared by the user


def why_off(check: Check, dataset: Dataset) -> str:
    """Why `check` cannot run on `dataset`; '' if it can."""
    return (
        _unclassed(check, dataset)
        or _missing(check, dataset)
        or _unruled(check, dataset)
        or _unjoinable(check, dataset)
        or _untimely(check, dataset)
    )


def _unclassed(check: Check, dataset: Dataset) -> str:
    """Classes where the labels are none, for a million distinct numbers make no million classes; or the reverse."""
    if dataset.comparison and reads_classes(check, check.time):
        return f"needs classes: the dataset compares labels as {dataset.comparison.nouns}"
    compared = dataset.comparison.kind if dataset.comparison else None
    if check.relation == PAIRS and compared is not Compared.SCORE:
        return "needs a comparison: {score: COLUMN, at_least: LIMIT} that says which scores of pairs are good"
    if reads_numbers(check) and compared is not Compared.NUMBER:
        return "needs labels that are numbers, and a comparison: {number: {within: TOLERANCE}}"
    return ""


def _missing(check: Check, dataset: Dataset) -> str:
    """Relations, roles and classes that a dataset does not declare."""
    missing = []
    for name, role in needed_roles(check, dataset.comparison):
        relation = dataset.relations.get(name)
        if relation is None:
            missing.append(f"relation {name}")
        elif role not in relation.columns and role in RELATIONS[name].names:
            missing.append(f"role {name}.{role}")
    if reads(check, {"in_schema"}) and not dataset.classes:
        missing.append("the dataset's classes")
    return "needs " + ", ".join(dict.fromkeys(missing)) if missing else ""


def needed_roles(check: Check, comparison: Comparison | None = None) -> tuple[tuple[str, str], ...]:
    """(relation, role) pairs that a check cannot do without, where labels are compared so."""
    read = ((check.relation, role) for role in roles_read(check, comparison=comparison) if role not in check.optional)
    joined = partner_roles(check, check.where)
    if joined:
        joined = (*joined, INSTANTS[check.partner])
    return tuple(dict.fromkeys((*check.required_roles, *read, *((check.partner, role) for role in joined))))


def _unruled(check: Check, dataset: Dataset) -> str:
    """Rules that nobody declared, or that somebody else checks."""
    if not judges_rules(check):
        return ""
    if "validations" in dataset.relations:
        return "relation validations is mapped: what its checks found is counted instead"
    return "" if dataset.validators else "needs the dataset's validators"


def _unjoinable(check: Check, dataset: Dataset) -> str:
    """A join across two stores."""
    relation = dataset.relations[check.relation]
    for name in (*(("labels",) if check.needs_labels else ()), *filter(None, (check.partner,))):
        other = dataset.relations[name]
        if other.store != relation.store:
            return f"needs {check.relation} and {name} in one store, got {relation.store} and {other.store}"
    return ""


def _untimely(check: Check, dataset: Dataset) -> str:
    """A time that no column holds."""
    relation, labels = dataset.relations[check.relation], dataset.relations.get("labels")
    if (
        labels
        and (check.time.kind == "deadline" or isinstance(check.time, Stages))
        and not {"labeled_at", "stored_at"} & set(labels.columns)
    ):
        return "needs role labels.labeled_at or labels.stored_at"
    if isinstance(check.time, Item) and "labeled_at" not in relation.columns:
        windows = {objective.window for objective in dataset.objectives.get(check.name, ())}
        if not isinstance(check.slo, GaugeSlo) or windows - {None}:
            return "needs role labels.labeled_at; without times a gauge's objective must have window: all"
    return ""
