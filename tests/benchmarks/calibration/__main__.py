"""Runs the calibrations; see the package. Exits with 1 and a list where a goal is missed.

Coverage of intervals and the bias of audits are judged over all seeds together, everything else seed by seed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import Future, ProcessPoolExecutor

from tests.benchmarks.calibration import annotators, audits, behaviour, concept, drift, intervals

# What one seed runs: replicates of each cell, draws, years of twenty datasets, weeks of them, rounds of forty annotators.
ROUNDS = {"intervals": 200, "audits": 2000, "drift": 1, "concept": 52, "annotators": 3000, "behaviour": 900}
RUNS = {
    "intervals": intervals.coverages,
    "audits": audits.figures,
    "drift": drift.figures,
    "concept": concept.figures,
    "annotators": annotators.figures,
    "behaviour": behaviour.figures,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.calibration", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--only", choices=sorted(RUNS), nargs="+", default=list(RUNS))
    parser.add_argument("--rounds", type=int, help="instead of each part's own number")
    asked = parser.parse_args()
    figures: dict[str, object] = {}
    missed: list[str] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs: dict[tuple[str, int], Future[object]] = {
            (name, seed): pool.submit(RUNS[name], seed, asked.rounds or ROUNDS[name])
            for name in asked.only
            for seed in asked.seeds
        }
        for name in asked.only:
            results = {seed: runs[name, seed].result() for seed in asked.seeds}
            if name == "intervals":
                first = intervals.together(list(results.values()))  # type: ignore[arg-type]
                replicates = asked.rounds or ROUNDS[name]
                more = {
                    place: [pool.submit(intervals.measure_again, seed, place, replicates) for seed in asked.seeds]
                    for place in intervals.doubtful(first)
                }
                again = {place: _mean([one.result() for one in by_seed]) for place, by_seed in more.items()}
                found, problems = intervals.figures(first, again)
                figures |= found
                missed += problems
                continue
            for seed, (found, problems) in results.items():  # type: ignore[misc]
                figures |= {f"{name}, seed {seed}: {key}": value for key, value in found.items()}
                missed += problems
            if name == "audits":
                found, problems = audits.together([found for found, _ in results.values()])  # type: ignore[misc]
                figures |= found
                missed += problems
    figures["goals_missed"] = missed or "none"
    print(json.dumps(figures))
    return 1 if missed else 0


def _mean(found: list[dict[str, float]]) -> dict[str, float]:
    return {key: sum(one[key] for one in found) / len(found) for key in found[0]}


if __name__ == "__main__":
    sys.exit(main())
