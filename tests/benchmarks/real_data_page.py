"""What labelmon says of four public data sets: the table in the README, docs/real-data.md and its plots.

LABELMON_DATA=~/data make real-data
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import matplotlib as mpl
from matplotlib import dates
from matplotlib import pyplot as plt

from labelmon.checks import catalogue
from labelmon.config import load
from labelmon.model import Measurement
from labelmon.once import measure_once
from labelmon.pseudonyms import Pseudonyms
from labelmon.stores import open_store
from tests.benchmarks.real_drift_page import drift_page

ROOT = Path(__file__).parents[2]
EXAMPLES, DOCS = ROOT / "examples", ROOT / "docs"
BEGIN, END = "<!-- real-data:begin -->", "<!-- real-data:end -->"
LAST = "2024-11-04T00:00:00Z"  # the labels end in the week before
# Config, dataset, what it is, and the moment to look from.
SETS = (
    ("snow-rte", "snow-rte", "textual entailment, 10 annotators an item", None),
    ("bluebirds", "bluebirds", "bird photographs, 39 annotators", None),
    ("relex-crowd", "relex-seed", "medical relations, labelled in one night", None),
    ("vulnrichment", "severity", "severity of vulnerabilities, vendor and CISA", LAST),
    ("vulnrichment", "cwe", "weakness of vulnerabilities, vendor and CISA", LAST),
)
COLUMNS = (
    ("krippendorff_alpha", "alpha"),
    ("gwet_ac1", "AC1"),
    ("percent_agreement", "agreement"),
    ("accuracy", "accuracy of a label"),
    ("majority_vote_accuracy", "of the majority"),
)
WEEKLY = ("ssvc-exploitation", "ssvc-coverage")


@dataclass(frozen=True)
class Week:
    """One week's end and what was measured then, by (dataset, statistic)."""

    at: datetime
    found: dict[tuple[str, str], Measurement]

    def value(self, dataset: str, statistic: str) -> float:
        known = self.found.get((dataset, statistic))
        return float("nan") if known is None or known.estimate.value is None else known.estimate.value


def once(config: str, at: str | None) -> list[dict[str, object]]:
    command = [sys.executable, "-m", "labelmon", "once", "--format", "json"]
    command += ["--config.file", str(EXAMPLES / f"{config}.yaml"), *(["--at", at] if at else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout)["measurements"])


def shown(measurements: list[dict[str, object]], statistic: str) -> str:
    mine = [m for m in measurements if m["statistic"] == statistic and not m["labels"]]
    if not mine or mine[0]["value"] is None:
        return "-"
    low, high = mine[0]["low"], mine[0]["high"]
    return f"{mine[0]['value']:.3f}" + (f" ({low:.3f} to {high:.3f})" if low is not None else "")


def table() -> str:
    names = ["data set", *(name for _, name in COLUMNS), "n"]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    said = {key: once(*key) for key in dict.fromkeys((config, at) for config, _, _, at in SETS)}
    for config, dataset, words, at in SETS:
        mine = [m for m in said[config, at] if m["dataset"] == dataset]
        n = next((m["n"] for m in mine if m["statistic"] == "krippendorff_alpha"), 0)
        cells = [shown(mine, statistic) for statistic, _ in COLUMNS]
        lines.append(f"| {dataset}: {words} | " + " | ".join(cells) + f" | {n:,.0f} items |")
    return "\n".join(lines) + "\n"


def weeks() -> list[Week]:
    """Every ISO week of 2024 that holds labels, as of its end."""
    config = load(EXAMPLES / "vulnrichment.yaml")
    stores = {name: open_store(spec) for name, spec in config.stores.items()}
    found = []
    at = datetime(2024, 1, 8, tzinfo=UTC)
    while at <= datetime(2024, 10, 28, tzinfo=UTC):
        # The instant itself belongs to the next week.
        moment = at.timestamp() - 0.001
        seen: dict[tuple[str, str], Measurement] = {}
        for name in WEEKLY:
            reading = measure_once(config.datasets[name], stores, catalogue(), moment, Pseudonyms(keys=(b"k" * 32,)))
            seen |= {(name, m.estimate.statistic): m for m in reading.measurements if not m.estimate.labels}
        found.append(Week(at, seen))
        at += timedelta(days=7)
    return found


def plot_drift(found: list[Week], path: Path) -> None:
    known = [(w.at, w.found[WEEKLY[0], "kl_divergence_nats"].estimate) for w in found]
    known = [(at, e) for at, e in known if e.value is not None and e.low is not None and e.high is not None]
    figure, axes = plt.subplots(figsize=(8, 3))
    axes.fill_between([a for a, _ in known], [e.low for _, e in known], [e.high for _, e in known], alpha=0.25)
    axes.plot([a for a, _ in known], [e.value for _, e in known], marker="o", markersize=3)
    axes.axhline(0.1, linestyle="--", color="tab:red", linewidth=1)
    axes.text(known[-1][0], 0.1, "objective", color="tab:red", va="bottom", ha="right", fontsize=8)
    axes.set_ylabel("KL, nats")
    axes.set_title("ssvc-exploitation: drift of each week's labels from the week before", fontsize=10)
    finish(figure, axes, path)


def plot_backlog(found: list[Week], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(8, 3))
    at = [w.at for w in found]
    axes.plot(at, [w.value(WEEKLY[1], "coverage") for w in found], label="coverage (left)")
    axes.set_ylim(0, 1)
    axes.set_ylabel("share of items with a label")
    other = axes.twinx()
    other.plot(at, [w.value(WEEKLY[0], "age_p50_seconds") / 86_400 for w in found], color="tab:orange")
    other.set_ylabel("median age of the backlog, days", color="tab:orange")
    axes.set_title("ssvc-exploitation: coverage, and how long the rest has waited", fontsize=10)
    finish(figure, axes, path)


def finish(figure: plt.Figure, axes: plt.Axes, path: Path) -> None:
    axes.xaxis.set_major_formatter(dates.DateFormatter("%b"))
    axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def weekly_table(found: list[Week]) -> str:
    lines = ["| week ends | labels | KL, nats | PSI | JS | backlog | median age |", "|---|---|---|---|---|---|---|"]
    for week in found:
        drift = [week.found.get((WEEKLY[0], s)) for s in ("kl_divergence_nats", "psi", "js_divergence")]
        cells = [f"{m.estimate.value:.4f}" if m and m.estimate.value is not None else "-" for m in drift]
        cells += [
            f"{week.value(WEEKLY[0], 'backlog_items'):,.0f}",
            f"{week.value(WEEKLY[0], 'age_p50_seconds') / 86_400:.1f} d",
        ]
        lines.append(
            f"| {week.at:%Y-%m-%d} | {week.value(WEEKLY[0], 'label_count'):,.0f} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    if not Path(os.environ.get("LABELMON_DATA", "")).is_dir() or not os.environ.get("LABELMON_DATA"):
        print(
            "need LABELMON_DATA, the folder that holds snow_rte, bluebirds, relex_crowd and vulnrichment",
            file=sys.stderr,
        )
        return 2
    mpl.rcParams["svg.hashsalt"] = "labelmon"
    first = table()
    found = weeks()
    plot_drift(found, DOCS / "real-data-drift.svg")
    plot_backlog(found, DOCS / "real-data-backlog.svg")
    page = [
        "<!-- Written by make real-data -->\n",
        "# labelmon on real data\n",
        "Each value with its 95 % interval, as `labelmon once` prints it. `tests/test_real_data.py` holds them to",
        "independent libraries.\n",
        first,
        "## A year of vulnerabilities\n",
        "![Weekly drift](real-data-drift.svg)\n",
        "![Coverage and age of the backlog](real-data-backlog.svg)\n",
        "Of the labels of `ssvc-exploitation`, by week: drift from the last week before that holds labels, with one",
        "pseudo-count on each of the six spellings; the backlog as of the week's end.\n",
        weekly_table(found),
    ]
    (DOCS / "real-data.md").write_text("\n".join(page), encoding="utf-8")
    (DOCS / "real-drift.md").write_text(drift_page(), encoding="utf-8")
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    readme.write_text(f"{before}{BEGIN}\n{first}{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
