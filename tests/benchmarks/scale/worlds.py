"""A few label stores, one of them gone bad half a day ago, and the config of a fleet that watches them."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import yaml

EVERY = 240  # seconds from one item to the next
DAYS = 4  # longer than the longest window that pages or opens a ticket on dense data
FAULT = 12 * 3600  # how long ago the bad store went bad
AHEAD = 2 * 3600  # rows are written in advance: they come into being as the clock passes them
QUIET = 3
BURNS_EVERY = 20  # one dataset in so many burns: 5 %
BAD = "bad"

COLUMNS = {
    "items": ("item", "arrived_at"),
    "labels": ("item", "label", "annotator", "labeled_at", "tool"),
    "audits": ("item", "label", "truth", "audited_at"),
    "reviews": ("item", "label", "corrected_label", "reviewed_at"),
    "validations": ("item", "rule", "passed", "checked_at"),
}
# Alternating, so that any number of them has both kinds; two in three are budgets of events, as in the catalogue's
# default objectives of a dataset with these relations.
OBJECTIVES: dict[str, dict[str, object]] = {
    "label_accuracy": {"target": 0.95},
    "label_backlog": {"at_most": "6h"},
    "label_latency": {"target": 0.99, "within": "1h"},
    "label_coverage": {"at_least": 0.98},
    "schema_mismatch": {"target": 0.99},
    "validator_pass": {"target": 0.99},
    "annotator_agreement": {"at_least": 0.8, "settle": "1h"},
    "label_corrections": {"target": 0.98},
    "label_provenance": {"target": 0.99},
    "audit_health": {"at_most": "7d"},
    "audit_join": {"target": 0.95},
    "label_join": {"target": 0.95},
}
Row = tuple[str, tuple[object, ...]]


def name_of(index: int) -> str:
    """The name of the fleet's dataset `index`, from 0."""
    return f"dataset-{index:04d}"


def burns(index: int) -> bool:
    return index % BURNS_EVERY == 0


def config_text(folder: Path, datasets: int, slos: int, interval: str, alerting: dict[str, str]) -> str:
    """A config in which `datasets` datasets with `slos` objectives each watch the stores in `folder`."""
    stores = [BAD, *(f"quiet{n}" for n in range(QUIET))]
    objectives = dict(list(OBJECTIVES.items())[:slos])

    def dataset(index: int) -> dict[str, object]:
        store = BAD if burns(index) else f"quiet{index % QUIET}"
        relations = {name: {"store": store, "columns": {c: c for c in columns}} for name, columns in COLUMNS.items()}
        return {
            "pipeline": f"pipeline-{index % 50}",
            "owner": {"team": f"team-{index % 100}"},
            "interval": interval,
            "classes": ["x", "y", "z"],
            "relations": relations,
            "objectives": objectives,
        }

    whole = {
        "ledger": {"url": f"sqlite:///{folder / 'ledger.db'}"},
        "stores": {name: {"url": f"sqlite:///{folder / name}.db"} for name in stores},
        "alerting": alerting,
        "datasets": {name_of(index): dataset(index) for index in range(datasets)},
    }
    dumper = yaml.SafeDumper
    dumper.ignore_aliases = lambda *_: True  # type: ignore[method-assign]  people write no anchors
    return yaml.dump({key: value for key, value in whole.items() if value}, Dumper=dumper, sort_keys=False)


def write_stores(folder: Path, now: float) -> None:
    """All stores, with rows from DAYS before `now` to AHEAD after it."""
    _write(folder / f"{BAD}.db", now, 0, bad=True)
    for n in range(QUIET):
        _write(folder / f"quiet{n}.db", now, n + 1, bad=False)


def _write(path: Path, now: float, seed: int, *, bad: bool) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        for name, columns in COLUMNS.items():
            db.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
            db.execute(f"CREATE INDEX {name}_item ON {name} (item)")
        for table, row in _rows(now, random.Random(seed), bad=bad):
            db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def _rows(now: float, rng: random.Random, *, bad: bool) -> Iterator[Row]:
    """Each item with two labels, an audit, a review and a validation; errors well below every budget until a fault.

    After the fault four audits in ten are wrong, half of the labels are two hours late, a third of them are outside
    the schema, and two items in five are never labelled.
    """
    first = int(now) - DAYS * 86_400
    for n, at in enumerate(range(first, int(now) + AHEAD, EVERY)):
        item, label = f"i{n}", rng.choice("xyz")
        broken = bad and at > now - FAULT
        labeled = at + (7200 if broken and rng.random() < 0.5 else 60)
        yield "items", (item, _iso(at))
        if broken and rng.random() < 0.4:
            continue
        for annotator in ("p", "q"):
            said = "W" if broken and rng.random() < 0.3 else label
            yield "labels", (item, said, annotator, _iso(labeled), "t")
        wrong = rng.random() < (0.4 if broken else 0.01)
        truth = rng.choice([c for c in "xyz" if c != label]) if wrong else label
        yield "audits", (item, label, truth, _iso(labeled + 60))
        corrected = label if rng.random() > 0.002 else truth
        yield "reviews", (item, label, corrected, _iso(labeled + 90))
        yield "validations", (item, "r", 0 if n % 1000 == 999 else 1, _iso(labeled + 30))


def _iso(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat().replace("+00:00", "Z")
