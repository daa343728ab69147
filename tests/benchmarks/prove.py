"""Runs every opt-in check and writes docs/proof.json and docs/proof.md; `--stale` prints figures older than their code.

python -m tests.benchmarks.prove [--only NAME ...] [--stale]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROOF, PAGE = ROOT / "docs" / "proof.json", ROOT / "docs" / "proof.md"


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A command whose last JSON object on stdout holds figures, and the code the figures speak of."""

    name: str
    says: str
    module: str
    seed: int
    n: int
    arguments: tuple[str, ...]
    covers: tuple[str, ...]


PROOFS = (
    Proof(
        name="memory_once",
        says="Peak memory of `labelmon once` with three checks over 10 M items, 10 M labels and 10 M audits in Parquet, beside a bare GROUP BY",
        module="tests.benchmarks.memory_once",
        seed=1,
        n=10_000_000,
        arguments=("--rows", "10000000", "--seed", "1"),
        covers=(
            "labelmon/stores",
            "labelmon/once.py",
            "labelmon/reading.py",
            "labelmon/counts.py",
            *(f"labelmon/checks/label_{name}.py" for name in ("accuracy", "latency", "backlog")),
        ),
    ),
    Proof(
        name="calibration",
        says="Simulated over five seeds that no choice was made on: how often every 95 % interval holds the truth; bias and coverage of weighted, clustered audits; false drift tickets and pages of healthy years, and how many drops are found; honest annotators flagged, and bad ones found",
        module="tests.benchmarks.calibration",
        seed=211,
        n=5,
        arguments=("--seeds", "211", "212", "213", "214", "215"),
        covers=(
            "labelmon/estimators",
            # Those of no interval: alerts, gauges that are counted out, and what is tested by itself.
            *(f":(exclude)labelmon/estimators/{name}.py" for name in ("burn", "cusum", "queue", "versions")),
            *(
                f"labelmon/checks/{name}.py"
                for name in (
                    *("auto_confidence", "concept_drift", "label_accuracy", "label_break", "label_cost", "label_delay"),
                    *("label_drift", "label_rules", "number_agreement", "pair_agreement", "pipeline_stall"),
                )
            ),
        ),
    ),
    Proof(
        name="alerts",
        says="Error budget alerts on simulated audits at objectives of 95 and 99 % and 5 to 1000 audits an hour, evaluated every minute beside the plain rule of Google's SRE workbook: false pages and tickets of 1,000 healthy months of each, hours from the start of 500 faults to the alert and from their end until it resolves, and Lorden's bound; docs/alerts.md shows them as tables",
        module="tests.benchmarks.alerts",
        seed=1,
        n=1000,
        arguments=("--seed", "1", "--months", "1000", "--runs", "500"),
        covers=(
            "labelmon/profiles.py",
            "labelmon/standing.py",
            *(f"labelmon/estimators/{name}.py" for name in ("burn", "cusum", "proportion")),
            "labelmon/walk.py",
            *(f"labelmon/alerting/{name}.py" for name in ("plain", "rules", "tiers")),
        ),
    ),
    Proof(
        name="real_data",
        says="Figures of `labelmon once` on four real data sets that equal those of independent libraries to 1e-9, every week of every task among them",
        module="tests.benchmarks.real_data",
        seed=0,
        n=4,
        arguments=(),
        covers=(
            "labelmon/stores",
            "labelmon/once.py",
            "labelmon/reading.py",
            *(
                f"labelmon/estimators/{name}.py"
                for name in ("proportion", "agreement", "kappa", "jackknife", "drift", "queue", "coverage")
            ),
            *(f"labelmon/checks/label_{name}.py" for name in ("accuracy", "backlog", "coverage", "drift", "join")),
            *(
                f"labelmon/checks/{name}.py"
                for name in ("annotator_agreement", "prediction_drift", "prediction_validated")
            ),
            "examples",
        ),
    ),
    Proof(
        name="scale",
        says="What 1,000 datasets with 12 objectives each, one in twenty of them burning, cost the scrape of one daemon and a real Prometheus with the generated rules on two cores at 60 s: the slowest of all scrapes and evaluations, memory, the cost of one objective, and that exactly the alerts of what burns fire",
        module="tests.benchmarks.scale",
        seed=0,
        n=12_000,
        arguments=("--datasets", "1000", "--slos", "12"),
        covers=(
            "labelmon/alerting",
            "labelmon/exporter.py",
            "labelmon/selfmetrics.py",
            "labelmon/samples.py",
            "labelmon/daemon.py",
            "labelmon/web",
        ),
    ),
    Proof(
        name="ledger_size",
        says="Size of the ledger of one dataset with three checks after a year of 1,200 items a day: minutes for two days, hours for a month, days for the rest",
        module="tests.benchmarks.ledger_size",
        seed=1,
        n=365,
        arguments=("--days", "365", "--seed", "1"),
        covers=(
            "labelmon/ledger.py",
            "labelmon/cells.py",
            "labelmon/recount.py",
            *(f"labelmon/checks/label_{name}.py" for name in ("accuracy", "latency", "backlog")),
        ),
    ),
)


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def prove(only: list[str]) -> int:
    known = json.loads(PROOF.read_text()) if PROOF.exists() else {}
    found, worst = {proof.name: known[proof.name] for proof in PROOFS if proof.name in known}, 0
    for proof in PROOFS:
        if proof.name not in only:
            continue
        command = [sys.executable, "-m", proof.module, *proof.arguments]
        print(f"proving {proof.name} ...", flush=True)
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        worst = max(worst, done.returncode)
        print(done.stdout, done.stderr, sep="\n")
        found[proof.name] = {
            "says": proof.says,
            "command": f"python -m {proof.module} {' '.join(proof.arguments)}",
            "seed": proof.seed,
            "n": proof.n,
            "figures": json.loads(done.stdout) if done.stdout.strip() else {"failed": True},
            "commit": git("rev-parse", "HEAD"),
        }
    PROOF.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")
    PAGE.write_text(page(found))
    return worst


def page(found: dict[str, dict[str, object]]) -> str:
    lines = [
        "# Proof",
        "",
        "What is too heavy for every run, as `make prove` last measured it. Rendered from proof.json.",
        "",
    ]
    for name, one in sorted(found.items()):
        lines += [
            f"## {name}",
            "",
            f"{one['says']}.",
            "",
            f"- command: `{one['command']}`",
            f"- seed {one['seed']}, n {one['n']}, commit {str(one['commit'])[:12]}",
        ]
        lines += [f"- {key}: {value}" for key, value in one["figures"].items()]  # type: ignore[attr-defined]
        lines.append("")
    return "\n".join(lines)


def stale() -> int:
    known = json.loads(PROOF.read_text()) if PROOF.exists() else {}
    old = []
    for proof in PROOFS:
        commit = known.get(proof.name, {}).get("commit", "")
        if not commit:
            old.append(f"{proof.name}: never proven")
        elif not git("cat-file", "-t", commit):
            old.append(f"{proof.name}: proven at an unknown commit")
        elif git("diff", "--name-only", commit, "HEAD", "--", *proof.covers):
            old.append(f"{proof.name}: its code changed since {commit[:12]}")
    print("\n".join(old) or f"{len(PROOFS)} figures are as new as the code they cover")
    return 0


def main() -> int:
    names = [proof.name for proof in PROOFS]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.prove", description=__doc__)
    parser.add_argument("--stale", action="store_true", help="print figures older than their code; prove nothing")
    parser.add_argument("--only", choices=names, nargs="+", default=names, help="prove these; keep the others' figures")
    asked = parser.parse_args()
    return stale() if asked.stale else prove(asked.only)


if __name__ == "__main__":
    sys.exit(main())
