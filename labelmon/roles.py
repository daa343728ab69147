"""The relations a dataset may map, and the roles of their columns (DESIGN.md, section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a role's column holds; decides how a store reads it."""

    TEXT = "text"
    INSTANT = "instant"  # read as whole milliseconds since 1970, UTC
    NUMBER = "number"
    FLAG = "flag"


# Roles that hold a class. Those in `LABEL_ROLES` are a label's, and hold none where labels are numbers or boxes.
CLASS_ROLES = frozenset({"label", "other_label", "truth", "predicted", "corrected_label", "expected_class"})

LABEL_ROLES = CLASS_ROLES - {"expected_class"}


@dataclass(frozen=True, kw_only=True)
class RelationRoles:
    """The roles of one relation: `required` must be mapped, `optional` may be."""

    required: Mapping[str, Kind]
    optional: Mapping[str, Kind] = field(default_factory=dict)

    def kind(self, role: str) -> Kind:
        """The kind of `role`; KeyError if the relation has no such role."""
        return self.required[role] if role in self.required else self.optional[role]

    @property
    def names(self) -> tuple[str, ...]:
        """Every role, required first."""
        return (*self.required, *self.optional)


_TEXT, _INSTANT, _NUMBER, _FLAG = Kind.TEXT, Kind.INSTANT, Kind.NUMBER, Kind.FLAG

RELATIONS: Mapping[str, RelationRoles] = {
    "items": RelationRoles(
        required={"item": _TEXT, "arrived_at": _INSTANT},
        optional={
            "queued_at": _INSTANT,
            "priority": _TEXT,
            "expected_class": _TEXT,
            "cohort": _TEXT,
            "stage": _TEXT,
        },
    ),
    "labels": RelationRoles(
        required={"item": _TEXT, "label": _TEXT},
        optional={
            "labeled_at": _INSTANT,
            "annotator": _TEXT,
            "stored_at": _INSTANT,
            "started_at": _INSTANT,
            "label_source": _TEXT,
            "confidence": _NUMBER,
            "rollout": _TEXT,
            "schema_version": _TEXT,
            "cost": _NUMBER,
            "expires_at": _INSTANT,
            "comment": _TEXT,
            "guideline_version": _TEXT,
            "tool": _TEXT,
            "source_uri": _TEXT,
        },
    ),
    "audits": RelationRoles(
        required={"item": _TEXT, "label": _TEXT, "truth": _TEXT, "audited_at": _INSTANT},
        optional={
            "auditor": _TEXT,
            "annotator": _TEXT,
            "stratum": _TEXT,
            "weight": _NUMBER,
            "selection": _TEXT,
            "gold": _FLAG,
            "seeded": _FLAG,
            "cluster": _TEXT,
            "score": _NUMBER,
            "equal": _FLAG,
        },
    ),
    "reviews": RelationRoles(
        required={"item": _TEXT, "label": _TEXT, "corrected_label": _TEXT, "reviewed_at": _INSTANT},
        optional={"author": _TEXT},
    ),
    "validations": RelationRoles(
        required={"item": _TEXT, "rule": _TEXT, "passed": _FLAG, "checked_at": _INSTANT},
        optional={"false_fail": _FLAG},
    ),
    "predictions": RelationRoles(
        required={"item": _TEXT, "predicted": _TEXT, "predicted_at": _INSTANT},
        optional={"model_version": _TEXT, "score": _NUMBER},
    ),
    "pairs": RelationRoles(
        required={"item": _TEXT, "score": _NUMBER},
        optional={"annotator": _TEXT, "second_annotator": _TEXT, "compared_at": _INSTANT},
    ),
    "versions": RelationRoles(
        required={"item": _TEXT, "version": _TEXT, "label": _TEXT}, optional={"purpose": _TEXT, "released_at": _INSTANT}
    ),
    "costs": RelationRoles(
        required={"period": _INSTANT, "amount": _NUMBER},
        optional={"category": _TEXT, "label_source": _TEXT, "budget": _NUMBER},
    ),
}

# What a scope's key may be called as a role: the class of an item, a label or a prediction.
SCOPE_ROLES: Mapping[str, tuple[str, ...]] = {"class": ("expected_class", "label", "predicted")}

# When a row of a relation is final: what `latest` means of several rows of an item.
INSTANTS: Mapping[str, str] = {
    "items": "arrived_at",
    "labels": "labeled_at",
    "audits": "audited_at",
    "reviews": "reviewed_at",
    "validations": "checked_at",
    "predictions": "predicted_at",
    "pairs": "compared_at",
}

# Roles that name what a sample was drawn by. They are told apart, all of them, and never shown.
UNIT_ROLES = frozenset({"cluster"})

# Roles that name a person. Their values become pseudonyms before anything is written or shown.
PERSON_ROLES = frozenset({"annotator", "auditor", "author", "other_annotator", "second_annotator"})
