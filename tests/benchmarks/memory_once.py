"""Peak memory of `labelmon once` over a large Parquet store, beside the bare GROUP BY on the same file.

python -m tests.benchmarks.memory_once [--rows 10000000] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT_MB = 350
CONFIG = """
stores: {lake: {files: {items: items.parquet, annotations: annotations.parquet, audits: audits.parquet}, statement_timeout: 10m}}
datasets:
  big:
    owner: {team: bench}
    relations:
      items: {}
      labels: {table: annotations, columns: {labeled_at: labeled_at, annotator: annotator}}
      audits: {}
    objectives:
      label_accuracy: {target: 0.95}
      label_latency: {target: 0.9, within: 1h}
      label_backlog: {at_most: 1d}
"""
BARE = "import duckdb; duckdb.sql(\"SELECT label, count(*) FROM read_parquet('annotations.parquet') GROUP BY label\").fetchall()"


def write_store(folder: Path, rows: int, seed: int) -> None:
    import duckdb

    db = duckdb.connect()
    db.execute(f"SELECT setseed({(seed % 1000) / 1000})")
    at = "TIMESTAMPTZ '2026-09-01 00:00:00+00'"
    base = f"FROM range({rows}) t(i)"
    arrived = f"{at} + INTERVAL (i * 2500000 // {max(1, rows)}) SECOND"
    for name, columns in {
        "items": f"'i' || i AS item, {arrived} AS arrived_at",
        "annotations": f"'i' || i AS item, 'class-' || CAST(floor(random() * 20) AS INT) AS label, "
        f"'annotator-' || (i % 300) AS annotator, {arrived} + INTERVAL (CAST(random() * 4000 AS INT)) SECOND AS labeled_at",
        "audits": f"'i' || i AS item, 'a' AS label, CASE WHEN random() < 0.03 THEN 'b' ELSE 'a' END AS truth, "
        f"{arrived} + INTERVAL 1 HOUR AS audited_at",
    }.items():
        # One item in a thousand is never labelled, so that there is a backlog.
        only = "WHERE i % 1000 > 0" if name == "annotations" else ""
        db.execute(f"COPY (SELECT {columns} {base} {only}) TO '{folder}/{name}.parquet' (FORMAT parquet)")
    db.close()


def measured(command: list[str], folder: Path) -> tuple[float, float, str]:
    """(peak MB, seconds, stdout) of a command, by the operating system's own accounting."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        out.seek(0)
        text = out.read()
    if process.returncode:
        raise SystemExit(f"{command[:4]} ended with {process.returncode}\n{text[-2000:]}")
    return usage.ru_maxrss / 1024, seconds, text


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_store(folder, asked.rows, asked.seed)
        (folder / "labelmon.yaml").write_text(CONFIG)
        once = [sys.executable, "-m", "labelmon", "once", "--format", "json", "--at", "2026-09-30T00:00:00Z"]
        peak, seconds, text = measured(once, folder)
        bare_peak, bare_seconds, _ = measured([sys.executable, "-c", BARE], folder)
    said = json.loads(text)
    # Of each check the first statistic, its own: no item has two audits, so there is no majority to speak of.
    states = {m["check"]: m["state"] for m in reversed(said["measurements"])}
    figures = {
        "rows": asked.rows,
        "once_peak_mb": round(peak),
        "bare_group_by_peak_mb": round(bare_peak),
        "peak_ratio": round(peak / bare_peak, 2),
        "time_ratio": round(seconds / bare_seconds, 1),
        "states": states,
        "limit_mb": LIMIT_MB,
        "holds": peak <= LIMIT_MB and set(states.values()) == {"ok"},
    }
    print(json.dumps(figures, indent=2))
    sys.exit(0 if figures["holds"] else 1)


if __name__ == "__main__":
    main()
