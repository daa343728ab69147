"""Rows that cannot be true, through `labelmon once`: named, counted by reason, left out by a stated rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from statsmodels.stats.proportion import proportion_confint

from tests.full_store import Found, day, once, one


def by_reason(found: Found, statistic: str) -> dict[str, float]:
    return {m["labels"]["reason"]: m["value"] for m in found if m["statistic"] == statistic}


def test_weights_that_no_chance_of_being_drawn_has(tmp_path: Path) -> None:
    """A weight is 1 / chance: never missing, zero, negative, or of a chance above 1."""
    weights = [2.0] * 40 + [None] * 5 + [0.0] * 4 + [-3.0] * 3 + [0.5] * 2
    audits = [
        {"item": f"i{n}", "label": "x", "truth": "x" if weight == 2.0 and n < 30 else "y", "audited_at": day(n)}
        | {"weight": weight}
        for n, weight in enumerate(weights)
    ]

    found = once(tmp_path, {"audits": audits}, {"label_accuracy": {"target": 0.9}})

    assert (one(found, "accuracy")["value"], one(found, "accuracy")["n"]) == (0.75, 40)
    assert by_reason(found, "excluded_audits") == {
        "weight_missing": 5,
        "weight_not_positive": 7,
        "weight_below_one": 2,
    }


def test_confidences_that_are_no_chances(tmp_path: Path) -> None:
    said = [0.75] * 30 + [0.25] * 10 + [1.5] * 4 + [-0.5] * 3 + [None] * 2 + [0.0, 1.0]
    labels = [
        {"item": f"i{n}", "label": "x", "labeled_at": day(n, 1), "label_source": "auto", "confidence": confidence}
        for n, confidence in enumerate(said)
    ]
    labels.append({"item": "h", "label": "x", "labeled_at": day(1), "label_source": "human", "confidence": 9})
    audits = [
        {"item": f"i{n}", "label": "x", "truth": "x" if n % 2 else "y", "audited_at": day(n), "weight": 1}
        for n in range(len(said))
    ]

    found = once(tmp_path, {"labels": labels, "audits": audits}, {"auto_confidence": {"at_most": 0.05}})

    assert by_reason(found, "excluded_confidences") == {"above_one": 4, "below_zero": 3, "missing": 2}
    assert (one(found, "mean_confidence")["value"], one(found, "mean_confidence")["n"]) == (26 / 42, 42)
    assert one(found, "unsure_share")["value"] == 11 / 42
    gap = one(found, "confidence_gap")
    assert (gap["value"], gap["n"]) == (pytest.approx(26 / 42 - 0.5), 42)


def test_classes_that_nobody_declared(tmp_path: Path) -> None:
    labels = [{"item": f"i{n}", "label": "X" if n < 10 else "x", "labeled_at": day(n)} for n in range(100)]
    audits = [{"item": f"i{n}", "label": "X" if n < 10 else "x", "truth": "x", "audited_at": day(n)} for n in range(50)]
    objectives = {"schema_mismatch": {"target": 0.99}, "label_accuracy": {"target": 0.9}}

    found = once(
        tmp_path,
        {"labels": labels, "audits": audits},
        objectives,
        leave_out=["audits.weight", "labels.schema_version"],
        classes=["x", "y"],
    )

    assert (one(found, "in_schema")["value"], one(found, "in_schema")["n"]) == (0.9, 100)
    assert one(found, "offending_labels", value="X", looks_like="x")["value"] == 10
    assert one(found, "accuracy")["value"] == 0.8  # an undeclared class is wrong, and not nothing


def test_costs_that_nothing_can_cost(tmp_path: Path) -> None:
    costs = [0.5] * 60 + [0.0] * 3 + [-1.0] * 2 + [None] * 4
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": day(n), "cost": c} for n, c in enumerate(costs)]

    found = once(tmp_path, {"labels": labels}, {"label_cost": {"at_most": 1}})

    assert (one(found, "cost_per_label")["value"], one(found, "cost_per_label")["n"]) == (0.5, 60)
    assert by_reason(found, "excluded_costs") == {"zero": 3, "negative": 2, "missing": 4}


def in_cohorts(*cohorts: str) -> list[dict[str, object]]:
    return [{"item": f"i{n}", "arrived_at": day(n, 1), "cohort": cohort} for cohort in cohorts for n in range(30)]


def test_items_in_several_cohorts_count_once_in_the_whole(tmp_path: Path) -> None:
    """Thirty labelled items lie in two cohorts: a sum over cohorts counts them twice."""
    items = in_cohorts("old", "new")
    items += [{"item": f"o{n}", "arrived_at": day(n, 1), "cohort": "old"} for n in range(40)]
    items += [{"item": f"p{n}", "arrived_at": day(n, 1)} for n in range(20)]
    labelled = [*(f"i{n}" for n in range(30)), *(f"p{n}" for n in range(20))]
    labels = [{"item": item, "label": "x", "labeled_at": day(27), "stored_at": day(27)} for item in labelled]

    found = once(tmp_path, {"items": items, "labels": labels}, {"label_coverage": {"at_least": 0.9}})

    assert (one(found, "coverage")["value"], one(found, "coverage")["n"]) == (50 / 90, 90)
    assert (one(found, "coverage", cohort="new")["value"], one(found, "coverage", cohort="old")["n"]) == (1, 70)
    assert one(found, "worst_coverage")["value"] == 30 / 70
    assert one(found, "overlapping_items")["value"] == 30


def test_an_objective_of_one_cohort_counts_its_items(tmp_path: Path) -> None:
    items = [*in_cohorts("old", "new"), {"item": "alone", "arrived_at": day(1), "cohort": "new"}]
    items += [{"item": f"o{n}", "arrived_at": day(n, 1), "cohort": "old"} for n in range(9)]
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": day(27), "stored_at": day(27)} for n in range(30)]

    found = once(
        tmp_path,
        {"items": items, "labels": labels},
        {"label_coverage": [{"at_least": 0.9}, {"at_least": 0.8, "scope": {"cohort": "new"}}]},
    )

    wholes = [(m["value"], m["n"]) for m in found if m["statistic"] == "coverage" and m["labels"] == {"cohort": "new"}]
    assert wholes
    assert set(wholes) == {(30 / 31, 31)}
    assert one(found, "coverage")["n"] == 40


def test_audits_of_labels_that_no_longer_exist(tmp_path: Path) -> None:
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": day(n, 1)} for n in range(80)]
    audits = [
        {"item": f"i{n}", "label": "x", "truth": "x" if n < 80 else "y", "audited_at": day(n)} for n in range(100)
    ]

    found = once(
        tmp_path,
        {"labels": labels, "audits": audits},
        {"audit_join": {"target": 0.9}, "label_accuracy": {"target": 0.9}},
        leave_out=["audits.weight"],
    )

    assert (one(found, "orphaned_audits")["value"], one(found, "orphaned_audits")["n"]) == (20, 100)
    share = one(found, "join_coverage")
    assert (share["low"], share["high"]) == pytest.approx(proportion_confint(80, 100, method="wilson"))
    # The rule: they judged a label that was there, and still count.
    assert (one(found, "accuracy")["value"], one(found, "accuracy")["n"]) == (0.8, 100)
