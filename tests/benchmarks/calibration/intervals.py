"""How often nominal 95 % intervals hold the truth: a family of simulations for every interval that a check shows.

Among some 200 cells of a thousand replicates each, chance puts a few a point and more beside their truth. So what came
near a limit is measured again by four times as many replicates, drawn afresh, and those alone count: cells below 93 %,
and all cells of a family whose mean is within .3 points of a limit, or beyond it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelmon.check import FOLDS, Estimator, Moment
from labelmon.checks import check_named
from labelmon.counts import ROWS, Counts, Op
from labelmon.estimators.agreement import agreement
from labelmon.estimators.anomaly import annotators_at_fault
from labelmon.estimators.breakdown import share
from labelmon.estimators.classes import f1
from labelmon.estimators.confusion import weighted_classes
from labelmon.estimators.corrections import corrected_for_misses
from labelmon.estimators.drift import Mixes, divergences
from labelmon.estimators.kappa import pairwise_kappa
from labelmon.estimators.sources import errors_by_source
from labelmon.model import Estimate
from tests.benchmarks.calibration import concept, confidence
from tests.benchmarks.calibration.arrivals import draw_arrivals
from tests.benchmarks.calibration.behaviour import draw_seconds
from tests.benchmarks.calibration.delays import draw_delay
from tests.benchmarks.calibration.numbers import draw_numbers
from tests.benchmarks.calibration.pairs import draw_pairs
from tests.benchmarks.calibration.rules import draw_rules

Rng = np.random.Generator
Cell = Mapping[str, float]
Truths = Mapping[str, float]
Coverage = dict[str, dict[str, float]]  # by statistic and cell
Coverages = dict[str, Coverage]  # by family
Place = tuple[str, str]  # family and cell
Draw = Callable[..., tuple[tuple[Estimate, ...], Truths]]
WEIGHED = ("weight", "good_weight", "weight_squared", "good_weight_squared")
WEIGHED_OPS = {ROWS: Op.SUM} | dict.fromkeys(WEIGHED, Op.SUM)
CLASSES = ("low", "middle", "high")
MEAN, LEAST = (0.94, 0.96), 0.92
NEAR_MEAN, NEAR_LEAST, AGAIN = (0.943, 0.957), 0.93, 4


@dataclass(frozen=True, kw_only=True)
class Family:
    """Simulations over a grid: `draw` gives estimates and the truth of those it is asked about, by statistic.

    `speaks_for` are the statistics whose interval is made by the same code, beside those that it draws.
    """

    name: str
    says: str
    grid: Mapping[str, tuple[float, ...]]
    draw: Draw
    speaks_for: tuple[str, ...] = ()

    def cells(self) -> dict[str, dict[str, float]]:
        """The cells of the grid by name."""
        made = (dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values()))
        return {", ".join(f"{key} {value:g}" for key, value in cell.items()): cell for cell in made}

    def coverage(self, seed: int, replicates: int) -> Coverage:
        """Share of replicates whose interval holds the truth, by statistic and cell."""
        found: Coverage = {}
        for place, name in enumerate(self.cells()):
            for statistic, held in self.of_cell(name, [seed, place], replicates).items():
                found.setdefault(statistic, {})[name] = held
        return found

    def of_cell(self, name: str, seed: Sequence[int], replicates: int) -> dict[str, float]:
        """The same of one cell, by statistic."""
        rng, cell = np.random.default_rng(seed), self.cells()[name]
        held: dict[str, list[bool]] = {}
        for _ in range(replicates):
            estimates, truths = self.draw(rng, **cell)
            for statistic, truth in truths.items():
                held.setdefault(statistic, []).append(holds(estimates, statistic, truth))
        return {statistic: float(np.mean(hits)) for statistic, hits in held.items()}


def holds(estimates: tuple[Estimate, ...], statistic: str, truth: float) -> bool:
    """Whether the first interval of `statistic` holds the truth; an estimate without one does not."""
    one = next(e for e in estimates if e.statistic == statistic)
    high = float("inf") if one.high is None and one.low is not None else one.high
    return one.low is not None and high is not None and one.low <= truth <= high


def says(prevalence: float, p: float) -> tuple[np.ndarray, np.ndarray]:
    """Two classes: their prevalences, and the chance of each answer given the true class."""
    return np.array([1 - prevalence, prevalence]), np.array([[p, 1 - p], [1 - p, p]])


def neighbours(p: float) -> tuple[np.ndarray, np.ndarray]:
    """Three classes in order: who errs takes a neighbour, mostly."""
    miss = 1 - p
    return np.array([0.5, 0.3, 0.2]), np.array(
        [[p, 0.8 * miss, 0.2 * miss], [miss / 2, p, miss / 2], [0.2 * miss, 0.8 * miss, p]]
    )


def joint(prevalence: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """The chance of each pair of answers to one item by two annotators."""
    k = len(prevalence)
    table = np.zeros((k, k))
    for true, share_ in enumerate(prevalence):
        for a, b in itertools.product(range(k), range(k)):
            table[a, b] += share_ * answers[true, a] * answers[true, b]
    return table


def chance_corrected(table: np.ndarray, distance: Callable[[int, int], float]) -> float:
    """1 - observed / expected disagreement: kappa of two alike annotators, and alpha in the limit."""
    margin = table.sum(axis=0)
    pairs = list(itertools.product(range(len(table)), repeat=2))
    observed = sum(table[a, b] * distance(a, b) for a, b in pairs)
    return float(1 - observed / sum(margin[a] * margin[b] * distance(a, b) for a, b in pairs))


def ordinal_distance(margin: np.ndarray) -> Callable[[int, int], float]:
    """Krippendorff's: the ranks between two classes, those of the two by half, squared."""

    def distance(a: int, b: int) -> float:
        low, high = min(a, b), max(a, b)
        return float(sum(margin[low : high + 1]) - (margin[a] + margin[b]) / 2) ** 2 if a != b else 0.0

    return distance


def rated(rng: Rng, n: int, raters: int, prevalence: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """(raters, n) answers."""
    truth = rng.choice(len(prevalence), n, p=prevalence)
    borders = answers.cumsum(axis=1)[truth]
    return np.minimum((rng.random((raters, n, 1)) > borders).sum(axis=2), len(prevalence) - 1)


def pair_counts(rng: Rng, said: np.ndarray, classes: tuple[str, ...], *, named: bool) -> Counts:
    """What the store counts of all pairs of annotators: by pair where `named`, else by item's number of ratings."""
    raters, n = said.shape
    folds = rng.integers(0, FOLDS, n)
    rows = []
    for one, other in itertools.combinations(range(raters), 2):
        cells = np.zeros((FOLDS, len(classes), len(classes)))
        np.add.at(cells, (folds, said[one], said[other]), 1)
        who = (f"p{one}", f"p{other}") if named else (str(raters),)
        for f, a, b in zip(*np.nonzero(cells), strict=True):
            count = cells[f, a, b]
            rows.append((str(f), *who, classes[a], classes[b], count, count * (a == b)))
    keys = ("fold", *(("annotator", "other_annotator") if named else ("ratings",)), "label", "other_label")
    return Counts.of(keys, {ROWS: Op.SUM, "same": Op.SUM}, rows)


def draw_share(rng: Rng, n: float, p: float) -> tuple[tuple[Estimate, ...], Truths]:
    return (share("share", float(rng.binomial(int(n), p)), n),), {"share": p}


def draw_nominal(rng: Rng, n: float, p: float, prevalence: float) -> tuple[tuple[Estimate, ...], Truths]:
    world = says(prevalence, p)
    table = joint(*world)
    margin, agreed = table.sum(axis=0), float(np.trace(table))
    chance = 2 * margin[0] * margin[1]
    truth = chance_corrected(table, lambda a, b: float(a != b))
    counts = pair_counts(rng, rated(rng, int(n), 3, *world), ("a", "b"), named=False)
    return agreement(counts, Moment(at=0, classes=("a", "b"))), {
        "krippendorff_alpha": truth,
        "fleiss_kappa": truth,
        "gwet_ac1": (agreed - chance) / (1 - chance),
        "percent_agreement": agreed,
    }


def draw_ordinal(rng: Rng, n: float, p: float) -> tuple[tuple[Estimate, ...], Truths]:
    world = neighbours(p)
    table = joint(*world)
    counts = pair_counts(rng, rated(rng, int(n), 3, *world), CLASSES, named=False)
    truth = chance_corrected(table, ordinal_distance(table.sum(axis=0)))
    return agreement(counts, Moment(at=0, classes=CLASSES, ordinal=True)), {"krippendorff_alpha_ordinal": truth}


def draw_kappa(rng: Rng, n: float, p: float, annotators: float) -> tuple[tuple[Estimate, ...], Truths]:
    """With two annotators the interval of their pair is judged, with more the pooled one."""
    world = neighbours(p)
    table = joint(*world)
    counts = pair_counts(rng, rated(rng, int(n), int(annotators), *world), CLASSES, named=True)
    found = pairwise_kappa(counts, Moment(at=0, classes=CLASSES, ordinal=True))
    paired = tuple(e for e in found if bool(e.labels) == (annotators == 2))
    return paired, {
        "cohen_kappa": chance_corrected(table, lambda a, b: float(a != b)),
        "cohen_kappa_linear": chance_corrected(table, lambda a, b: abs(a - b)),
        "cohen_kappa_quadratic": chance_corrected(table, lambda a, b: (a - b) ** 2),
    }


def draw_f1(rng: Rng, n: float, precision: float, recall: float) -> tuple[tuple[Estimate, ...], Truths]:
    """A class of a fifth of all labels."""
    labelled = 0.2
    both, predicted = labelled * recall, labelled * recall / precision
    hit, said, had, _ = rng.multinomial(
        int(n), [both, predicted - both, labelled - both, 1 - predicted - labelled + both]
    )
    truth = 2 * both / (predicted + labelled)
    return (f1(float(hit), float(hit + said), float(hit + had), {}),), {"f1": truth}


def draw_difference(rng: Rng, n: float, machine: float, human: float) -> tuple[tuple[Estimate, ...], Truths]:
    rows = []
    for source, p in (("auto", machine), ("human", human)):
        wrong = float(rng.binomial(int(n), p))
        rows.append(("", source, n, n, wrong, n, wrong))
    counts = Counts.of(("stratum", "partner_label_source"), WEIGHED_OPS, rows)
    return errors_by_source(counts, Moment(at=0)), {"error_difference": machine - human, "error": machine}


def draw_missed(rng: Rng, n: float, seeded: float, error: float, catch: float) -> tuple[tuple[Estimate, ...], Truths]:
    changed, found = float(rng.binomial(int(n), error * catch)), float(rng.binomial(int(seeded), catch))
    combine = corrected_for_misses(corrected="corrected", seeded="seeded", caught="caught")
    reviews = Counts.of((), {ROWS: Op.SUM, "corrected": Op.SUM}, [(n, changed)])
    planted = Counts.of((), {ROWS: Op.SUM, "seeded": Op.SUM, "caught": Op.SUM}, [(seeded, seeded, found)])
    return combine({"": reviews, "seeded": planted}, Moment(at=0)), {"corrected_with_misses": error}


def weighted_audits(rng: Rng, n: float, p: float, ratio: float) -> tuple[list[tuple[str, str, float, float]], Truths]:
    """(predicted, true, weight, audits): what is predicted x is audited `ratio` times as often as the rest."""
    found = []
    are_x = {"x": p, "y": 0.08}
    share_x = 0.3
    for predicted, drawn, weight in (("x", int(n / 2), 1.0), ("y", int(n / 2), ratio * (1 - share_x) / share_x)):
        hits = int(rng.binomial(drawn, are_x[predicted]))
        found += [(predicted, "x", weight, float(hits)), (predicted, "y", weight, float(drawn - hits))]
    # The weights say how many predictions each audit stands for: y has ratio x 0.7 / 0.3 for each of x.
    mass = ratio * (1 - share_x) / share_x
    recall = p / (p + are_x["y"] * mass)
    accuracy = (p + (1 - are_x["y"]) * mass) / (1 + mass)
    return found, {"precision": p, "recall": recall, "accuracy": accuracy}


def draw_weighted(rng: Rng, n: float, p: float, ratio: float) -> tuple[tuple[Estimate, ...], Truths]:
    audits, truths = weighted_audits(rng, n, p, ratio)
    rows = []
    for predicted, true, weight, times in audits:
        good = weight * times * (predicted == true)
        rows.append((predicted, predicted, true, times, weight * times, good, weight * weight * times, weight * good))
    counts = Counts.of(("stratum", "said", "true"), WEIGHED_OPS, rows)
    classes = weighted_classes(said="said", true="true")(counts, Moment(at=0))
    ops = WEIGHED_OPS | {"good": Op.SUM}
    whole = Counts.of(("stratum",), ops, [(s, *rest, rest[0] * (s == true)) for s, _, true, *rest in rows])
    estimate: Estimator = check_named("label_accuracy").estimate  # type: ignore[assignment]
    of_x = tuple(e for e in classes if e.labels == {"class": "x"})
    return (*estimate(whole, Moment(at=0)), *of_x), truths


def draw_person(rng: Rng, audits: float, people: float) -> tuple[tuple[Estimate, ...], Truths]:
    """Error rates of 5 %, give or take 2.5; the first annotator's is judged."""
    rates = rng.gamma(4.0, 0.05 / 4.0, int(people)).clip(0, 0.2)
    rows = [(f"p{i}", audits, float(rng.binomial(int(audits), rate))) for i, rate in enumerate(rates)]
    counts = Counts.of(("annotator",), {ROWS: Op.SUM, "wrong": Op.SUM}, rows)
    found = annotators_at_fault(part="people", wrong="wrong")({"people": counts}, Moment(at=0))
    return tuple(e for e in found if e.labels == {"annotator": "p0"}), {"error_rate": float(rates[0])}


def draw_cost(rng: Rng, n: float, p: float) -> tuple[tuple[Estimate, ...], Truths]:
    check = check_named("label_cost")
    assert check.combine is not None
    part = next(part for part in check.parts if part.name == "audits")
    good = float(rng.binomial(int(n), p))
    labels = Counts.of(
        (), check.ops, [tuple({ROWS: 100.0, "costed": 100.0, "spent": 50.0}.get(c, 0.0) for c in check.ops)]
    )
    audited = {
        ROWS: n,
        "good": good,
        "weight": n,
        "good_weight": good,
        "weight_squared": n,
        "good_weight_squared": good,
    }
    audits = Counts.of(
        tuple(part.keys), part.ops, [(*("" for _ in part.keys), *(audited.get(c, 0.0) for c in part.ops))]
    )
    return check.combine({"": labels, "audits": audits}, Moment(at=0)), {"cost_per_correct_label": 0.5 / p}


def draw_drift(rng: Rng, n: float, classes: float, moved: float) -> tuple[tuple[Estimate, ...], Truths]:
    """A week of n labels against four; the largest class's share falls by `moved`. No season and no noise."""
    k = int(classes)
    before = 1 / np.arange(1, k + 1)
    before /= before.sum()
    now = before.copy()
    now[0] *= 1 - moved
    now[1:] *= (1 - now[0]) / now[1:].sum()
    periods = rng.multinomial(int(n) // 7, before, size=(4, 7)).astype(float)
    mixes = Mixes(
        classes=[str(c) for c in range(k)], current=rng.multinomial(int(n), now).astype(float), periods=periods
    )
    check = check_named("label_drift")
    settings = {setting.name: setting.default for setting in check.settings}
    kl = sum(a * np.log(a / b) for a, b in zip(now, before, strict=True))
    back = sum(b * np.log(b / a) for a, b in zip(now, before, strict=True))
    middle = (now + before) / 2
    js = sum(a * np.log(a / m) + b * np.log(b / m) for a, b, m in zip(now, before, middle, strict=True)) / 2
    return tuple(divergences(mixes, Moment(at=0, settings=settings))), {
        "kl_divergence_nats": kl,
        "kl_excess_nats": kl,
        "psi": kl + back,
        "js_divergence": js,
    }


P = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
FAMILIES = (
    Family(
        name="shares",
        says="Wilson's interval of a share p of n events",
        grid={"n": (100, 200, 500), "p": P},
        draw=draw_share,
        speaks_for=(
            *("within_ratio", "validated", "in_schema", "validator_pass", "false_fail", "join_coverage", "auto_share"),
            *("confirmed", "corrected", "catch_rate", "majority_vote_accuracy"),
        ),
    ),
    Family(
        name="agreement",
        says="Jackknife over folds of items; three annotators say the true one of two classes with probability p",
        grid={"n": (100, 500), "p": (0.7, 0.9, 0.95), "prevalence": (0.5, 0.3)},
        draw=draw_nominal,
    ),
    Family(
        name="ordinal_agreement",
        says="Jackknife over folds of items; three annotators, three classes in order",
        grid={"n": (200, 500), "p": (0.7, 0.9)},
        draw=draw_ordinal,
    ),
    Family(
        name="cohen_kappa",
        says="The standard error of Fleiss, Cohen and Everitt for a pair of annotators; pooled over the pairs of four by jackknife",
        grid={"n": (200, 500), "p": (0.7, 0.9), "annotators": (2, 4)},
        draw=draw_kappa,
    ),
    Family(
        name="f1",
        says="F1 of a class of a fifth of n labels",
        grid={"n": (200, 500, 2000), "precision": (0.7, 0.9), "recall": (0.6, 0.8, 0.9)},
        draw=draw_f1,
    ),
    Family(
        name="differences",
        says="Newcombe's interval of the difference of two error rates, n audits each",
        grid={"n": (100, 300), "machine": (0.05, 0.4), "human": (0.05, 0.1)},
        draw=draw_difference,
    ),
    Family(
        name="missed_corrections",
        says="The corrected share over the catch rate of seeded errors: n reviews, and errors seeded",
        grid={"n": (500, 2000), "seeded": (50, 150), "error": (0.05, 0.15), "catch": (0.4, 0.8)},
        draw=draw_missed,
    ),
    Family(
        name="weighted_audits",
        says="Shares from n weighted audits in two strata: all, and precision and recall of the rarer class",
        grid={"n": (200, 1000), "p": (0.7, 0.93), "ratio": (1, 3)},
        draw=draw_weighted,
        speaks_for=("audited_precision", "audited_recall"),
    ),
    Family(
        name="annotators",
        says="The credible interval of one honest annotator's error rate, given peers: mean 5 %, deviation 2.5",
        grid={"audits": (50, 100, 300), "people": (10, 40)},
        draw=draw_person,
    ),
    Family(
        name="drift",
        says="The true divergence of a week of n labels from the four before it",
        grid={"n": (350, 1400, 7000), "classes": (3, 10), "moved": (0.1, 0.3, 0.6)},
        draw=draw_drift,
    ),
    Family(
        name="confidence",
        says="Mean confidence minus accuracy from n audits: confidences spread around 0.85, too high by the gap",
        grid={"n": (100, 300, 1000), "gap": (0.0, 0.1, 0.3), "spread": (0.05, 0.28)},
        draw=confidence.draw_gap,
        speaks_for=("score_gap",),
    ),
    Family(
        name="cost",
        says="The cost of a correct label from n audits",
        grid={"n": (100, 500), "p": (0.7, 0.9, 0.95)},
        draw=draw_cost,
    ),
    Family(
        name="delays",
        says="Percentiles of n latencies (0 exponential, 1 lognormal), arrivals even over so many medians, pending ones censored",
        grid={"n": (150, 400, 1000), "shape": (0, 1), "reach": (12, 40)},
        draw=draw_delay,
        speaks_for=("p99_seconds", "stage_p50_seconds", "stage_p95_seconds", "stage_p99_seconds"),
    ),
    Family(
        name="rules",
        says="n labels under five rules each; a share of bad labels breaks most of them",
        grid={"n": (200, 1000, 5000), "bad": (0.02, 0.1, 0.3)},
        draw=draw_rules,
    ),
    Family(
        name="numbers",
        says="n items measured by some annotators, off by a normal error, of items that differ by 1",
        grid={"n": (100, 500), "annotators": (2, 4), "error": (0.3, 0.7)},
        draw=draw_numbers,
    ),
    Family(
        name="pairs",
        says="n items with several scored pairs each; all but a share p of the items are hard",
        grid={"n": (100, 500), "pairs": (1, 6), "p": (0.5, 0.9)},
        draw=draw_pairs,
    ),
    Family(
        name="pace",
        says="The median of n times of an annotator, out of a histogram",
        grid={"n": (50, 200, 1000), "spread": (0.5, 1.0), "skew": (0, 1)},
        draw=draw_seconds,
    ),
    Family(
        name="arrivals",
        says="What was due in a silence that begins at an hour of a Thursday and lasts some, after four weeks of office hours",
        grid={"weekly": (300, 5000), "begins": (1, 10), "silent": (2, 24), "unrest": (0.0, 0.2)},
        draw=draw_arrivals,
    ),
    Family(
        name="concept_drift",
        says="The true divergence of labels given the prediction, a week of n labels of each of two classes, one of them moved",
        grid={"n": (350, 1400, 7000, 28000), "classes": (3, 10), "moved": (0.1, 0.3, 0.6)},
        draw=concept.draw,
    ),
)


def calibrated() -> set[str]:
    """The statistics whose interval some family judges."""
    rng = np.random.default_rng(0)
    drawn = (name for family in FAMILIES for name in family.draw(rng, **next(iter(family.cells().values())))[1])
    return {*drawn, *(name for family in FAMILIES for name in family.speaks_for)}


def coverages(seed: int, replicates: int) -> Coverages:
    """What each family found, by family, statistic and cell."""
    return {family.name: family.coverage(seed, replicates) for family in FAMILIES}


def measure_again(seed: int, place: Place, replicates: int) -> dict[str, float]:
    """The coverage of one cell by replicates of its own, by statistic."""
    family = next(family for family in FAMILIES if family.name == place[0])
    return family.of_cell(place[1], [seed, list(family.cells()).index(place[1]), AGAIN], replicates * AGAIN)


def together(found: list[Coverages]) -> Coverages:
    """The mean over all seeds."""
    return {
        family: {
            statistic: {cell: float(np.mean([one[family][statistic][cell] for one in found])) for cell in cells}
            for statistic, cells in statistics.items()
        }
        for family, statistics in found[0].items()
    }


def doubtful(found: Coverages) -> list[Place]:
    """The cells that came so near a limit that chance may have put them beyond it, or kept them from it."""
    near: set[Place] = set()
    for family, statistics in found.items():
        for cells in statistics.values():
            whole = not NEAR_MEAN[0] <= np.mean(list(cells.values())) <= NEAR_MEAN[1]
            near |= {(family, cell) for cell, held in cells.items() if whole or held < NEAR_LEAST}
    return sorted(near)


def figures(found: Coverages, again: Mapping[Place, Mapping[str, float]]) -> tuple[dict[str, object], list[str]]:
    """Mean and extremes, and the goals that were missed; `again` is what was measured twice, by cell and statistic."""
    said: dict[str, object] = {}
    missed = []
    for family, statistics in found.items():
        for statistic, first in statistics.items():
            cells = {cell: again.get((family, cell), {}).get(statistic, held) for cell, held in first.items()}
            # Those few of a family that were low at first and were measured again would lift its mean by themselves.
            whole = all((family, cell) in again for cell in first)
            mean = float(np.mean(list((cells if whole else first).values())))
            least, most = (choose(cells, key=cells.__getitem__) for choose in (min, max))
            name = f"{family}: {statistic}"
            said[name] = (
                f"mean {mean:.4f} of {len(cells)} cells; "
                f"least {cells[least]:.3f} ({least}), most {cells[most]:.3f} ({most})"
            )
            if not MEAN[0] <= mean <= MEAN[1]:
                missed.append(f"{name} holds {mean:.4f} in the mean; want {MEAN[0]} to {MEAN[1]}")
            if cells[least] < LEAST:
                missed.append(f"{name} holds {cells[least]:.3f} at {least}; want {LEAST}")
    said["intervals: cells measured again"] = len(again)
    return said, missed
