"""`labelmon once` on real labels gives what independent libraries give, each number to 1e-9.

crowd-kit, irrCAC, krippendorff, numpy, scikit-learn, scipy and statsmodels computed the references.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.real_data import MISSING, Measured, once, pseudonym, reference, value

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

LATER = "2025-01-01T00:00:00Z"
# (example, dataset of the example, folder of the data, task of its reference)
TASKS = [
    ("snow-rte", "snow-rte", "snow_rte", "rte"),
    ("bluebirds", "bluebirds", "bluebirds", "bluebirds"),
    ("relex-crowd", "relex-relations", "relex_crowd", "relation_multiclass"),
    ("relex-crowd", "relex-seed", "relex_crowd", "seed_relation_yes_no"),
    ("vulnrichment", "severity", "vulnrichment", "severity"),
    ("vulnrichment", "cwe", "vulnrichment", "cwe"),
]
AGREEMENT = {
    "percent_agreement_item_mean": ("percent_agreement", "numpy", 1e-9),
    "percent_agreement_pooled_pairs": ("percent_agreement_pooled", "numpy", 1e-9),
    "krippendorff_alpha_nominal": ("krippendorff_alpha", "krippendorff", 1e-9),
    "fleiss_kappa": ("fleiss_kappa", "statsmodels", 1e-9),
    "gwet_ac1": ("gwet_ac1", "irrCAC", 6e-6),  # which prints five digits
}
# A reference is printed to ten digits, so half a unit of the tenth is what it can be held to.
PRINTED = 6e-11


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real")


def task(folder_name: str, name: str) -> dict[str, Any]:
    return reference(folder_name).get(name, {})


def close(got: float, wanted: float, tolerance: float = 1e-9) -> bool:
    return abs(got - wanted) <= tolerance * max(1.0, abs(wanted)) + PRINTED


def agreements() -> Iterator[Any]:
    for example, dataset, data, name in TASKS:
        for key, (statistic, library, tolerance) in AGREEMENT.items():
            if key in task(data, name):
                yield pytest.param(
                    example, dataset, statistic, task(data, name)[key], tolerance, id=f"{dataset}-{statistic}-{library}"
                )


@pytest.mark.parametrize(("example", "dataset", "statistic", "wanted", "tolerance"), [*agreements()])
def test_agreement(folder: Path, example: str, dataset: str, statistic: str, wanted: float, tolerance: float) -> None:
    got = value(once(example, LATER, dataset, folder), "annotator_agreement", statistic)

    assert close(got["value"], wanted, tolerance)
    assert got["low"] <= got["value"] <= got["high"]


def pairs() -> Iterator[Any]:
    for example, dataset, data, name in TASKS:
        for pair in task(data, name).get("cohen_kappa_top_pairs", ()):
            yield pytest.param(example, dataset, pair, id=f"{dataset}-{pair['a']}-{pair['b']}-sklearn")


@pytest.mark.parametrize(("example", "dataset", "pair"), [*pairs()])
def test_cohens_kappa_of_a_pair(folder: Path, example: str, dataset: str, pair: dict[str, Any]) -> None:
    one, other = sorted((pseudonym(pair["a"]), pseudonym(pair["b"])))
    found = once(example, LATER, dataset, folder)

    kappa = value(found, "annotator_agreement", "cohen_kappa", annotator=one, other_annotator=other)
    percent = value(found, "annotator_agreement", "percent_agreement", annotator=one, other_annotator=other)
    assert kappa["n"] == percent["n"] == pair["n"]
    if pair["kappa"] is None:  # both used one class only: 0 / 0
        assert (kappa["value"], kappa["state"]) == (None, "not_computable")
    else:
        assert close(kappa["value"], pair["kappa"])
    assert close(percent["value"], pair["percent_agreement"])


def sides() -> Iterator[Any]:
    for example, dataset, data, name in TASKS:
        if "audit_cna_vs_cisa" in task(data, name):
            audit = task(data, name)["audit_cna_vs_cisa"]
            yield pytest.param(example, f"{dataset}-two-sides", audit, id=f"{dataset}-vendor-CISA-sklearn")


@pytest.mark.parametrize(("example", "dataset", "audit"), [*sides()])
def test_cohens_kappa_of_two_sides(folder: Path, example: str, dataset: str, audit: dict[str, Any]) -> None:
    found = once(example, LATER, dataset, folder)

    for labels in (
        {},
        dict(zip(("annotator", "other_annotator"), sorted(map(pseudonym, ("CISA", "vendor"))), strict=True)),
    ):
        kappa = value(found, "annotator_agreement", "cohen_kappa", **labels)
        assert kappa["n"] == audit["n"]
        assert close(kappa["value"], audit["cohen_kappa"])


def golds() -> Iterator[Any]:
    for example, dataset, data, name in TASKS:
        said = task(data, name)
        if "gold" in said:
            yield pytest.param(example, dataset, said["gold"]["pooled"], id=f"{dataset}-statsmodels")
            if "prediction_vs_gold" in said["gold"]:
                model = said["gold"]["prediction_vs_gold"]
                yield pytest.param(example, f"{dataset}-model", model, id=f"{dataset}-model-statsmodels")
        if "audit_cna_vs_cisa" in said:
            audit = said["audit_cna_vs_cisa"]
            yield pytest.param(example, dataset, {**audit, "correct": audit["agree"]}, id=f"{dataset}-statsmodels")


@pytest.mark.parametrize(("example", "dataset", "wanted"), [*golds()])
def test_pooled_accuracy(folder: Path, example: str, dataset: str, wanted: dict[str, Any]) -> None:
    got = value(once(example, LATER, dataset, folder), "label_accuracy", "accuracy")

    assert_share(got, wanted)


def annotators() -> Iterator[Any]:
    for example, dataset, data, name in TASKS:
        for person, wanted in task(data, name).get("gold", {}).get("per_annotator_top20", {}).items():
            yield pytest.param(example, dataset, person, wanted, id=f"{dataset}-{person}-statsmodels")


@pytest.mark.parametrize(("example", "dataset", "person", "wanted"), [*annotators()])
def test_accuracy_of_an_annotator(
    folder: Path, example: str, dataset: str, person: str, wanted: dict[str, Any]
) -> None:
    got = value(once(example, LATER, dataset, folder), "label_accuracy", "accuracy", annotator=pseudonym(person))

    assert_share(got, wanted)


def assert_share(got: Measured, wanted: dict[str, Any]) -> None:
    assert got["n"] == wanted["n"]
    assert close(got["value"], wanted["accuracy"])
    assert close(got["value"] * got["n"], wanted["correct"])
    assert close(got["low"], wanted["wilson95"][0])
    assert close(got["high"], wanted["wilson95"][1])


@pytest.mark.parametrize(
    ("example", "dataset", "data", "name"),
    [pytest.param(*one, id=f"{one[1]}-crowd-kit") for one in TASKS[:2] + TASKS[3:4]],
)
def test_majority_vote(folder: Path, example: str, dataset: str, data: str, name: str) -> None:
    gold = task(data, name)["gold"]
    got = value(once(example, LATER, dataset, folder), "label_accuracy", "majority_vote_accuracy")

    assert got["n"] == gold["n_items_with_gold"]
    assert close(got["value"], gold["majority_vote_expected_accuracy_random_tiebreak"])
    if gold["n_majority_ties_gold_items"] == 0:  # crowd-kit breaks ties its own way
        assert close(got["value"], gold["majority_vote_accuracy_crowdkit"])


BACKLOG = list(task("vulnrichment", "backlog_ssvc").get("as_of", ()))


@pytest.mark.parametrize("wanted", BACKLOG, ids=lambda one: one["at"][:10] + "-numpy")
def test_backlog_and_coverage(folder: Path, wanted: dict[str, Any]) -> None:
    found = once("vulnrichment", wanted["at"][:10] + "T00:00:00Z", "ssvc-exploitation", folder)

    assert value(found, "label_backlog", "backlog_items")["value"] == wanted["open"]
    for name in ("p50", "p90", "p99", "max"):
        age = value(found, "label_backlog", f"age_{name}_seconds")["value"]
        assert close(age / 3600, wanted[f"age_{name}"]), name
    assert value(found, "label_backlog", "oldest_age_seconds")["value"] / 3600 == pytest.approx(wanted["age_max"])
    covered = once("vulnrichment", wanted["at"][:10] + "T00:00:00Z", "ssvc-coverage", folder)
    assert close(value(covered, "label_coverage", "coverage")["value"], wanted["coverage"])


def weeks() -> Iterator[Any]:
    drifting = [
        *(("vulnrichment", name.replace("_", "-"), name) for name in reference("vulnrichment") if "ssvc_" in name),
        ("vulnrichment", "severity", "severity"),
        ("vulnrichment", "cwe", "cwe"),
        ("relex_crowd", "relex-relations", "relation_multiclass"),
        ("relex_crowd", "relex-seed", "seed_relation_yes_no"),
    ]
    for data, dataset, name in drifting:
        for week in task(data, name).get("weekly", ()):
            # Nearly 500 weeks: every fourth here, all of them in `make prove`.
            many = [pytest.mark.slow] if data == "vulnrichment" and int(week["week"][-2:]) % 4 else []
            yield pytest.param(data, dataset, week, id=f"{dataset}-{week['week']}-scipy", marks=many)


@pytest.mark.parametrize(("data", "dataset", "week"), [*weeks()])
def test_drift_of_a_week(folder: Path, data: str, dataset: str, week: dict[str, Any]) -> None:
    year, number = week["week"].split("-W")
    end = date.fromisocalendar(int(year), int(number), 1) + timedelta(days=7)
    found = once(data.replace("_", "-"), f"{end}T00:00:00Z", dataset, folder)

    assert value(found, "label_drift", "label_count")["value"] == week["n"]
    if "counts" in week:
        counted = {
            m["labels"]["class"]: m["value"]
            for m in found
            if (m["check"], m["statistic"]) == ("label_drift", "label_count") and m["labels"]
        }
        assert counted == week["counts"]
    for statistic, key in (
        ("kl_divergence_nats", "kl_laplace1"),
        ("psi", "psi_laplace1"),
        ("js_divergence", "js_divergence_raw"),
    ):
        got = value(found, "label_drift", statistic)
        if key in week:
            assert close(got["value"], week[key]), statistic
        else:
            assert got["value"] is None
            assert got["reason"] == "nothing in the baseline"
