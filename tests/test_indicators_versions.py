"""Concept drift on rows written by hand, through `labelmon once`."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy.stats import chi2_contingency

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
