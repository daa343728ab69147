"""How large the ledger grows: one dataset with three checks, a year of history at 1,200 items a day.

python -m tests.benchmarks.ledger_size [--days 365] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from labelmon.demo.simulate import World

CONFIG = """
stores: {labels: {url: "sqlite:///labels.db", statement_timeout: 10m}}
datasets:
  radiology:
    owner: {team: bench}
    relations:
      items: {columns: {priority: priority}}
      labels: {table: annotations, columns: {label: finding, annotator: reader, labeled_at: read_at}}
      audits: {}
    objectives:
      label_accuracy: {target: 0.95}
      label_latency: {target: 0.9, within: 1h}
      label_backlog: {at_most: 1d}
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = World(path=folder / "labels.db", seed=asked.seed)
        items = world.write_history(time.time(), days=asked.days)
        world.close()
        (folder / "labelmon.yaml").write_text(CONFIG)
        since = (datetime.now(UTC) - timedelta(days=asked.days + 1)).isoformat()
        command = [sys.executable, "-m", "labelmon", "backfill", "--since", since]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        db = sqlite3.connect(folder / "labelmon.db")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cells = db.execute("SELECT count(*) FROM labelmon_cells").fetchone()[0]
        db.close()
        size = (folder / "labelmon.db").stat().st_size
    print(json.dumps({"days": asked.days, "items": items, "cells": cells, "ledger_kb": round(size / 1000)}, indent=2))


if __name__ == "__main__":
    main()
