"""docs/alerts.md from the figures of the alerts in docs/proof.json: `python -m tests.benchmarks.alerts.page`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.benchmarks.alerts.cells import HORIZONS, REPAIR, Cell, delay_cells, null_cells
from tests.benchmarks.prove import PROOF, ROOT

PAGE = ROOT / "docs" / "alerts.md"
Figures = Mapping[str, Any]


def main() -> int:
    known = json.loads(PROOF.read_text())
    if "alerts" not in known:
        print(f"{PROOF} has no figures of alerts: python -m tests.benchmarks.prove --only alerts", file=sys.stderr)
        return 1
    PAGE.write_text(page(known["alerts"]))
    return 0


def page(proof: Mapping[str, Any]) -> str:
    """The page of one entry of proof.json."""
    figures: Mapping[str, Figures] = proof["figures"]
    months, runs = (_size(figures, name) for name in ("months", "runs"))
    return "\n".join(
        [
            "# How soon the error budget alerts tell, and how often they cry wolf",
            "",
            (
                f"Simulated with `{proof['command']}` (seed {proof['seed']}, commit {str(proof['commit'])[:12]}): "
                f"{months:,} dataset-months of each row without a fault, {runs:,} faults of each row with one. Rendered from "
                "proof.json by `python -m tests.benchmarks.alerts.page`."
            ),
            "",
            *_reading(),
            "",
            "## From the start of a fault to the alert",
            "",
            (
                "Median, and in brackets the time by which 90 % of the faults are told of. The true error is the burn rate "
                "times the budget, at most all of the audits. A share stands where fewer were told of within "
                f"{_days(2)} (2x), {_days(6)} (6x) and {_days(20)} (20x)."
            ),
            "",
            *_table(
                ("objective", "audits an hour", "burn rate", "page", "plain", "ticket", "plain", "Lorden's bound"),
                (_delay_row(cell, figures[cell.name]) for cell in delay_cells() if cell.name in figures),
            ),
            "",
            "## From the end of a fault until the alert resolves",
            "",
            f"The fault ends {REPAIR} minutes after the alert: the page, or the ticket at 2x.",
            "",
            *_table(
                ("objective", "audits an hour", "burn rate", "resolves", "plain"),
                (_reset_row(cell, figures[cell.name]) for cell in delay_cells() if cell.name in figures),
            ),
            "",
            "## False alerts of a dataset in 30 days",
            "",
            "What was counted, and in brackets the upper end of its one-sided 95 % Poisson interval.",
            "",
            *_table(
                ("objective", "audits an hour", "true error", "pages", "plain", "tickets", "plain"),
                (_null_row(cell, figures[cell.name]) for cell in null_cells() if cell.name in figures),
            ),
            "",
            _goals(figures["goals_missed"]),
            "",
        ]
    )


def _reading() -> Sequence[str]:
    return (
        (
            "An alert can be early, or right, but few audits do not allow both: at 5 audits an hour and an objective "
            "of 99 % one wrong audit in a quiet hour is twenty times the budget. The plain rule of Google's SRE "
            "workbook (`plain`: both burn rates above the factor) pages on it, so where audits are few it is the "
            "quicker of the two in the first table and wrong nearly every day in the last. Its slowest ticket asks "
            "for a burn rate above 1, which a dataset that spends exactly its budget has half of the time. labelmon "
            "waits for proof. Where audits are many proof comes before the plain rule's windows have filled, and it "
            "is the quicker one. How long proof must take is no matter of taste: Lorden's bound is the mean delay "
            "that no rule stays below which raises one false alert in ten months. Medians may be a little below it, "
            "and so are the rows of a rule that raises more than that; a rule far above it leaves evidence unused."
        ),
        "",
        (
            "Look up the row that is nearest to your own audits, by objective and by audits an hour. If the delay at "
            "a burn rate that would hurt you is too long there, audit more: it falls in proportion to the audits "
            "that arrive. A fault at 2x is for a ticket, and takes days where audits are few; that a page may follow "
            "is no false alarm. False alerts are counted where the true error is exactly the budget or half of it, "
            "both of which keep the objective. Audits that come in batches of 20 and err together (intra-cluster "
            "correlation .1) are the last rows: they count by their design effect of 2.9, as `label_accuracy` "
            "measures it where audits name their cluster. Windows end two minutes before they are looked at, the "
            "time that rows are given to become visible, and the delays hold that; what scraping and the grouping of "
            "Alertmanager add is not in them. Audits are taken to arrive at once and at one rate by day and night, "
            "and the daemon to have had a day of them to read when it started."
        ),
    )


def _delay_row(cell: Cell, found: Figures) -> list[str]:
    return [
        *_cell(cell, f"{cell.burn:g}x"),
        *(_delay(found, f"{rule}_{level}") for level in ("page", "ticket") for rule in ("labelmon", "plain")),
        _hours(found["lorden"]),
    ]


def _reset_row(cell: Cell, found: Figures) -> list[str]:
    return [*_cell(cell, f"{cell.burn:g}x"), *(_delay(found, f"{rule}_reset") for rule in ("labelmon", "plain"))]


def _null_row(cell: Cell, found: Figures) -> list[str]:
    error = "at the budget" if cell.burn == 1 else f"{cell.burn:g} of the budget"
    counted = [
        f"{_rate(found[f'{rule}_{level}'])} ({_rate(found[f'{rule}_{level}_upper'])})"
        for level in ("pages", "tickets")
        for rule in ("labelmon", "plain")
    ]
    return [*_cell(cell, error), *counted]


def _cell(cell: Cell, third: str) -> list[str]:
    return [f"{cell.objective:.0%}".replace("%", " %"), f"{cell.per_hour}{' in batches' * cell.clustered}", third]


def _delay(found: Figures, name: str) -> str:
    median, p90, seen = (found[f"{name}_{what}"] for what in ("median", "p90", "seen"))
    if median is None:
        return "-" if seen is None else f"{seen:.0%}".replace("%", " %")
    return f"{_hours(median)} ({_hours(p90) if p90 is not None else 'longer'})"


def _rate(alerts: float) -> str:
    return f"{alerts:.3f}" if alerts < 0.1 else f"{alerts:.2f}"


def _hours(hours: float) -> str:
    if hours < 1:
        return f"{max(1, round(hours * 60))} min"
    return f"{hours:.1f} h" if hours < 100 else f"{hours:.0f} h"


def _days(burn: int) -> str:
    return f"{HORIZONS[burn] // (24 * 60)} days"


def _size(figures: Mapping[str, Any], name: str) -> int:
    return min(int(found[name]) for found in figures.values() if isinstance(found, Mapping) and name in found)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _goals(missed: str | list[str]) -> str:
    if missed == "none":
        return "All goals of the benchmark were met."
    return "Goals that were missed:\n\n" + "\n".join(f"- {one}" for one in missed)


if __name__ == "__main__":
    sys.exit(main())
