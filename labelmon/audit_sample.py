"""`labelmon audit-sample`: the next labels to audit, drawn in the store with known inclusion probabilities."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from sqlalchemy import CTE, BigInteger, ColumnElement, and_, case, cast, func, literal, or_, select

from labelmon.config import Config
from labelmon.errors import LabelmonError, UsageError
from labelmon.estimators.survey import audits_needed, neyman
from labelmon.model import Dataset, Relation
from labelmon.pseudonyms import Pseudonyms, load_pseudonyms
from labelmon.reading import missing_columns
from labelmon.roles import PERSON_ROLES
from labelmon.stores import Reader, open_store
from labelmon.stores.compared import NUMBERS, verdict
from labelmon.stores.folds import CodePoint
from labelmon.stores.rows import Types, column_of, filters_of, role_of, source_of

MOST_STRATA = 50
LARGEST = 100_000
PRIME = 2**31 - 1
CHARACTERS = 24  # of an item's end that the order depends on


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A label to audit; `stratum` is '' without stratification, `probability` that of having been drawn."""

    item: str
    label: str
    stratum: str
    probability: float


def audit_sample(  # noqa: PLR0913
    config: Config,
    at: float,
    *,
    dataset: str,
    size: int | None,
    stratify: str | None,
    seed: str,
    auditor: str | None,
    half_width: float | None,
    form: str,
) -> str:
    """The sample as CSV or as Label Studio tasks; with `half_width` how many audits it takes instead.

    Raises
    ------
    UsageError : for an unknown dataset or role, or a size that cannot be drawn.
    LabelmonError : if no labelled item waits for an audit.
    StoreError : if the store fails.
    """
    if dataset not in config.datasets:
        raise UsageError(f"--dataset: unknown dataset {dataset!r}; known: {', '.join(sorted(config.datasets))}")
    if (size is None) == (half_width is None):
        raise UsageError("need either --size or --half-width")
    if size is not None and not 1 <= size <= LARGEST:
        raise UsageError(f"--size: need 1 to {LARGEST}, got {size}")
    if half_width is not None and not 0 < half_width < 0.5:
        raise UsageError(f"--half-width: need a share between 0 and 0.5, got {half_width:g}")
    watched = config.datasets[dataset]
    home = _home(watched, stratify, auditor)
    with open_store(config.stores[home.store]).snapshot() as reader:
        frame = _Frame(reader, watched, stratify, auditor, int(at * 1000))
        sizes = frame.sizes()
        if not sizes:
            raise LabelmonError(f"{dataset}: no labelled item waits for an audit")
        if len(sizes) > MOST_STRATA:
            raise UsageError(f"--stratify: need at most {MOST_STRATA} strata, {stratify} has {len(sizes)}")
        spreads = frame.spreads(sizes)
        if half_width is not None:
            return f"{audits_needed(sizes, spreads, half_width)}\n"
        assert size is not None  # noqa: S101  one of the two is given
        try:
            quotas = neyman(sizes, spreads, size)
        except ValueError as error:
            raise UsageError(f"--size: {error}") from None
        drawn = [
            Drawn(item=item, label=label, stratum=stratum, probability=quotas[stratum] / sizes[stratum])
            for item, label, stratum in frame.draw(quotas, seed)
        ]
    if stratify in PERSON_ROLES:
        drawn = _without_people(drawn, load_pseudonyms(config.pseudonym_keys, config.path.resolve().parent))
    return _tasks(drawn, stratify) if form == "label-studio" else _csv(drawn, stratify)


def _home(dataset: Dataset, stratify: str | None, auditor: str | None) -> Relation:
    """The labels, once everything that is asked for is mapped."""
    labels, items, audits = (dataset.relations.get(name) for name in ("labels", "items", "audits"))
    if labels is None:
        raise UsageError(f"{dataset.name}: needs relation labels")
    roles = sorted({*labels.columns, *(items.columns if items else ())} - {"item", "labeled_at", "arrived_at"})
    if stratify is not None and stratify not in roles:
        raise UsageError(f"--stratify: {dataset.name} maps no role {stratify!r}; mapped: {', '.join(roles)}")
    if auditor is not None and "annotator" not in labels.columns:
        raise UsageError(f"--auditor: {dataset.name} needs role labels.annotator")
    of_items = items if stratify is not None and stratify not in labels.columns else None
    for other in (audits, of_items):
        if other is not None and other.store != labels.store:
            raise UsageError(f"{dataset.name}: needs labels and {other.name} in one store")
    return labels


class _Roles:
    """A row whose roles are read as attributes."""

    def __init__(self, read: Callable[[str], ColumnElement[Any]]) -> None:
        self._read = read

    def __getattr__(self, role: str) -> ColumnElement[Any]:
        return self._read(role)


class _Frame:
    """The labelled items that nobody has audited: one row per item with its last label and its stratum."""

    def __init__(self, reader: Reader, dataset: Dataset, stratify: str | None, auditor: str | None, at_ms: int) -> None:
        self._reader, self._stratify, self._auditor, self._at_ms = reader, stratify, auditor, at_ms
        self._relations, self._comparison = dataset.relations, dataset.comparison
        self._types: Types = {name: self._columns(name) for name in ("labels", "items", "audits") if self._known(name)}

    def sizes(self) -> dict[str, int]:
        """How many items each stratum holds."""
        frame = self._rows()
        counted = self._reader.fetch(
            select(frame.c.stratum, func.count())
            .group_by(frame.c.stratum)
            .order_by(frame.c.stratum)
            .limit(MOST_STRATA + 1)
        )
        return {str(stratum): int(n) for stratum, n in counted}

    def spreads(self, sizes: dict[str, int]) -> dict[str, float]:
        """The standard deviation of an audit by stratum; where past audits do not tell, that of all of them."""
        tallies = self._past()
        n, bad = (sum(tally[i] for tally in tallies.values()) for i in (0, 1))
        pooled = (bad + 0.5) / (n + 1)
        found = {}
        for stratum in sizes:
            audits, errors = tallies.get(stratum, (0, 0))
            # One audit's worth of the whole: no stratum is so good that nobody need look again.
            share = (errors + pooled) / (audits + 1)
            found[stratum] = sqrt(share * (1 - share))
        return found

    def draw(self, quotas: dict[str, int], seed: str) -> Sequence[tuple[str, str, str]]:
        """(item, label, stratum): of each stratum the first `quotas` in the order of the seed."""
        frame = self._rows()
        place = func.row_number().over(
            partition_by=frame.c.stratum, order_by=(keyed_order(frame.c.item, seed), frame.c.item)
        )
        placed = select(*frame.c, place.label("place")).cte("lm_placed")
        quota = case(*[(placed.c.stratum == name, n) for name, n in quotas.items()], else_=0)
        rows = self._reader.fetch(
            select(placed.c.item, placed.c.label, placed.c.stratum)
            .where(placed.c.place <= quota)
            .order_by(placed.c.stratum, placed.c.place)
            .limit(sum(quotas.values()))
        )
        return [(str(item), str(label), str(stratum)) for item, label, stratum in rows]

    def _known(self, name: str) -> bool:
        relation, labels = self._relations.get(name), self._relations["labels"]
        return relation is not None and relation.store == labels.store

    def _columns(self, name: str) -> dict[str, str]:
        there = self._reader.columns(self._relations[name])
        if missing := missing_columns(self._relations[name], there):
            raise UsageError(f"relation {name} has no column {', '.join(missing)}; there are: {', '.join(there)}")
        return there

    def _role(self, name: str, source: Any, role: str) -> ColumnElement[Any]:
        if base := NUMBERS.get(role):
            relation = self._relations[name]
            raw = column_of(source, relation, base)
            return self._reader.dialect.number(raw, self._types[name][relation.columns[base]])
        return role_of(self._relations[name], self._reader.dialect, self._types, source, role)

    def _filters(self, name: str, source: Any, instant: str) -> list[ColumnElement[bool]]:
        relation = self._relations[name]
        found = filters_of(relation, self._reader.dialect, self._types, source)
        if instant in relation.columns:
            found.append(self._role(name, source, instant) <= self._at_ms)
        return found

    def _rows(self) -> CTE:
        labels = source_of(self._relations["labels"], "labels_")
        timed = "labeled_at" in self._relations["labels"].columns
        item, label = (self._role("labels", labels, role) for role in ("item", "label"))
        by = self._stratify if self._stratify in self._relations["labels"].columns else None
        at = self._role("labels", labels, "labeled_at") if timed else literal(0, BigInteger)
        stratum = self._role("labels", labels, by) if by else literal("", literal_execute=True)
        own: ColumnElement[int] = literal(0, BigInteger)
        if self._auditor is not None:
            person = self._reader.dialect.text(self._role("labels", labels, "annotator"), "")
            own = case((person == self._auditor, 1), else_=0)
        known = (
            select(item.label("item"), label.label("label"), stratum.label("stratum"), at.label("at"), own.label("own"))
            .where(*self._filters("labels", labels, "labeled_at"), item.is_not(None), label.is_not(None))
            .cte("lm_known")
        )
        last = func.row_number().over(partition_by=known.c.item, order_by=(known.c.at.desc(), known.c.label))
        ranked = select(
            *known.c, last.label("rank"), func.max(known.c.own).over(partition_by=known.c.item).label("mine")
        ).cte("lm_ranked")
        conditions = [ranked.c.rank == 1, ranked.c.mine == 0]
        if self._known("audits"):
            audits = source_of(self._relations["audits"], "audits_")
            seen = self._role("audits", audits, "item")
            done = select(seen.label("item")).where(*self._filters("audits", audits, "audited_at")).cte("lm_done")
            conditions.append(~select(done.c.item).where(done.c.item == ranked.c.item).exists())
        if self._stratify is None or by is not None:
            shown = func.coalesce(ranked.c.stratum, "")
            return (
                select(ranked.c.item, ranked.c.label, shown.label("stratum")).where(and_(*conditions)).cte("lm_frame")
            )
        items = source_of(self._relations["items"], "items_")
        key, value = self._role("items", items, "item"), self._role("items", items, self._stratify)
        filters = self._filters("items", items, "arrived_at")
        raw = select(key.label("item"), value.label("stratum")).where(*filters).cte("lm_raw")
        of_item = select(raw.c.item, func.min(raw.c.stratum).label("stratum")).group_by(raw.c.item).cte("lm_of_item")
        shown = func.coalesce(of_item.c.stratum, "")
        joined = ranked.outerjoin(of_item, ranked.c.item == of_item.c.item)
        return (
            select(ranked.c.item, ranked.c.label, shown.label("stratum"))
            .select_from(joined)
            .where(and_(*conditions))
            .cte("lm_frame")
        )

    def _past(self) -> dict[str, tuple[int, int]]:
        """(audits, errors) of past audits by stratum, as far as audits tell it; gold and seeded ones left out."""
        if not self._known("audits"):
            return {}
        relation, audits = self._relations["audits"], source_of(self._relations["audits"], "audits_")
        row = _Roles(lambda role: self._role("audits", audits, role))
        right, comparable = (verdict(name, row, self._comparison) for name in ("right", "comparable"))
        complete = verdict("complete", row, self._comparison)
        conditions = [*self._filters("audits", audits, "audited_at"), complete, comparable]
        for role in ("gold", "seeded"):
            if role in relation.columns:
                flag = self._role("audits", audits, role)
                conditions.append(or_(flag.is_(None), flag.is_(False)))
        by = next((role for role in (self._stratify, "stratum") if role in relation.columns), None)
        named = self._role("audits", audits, by) if by and self._stratify else literal("", literal_execute=True)
        flat = (
            select(func.coalesce(named, "").label("stratum"), case((right, 0), else_=1).label("bad"))
            .where(and_(*conditions))
            .cte("lm_past")
        )
        rows = self._reader.fetch(select(flat.c.stratum, func.count(), func.sum(flat.c.bad)).group_by(flat.c.stratum))
        return {str(stratum): (int(n), int(bad)) for stratum, n, bad in rows}


def keyed_order(item: ColumnElement[str], seed: str) -> ColumnElement[int]:
    """A number below 2^31 - 1 out of an item's id: one member, picked by `seed`, of a universal family of hashes.

    Any two items stand in either order for half of all seeds, whatever the engine and the order of its rows; a digest
    would be neater, but SQLite has none.

    References
    ----------
    J. L. Carter, M. N. Wegman (1979), Universal classes of hash functions, JCSS 18:143.
    """
    factors = [
        int.from_bytes(hashlib.sha256(f"{seed}/{place}".encode()).digest()[:8]) % (PRIME - 1) + 1
        for place in range(CHARACTERS + 1)
    ]
    length = func.length(item)
    total: ColumnElement[int] = length * literal(factors[-1], BigInteger)
    for back, factor in enumerate(factors[:-1]):
        code = cast(CodePoint(func.substr(item, length - back, 1)), BigInteger)
        total = total + case((length > back, code * literal(factor, BigInteger)), else_=0)
    return total % literal(PRIME, BigInteger)


def _without_people(drawn: Sequence[Drawn], pseudonyms: Pseudonyms) -> list[Drawn]:
    return [
        Drawn(item=d.item, label=d.label, stratum=pseudonyms.of(d.stratum), probability=d.probability) for d in drawn
    ]


def _row(drawn: Drawn, stratify: str | None) -> dict[str, Any]:
    return {
        "item": drawn.item,
        "label": drawn.label,
        "stratum": drawn.stratum,
        "inclusion_probability": drawn.probability,
        "weight": 1 / drawn.probability,
        "selection": "stratified" if stratify else "random",
    }


def _csv(drawn: Sequence[Drawn], stratify: str | None) -> str:
    text = io.StringIO()
    rows = [_row(one, stratify) for one in drawn]
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _tasks(drawn: Sequence[Drawn], stratify: str | None) -> str:
    """Label Studio's import: a list of tasks, what is shown or kept of each below `data`."""
    return json.dumps([{"data": _row(one, stratify)} for one in drawn], indent=2, ensure_ascii=False) + "\n"
