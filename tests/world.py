"""A small label store that tests fill by hand, and a dataset that watches it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from labelmon.checks import catalogue
from labelmon.ledger import Ledger, open_ledger
from labelmon.model import HOUR, Dataset, Objective, ObjectiveKind, Owner, Relation, StoreSpec, Tier
from labelmon.profiles import DEFAULT_ALERTING, Alerting
from labelmon.pseudonyms import Pseudonyms
from labelmon.sampler import DatasetSampler
from labelmon.stores import open_store

NOW = 1_790_000_000 - 1_790_000_000 % 3600  # 2026-09-21, on the hour

TABLES = """
CREATE TABLE items (item TEXT, arrived_at TEXT, priority TEXT);
CREATE TABLE annotations (item TEXT, label TEXT, annotator TEXT, labeled_at TEXT);
CREATE TABLE audits (item TEXT, label TEXT, truth TEXT, audited_at TEXT);
"""


def iso(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat().replace("+00:00", "Z")


def relation(name: str, table: str, *columns: str, store: str = "s", **renamed: str) -> Relation:
    return Relation(name=name, store=store, table=table, columns={**{c: c for c in columns}, **renamed})


def dataset(store: str = "s", **changes: object) -> Dataset:
    made = Dataset(
        name="d",
        pipeline="p",
        owner=Owner(team="t"),
        tier=Tier.STANDARD,
        relations={
            "items": relation("items", "items", "item", "arrived_at", "priority", store=store),
            "labels": relation("labels", "annotations", "item", "label", "annotator", "labeled_at", store=store),
            "audits": relation("audits", "audits", "item", "label", "truth", "audited_at", store=store),
        },
        objectives={
            "label_accuracy": (target(0.95),),
            "label_latency": (target(0.9, within=float(HOUR), scope={"within": "1h"}),),
            "label_backlog": (Objective(kind=ObjectiveKind.AT_MOST, value=86400.0),),
        },
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def target(value: float, **more: object) -> Objective:
    return Objective(kind=ObjectiveKind.TARGET, value=value, **more)  # type: ignore[arg-type]


@dataclass
class World:
    """A SQLite label store in `folder`, and samplers over it that share one ledger."""

    folder: Path

    def __post_init__(self) -> None:
        self.path = self.folder / "labels.db"
        self.db = sqlite3.connect(self.path, isolation_level=None)
        self.db.executescript(TABLES)
        self.ledger: Ledger = open_ledger(f"sqlite:///{self.folder}/ledger.db")

    def close(self) -> None:
        self.db.close()
        self.ledger.engine.dispose()

    def item(self, name: str, at: float, priority: str = "low") -> None:
        self.db.execute("INSERT INTO items VALUES (?, ?, ?)", (name, iso(at), priority))

    def label(self, item: str, at: float, label: str = "x", annotator: str = "ann") -> None:
        self.db.execute("INSERT INTO annotations VALUES (?, ?, ?, ?)", (item, label, annotator, iso(at)))

    def audit(self, item: str, at: float, *, right: bool = True) -> None:
        self.db.execute("INSERT INTO audits VALUES (?, 'x', ?, ?)", (item, "x" if right else "y", iso(at)))

    def audits(self, start: float, end: float, step: float, *, right: bool = True) -> None:
        at, n, truth = start, 0, "x" if right else "y"
        self.db.execute("BEGIN")
        while at < end:
            self.db.execute("INSERT INTO audits VALUES (?, 'x', ?, ?)", (f"{start}-{n}", truth, iso(at)))
            at, n = at + step, n + 1
        self.db.execute("COMMIT")

    def run(self, sql: str, *values: object) -> None:
        self.db.execute(sql, values)

    def sampler(self, watched: Dataset | None = None, alerting: Alerting = DEFAULT_ALERTING) -> DatasetSampler:
        spec = StoreSpec(name="s", url=f"sqlite:///{self.path}")
        return DatasetSampler(
            dataset=watched or dataset(),
            stores={"s": open_store(spec)},
            ledger=self.ledger,
            pseudonyms=Pseudonyms(keys=(b"k" * 32,)),
            alerting=alerting,
            catalogue=catalogue(),
        )
