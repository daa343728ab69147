"""The config's JSON Schema, from the same declarations that check it, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelmon.check import Check, Setting
from labelmon.checks import catalogue
from labelmon.config.calendar import CALENDAR_SCHEMA
from labelmon.config.comparison import NUMBER_KEYS, TOLERANCE
from labelmon.config.datasets import OBJECTIVE_KINDS, SCOPE_KEYS
from labelmon.config.fields import DATASET_NAME, DURATION, FLAG, LABEL, NUMBER, SHARE, TEXT, URL, WHOLE
from labelmon.config.places import ALERTING_KEYS, RECEIVER_KEYS, SECRET_KEYS, TIER_KEYS
from labelmon.config.validators import VALIDATORS_SCHEMA
from labelmon.model import Tier
from labelmon.profiles import Mode
from labelmon.roles import RELATIONS

Schema = Mapping[str, Any]
_FILE = {
    "type": "object",
    "properties": {"file": {"type": "string"}},
    "required": ["file"],
    "additionalProperties": False,
}
_SECRET = {"anyOf": [TEXT.schema, _FILE]}


def json_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of the config file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "labelmon.yaml",
        **_object(
            {
                "ledger": _object({"url": _SECRET, "retention": DURATION.schema}),
                "stores": _named(_store()),
                "urls": _object(dict.fromkeys(("labelmon", "grafana", "runbooks"), URL.schema)),
                "receivers": _named(_receiver()),
                "operator": _object({"page": TEXT.schema, "tickets": TEXT.schema}),
                "privacy": _object({"pseudonym_keys": {"type": "array", "items": _FILE, "maxItems": 2}}),
                "alerting": _alerting(),
                "datasets": _named(_dataset(), DATASET_NAME.schema),
            },
            required=("stores", "datasets"),
        ),
    }


def _store() -> Schema:
    shared = {"statement_timeout": DURATION.schema, "max_concurrency": WHOLE.schema}
    return {
        "oneOf": [
            _object({"url": _SECRET, **shared}, required=("url",)),
            _object({"files": _named(TEXT.schema), **shared}, required=("files",)),
        ]
    }


def _receiver() -> Schema:
    kinds = {
        kind: _object({key: _FILE if key in SECRET_KEYS else {} for key in keys}) if keys else TEXT.schema
        for kind, keys in RECEIVER_KEYS.items()
    }
    return {**_object(kinds), "minProperties": 1, "maxProperties": 1}


def _alerting() -> Schema:
    tier = _object({name: kind.schema for name, kind in TIER_KEYS.items()}, required=tuple(TIER_KEYS))
    tiers = {"type": "array", "items": tier}
    return _object(
        {
            **{name: kind.schema for name, kind in ALERTING_KEYS.items()},
            "mode": {"enum": [mode.value for mode in Mode]},
            "profiles": _named(_object({"page": tiers, "ticket": tiers})),
        }
    )


def _dataset() -> Schema:
    return _object(
        {
            "pipeline": LABEL.schema,
            "owner": _object({"team": LABEL.schema, "page": TEXT.schema, "tickets": TEXT.schema}),
            "tier": {"enum": [tier.value for tier in Tier]},
            **dict.fromkeys(
                ("interval", "lateness", "visibility", "recount_interval", "reconcile_interval"),
                DURATION.schema,
            ),
            "timezone": TEXT.schema,
            "calendar": {**_object(CALENDAR_SCHEMA), "minProperties": 1},
            "classes": {"anyOf": [{"type": "array"}, _FILE]},
            "scale": {"enum": ["nominal", "ordinal"]},
            "comparison": _object(
                {
                    "number": _object(dict.fromkeys(NUMBER_KEYS, TOLERANCE.schema)),
                    **dict.fromkeys(("score", "equal"), TEXT.schema),
                    **dict.fromkeys(("at_least", "at_most"), NUMBER.schema),
                }
            ),
            "schema_versions": {"type": "array"},
            "validators": {**_object(VALIDATORS_SCHEMA), "minProperties": 1},
            "relations": _object({name: _relation(roles.names) for name, roles in RELATIONS.items()}),
            "objectives": _object(
                {
                    check.name: {
                        "anyOf": [_objective(check), {"type": "array", "items": _objective(check)}],
                        "description": check.help,
                    }
                    for check in catalogue()
                }
            ),
        },
        required=("relations",),
    )


def _relation(roles: tuple[str, ...]) -> Schema:
    return _object(
        {
            "store": TEXT.schema,
            "table": TEXT.schema,
            "query": TEXT.schema,
            "where": {"type": "object"},
            "columns": _object(dict.fromkeys(roles, TEXT.schema)),
        }
    )


def _objective(check: Check) -> Schema:
    kinds = {"target": NUMBER.schema, "at_least": {}, "at_most": {}, "none_bad": FLAG.schema}
    return {
        **_object(
            {
                **{kind: kinds[kind] for kind in OBJECTIVE_KINDS},
                "window": {"anyOf": [DURATION.schema, {"const": "all"}]},
                "scope": _object({key: {} for key in SCOPE_KEYS}),
                "within": DURATION.schema,
                "settle": DURATION.schema,
                "overlap": WHOLE.schema,
                **({"bad_slices": SHARE.schema} if check.slice_width else {}),
                **{s.name: _setting(s) for s in check.settings},
            }
        ),
        "oneOf": [{"required": [kind]} for kind in OBJECTIVE_KINDS],
    }


def _setting(setting: Setting) -> Mapping[str, Any]:
    if setting.choices:
        return {"enum": list(setting.choices)}
    return TEXT.schema if setting.parse else NUMBER.schema


def _object(properties: Mapping[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    if required:
        found["required"] = list(required)
    return found


def _named(value: Schema, names: Schema | None = None) -> Schema:
    return {"type": "object", "additionalProperties": value, "propertyNames": names or LABEL.schema}
