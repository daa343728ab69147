"""Concept drift, dataset versions and scores on rows written by hand, through `labelmon once`."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy.stats import chi2_contingency
from statsmodels.stats.proportion import proportion_confint

from labelmon.estimators.multiplicity import benjamini_hochberg
from tests.full_store import day, once, one

SURE = {"concept_drift": {"at_most": 0.005, "baseline": "previous"}}
END = "2026-03-01T00:00:00Z"
NOW, BEFORE = {"x": (80, 40), "y": (30, 90), "rare": (5, 5)}, {"x": (120, 30), "y": (35, 100), "rare": (30, 3)}


def rows(now: dict[str, tuple[int, int]], before: dict[str, tuple[int, int]]) -> dict[str, list[dict[str, object]]]:
    """A week and the week before: by predicted class, how many labels say x and y."""
    labels: list[dict[str, object]] = []
    predictions: list[dict[str, object]] = []
    for week, (start, counts) in enumerate(((21, now), (14, before))):
        for predicted, both in counts.items():
            for label, times in zip("xy", both, strict=True):
                for n in range(times):
                    item = f"{week}-{predicted}-{label}-{n}"
                    labels.append({"item": item, "label": label, "labeled_at": day(start + n % 7, 12)})
                    predictions += [
                        {"item": item, "predicted": "stale", "predicted_at": day(start + n % 7, 1)},
                        {"item": item, "predicted": predicted, "predicted_at": day(start + n % 7, 2)},
                        {"item": item, "predicted": "late", "predicted_at": day(start + n % 7, 13)},
                    ]
    return {"labels": labels, "predictions": predictions}


def test_labels_given_the_last_prediction_before_them(tmp_path: Path) -> None:
    found = once(tmp_path, rows(NOW, BEFORE), SURE, at=END)

    plain = [
        chi2_contingency([NOW[c], BEFORE[c]], correction=False, lambda_="log-likelihood").pvalue for c in ("x", "y")
    ]
    adjusted = benjamini_hochberg(plain)
    assert one(found, "class_p_value", **{"class": "x"})["value"] == pytest.approx(adjusted[0])
    assert one(found, "class_p_value", **{"class": "y"})["value"] == pytest.approx(adjusted[1])
    assert one(found, "drift_p_value")["value"] == pytest.approx(min(adjusted))
    assert one(found, "share_change", **{"class": "x", "other_class": "y"})["value"] == pytest.approx(40 / 120 - 0.2)
    # Ten labels of the rare class are too few to judge it, and are not put together with another's.
    assert one(found, "judged_share")["value"] == pytest.approx(240 / 250)
    assert one(found, "label_count")["value"] == 250
    whole = one(found, "kl_excess_nats")
    assert whole["n"] == 240
    assert 0 <= whole["low"] < whole["value"] < whole["high"]


@pytest.mark.parametrize(
    ("now", "before", "state", "reason"),
    [
        ({}, BEFORE, "insufficient", "nothing in the period"),
        (NOW, {}, "insufficient", "nothing in the baseline"),
        ({"x": (5, 5)}, BEFORE, "insufficient", "no predicted class has 30 labels on both sides"),
        ({"x": (50, 0)}, {"x": (50, 0)}, "not_computable", "no predicted class has two labels"),
    ],
)
def test_what_cannot_be_judged_is_said(
    tmp_path: Path,
    now: dict[str, tuple[int, int]],
    before: dict[str, tuple[int, int]],
    state: str,
    reason: str,
) -> None:
    found = once(tmp_path, rows(now, before), SURE, at=END)

    for statistic in ("kl_excess_nats", "drift_p_value"):
        m = one(found, statistic)
        assert (m["value"], m["state"]) == (None, state)
        assert reason in m["reason"]


def version(name: str, labels: str, purpose: str = "train", **more: object) -> list[dict[str, object]]:
    """A version whose n-th item carries the n-th label; a blank is an item that it does not hold."""
    return [
        {"item": f"i{n}", "version": name, "label": label, "purpose": purpose, **more}
        for n, label in enumerate(labels)
        if label != " "
    ]


def test_the_two_newest_versions_are_compared_item_by_item(tmp_path: Path) -> None:
    rows = version("v9", "xxxxyyyy  ") + version("v10", "xxyy xyyxx") + version("v8", "zzzzzzzzzz")

    found = once(tmp_path, {"versions": rows}, {"version_delta": {"at_most": 0.05}})

    whole = one(found, "changed_share")
    assert (whole["value"], whole["n"]) == (3 / 7, 7)
    assert one(found, "shared_items", version="v10", other_version="v9")["value"] == 7
    assert (one(found, "added_items")["value"], one(found, "removed_items")["value"]) == (2, 1)
    moved = {
        (m["labels"]["class"], m["labels"]["other_class"]): m["value"]
        for m in found
        if m["statistic"] == "changed_items"
    }
    assert moved == {("x", "y"): 2, ("y", "x"): 1}


def test_a_release_date_beats_the_name_and_the_future_is_not_out(tmp_path: Path) -> None:
    rows = version("1.10", "xxxx", released_at="2025-01-01T00:00:00Z")
    rows += version("2.0", "xxxy", released_at="2026-01-01T00:00:00Z")
    rows += version("3.0", "yyyy", released_at="2026-04-01T00:00:00Z")

    found = once(tmp_path, {"versions": rows}, {"version_delta": {"at_most": 0.05}})

    assert one(found, "changed_share")["value"] == 0.25
    assert one(found, "shared_items", version="2.0", other_version="1.10")["value"] == 4


@pytest.mark.parametrize(
    ("rows", "state", "reason"),
    [
        ([], "insufficient", "no versions"),
        (version("v1", "xy"), "not_computable", "one version; need two to compare"),
        (version("v1", "xy  ") + version("v2", "  xy"), "insufficient", "the two newest versions share no item"),
    ],
)
def test_versions_that_cannot_be_compared(tmp_path: Path, rows: list, state: str, reason: str) -> None:
    found = once(tmp_path, {"versions": rows}, {"version_delta": {"at_most": 0.05}})

    said = one(found, "changed_share")
    assert (said["value"], said["state"], said["reason"]) == (None, state, reason)


def served(shares: dict[str, int], days: int = 28) -> list[dict[str, object]]:
    """So many predictions of each class a day."""
    return [
        {"item": f"{n}-{name}-{k}", "predicted": name, "predicted_at": day(n, 9)}
        for n in range(days)
        for name, count in shares.items()
        for k in range(count)
    ]


def test_the_purpose_that_is_farthest_from_production_is_named(tmp_path: Path) -> None:
    rows = version("v1", "x" * 800 + "y" * 200) + version("v1", "x" * 500 + "y" * 500, purpose="test")
    rows += version("v0", "y" * 1000)  # an older version says nothing
    goal = {"version_skew": {"at_most": 0.05}}

    found = once(
        tmp_path, {"versions": rows, "predictions": served({"x": 40, "y": 10})}, goal, at="2026-03-01T00:00:00Z"
    )

    train, test = (one(found, "kl_excess_nats", purpose=purpose) for purpose in ("train", "test"))
    # entropy([.5, .5], [.8, .2]) = 0.2231 by scipy
    assert train["value"] == pytest.approx(0, abs=1e-3)
    assert test["value"] == pytest.approx(0.2231, abs=0.002)
    worst = one(found, "kl_excess_nats")
    assert (worst["value"], worst["low"], worst["high"]) == (test["value"], test["low"], test["high"])
    assert one(found, "drift_p_value")["value"] < 1e-9
    assert one(found, "drift_p_value", purpose="train")["value"] > 0.5


def test_a_version_without_predictions_to_hold_it_against(tmp_path: Path) -> None:
    goal = {"version_skew": {"at_most": 0.05}}
    unmapped = once(tmp_path, {"versions": version("v1", "xy")}, goal)
    empty = once(tmp_path, {"versions": version("v1", "xy"), "predictions": []}, goal)

    assert one(unmapped, "kl_excess_nats")["reason"] == "predictions are not mapped"
    assert one(empty, "kl_excess_nats")["reason"] == "no predictions in the window"


def scored(model: str, score: object, right: int, wrong: int) -> dict[str, list[dict[str, object]]]:
    items = [f"{model}-{n}" for n in range(right + wrong)]
    return {
        "labels": [
            {"item": i, "label": "x" if n < right else "y", "labeled_at": day(n, 12)} for n, i in enumerate(items)
        ],
        "predictions": [
            {"item": i, "predicted": "x", "predicted_at": day(n, 9), "score": score, "model_version": model}
            for n, i in enumerate(items)
        ],
    }


def test_scores_are_held_to_the_labels_that_came_later(tmp_path: Path) -> None:
    parts = [scored("m1", 0.9, 45, 5), scored("m2", 0.9, 25, 25), scored("m3", 1.5, 3, 0), scored("m4", None, 2, 0)]
    tables = {name: [row for part in parts for row in part[name]] for name in ("labels", "predictions")}

    found = once(tmp_path, tables, {"prediction_score": {"at_most": 0.1}})

    gap = one(found, "score_gap")
    assert (gap["value"], gap["n"]) == (pytest.approx(0.9 - 70 / 100), 100)
    # Every score is alike, so the difference varies as the share does: proportion_confint(70, 100, method="wilson").
    low, high = proportion_confint(70, 100, method="wilson")
    assert (gap["low"], gap["high"]) == pytest.approx((0.9 - high, 0.9 - low))
    shares = {
        m["labels"]["model_version"]: m["value"] for m in found if m["statistic"] == "model_confirmed" and m["labels"]
    }
    assert shares == {"m1": 0.9, "m2": 0.5, "m3": 1, "m4": 1}
    excluded = {m["labels"]["reason"]: m["value"] for m in found if m["statistic"] == "excluded_scores"}
    assert excluded == {"above_one": 3, "missing": 2}


def test_the_version_that_came_with_a_drift_is_marked(tmp_path: Path) -> None:
    labels = [
        {
            "item": f"{n}-{k}",
            "label": "x",
            "labeled_at": day(n, 12),
            "schema_version": "v2" if n >= 21 and k < 8 else "v1",
            "guideline_version": "g1",
        }
        for n in range(28)
        for k in range(10)
    ]

    found = once(tmp_path, {"labels": labels}, {"label_drift": {"at_most": 0.005}}, at="2026-02-28T23:59:59Z")

    changes = {tuple(m["labels"].items()): m["value"] for m in found if m["statistic"] == "version_share_change"}
    # Nothing is said of the guideline: there is but one version of it.
    assert changes == {
        (("schema_version", "v1"),): pytest.approx(-0.8),
        (("schema_version", "v2"),): pytest.approx(0.8),
    }
