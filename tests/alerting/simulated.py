"""Simulated time: a real label store, daemons that sample it minute by minute, and what Prometheus makes of them.

The daemon is the product's, driven by hand instead of by its threads, under a clock that is set. What it would have
answered to a scrape every minute is written down, handed to promtool as series, and the generated rules are asked
minute by minute which alerts fire. Nothing here knows how a burn rate or a rule is made.
"""

from __future__ import annotations

import random
import re
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from labelmon.alerting.files import rule_file
from labelmon.alerting.rules import all_rules
from labelmon.checks import catalogue
from labelmon.config import load
from labelmon.daemon import Daemon
from labelmon.exporter import Publisher
from labelmon.families import Families
from labelmon.ledger import open_ledger
from labelmon.model import SloStatus, Urls
from labelmon.profiles import DEFAULT_ALERTING
from labelmon.pseudonyms import load_pseudonyms
from labelmon.schedule import Schedule
from tests.alerting.conftest import Tool
from tests.world import NOW, TABLES, iso

MEASURED = ("label_accuracy", "audit_health", "pipeline_stall")
MINUTE, HOUR, DAY = 60, 3600, 86_400
# The rules of checks that nothing feeds find no series: they would only take time.
RULES = [r for r in all_rules(catalogue(), DEFAULT_ALERTING, Urls()) if not r.check or r.check.name in MEASURED]
TEXT = rule_file(RULES, DEFAULT_ALERTING)

CONFIG = """
stores: {{s: {{url: "sqlite:///labels.db"}}}}
ledger: {{url: "sqlite:///{name}.ledger.db"}}
datasets:
  d:
    interval: 1m
    lateness: {lateness}
    owner: {{team: t}}
    relations: {relations}
    objectives: {objectives}
"""

Series = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, kw_only=True)
class Audit:
    """A verdict on a label at `at`, in the store from `seen` on; both in seconds since 1970."""

    at: float
    right: bool
    seen: float


def audits(start: float, end: float, per_hour: float, error: float, *, seed: int = 1) -> list[Audit]:
    """Audits at even distances from `start` on, each wrong with probability `error`."""
    rng = random.Random(seed)
    many = round((end - start) / HOUR * per_hour)
    instants = [start + (place + 0.5) * HOUR / per_hour for place in range(many)]
    return [Audit(at=at, right=rng.random() >= error, seen=at) for at in instants]


@dataclass(frozen=True, kw_only=True)
class Episode:
    """An alert that fired from one minute of the recording to another, both included."""

    alert: str
    severity: str
    labels: tuple[tuple[str, str], ...]
    first: int
    last: int


@dataclass(kw_only=True)
class Site:
    """A store, the clock, and all that was scraped since `began`, the recording's minute 0.

    Between two looks lie `step` minutes: more than one only where no window of the profile in force would tell.
    """

    folder: Path
    step: int = 1
    began: float = NOW
    minute: int = 0
    coming: list[Audit] = field(default_factory=list)
    arriving: list[float] = field(default_factory=list)  # instants of items, ascending
    scraped: dict[Series, dict[int, float]] = field(default_factory=dict)
    daemons: dict[str, Daemon] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = self.folder / "labels.db"
        self.db = sqlite3.connect(self.store, isolation_level=None)
        self.db.executescript(f"PRAGMA synchronous = OFF; {TABLES}")

    @property
    def now(self) -> float:
        return self.began + self.minute * MINUTE

    def close(self) -> None:
        for name in list(self.daemons):
            self.stop(name)
        self.db.close()

    def expect(self, audits: Iterable[Audit]) -> None:
        """Audits that the store will hold when their time has come."""
        self.coming = sorted([*self.coming, *audits], key=lambda audit: audit.seen)

    def configure(self, name: str, objective: float, lateness: str = "2d") -> None:
        """The config file of a daemon that watches accuracy."""
        relations, objectives = "{audits: {store: s}}", f"{{label_accuracy: {{target: {objective}}}}}"
        text = CONFIG.format(name=name, lateness=lateness, relations=relations, objectives=objectives)
        (self.folder / f"{name}.yaml").write_text(text)

    def configure_intake(self, name: str) -> None:
        """The config file of a daemon that watches items arrive."""
        relations, objectives = "{items: {store: s}}", "{pipeline_stall: {at_most: 10950d}}"
        text = CONFIG.format(name=name, lateness="2d", relations=relations, objectives=objectives)
        (self.folder / f"{name}.yaml").write_text(text)

    def start(self, name: str) -> None:
        """A daemon starts, as `Daemon.start` does it, without threads and schedule."""
        daemon = Daemon(path=self.folder / f"{name}.yaml", catalogue=catalogue(), clock=lambda: self.now)
        daemon.config = load(daemon.path)
        daemon.ledger = open_ledger(daemon.config.ledger_url)
        daemon.pseudonyms = load_pseudonyms(daemon.config.pseudonym_keys, self.folder)
        daemon.publisher = Publisher(clock=daemon.clock)
        daemon.families = Families()
        daemon.schedule = Schedule(slots={}, rng=random.Random(1))
        daemon.selfmetrics.note_reload(self.now, ok=True)
        daemon._adopt(daemon.config)
        self.daemons[name] = daemon

    def stop(self, name: str) -> None:
        """A daemon is gone; its ledger stays."""
        self.daemons.pop(name).ledger.engine.dispose()

    def run(self, minutes: int) -> None:
        """Time goes by: rows appear, each daemon samples them, and is scraped."""
        for _ in range(minutes // self.step):
            self.minute += self.step
            self._fill()
            for name, daemon in self.daemons.items():
                daemon._cycle("d", daemon.samplers["d"])
                daemon.publisher.publish()
                self._scrape(name, daemon)

    def status(self, name: str = "a") -> SloStatus:
        """Where the objective of accuracy stands."""
        slos = self.daemons[name].results["d"].board.slos
        return next(status for status in slos if status.check == "label_accuracy")

    def _fill(self) -> None:
        due = 0
        while due < len(self.coming) and self.coming[due].seen <= self.now:
            due += 1
        rows = [(f"i{audit.at}", "x", "x" if audit.right else "y", iso(audit.at)) for audit in self.coming[:due]]
        del self.coming[:due]
        arrived = bisect_right(self.arriving, self.now)
        items = [(f"n{at}", iso(at), "low") for at in self.arriving[:arrived]]
        del self.arriving[:arrived]
        self.db.execute("BEGIN")
        self.db.executemany("INSERT INTO audits VALUES (?, ?, ?, ?)", rows)
        self.db.executemany("INSERT INTO items VALUES (?, ?, ?)", items)
        self.db.execute("COMMIT")

    def _scrape(self, name: str, daemon: Daemon) -> None:
        snapshot = daemon.publisher.snapshot
        assert snapshot is not None
        target = {"job": "labelmon", "instance": name}
        for family in text_string_to_metric_families(snapshot.text.decode()):
            for sample in family.samples:
                if not sample.name.startswith("labelmon_"):
                    continue
                # promtool's time begins in 1970: instants move with it.
                value = sample.value - self.began if sample.name.endswith("_timestamp_seconds") else sample.value
                series = (sample.name, tuple(sorted({**sample.labels, **target}.items())))
                self.scraped.setdefault(series, {})[self.minute] = value

    def episodes(self, promtool: Tool, change: Callable[[str], str] = str, *, until: int = 0) -> list[Episode]:
        """What fired, in order of its beginning, up to the last minute or `until`; `change` spoils the rules."""
        last = max(self.minute, until)
        (self.folder / "rules.yml").write_text(change(TEXT))
        (self.folder / "test.yml").write_text(self._as_test(last))
        tested = promtool("test", "rules", "test.yml", cwd=self.folder)
        found = list(_firing(tested.stdout + tested.stderr))
        assert bool(found) == bool(tested.returncode), (tested.stdout + tested.stderr)[-3000:]
        return sorted(_episodes(found, self.step), key=lambda episode: (episode.first, episode.alert))

    def _as_test(self, last: int) -> str:
        step, minutes = f"{self.step}m", range(0, last + 1, self.step)
        lines = [f"rule_files: [rules.yml]\nevaluation_interval: {step}\ntests:\n- interval: {step}\n  input_series:"]
        for (name, labels), values in self.scraped.items():
            written = ",".join(f'{key}="{value}"' for key, value in labels)
            lines.append(f"  - {{series: '{name}{{{written}}}', values: '{_values(values, minutes)}'}}")
        lines.append("  promql_expr_test:")
        lines += [
            f"  - {{expr: 'ALERTS{{alertstate=\"firing\"}}', eval_time: {minute}m, exp_samples: []}}"
            for minute in minutes
        ]
        return "\n".join(lines)


def _values(values: dict[int, float], minutes: range) -> str:
    """A series as promtool reads it: absent minutes are `_`, the first of them `stale`, as after a scrape without it."""
    written: list[str] = []
    for minute in minutes:
        if minute in values:
            written.append(repr(values[minute]))
        else:
            written.append("stale" if minute - minutes.step in values else "_")
    return " ".join(written)


_FAILED = re.compile(r"time: (\w+),\s+exp: nil\s+got: (.*)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_TIME = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:0s)?")


def _firing(output: str) -> Iterable[tuple[int, dict[str, str]]]:
    """(minute, labels) of every alert that fires, out of what promtool says it did not expect."""
    failed = _FAILED.findall(output)
    assert len(failed) == output.count("exp: nil"), output[-3000:]
    for time, got in failed:
        match = _TIME.fullmatch(time)
        assert match, time
        weeks, days, hours, minutes = (int(part or 0) for part in match.groups())
        for line in re.findall(r"\{[^}]*\}", got):
            yield ((weeks * 7 + days) * 24 + hours) * 60 + minutes, dict(_LABEL.findall(line))


def _episodes(firing: Iterable[tuple[int, dict[str, str]]], step: int) -> Iterable[Episode]:
    at: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for minute, labels in firing:
        at.setdefault(tuple(sorted(labels.items())), []).append(minute)
    for labels, minutes in at.items():
        named, there = dict(labels), set(minutes)
        for first in (m for m in minutes if m - step not in there):
            last = first
            while last + step in there:
                last += step
            yield Episode(alert=named["alertname"], severity=named["severity"], labels=labels, first=first, last=last)
