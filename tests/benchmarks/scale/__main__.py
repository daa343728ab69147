"""What 1,000 datasets with 12 objectives each cost a daemon's scrape and the rules of a real Prometheus.

python -m tests.benchmarks.scale [--datasets 1000] [--slos 12] [--seconds 360]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.scale.run import Plan, run
from tests.benchmarks.scale.worlds import OBJECTIVES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale", description=__doc__)
    parser.add_argument("--datasets", type=int, default=1000)
    parser.add_argument("--slos", type=int, default=len(OBJECTIVES), choices=range(1, len(OBJECTIVES) + 1))
    parser.add_argument("--seconds", type=float, default=360.0, help="how long Prometheus runs at least")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Plan(datasets=asked.datasets, slos=asked.slos, seconds=asked.seconds), Path(folder))
    del figures["alerts"], figures["group_shares"]  # by the hundred
    print(json.dumps(figures, indent=2))
    return 1 if figures["goals_missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
