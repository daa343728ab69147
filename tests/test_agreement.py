"""Agreement and drift against published worked examples, and against inputs that allow no number."""

from __future__ import annotations

import itertools
import json
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from statsmodels.stats.inter_rater import cohens_kappa

from labelmon.check import Moment
from labelmon.counts import OTHER, ROWS, Counts, Op
from labelmon.estimators.agreement import agreement
from labelmon.estimators.drift import js_divergence, kl_divergence
from labelmon.estimators.kappa import agreement_weights, cohen_kappa, pairwise_kappa
from labelmon.estimators.proportion import wilson
from labelmon.model import Estimate, State
from tests.real_data import DATA

Ratings = list[list[str]]  # per item, the labels its annotators gave
OPS = {ROWS: Op.SUM, "same": Op.SUM}
KEYS = ("fold", "ratings", "label", "other_label")


def counted(items: Ratings) -> Counts:
    """Pairs of ratings, written out item by item: what a store counts in one GROUP BY."""
    rows = []
    for number, labels in enumerate(items):
        rows += [
            (str(number % 20), str(len(labels)), a, b, 1, int(a == b)) for a, b in itertools.combinations(labels, 2)
        ]
    return Counts.of(KEYS, OPS, rows)


def found(items: Ratings, *, classes: tuple[str, ...] = (), ordinal: bool = False) -> dict[str, Estimate]:
    said = agreement(counted(items), Moment(at=0, classes=classes, ordinal=ordinal))
    return {e.statistic: e for e in said if not e.labels}


def oracles(*kinds: str) -> list[Any]:
    path = DATA / "oracles_dev.json"
    known = json.loads(path.read_text())["oracles"] if path.exists() else []
    return [pytest.param(one, id=one["id"]) for one in known if one["kind"] in kinds]


def as_items(oracle: dict[str, Any]) -> tuple[Ratings, tuple[str, ...]]:
    data = oracle["data"]
    if oracle["kind"] == "counts":
        return [[str(label) for label, n in enumerate(row) for _ in range(n)] for row in data], tuple(
            map(str, range(len(data[0])))
        )
    if oracle["kind"] == "table":
        items = [[str(i), str(j)] for i, row in enumerate(data) for j, n in enumerate(row) for _ in range(n)]
        return items, tuple(map(str, range(len(data))))
    units = [[str(rater[unit]) for rater in data if rater[unit] is not None] for unit in range(len(data[0]))]
    values = sorted({value for rater in data for value in rater if value is not None})
    return [unit for unit in units if len(unit) > 1], tuple(map(str, values))


OURS = {
    "fleiss_kappa": "fleiss_kappa",
    "krippendorff_nominal": "krippendorff_alpha",
    "krippendorff_ordinal": "krippendorff_alpha_ordinal",
    "gwet_ac1": "gwet_ac1",
    "percent_agreement": "percent_agreement",
}


@pytest.mark.parametrize("oracle", oracles("counts", "table", "raters_by_unit"))
def test_published_examples(oracle: dict[str, Any]) -> None:
    items, classes = as_items(oracle)
    said = found(items, classes=classes, ordinal=True)

    compared = 0
    for name, wanted in oracle["metrics"].items():
        if name in OURS:
            compared += 1
            assert said[OURS[name]].value == pytest.approx(wanted["expected"], abs=oracle["tolerance"]), name
        elif name.startswith("cohen_kappa"):
            compared += 1
            weights = agreement_weights(len(classes), 1 if name.endswith("linear") else 0)
            kappa, *_ = cohen_kappa(np.array(oracle["data"], dtype=float), weights)
            assert kappa == pytest.approx(wanted["expected"], abs=oracle["tolerance"]), name
    assert compared


@pytest.mark.parametrize("oracle", oracles("two_distributions"))
def test_published_divergences(oracle: dict[str, Any]) -> None:
    p, q = map(np.array, oracle["data"])

    assert kl_divergence(p, q) == pytest.approx(oracle["metrics"]["kl_p_q"]["expected"], abs=oracle["tolerance"])
    assert kl_divergence(q, p) == pytest.approx(oracle["metrics"]["kl_q_p"]["expected"], abs=oracle["tolerance"])


@pytest.mark.parametrize("oracle", oracles("successes_n"))
def test_published_wilson_intervals(oracle: dict[str, Any]) -> None:
    low, high = wilson(*oracle["data"])

    assert low == pytest.approx(oracle["metrics"]["wilson95_low"]["expected"], abs=oracle["tolerance"])
    assert high == pytest.approx(oracle["metrics"]["wilson95_high"]["expected"], abs=oracle["tolerance"])


@given(st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=3, max_size=3))
def test_kappas_standard_error_is_that_of_statsmodels(rows: list[list[int]]) -> None:
    table = np.array(rows, dtype=float) + 1  # which divides 0 / 0 where a class is unused

    for power, kind in ((0, None), (1, "linear"), (2, "quadratic")):
        kappa, error, *_ = cohen_kappa(table, agreement_weights(3, power))
        if abs(kappa) > 1e-6:  # and at kappa = 0
            theirs = cohens_kappa(table, wt=kind)
            assert kappa == pytest.approx(theirs.kappa)
            assert error == pytest.approx(theirs.std_kappa)


LABELS = st.lists(st.lists(st.sampled_from("abc"), min_size=2, max_size=5), min_size=1, max_size=40)


@settings(max_examples=50)
@given(LABELS)
def test_statistics_stay_in_range_and_inside_their_interval(items: Ratings) -> None:
    for estimate in found(items, classes=("a", "b", "c"), ordinal=True).values():
        if estimate.value is not None:
            assert -1 - 1e-9 <= estimate.value <= 1 + 1e-9
            assert estimate.low is None or estimate.low <= estimate.value + 1e-9
            assert estimate.high is None or estimate.high >= estimate.value - 1e-9


@settings(max_examples=50)
@given(LABELS, st.integers(0, 40), st.randoms())
def test_any_split_merged_in_any_order_gives_the_same(items: Ratings, cut: int, shuffle: Any) -> None:
    whole = counted(items)
    rows = whole.records()
    shuffle.shuffle(rows)
    merged = Counts.of(KEYS, OPS, rows[:cut]).merge(Counts.of(KEYS, OPS, rows[cut:]))

    moment = Moment(at=0)
    assert agreement(merged, moment) == agreement(whole, moment)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=60))
def test_kappa_does_not_care_who_is_first(pairs: list[tuple[str, str]]) -> None:
    def kappa(first: str, second: str, rows: list[tuple[str, str]]) -> list[Estimate]:
        keys = ("fold", "annotator", "other_annotator", "label", "other_label")
        counts = Counts.of(
            keys, OPS, [(str(i % 20), first, second, a, b, 1, int(a == b)) for i, (a, b) in enumerate(rows)]
        )
        return [e for e in pairwise_kappa(counts, Moment(at=0)) if e.statistic == "cohen_kappa"]

    def shown(estimates: list[Estimate]) -> list[object]:
        return [(e.labels, e.n, e.state, None if e.value is None else round(e.value, 9)) for e in estimates]

    turned = [(b, a) for a, b in pairs]
    assert shown(kappa("x", "y", pairs)) == shown(kappa("y", "x", turned))


@pytest.mark.parametrize(
    ("items", "state", "reason"),
    [
        pytest.param([], State.INSUFFICIENT, "no item has ratings by two annotators", id="one rater only"),
        pytest.param([["a", "a"]] * 60, State.NOT_COMPUTABLE, "only one class was used", id="one class only"),
        pytest.param([["a", "b"]], State.INSUFFICIENT, "1 items with two ratings; need 20", id="one item"),
        pytest.param(
            [[f"c{n}" if n < 49 else OTHER, OTHER] for n in range(100)],
            State.NOT_COMPUTABLE,
            "more than 49 classes: declare `classes`, or the rest is one class",
            id="too many classes",
        ),
    ],
)
def test_no_number_is_made_up(items: Ratings, state: State, reason: str) -> None:
    alpha = found(items)["krippendorff_alpha"]

    assert (alpha.state, alpha.reason.startswith(reason)) == (state, True)
    assert alpha.value is None or state is State.INSUFFICIENT


def test_the_prevalence_paradox_is_flagged() -> None:
    # Feinstein and Cicchetti (1990): the same agreement, once balanced, once with a prevailing class.
    def items(table: list[list[int]]) -> Ratings:
        return [[str(i), str(j)] for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]

    assert found(items([[40, 9], [6, 45]]))["prevalence_paradox"].value == 0
    assert found(items([[80, 10], [5, 5]]))["prevalence_paradox"].value == 1


def test_classes_that_differ_in_case_or_look_alike_are_different_classes() -> None:
    assert found([["None", "none"], ["a", "\u0430"]] * 30)["percent_agreement"].value == 0


def test_js_divergence_is_bounded_by_ln_2() -> None:
    assert js_divergence(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(np.log(2))
