"""The weekly drift verdicts on CISA's vulnrichment, and which classes moved: docs/real-drift.md.

LABELMON_DATA=~/data make real-data
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from labelmon.check import GaugeSlo
from labelmon.checks import check_named
from labelmon.config import load
from labelmon.families import Families
from labelmon.model import Dataset, Estimate, Measurement
from labelmon.once import measure_once
from labelmon.pseudonyms import Pseudonyms
from labelmon.stores import open_store

CONFIG = Path(__file__).parents[2] / "examples" / "vulnrichment.yaml"
CHECK = check_named("label_drift")
FIRST, LAST = datetime(2024, 2, 12, tzinfo=UTC), datetime(2024, 10, 28, tzinfo=UTC)
MOVED = 0.01
NOBODY = Pseudonyms(keys=(b"k" * 32,))


def watched() -> list[Dataset]:
    """The tasks that watch drift, each with the check's own settings: four weeks before, its own effect floor."""
    found = []
    for dataset in load(CONFIG).datasets.values():
        for objective in dataset.objectives.get(CHECK.name, ()):
            assert isinstance(CHECK.slo, GaugeSlo)
            usual = replace(objective, value=CHECK.slo.at_most, settings={})
            found.append(replace(dataset, objectives={CHECK.name: (usual,)}))
    return found


def weeks() -> Iterator[tuple[datetime, dict[str, tuple[Measurement, ...]]]]:
    """Every ISO week with four before it: its end, and what is said of each task."""
    stores = {name: open_store(spec) for name, spec in load(CONFIG).stores.items()}
    at = FIRST
    while at <= LAST:
        readings = [measure_once(d, stores, [CHECK], at.timestamp() - 0.001, NOBODY) for d in watched()]
        families = Families()
        for reading in readings:
            families.note(reading.dataset.name, reading.measurements, [CHECK])
        yield at, {r.dataset.name: (*r.measurements, *families.adjusted(r.measurements, [CHECK])) for r in readings}
        at += timedelta(days=7)


def verdict(measurements: tuple[Measurement, ...]) -> tuple[str, Estimate, Estimate, list[str]]:
    """(verdict, excess, adjusted p-value, moving classes) by the rule of the generated alert."""
    assert isinstance(CHECK.slo, GaugeSlo)
    assert CHECK.slo.at_most is not None
    (threshold,) = CHECK.slo.thresholds
    said = {m.estimate.statistic: m.estimate for m in measurements if not m.estimate.labels}
    excess, chance = said[threshold.statistic], said[CHECK.adjusted.name]
    if excess.value is None or chance.value is None or excess.n < threshold.at_least:
        return "too few", excess, chance, []
    if excess.value <= CHECK.slo.at_most or chance.value >= threshold.p_below:
        return "-", excess, chance, []
    shifts = {m.estimate.labels["class"]: m.estimate.value or 0.0 for m in _of(measurements, "kl_contribution_nats")}
    moved = {
        m.estimate.labels["class"] for m in _of(measurements, "class_p_value") if (m.estimate.value or 0.0) < MOVED
    }
    order = sorted(moved, key=lambda name: -abs(shifts.get(name, 0.0)))
    return "**drift**", excess, chance, [f"{name} {'up' if shifts[name] > 0 else 'down'}" for name in order]


def _of(measurements: tuple[Measurement, ...], statistic: str) -> Iterator[Measurement]:
    return (m for m in measurements if m.estimate.statistic == statistic)


def drift_page() -> str:
    """The page as Markdown."""
    assert isinstance(CHECK.slo, GaugeSlo)
    (threshold,) = CHECK.slo.thresholds
    lines = [
        "<!-- Written by make real-data -->",
        "",
        "# Weekly drift of real labels",
        "",
        "Five labelling tasks of CISA's vulnrichment, each ISO week of 2024 against the four before it, by the rule of the",
        f"generated ticket: KL beyond chance and the usual change above {CHECK.slo.at_most:g} nats, and a chance below",
        f"{threshold.p_below:g} after adjusting for the five tasks, with {threshold.at_least} labels or more. A class has",
        f"moved where the chance of its own change, adjusted for all classes, is below {MOVED:g}. `python -m",
        "tests.benchmarks.real_data_page` writes this page.",
        "",
        "| week ends | task | labels | KL excess, nats | adjusted p | verdict | what moved |",
        "|---|---|---|---|---|---|---|",
    ]
    for at, said in weeks():
        for name, measurements in said.items():
            what, excess, chance, moved = verdict(measurements)
            value = "-" if excess.value is None else f"{excess.value:.4f}"
            p = "-" if chance.value is None else f"{chance.value:.2g}"
            told = ", ".join(moved[:5]) + (f" and {len(moved) - 5} more" if len(moved) > 5 else "")
            lines.append(f"| {at:%Y-%m-%d} | {name} | {excess.n:,.0f} | {value} | {p} | {what} | {told} |")
    return "\n".join(lines) + "\n"
