"""A role that a dataset may map is there because some check reads it."""

from __future__ import annotations

from collections.abc import Iterator

from labelmon.check import Check, Event, Part, Snapshot, Stages, Versions, Vote
from labelmon.checks import catalogue
from labelmon.model import Compared, Comparison
from labelmon.roles import INSTANTS, RELATIONS
from labelmon.stores.compared import NUMBERS
from labelmon.stores.needs import PAIRS
from labelmon.stores.series import Recorder, derived, partner_roles, reads_numbers, roles_read

# What an item's first label, its settling and the judgement of a schema are made of, whatever a check counts.
OF_ITEMS = ("item", "label", "labeled_at", "stored_at")
JUDGED = ("label", "predicted", "schema_version")
STAGES = (("items", "queued_at"), ("labels", "started_at"), ("labels", "stored_at"), ("validations", "checked_at"))
COMPARISONS = (
    None,
    Comparison(kind=Compared.NUMBER, within=1.0),
    Comparison(kind=Compared.SCORE, at_least=0.5),
    Comparison(kind=Compared.EQUAL),
)


def read_by(check: Check) -> Iterator[tuple[str, str]]:
    """(relation, role) pairs that the statements of a check and of its parts read."""
    yield from check.required_roles
    for table in (check, *check.parts):
        part = table if isinstance(table, Part) else None
        relation = (part.relation if part else "") or check.relation
        partner = (part.partner if part else "") or check.partner
        where = table.where or (check.where if relation == check.relation else None)
        time = table.time or check.time
        kinds = COMPARISONS[1:2] if reads_numbers(check) else COMPARISONS
        kinds = COMPARISONS[2:3] if check.relation == PAIRS else kinds
        read = {NUMBERS.get(role, role) for c in kinds for role in roles_read(table, where, c)} | {*table.keys}
        if isinstance(time, Event | Vote):
            read.add(time.instant)
        elif isinstance(time, Snapshot):
            read.add(time.since)
        if isinstance(time, Stages):
            yield from STAGES
        if isinstance(time, Versions):
            read |= {"version", "released_at"}
        if judges_schema(table):
            read |= {*JUDGED} & {*RELATIONS[relation].names}
        yield from ((relation, role) for role in read if not derived(role))
        joined = partner_roles(table, where)
        if joined:
            yield from ((partner, role) for role in ("item", INSTANTS[partner], *joined))
        if check.needs_labels or getattr(part, "needs_labels", False):
            yield from (("labels", role) for role in OF_ITEMS)


def judges_schema(table: Check | Part) -> bool:
    seen = Recorder()
    for column in table.counts.values():
        column.expression(seen)
    return "in_schema" in seen.read or "offending" in table.keys


def test_some_check_reads_every_role() -> None:
    roles = {(name, role) for name, relation in RELATIONS.items() for role in relation.names}
    read = {pair for check in catalogue() for pair in read_by(check)}

    assert read <= roles
    assert sorted(f"{name}.{role}" for name, role in roles - read) == []
