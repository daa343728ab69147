"""Labels that are no classes: numbers with a tolerance, scores and flags, through `labelmon once` and all engines."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace
from pathlib import Path

import krippendorff
import pytest
from statsmodels.stats.proportion import proportion_confint

from labelmon.config import load
from labelmon.errors import ConfigError
from labelmon.model import Compared, Comparison, State
from tests.full_store import day, once, one
from tests.postgres import Cluster
from tests.test_every_check import Rows, busy, in_duckdb, in_postgres, in_sqlite, measured, told, watched

ACCURACY = {"label_accuracy": {"target": 0.9}}
PLAIN = [f"audits.{role}" for role in ("weight", "stratum", "cluster", "selection", "gold", "seeded", "score", "equal")]


def audits(labels: list[object], truth: object = "10", **more: list[object]) -> list[dict[str, object]]:
    return [
        {"item": f"i{n}", "label": label, "truth": truth, "audited_at": day(n), "annotator": "p"}
        | {name: values[n] for name, values in more.items()}
        for n, label in enumerate(labels)
    ]


def test_numbers_are_right_within_a_tolerance(tmp_path: Path) -> None:
    labels: list[object] = ["10.0"] * 60 + ["10.5"] * 20 + ["9.5", "1e1"] * 5 + ["10.51"] * 10
    labels += ["ten", "10 apples", "nan", None]
    rows = {"audits": audits(labels)}

    found = once(tmp_path, rows, ACCURACY, leave_out=PLAIN, comparison={"number": {"within": 0.5}})

    whole = one(found, "accuracy", "label_accuracy")
    # The trap: as texts not one label equals "10".
    assert (whole["value"], whole["n"]) == (90 / 100, 100)
    assert (whole["low"], whole["high"]) == pytest.approx(proportion_confint(90, 100, method="wilson"))
    assert one(found, "excluded_audits", reason="not_comparable")["value"] == 3
    assert one(found, "excluded_audits", reason="incomplete")["value"] == 1
    assert {m["statistic"] for m in found} == {"accuracy", "design_effect", "excluded_audits"}
    naive = once(tmp_path, rows, ACCURACY, leave_out=PLAIN)
    assert one(naive, "accuracy", "label_accuracy")["value"] == 0


def test_a_relative_tolerance_grows_with_the_truth_and_ends_inclusive(tmp_path: Path) -> None:
    rows = [
        {"item": f"i{n}", "label": label, "truth": truth, "audited_at": day(n)}
        for n, (label, truth) in enumerate(
            [("105", "100"), ("-105", "-100"), ("1.1", "0.9"), ("0", "0"), ("106", "100")]
        )
    ]

    share = once(tmp_path, {"audits": rows}, ACCURACY, leave_out=PLAIN, comparison={"number": {"within_share": "0.05"}})
    either = once(
        tmp_path,
        {"audits": rows},
        ACCURACY,
        leave_out=PLAIN,
        comparison={"number": {"within_share": 0.05, "within": 0.2}},
    )

    assert one(share, "accuracy")["value"] == 3 / 5
    assert one(either, "accuracy")["value"] == 4 / 5


@pytest.mark.parametrize(("limit", "right"), [("at_least", 70), ("at_most", 50)])
def test_scores_of_the_audits_decide(tmp_path: Path, limit: str, right: int) -> None:
    scores: list[object] = [0.9] * 50 + [0.5] * 20 + [0.2] * 30 + [None, "bad"]
    # A box is no text: its label may be missing, as where an object was overlooked, and the score still counts.
    rows = {"audits": audits([None] * 102, None, score=scores)}

    found = once(
        tmp_path,
        rows,
        ACCURACY,
        leave_out=[role for role in PLAIN if role != "audits.score"],
        comparison={"score": "score", limit: 0.5},
    )

    assert (one(found, "accuracy")["value"], one(found, "accuracy")["n"]) == (right / 100, 100)
    assert one(found, "excluded_audits", reason="not_comparable")["value"] == 2
    assert not [m for m in found if "class" in m["labels"]]


def test_flags_of_the_audits_decide(tmp_path: Path) -> None:
    flags: list[object] = [1] * 80 + [0] * 20 + [None]
    found = once(
        tmp_path,
        {"audits": audits(["a"] * 101, "b", equal=flags)},
        ACCURACY,
        leave_out=[role for role in PLAIN if role != "audits.equal"],
        comparison={"equal": "equal"},
    )

    assert (one(found, "accuracy")["value"], one(found, "accuracy")["n"]) == (0.8, 100)
    assert one(found, "excluded_audits", reason="not_comparable")["value"] == 1


COMPARISONS = {
    "within": Comparison(kind=Compared.NUMBER, within=1.0),
    "share": Comparison(kind=Compared.NUMBER, within_share=0.25),
    "score": Comparison(kind=Compared.SCORE, at_least=0.5),
    "rate": Comparison(kind=Compared.SCORE, at_most=0.5),
    "flag": Comparison(kind=Compared.EQUAL),
}


def numbered(seed: int) -> Rows:
    found = busy(seed)
    for n, row in enumerate(found["audits"]):
        row |= {"label": ["1", "2.5", "-3e0", "x", None][n % 5], "truth": ["2", "2", "-2.5"][n % 3]}
        row |= {"score": [0.25, 0.5, 0.75, None][n % 4], "equal": [True, False, None][n % 3]}
    return found


@pytest.mark.parametrize("kind", COMPARISONS)
def test_the_engines_agree_on_every_comparison(tmp_path: Path, postgres: Cluster, kind: str) -> None:
    rows, dataset = numbered(1), replace(watched(), comparison=COMPARISONS[kind])

    sqlite = told(measured(in_sqlite(tmp_path, rows), dataset))

    states = {key[1]: values[4] for key, values in sqlite.items() if key[0] == "label_accuracy"}
    assert states["accuracy"] is not None
    assert sum(values[4] is State.OK for values in sqlite.values()) > 30
    assert told(measured(in_duckdb(tmp_path, rows), dataset)) == sqlite
    assert told(measured(in_postgres(postgres, rows), dataset)) == sqlite


def test_what_needs_classes_is_off_and_says_so(tmp_path: Path) -> None:
    dataset = replace(watched(), comparison=COMPARISONS["score"])

    reading = measured(in_sqlite(tmp_path, numbered(1)), dataset)

    off = {name for name, reason in reading.off.items() if reason.startswith("needs classes: ")}
    assert {"label_drift", "class_starvation", "annotator_agreement", "schema_mismatch", "class_quality"} <= off
    assert reading.off["label_drift"] == "needs classes: the dataset compares labels as scores"
    said = {m.check for m in reading.measurements}
    assert {"label_accuracy", "annotator_anomaly", "auto_label", "label_cost", "label_latency"} <= said
    assert not [m for m in reading.measurements if "class" in m.estimate.labels and m.check != "label_coverage"]


REFUSED = {
    "{number: {within: 1}, equal: ok}": "need exactly one of number, score, equal, got number and equal",
    "{}": "need exactly one of number, score, equal, got none",
    "{number: {within: -0.5}}": "need a tolerance of at least 0",
    "{number: {}}": "need at least one of within and within_share",
    "{number: {withn: 1}}": "unknown key",
    "{score: iou, at_least: 0.5, at_most: 0.9}": "need exactly one of at_least and at_most with a score",
    "{score: iou}": "need exactly one of at_least and at_most with a score, got none",
    "{score: wer, at_most: 0.1}": "audits map score to another column",
    "{equal: ok, at_least: 1}": "at_least goes with a score only",
    "3": "need a mapping",
}


def config(folder: Path, comparison: str, more: str = "", relations: str = "audits: {columns: {score: iou}}") -> Path:
    file = folder / "labelmon.yaml"
    file.write_text(
        f"stores: {{s: {{url: 'sqlite:///x.db'}}}}\n"
        f"datasets:\n  d:\n    relations: {{{relations}}}\n{more}    comparison: {comparison}\n"
    )
    return file


def problems(file: Path) -> list[str]:
    with pytest.raises(ConfigError) as found:
        load(file, environ={})
    return [f"{p.line} {p.key}: {p.message}" for p in found.value.problems]


@pytest.mark.parametrize("comparison", REFUSED)
def test_a_comparison_that_cannot_be_is_refused(tmp_path: Path, comparison: str) -> None:
    told_ = problems(config(tmp_path, comparison))

    assert any(p.startswith("5 datasets.d.comparison") and REFUSED[comparison] in p for p in told_), told_


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    more = "    scale: ordinal\n    classes: [a, b]\n"
    file = config(tmp_path, "{score: iou, at_least: x, at_most: 1}", more, "labels: {}")

    told_ = "\n".join(problems(file))

    assert "need either a comparison or `scale: ordinal`" in told_
    assert "need exactly one of at_least and at_most" in told_
    assert "need the relation audits" in told_
    assert "need a number, got 'x'" in told_ or "need a number" in told_


def test_the_column_of_a_score_is_mapped_by_naming_it(tmp_path: Path) -> None:
    dataset = load(config(tmp_path, "{score: iou, at_least: 0.5}", "", "audits: {}"), environ={}).datasets["d"]

    assert dataset.relations["audits"].columns["score"] == "iou"
    assert dataset.comparison == Comparison(kind=Compared.SCORE, at_least=0.5)


def rated(said: dict[str, list[object]]) -> list[dict[str, object]]:
    """The n-th item's number by each annotator; None is no rating."""
    return [
        {"item": f"i{n}", "label": value, "labeled_at": day(n, 1), "annotator": who}
        for who, values in said.items()
        for n, value in enumerate(values)
        if value is not None
    ]


def test_numbers_agree_as_krippendorff_says(tmp_path: Path) -> None:
    rng = random.Random(7)
    truth = [rng.uniform(0, 10) for _ in range(120)]
    said: dict[str, list[object]] = {
        who: [None if rng.random() < 0.3 else f"{t + rng.gauss(0, spread):.3f}" for t in truth]
        for who, spread in (("p", 0.2), ("q", 0.5), ("r", 2.0))
    }
    said["p"][3], said["q"][4] = "none", "12 mm"  # no numbers: no ratings
    goal = {"number_agreement": {"at_least": 0.8, "window": "all"}}

    found = once(tmp_path, {"labels": rated(said)}, goal, comparison={"number": {"within": 0.5}})

    table = [[math.nan if v in {None, "none", "12 mm"} else float(str(v)) for v in row] for row in said.values()]
    alpha = krippendorff.alpha(reliability_data=table, level_of_measurement="interval")
    ours = one(found, "krippendorff_alpha_interval")
    assert ours["value"] == pytest.approx(alpha, abs=1e-9)
    assert ours["low"] < alpha < ours["high"]
    shares = []
    for column in zip(*table, strict=True):
        known = [v for v in column if not math.isnan(v)]
        pairs = [abs(a - b) <= 0.5 for a, b in itertools.combinations(known, 2)]
        shares += [sum(pairs) / len(pairs)] if pairs else []
    percent = one(found, "percent_agreement")
    assert (percent["value"], percent["n"]) == (pytest.approx(sum(shares) / len(shares)), len(shares))


@pytest.mark.parametrize(
    ("values", "state", "reason"),
    [
        ([["1"], [None]], "insufficient", "no item has numbers by two annotators"),
        ([["5"] * 30, ["5"] * 30], "not_computable", "all numbers are one, or too large for their spread"),
        ([["1e12"] * 29 + ["1000000000001"], ["1e12"] * 30], "not_computable", "all numbers are one, or too large"),
        ([["1", "2"], ["1", "2"]], "insufficient", "2 items with two numbers; need 20"),
    ],
)
def test_numbers_that_cannot_be_judged(tmp_path: Path, values: list, state: str, reason: str) -> None:
    goal = {"number_agreement": {"at_least": 0.8, "window": "all"}}
    rows = rated(dict(zip("pq", values, strict=True)))

    found = once(tmp_path, {"labels": rows}, goal, comparison={"number": {"within": 0.5}})

    said = one(found, "krippendorff_alpha_interval")
    assert said["state"] == state
    assert said["reason"].startswith(reason)


def scores(good: int, bad: int, of_item: int = 1) -> list[dict[str, object]]:
    """Items with `of_item` pairs each, all of one item good or bad; half of them by p and q, half by p and r."""
    return [
        {
            "item": f"i{n}",
            "score": 0.9 if n < good else 0.1,
            "annotator": "p",
            "second_annotator": "qr"[n % 2],
            "compared_at": day(n),
        }
        for n in range(good + bad)
        for _ in range(of_item)
    ]


@pytest.mark.parametrize(("limit", "good"), [({"at_least": 0.5}, 0.8), ({"at_most": 0.5}, 0.2)])
def test_pairs_are_judged_by_their_score(tmp_path: Path, limit: dict[str, float], good: float) -> None:
    rows = [*scores(160, 40), {"item": "i9", "score": None, "compared_at": day(1)}]

    found = once(
        tmp_path, {"pairs": rows}, {"pair_agreement": {"at_least": 0.8}}, comparison={"score": "score", **limit}
    )

    share = one(found, "alike_share")
    assert (share["value"], share["n"]) == (good, 200)
    low, high = proportion_confint(200 * good, 200, method="wilson")
    assert (share["low"], share["high"]) == pytest.approx((low, high), abs=0.03)  # single pairs: as good as independent
    assert one(found, "mean_score")["value"] == pytest.approx(0.8 * 0.9 + 0.2 * 0.1)
    pairs = [m for m in found if m["statistic"] == "pair_alike_share"]
    assert [m["n"] for m in pairs] == [100, 100]
    assert not any({"p", "q", "r"} & set(m["labels"].values()) for m in pairs)


def test_pairs_of_one_item_do_not_count_as_many(tmp_path: Path) -> None:
    goal = {"pair_agreement": {"at_least": 0.8}}

    found = once(tmp_path, {"pairs": scores(160, 40, 10)}, goal, comparison={"score": "score", "at_least": 0.5})

    share = one(found, "alike_share")
    naive = proportion_confint(1600, 2000, method="wilson")
    assert share["n"] == 2000
    assert share["high"] - share["low"] > 2 * (naive[1] - naive[0])


def test_pairs_need_a_score_to_be_judged_by(tmp_path: Path) -> None:
    found = once(
        tmp_path, {"pairs": []}, {"pair_agreement": {"at_least": 0.8}}, comparison={"score": "score", "at_least": 0.5}
    )

    assert {(m["statistic"], m["reason"]) for m in found} == {
        ("alike_share", "no pair has a score"),
        ("mean_score", "no pair has a score"),
    }
