"""A label pipeline that is not there: items arrive, annotators label, auditors check, a model predicts.

Event times are wall-clock times. A row is written when its time has come, so the store looks to the daemon
like any store that people work on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAY = 86_400
CLASSES = ("normal", "nodule", "effusion", "fracture")
MIX = (0.7, 0.15, 0.1, 0.05)
SKILL = {"reader-ada": 0.985, "reader-ben": 0.98, "reader-cho": 0.975, "reader-dee": 0.97}
HISTORY_PER_DAY = 1200
LIVE_PER_SECOND = 2.0
AUDIT_SHARE = 0.5
SECOND_SHARE = 0.3
FAULTS = 0.6
OTHER_MIX = (0.2, 0.1, 0.1, 0.6)
HIGH_SHARE = 0.3
MEAN_DELAY = 30.0

TABLES = """
CREATE TABLE IF NOT EXISTS items (item TEXT PRIMARY KEY, arrived_at TEXT, priority TEXT);
CREATE TABLE IF NOT EXISTS annotations (item TEXT, finding TEXT, reader TEXT, read_at TEXT);
CREATE TABLE IF NOT EXISTS audits (
    item TEXT, label TEXT, truth TEXT, reader TEXT, auditor TEXT, audited_at TEXT
);
CREATE TABLE IF NOT EXISTS predictions (item TEXT, predicted TEXT, predicted_at TEXT, model_version TEXT);
CREATE INDEX IF NOT EXISTS items_arrived ON items (arrived_at);
CREATE INDEX IF NOT EXISTS annotations_item ON annotations (item);
CREATE INDEX IF NOT EXISTS annotations_read ON annotations (read_at);
CREATE INDEX IF NOT EXISTS audits_audited ON audits (audited_at);
CREATE INDEX IF NOT EXISTS predictions_predicted ON predictions (predicted_at);
"""
_INSERTS = {
    "items": "INSERT INTO items VALUES (?, ?, ?)",
    "annotations": "INSERT INTO annotations VALUES (?, ?, ?, ?)",
    "audits": "INSERT INTO audits VALUES (?, ?, ?, ?, ?, ?)",
    "predictions": "INSERT INTO predictions VALUES (?, ?, ?, ?)",
}


@dataclass(kw_only=True)
class World:
    """The simulated pipeline; the flags are what goes wrong in an incident.

    `broken_tool` shifts the class of most labels, whoever reads; `careless` names a reader who is nearly always wrong;
    `other_patients` changes what there is to see; `renamed_classes` spells the classes otherwise.
    """

    path: Path
    seed: int
    broken_tool: bool = False
    nobody_labels: bool = False
    careless: str = ""
    other_patients: bool = False
    renamed_classes: bool = False
    made: int = 0
    next_arrival: float = 0.0
    due: list[tuple[float, int, str, tuple[Any, ...]]] = field(default_factory=list)
    waiting: list[tuple[str, str, str]] = field(default_factory=list)  # (item, finding, reader) not written yet

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.db = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")
        self.db.executescript(TABLES)

    def close(self) -> None:
        """Closes the store's file."""
        self.db.close()

    def write_history(self, now: float, days: int = 28) -> int:
        """Weeks of healthy days with a daily rhythm, all before `now`; returns the number of items."""
        count = days * HISTORY_PER_DAY
        ages = np.sort(self.rng.uniform(0, days * DAY, count))[::-1]
        rhythm = 1 + 0.6 * np.sin(2 * np.pi * ((now - ages) % DAY) / DAY)
        kept = ages[self.rng.uniform(0, 1.6, count) < rhythm]
        rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in _INSERTS}
        for arrived in now - kept:
            for at, table, row in self._life(float(arrived)):
                if at <= now:
                    rows[table].append(row)
                else:
                    self._later(at, table, row)
        self.db.execute("BEGIN")
        for table, many in rows.items():
            self.db.executemany(_INSERTS[table], many)
        self.db.execute("COMMIT")
        self.next_arrival = now
        return len(rows["items"])

    def step(self, now: float) -> int:
        """Everything that has happened by `now`, written in one transaction; returns the number of rows."""
        while self.next_arrival <= now:
            for at, table, row in self._life(self.next_arrival):
                self._later(at, table, row)
            self.next_arrival += float(self.rng.exponential(1 / LIVE_PER_SECOND))
        if not self.nobody_labels and self.waiting:
            self._catch_up(now)
        written = 0
        self.db.execute("BEGIN IMMEDIATE")
        while self.due and self.due[0][0] <= now:
            _, _, table, row = heappop(self.due)
            if table == "annotations" and self.nobody_labels:
                self.waiting.append((str(row[0]), str(row[1]), str(row[2])))
                continue
            if table == "audits" and self.nobody_labels:
                continue
            self.db.execute(_INSERTS[table], row)
            written += 1
        self.db.execute("COMMIT")
        return written

    def add_forgotten(self, now: float, count: int, age: float) -> None:
        """`count` items that arrived `age` seconds ago and were never labelled: a queue found late."""
        self.db.execute("BEGIN IMMEDIATE")
        for _ in range(count):
            item = self._name()
            arrived = now - age - float(self.rng.uniform(0, 120))
            self.db.execute(_INSERTS["items"], (item, _iso(arrived), "low"))
            self.waiting.append((item, CLASSES[0], "reader-ada"))
        self.db.execute("COMMIT")

    def _life(self, arrived: float) -> Iterable[tuple[float, str, tuple[Any, ...]]]:
        """All rows of one item, each with its time."""
        item, priority = self._name(), "high" if self.rng.random() < HIGH_SHARE else "low"
        truth = CLASSES[int(self.rng.choice(len(CLASSES), p=OTHER_MIX if self.other_patients else MIX))]
        yield arrived, "items", (item, _iso(arrived), priority)
        predicted = truth if self.rng.random() < 0.9 else self._other(truth)
        yield arrived + 0.5, "predictions", (item, predicted, _iso(arrived + 0.5), "v1")
        delay = float(self.rng.gamma(2.0, MEAN_DELAY / (4 if priority == "high" else 2)))
        read = arrived + 1 + delay
        shifted = self.broken_tool and self.rng.random() < FAULTS
        seen = CLASSES[(CLASSES.index(truth) + 1) % len(CLASSES)] if shifted else truth
        first, second = (str(name) for name in self.rng.choice(list(SKILL), 2, replace=False))
        finding = self._reading(seen, first)
        yield read, "annotations", (item, self._spelt(finding), first, _iso(read))
        if self.rng.random() < SECOND_SHARE:
            again = read + 1 + float(self.rng.exponential(10))
            yield again, "annotations", (item, self._spelt(self._reading(seen, second)), second, _iso(again))
        if self.rng.random() < AUDIT_SHARE:
            audited = read + 2 + float(self.rng.exponential(5))
            found, right = self._spelt(finding), self._spelt(truth)
            yield audited, "audits", (item, found, right, first, "auditor-eve", _iso(audited))

    def _reading(self, seen: str, reader: str) -> str:
        wrong_rate = 0.95 if reader == self.careless else 1 - SKILL[reader]
        return self._other(seen) if self.rng.random() < wrong_rate else seen

    def _spelt(self, finding: str) -> str:
        return finding.capitalize() if self.renamed_classes else finding

    def _catch_up(self, now: float) -> None:
        self.db.execute("BEGIN IMMEDIATE")
        for item, finding, reader in self.waiting:
            self.db.execute(_INSERTS["annotations"], (item, finding, reader, _iso(now)))
        self.db.execute("COMMIT")
        self.waiting.clear()

    def _later(self, at: float, table: str, row: tuple[Any, ...]) -> None:
        self.made += 1
        heappush(self.due, (at, self.made, table, row))

    def _name(self) -> str:
        self.made += 1
        return f"study-{self.seed}-{self.made:07d}"

    def _other(self, truth: str) -> str:
        others: NDArray[np.str_] = np.array([name for name in CLASSES if name != truth])
        return str(self.rng.choice(others))


def _iso(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
