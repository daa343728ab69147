"""A writer that journals what it inserts, a daemon that is killed, and the journal's own count of the truth.

The journal shares no code with the daemon: it counts plain Python rows.
"""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heappop, heappush
from math import floor
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.e2e.ports import free_port

LATENESS, VISIBILITY, WITHIN = 8, 3, 2
FEW = 60
ACCURACY, LATENCY = "label_accuracy", "label_latency[within=2s]"  # the series that the journal can count
CONFIG = """
ledger: {{url: "{ledger}"}}
stores: {{labels: {{url: "sqlite:///labels.db"}}}}
alerting:
  profiles:
    dense:
      page: [{{burn: 5, long: 20s, short: 4s}}]
      ticket: [{{burn: 2, long: 45s, short: 8s}}]
datasets:
  d:
    interval: 500ms
    lateness: 8s
    visibility: 3s
    recount_interval: 3s
    reconcile_interval: {reconcile}
    owner: {{team: t}}
    relations:
      items: {{}}
      labels: {{table: annotations, columns: {{labeled_at: labeled_at}}}}
      audits: {{}}
    objectives:
      label_accuracy: {{target: 0.9, window: 10m}}
      label_latency: {{target: 0.9, within: 2s, window: 10m}}
"""


@dataclass(frozen=True)
class Audit:
    at: float
    right: bool
    visible: float


@dataclass(frozen=True)
class Item:
    deadline: float
    in_time: bool
    visible: float  # when the last row that decides it was there
    arrived_visible: float  # when it could be counted at all


@dataclass
class Journal:
    """What was inserted, appended after each commit with the moment it became visible."""

    audits: list[Audit] = field(default_factory=list)
    items: dict[str, tuple[float, float]] = field(default_factory=dict)  # arrived, visible
    labels: dict[str, tuple[float, float]] = field(default_factory=dict)  # labeled, visible

    def rows(self, sli: str) -> list[tuple[float, bool, float]]:
        """(instant that decides the bucket, good, when all that decides it was visible)."""
        if sli == "label_accuracy":
            return [(a.at, a.right, a.visible) for a in self.audits]
        found = []
        for name, (arrived, seen) in self.items.items():
            labeled, label_seen = self.labels.get(name, (float("inf"), 0.0))
            deadline = _ms(_ms(arrived) + WITHIN)
            good = _ms(labeled) <= deadline
            found.append((deadline, good, max(seen, label_seen) if good else seen))
        return found


class Writer(threading.Thread):
    """Audits and items at a steady rate; rows appear 0 to 2.5 s after their instant, some late, some too late."""

    def __init__(self, path: Path, journal: Journal, seed: int) -> None:
        super().__init__(daemon=True)
        self.path, self.journal, self.rng = path, journal, random.Random(seed)
        self.stopping = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._write()
        except BaseException as error:
            self.error = error
            raise

    def _delay(self) -> float:
        kind = self.rng.random()
        if kind < 0.05:
            return self.rng.uniform(VISIBILITY + 1, LATENESS - 2)
        if kind < 0.08:
            return self.rng.uniform(LATENESS + 3, LATENESS + 8)
        return self.rng.uniform(0, 2.5)

    def _write(self) -> None:
        db = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        pending: list[tuple[float, int, str, tuple[object, ...]]] = []
        n, next_at = 0, time.time()
        while pending or not self.stopping.is_set():
            now = time.time()
            while next_at <= now and not self.stopping.is_set():
                n += 1
                right = self.rng.random() < 0.93
                heappush(pending, (next_at + self._delay(), 3 * n, "audit", (f"a{n}", next_at, right)))
                heappush(pending, (next_at + self._delay(), 3 * n + 1, "item", (f"i{n}", next_at)))
                if self.rng.random() < 0.97:
                    labeled = next_at + self.rng.uniform(0.1, 1.9) + (5 if self.rng.random() < 0.05 else 0)
                    heappush(pending, (labeled + self._delay(), 3 * n + 2, "label", (f"i{n}", labeled)))
                next_at += self.rng.uniform(0.1, 0.3)
            while pending and pending[0][0] <= now:
                _, _, kind, row = heappop(pending)
                self._insert(db, kind, row)
            time.sleep(0.02)
        db.close()

    def _insert(self, db: sqlite3.Connection, kind: str, row: tuple[object, ...]) -> None:
        name, at = str(row[0]), float(row[1])  # type: ignore[arg-type]
        if kind == "audit":
            truth = "x" if row[2] else "y"
            db.execute("INSERT INTO audits VALUES (?, 'x', ?, ?)", (name, truth, _iso(at)))
            self.journal.audits.append(Audit(_ms(at), bool(row[2]), time.time()))
        elif kind == "item":
            db.execute("INSERT INTO items VALUES (?, ?)", (name, _iso(at)))
            self.journal.items[name] = (at, time.time())
        else:
            db.execute("INSERT INTO annotations VALUES (?, 'x', ?)", (name, _iso(at)))
            self.journal.labels[name] = (at, time.time())


@dataclass
class Campaign:
    """A folder with a store, a config and a daemon that `mutation` (Python text) may have spoiled.

    `ledger` is a URL; without one the ledger is a SQLite file in the folder.
    """

    folder: Path
    seed: int
    mutation: str = ""
    ledger: str = ""
    journal: Journal = field(default_factory=Journal)
    process: subprocess.Popen[bytes] | None = None
    scrapes: int = 0
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        db = sqlite3.connect(self.folder / "labels.db")
        db.executescript(
            "PRAGMA journal_mode = WAL; CREATE TABLE items (item TEXT, arrived_at TEXT);"
            "CREATE TABLE annotations (item TEXT, label TEXT, labeled_at TEXT);"
            "CREATE TABLE audits (item TEXT, label TEXT, truth TEXT, audited_at TEXT);"
        )
        db.close()
        self.ledger = self.ledger or f"sqlite:///{self.folder}/labelmon.db"
        self.configure("1d")
        self.port = free_port()
        self.writer = Writer(self.folder / "labels.db", self.journal, self.seed)

    def configure(self, reconcile: str) -> None:
        (self.folder / "labelmon.yaml").write_text(CONFIG.format(reconcile=reconcile, ledger=self.ledger))

    def start(self) -> None:
        code = f"{self.mutation}\nfrom labelmon.cli import main\nmain()"
        command = [
            sys.executable,
            "-c",
            code,
            "run",
            "--config.file",
            str(self.folder / "labelmon.yaml"),
            "--web.listen-address",
            f"127.0.0.1:{self.port}",
        ]
        with (self.folder / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "daemon.log").read_text()[-2000:]
        self.process.kill()
        self.process.wait()

    def watch(self, seconds: float) -> None:
        """Scrapes for so long and compares every window of every scrape with the journal."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.scrape()
            time.sleep(0.15)

    def scrape(self) -> bool:
        """Whether a snapshot was there; its faults are collected."""
        try:
            answer = requests.get(f"http://127.0.0.1:{self.port}/metrics", timeout=2)
        except requests.RequestException:
            return False
        if answer.status_code != 200:
            return False
        found = dict(_samples(answer.text))
        at = found.get("labelmon_dataset_sampled_timestamp_seconds")
        if at is None:
            return False
        self.scrapes += 1
        self.faults += self.compare(at, found, settled=False)
        return True

    def compare(self, at: float, found: dict[str, float], *, settled: bool) -> list[str]:
        """Windows of a scrape that the journal contradicts.

        Rows that were visible within `visibility` must be in; rows that came later may be, until the next full
        recount (settled: everything must be in, nothing else).
        """
        end = floor(at - VISIBILITY)
        faults = []
        for sli, scope in (("label_accuracy", ""), ("label_latency", 'scope="within=2s",')):
            rows = self.journal.rows(sli)
            for window in (4, 8, 20, 45):
                labels = f'{{dataset="d",{scope}sli="{sli}",window="{window}s"}}'
                events = found.get(f"labelmon_sli_events{labels}")
                if events is None:
                    if len(rows) < FEW:  # too few so far for any window to judge by
                        continue
                    faults.append(f"no {labels}")
                    continue
                errors = round(found.get(f"labelmon_sli_error_ratio{labels}", 0.0) * events)
                inside = [row for row in rows if end - window <= row[0] < end]
                prompt = [row for row in inside if row[2] <= row[0] + VISIBILITY - 0.1 or settled]
                doubtful = len(inside) - len(prompt)
                wrong = sum(not good for _, good, _ in prompt)
                if not len(prompt) <= events <= len(prompt) + doubtful:
                    faults.append(f"{at:.3f} {labels}: {events} events, journal {len(prompt)} to {len(inside)}")
                if not wrong <= errors <= wrong + doubtful:
                    faults.append(f"{at:.3f} {labels}: {errors} errors, journal {wrong} to {wrong + doubtful}")
        return faults

    def bucket_faults(self, *, reconciled: bool) -> list[str]:
        """Ledger buckets that the journal contradicts; before a reconcile rows later than lateness may be missing."""
        faults = []
        for sli, name in (
            ("label_accuracy", ACCURACY),
            ("label_latency", LATENCY),
        ):
            known: dict[int, list[int]] = defaultdict(lambda: [0, 0])
            for at, good, _ in self._settled_rows(sli):
                known[floor(at)][0] += 1
                known[floor(at)][1] += good
            sure: dict[int, int] = defaultdict(int)
            doubt: dict[int, int] = defaultdict(int)
            for at, _, visible in self._settled_rows(sli):
                (sure if reconciled or visible <= at + LATENESS else doubt)[floor(at)] += 1
            ledger = self.ledger_buckets(name)
            for start in sorted({*known, *ledger}):
                rows, good = ledger.get(start, (0, 0))
                all_rows, all_good = known.get(start, [0, 0])
                if not doubt[start] and (rows, good) != (all_rows, all_good):
                    faults.append(f"{sli} {start}: ledger {rows, good}, journal {all_rows, all_good}")
                elif not sure[start] <= rows <= all_rows:
                    faults.append(f"{sli} {start}: ledger {rows}, journal {sure[start]} to {all_rows}")
        return faults

    def _settled_rows(self, sli: str) -> list[tuple[float, bool, float]]:
        return self.journal.rows(sli)

    def ledger_rows(self, query: str, **values: str) -> list[Any]:
        """Rows of the daemon's ledger, read beside it."""
        engine = create_engine(self.ledger.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
        with engine.connect() as connection:
            return list(connection.execute(text(query), values))

    def ledger_buckets(self, series: str) -> dict[int, tuple[int, int]]:
        rows = self.ledger_rows(
            "SELECT start, width, vals FROM labelmon_cells JOIN labelmon_series ON series = id WHERE name = :name",
            name=series,
        )
        assert all(width == 1 for _, width, _ in rows)
        return {start: (int(json.loads(vals)[0]), int(json.loads(vals)[1])) for start, _, vals in rows}

    def wait_for(self, column: str, after: float, seconds: float = 60) -> None:
        """Until both series' watermark `column` has passed `after`."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            # With its table's name, or `full` is a word of SQL.
            query = f"SELECT labelmon_series.{column} FROM labelmon_series WHERE name IN (:one, :other)"
            marks = [mark for (mark,) in self.ledger_rows(query, one=ACCURACY, other=LATENCY)]
            if len(marks) == 2 and all(mark is not None and mark > after for mark in marks):
                return
            time.sleep(0.2)
        raise TimeoutError(f"{column} did not pass {after}: {(self.folder / 'daemon.log').read_text()[-2000:]}")

    def finish(self) -> None:
        """Ends the writer once all its rows are in, and the daemon."""
        self.writer.stopping.set()
        self.writer.join()
        if self.writer.error:
            raise self.writer.error

    def close(self) -> None:
        self.writer.stopping.set()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def _samples(text: str) -> Iterator[tuple[str, float]]:
    for line in text.splitlines():
        if line.startswith("labelmon_"):
            name, _, value = line.rpartition(" ")
            yield name.removesuffix('{dataset="d"}'), float(value)


def _ms(instant: float) -> float:
    """To the millisecond, as the rows carry it."""
    return round(instant * 1000) / 1000 if instant != float("inf") else instant


def _iso(instant: float) -> str:
    return datetime.fromtimestamp(_ms(instant), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
