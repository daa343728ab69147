"""How well audits drawn as a survey speak for all labels, by simulation: bias of the accuracy, coverage of its interval.

Each replicate makes up 12,000 labels in five strata of unequal size and quality: two of them audited by whole batches
whose labels err together, two by single labels (the rare one often without any audit, since each of its labels is drawn
by itself with probability 1/60), and one that holds no label at all. The truth is the population's own accuracy. The
estimate is what `label_accuracy` makes of the audits: weights are inverse inclusion probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelmon.check import Moment
from labelmon.checks import check_named
from labelmon.counts import Counts

CHECK = check_named("label_accuracy")
PART = next(part for part in CHECK.parts if part.name == "clusters")
BATCH = 10
COVERAGE = (0.93, 0.97)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A stratum: how many labels, their accuracy, how alike those of a batch are, and how many batches or labels to audit."""

    name: str
    size: int
    accuracy: float
    alike: float = 0.0
    batches: int = 0
    labels: int = 0
    chance: float = 0.0


LAYERS = (
    Layer(name="bulk", size=8000, accuracy=0.93, alike=0.05, batches=40),
    Layer(name="night", size=3000, accuracy=0.85, alike=0.1, batches=25),
    Layer(name="hard", size=880, accuracy=0.7, labels=80),
    Layer(name="rare", size=120, accuracy=0.6, chance=1 / 60),
    Layer(name="closed", size=0, accuracy=1.0, labels=0),
)


def populate(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Right (1) or wrong (0), batch after batch; the batches of a stratum differ by a beta distribution."""
    made = {}
    for layer in LAYERS:
        groups = layer.size // BATCH
        if layer.alike:
            spread = 1 / layer.alike - 1
            chances = rng.beta(layer.accuracy * spread, (1 - layer.accuracy) * spread, groups)
        else:
            chances = np.full(groups, layer.accuracy)
        made[layer.name] = (rng.random((groups, BATCH)) < chances[:, None]).astype(float)
    return made


def audit(rng: np.random.Generator, labels: dict[str, np.ndarray]) -> list[tuple[str, str, float, int, float]]:
    """(stratum, batch or '', weight, audits, right ones) of every audited batch or set of single labels."""
    found = []
    for layer in LAYERS:
        rows = labels[layer.name]
        drawn, weight = rows.ravel(), 0.0
        if layer.batches:
            weight = len(rows) / layer.batches
            chosen = rng.choice(len(rows), layer.batches, replace=False)
            found += [(layer.name, f"{layer.name}-{one}", weight, BATCH, float(rows[one].sum())) for one in chosen]
            continue
        if layer.chance:
            drawn, weight = drawn[rng.random(len(drawn)) < layer.chance], 1 / layer.chance
        elif layer.labels:
            drawn, weight = rng.choice(drawn, layer.labels, replace=False), layer.size / layer.labels
        if len(drawn):
            found.append((layer.name, "", weight, len(drawn), float(drawn.sum())))
    return found


def counted(audits: list[tuple[str, str, float, int, float]]) -> tuple[Counts, Counts]:
    """The counts of the check by stratum, and those of its part by stratum and cluster."""
    ops = {**PART.ops, "good": CHECK.ops["good"]}
    rows = [(s, c, n, w * n, w * r, w * w * n, w * w * r, r) for s, c, w, n, r in audits]
    both = Counts.of(("stratum", "cluster"), ops, rows)
    return both.project(("stratum",)), both


def figures(seed: int, draws: int) -> tuple[dict[str, object], list[str]]:
    """What was measured, and the goals that were missed."""
    rng = np.random.default_rng(seed)
    errors, naive, effects = [], [], []
    held = without = 0
    for _ in range(draws):
        labels = populate(rng)
        right = np.concatenate([rows.ravel() for rows in labels.values()])
        truth = float(right.mean())
        audits = audit(rng, labels)
        by_stratum, by_cluster = counted(audits)
        effect = PART.estimate(by_cluster, Moment(at=0))[0].value
        accuracy = CHECK.estimate(by_stratum, Moment(at=0, design_effect=effect))[0]
        errors.append(accuracy.value - truth)
        held += accuracy.low <= truth <= accuracy.high
        effects.append(effect)
        without += all(stratum != "rare" for stratum, *_ in audits)
        naive.append(sum(r for *_, r in audits) / sum(n for *_, n, _ in audits) - truth)
    bias, spread = float(np.mean(errors)), float(np.std(errors, ddof=1) / np.sqrt(draws))
    coverage = held / draws
    missed = []
    if not COVERAGE[0] <= coverage <= COVERAGE[1]:
        missed.append(f"seed {seed}: coverage {coverage:.3f} of weighted audits; want {COVERAGE[0]} to {COVERAGE[1]}")
    return {
        "mean_bias": round(bias, 6),
        "standard_error_of_bias": round(spread, 6),
        "coverage": round(coverage, 4),
        "mean_design_effect": round(float(np.mean(effects)), 3),
        "draws_without_the_rare_stratum": without,
        "mean_bias_without_weights": round(float(np.mean(naive)), 5),
    }, missed


def together(found: Sequence[Mapping[str, object]]) -> tuple[dict[str, object], list[str]]:
    """The bias over the draws of all seeds, and the goal if it was missed.

    Seed by seed one in 22 would be beyond two standard errors where there is no bias at all; and all draws together
    show one of half the size.
    """
    bias = float(np.mean([one["mean_bias"] for one in found]))  # type: ignore[arg-type]
    spread = float(np.sqrt(np.sum([float(one["standard_error_of_bias"]) ** 2 for one in found]))) / len(found)  # type: ignore[arg-type]
    said = f"{bias:+.6f}, {abs(bias) / spread:.2f} standard errors"
    missed = [f"bias of audits {said}; want < 2"] if abs(bias) >= 2 * spread else []
    return {"audits: mean bias over all draws": said}, missed
