"""A SQLite store with every relation and every role, and `labelmon once` over it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from labelmon.cli import main
from labelmon.roles import RELATIONS

AT = "2026-03-02T00:00:00Z"
STATES = {"ok", "insufficient", "not_computable"}
Row = Mapping[str, object]
Found = list[dict[str, Any]]


def once(
    folder: Path,
    tables: Mapping[str, Iterable[Row]],
    objectives: Mapping[str, object],
    *,
    leave_out: Iterable[str] = (),
    at: str = AT,
    **dataset: object,
) -> Found:
    """The measurements over `tables`; a row's missing roles are NULL, roles in `leave_out` are not mapped."""
    unmapped = set(leave_out)
    path = folder / "full.db"
    path.unlink(missing_ok=True)
    relations = {}
    with closing(sqlite3.connect(path)) as db, db:
        for name in tables:
            roles = [role for role in RELATIONS[name].names if f"{name}.{role}" not in unmapped]
            relations[name] = {"columns": {role: role for role in roles}}
            db.execute(f"CREATE TABLE {name} ({', '.join(roles)})")
            marks = ", ".join("?" * len(roles))
            rows = [tuple(row.get(role) for role in roles) for row in tables[name]]
            db.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
    config = {
        "stores": {"s": {"url": f"sqlite:///{path}"}},
        "datasets": {"full": {"relations": relations, "objectives": dict(objectives), **dataset}},
    }
    file = folder / "labelmon.yaml"
    file.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    done = CliRunner().invoke(main, ["once", "--config.file", str(file), "--format", "json", "--at", at])
    assert done.exit_code == 0, (done.output, done.exception)
    found: Found = json.loads(done.stdout)["measurements"]
    for m in found:
        assert m["state"] in STATES, m
        assert (m["reason"] != "") == (m["state"] != "ok"), m
        assert m["value"] is not None or m["state"] != "ok", m
        ends = [end for end in (m["low"], m["value"], m["high"]) if end is not None]
        assert ends == sorted(ends), m
    return found


def one(found: Found, statistic: str, check: str = "", **labels: str) -> dict[str, Any]:
    """The one measurement of a statistic under exactly these labels."""
    hits = [m for m in found if m["statistic"] == statistic and m["labels"] == labels and check in {"", m["check"]}]
    assert len(hits) == 1, (statistic, labels, [(m["statistic"], m["labels"]) for m in found])
    return hits[0]


def day(n: int, hour: int = 12) -> str:
    """A day of February 2026; 30 days before AT are all of it."""
    return f"2026-02-{1 + n % 28:02d}T{hour:02d}:00:00Z"
