"""Runs the benchmark; see the package. Exits with 1 and a list where a goal is missed."""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np

from tests.benchmarks.alerts.cells import delay_cells, delays, false_alerts, null_cells
from tests.benchmarks.alerts.goals import missed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.alerts", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--months", type=int, default=1000, help="of each cell without a fault")
    parser.add_argument("--runs", type=int, default=500, help="of each cell with a fault")
    parser.add_argument("--only", default="", help="cells whose name has this in it")
    asked = parser.parse_args()
    jobs = [(cell, false_alerts, asked.months) for cell in null_cells()]
    jobs += [(cell, delays, asked.runs) for cell in delay_cells()]
    figures: dict[str, object] = {}
    problems: list[str] = []
    for place, (cell, ask, size) in enumerate(jobs):
        if asked.only not in cell.name:
            continue
        begun = time.monotonic()
        found = ask(np.random.default_rng([asked.seed, place]), cell, size)
        print(f"{cell.name} ({time.monotonic() - begun:.0f} s): {found}", file=sys.stderr, flush=True)
        figures[cell.name] = found
        problems += missed(cell, found)
    figures["goals_missed"] = problems or "none"
    print(json.dumps(figures))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
