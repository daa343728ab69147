"""Odd data through `labelmon once`: a state and a reason, never an exception, never a made-up number."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from statsmodels.stats.inter_rater import cohens_kappa

from labelmon.cli import main

AT = "2026-03-02T00:00:00Z"
STATES = {"ok", "insufficient", "not_computable"}
HEADERS = {
    "items": ("item", "arrived_at"),
    "labels": ("item", "label", "annotator", "labeled_at"),
    "audits": ("item", "label", "truth", "audited_at"),
    "predictions": ("item", "predicted", "predicted_at"),
}
OBJECTIVES: dict[str, dict[str, Any]] = {
    "annotator_agreement": {"at_least": 0.8, "window": "30d", "settle": "1h"},
    "label_accuracy": {"target": 0.95},
    "label_backlog": {"at_most": "1d"},
    "label_coverage": {"at_least": 0.9},
    "label_drift": {"at_most": 0.1},
    "label_join": {"target": 0.95},
    "prediction_drift": {"at_most": 0.1},
    "prediction_join": {"target": 0.95},
    "prediction_validated": {"within": "24h", "target": 0.95},
}

Rating = tuple[str, str, str]  # item, label, annotator


def day(n: int) -> str:
    return f"2026-02-{1 + n % 27:02d}T12:00:00Z"


def once(folder: Path, ratings: Iterable[Rating], **more: Any) -> list[dict[str, Any]]:
    """The measurements over these ratings; items that `items` does not name exist too, unless it is given."""
    rows = list(ratings)
    days = {item: day(n) for n, item in enumerate(dict.fromkeys(item for item, _, _ in rows))}
    tables: dict[str, list[tuple[str, ...]]] = {
        "labels": [(item, label, who, days[item]) for item, label, who in rows],
        "items": [(item, "2026-02-01T00:00:00Z") for item in more.get("items", dict.fromkeys(i for i, _, _ in rows))],
        "audits": [(item, label, label, day(n)) for n, (item, label, _) in enumerate(rows)],
        "predictions": more.get("predictions", [(item, label, day(n)) for n, (item, label, _) in enumerate(rows)]),
    }
    with closing(sqlite3.connect(folder / "odd.db")) as db, db:
        for name, lines in tables.items():
            db.execute(f"CREATE TABLE {name} ({', '.join(f'{column} TEXT' for column in HEADERS[name])})")
            db.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(HEADERS[name]))})", lines)
    relations: dict[str, dict[str, Any]] = {
        name: {"columns": {column: column for column in columns}} for name, columns in HEADERS.items()
    }
    config = {
        # Without an index SQLite looks partners up one by one: ten thousand take long where others run beside.
        "stores": {"s": {"url": f"sqlite:///{folder / 'odd.db'}", "statement_timeout": "2m"}},
        "datasets": {
            "odd": {
                "relations": relations,
                "objectives": OBJECTIVES | more.get("objectives", {}),
                **more.get("dataset", {}),
            }
        },
    }
    path = folder / "labelmon.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    done = CliRunner().invoke(main, ["once", "--config.file", str(path), "--format", "json", "--at", AT])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["measurements"]
    for m in found:
        assert m["state"] in STATES, m
        assert (m["reason"] != "") == (m["state"] != "ok"), m
        ends = [m["low"], m["value"], m["high"]]
        if m["value"] is None:
            assert m["state"] != "ok"
        elif None not in ends:
            assert ends == sorted(ends), m
    return found


def one(found: list[dict[str, Any]], statistic: str, **labels: str) -> dict[str, Any]:
    (hit,) = [m for m in found if m["statistic"] == statistic and m["labels"] == labels]
    return hit


def two_raters(labels: Iterable[tuple[str, str]]) -> list[Rating]:
    return [row for n, (a, b) in enumerate(labels) for row in ((f"i{n:05d}", a, "p"), (f"i{n:05d}", b, "q"))]


def test_one_class_only_has_no_agreement_beyond_chance(tmp_path: Path) -> None:
    found = once(tmp_path, two_raters([("x", "x")] * 60))

    for statistic in ("krippendorff_alpha", "fleiss_kappa", "cohen_kappa"):
        assert (one(found, statistic)["value"], one(found, statistic)["state"]) == (None, "not_computable")
    assert one(found, "percent_agreement")["value"] == 1
    drifts = [m for m in found if m["statistic"] == "kl_divergence_nats"]
    assert [m["check"] for m in drifts] == ["label_drift", "prediction_drift"]


def test_one_rater_only_agrees_with_nobody(tmp_path: Path) -> None:
    found = once(tmp_path, [(f"i{n}", "xy"[n % 2], "p") for n in range(60)])

    alpha = one(found, "krippendorff_alpha")
    assert (alpha["value"], alpha["state"], alpha["n"]) == (None, "insufficient", 0)


def test_repeats_of_one_rater_are_one_rating(tmp_path: Path) -> None:
    ratings = [(f"i{n}", "xy"[(n + turn) % 2], "p") for n in range(40) for turn in range(3)]

    assert one(once(tmp_path, ratings), "krippendorff_alpha")["value"] is None


def test_ten_thousand_classes(tmp_path: Path) -> None:
    found = once(tmp_path, two_raters([(f"c{n}", f"c{n}") for n in range(10_000)]))

    # Undeclared classes beyond a cap fold into `other`; agreement itself is counted before that.
    assert one(found, "percent_agreement")["value"] == 1
    classes = {m["labels"]["class"] for m in found if m["statistic"] == "kl_contribution_nats"}
    assert "other" in classes
    assert len(classes) <= 50


def test_an_annotator_with_one_label_is_not_judged(tmp_path: Path) -> None:
    ratings = two_raters([("x", "x"), ("y", "y"), ("x", "y")] * 30)
    found = once(tmp_path, [*ratings, ("i00000", "x", "newcomer")])

    pairs = [m for m in found if m["statistic"] == "cohen_kappa" and "annotator" in m["labels"]]
    assert sorted(m["n"] for m in pairs) == [1, 1, 90]
    assert {m["state"] for m in pairs if m["n"] == 1} <= {"insufficient", "not_computable"}
    assert one(found, "cohen_kappa")["n"] == 90  # the pooled figure leaves the tiny pairs out


@pytest.mark.parametrize(
    ("a", "b"),
    [("None", "none"), ("caf\u00e9", "cafe\u0301"), ("paypal", "p\u0430ypal"), ("x", "x "), ("NA", "")],
    ids=["case", "accents", "Cyrillic", "space", "empty"],
)
def test_classes_that_look_alike_are_two(tmp_path: Path, a: str, b: str) -> None:
    found = once(tmp_path, two_raters([(a, a), (b, b), (a, b)] * 20))

    assert one(found, "percent_agreement")["value"] == pytest.approx(2 / 3)
    shown = {m["labels"]["class"] for m in found if m["statistic"] == "label_count" and m["labels"]}
    assert shown == {a, b}


def test_an_empty_label_is_a_label_and_no_label_is_none(tmp_path: Path) -> None:
    found = once(tmp_path, two_raters([("", ""), ("x", "x")] * 30))

    assert one(found, "accuracy")["n"] == 120
    assert one(found, "backlog_items")["value"] == 0


def test_predictions_of_unknown_items_are_counted_and_judge_nobody(tmp_path: Path) -> None:
    ratings = two_raters([("x", "x"), ("y", "y")] * 30)
    strangers = [(f"stranger-{n}", "x", day(n)) for n in range(40)]
    found = once(tmp_path, ratings, predictions=[*[(f"i{n:05d}", "x", day(n)) for n in range(60)], *strangers])

    joined = one([m for m in found if m["check"] == "prediction_join"], "join_coverage")
    assert (joined["value"], joined["n"]) == (0.6, 100)
    assert one(found, "validated", within="1d")["n"] == 100


def test_a_join_that_matches_almost_nothing_is_shown(tmp_path: Path) -> None:
    ratings = two_raters([("x", "x"), ("y", "y")] * 50)
    found = once(tmp_path, ratings, items=["i00000", *(f"other-{n}" for n in range(99))])

    joined = one([m for m in found if m["check"] == "label_join"], "join_coverage")
    assert (joined["value"], joined["n"], joined["state"]) == (0.01, 200, "ok")
    assert one(found, "coverage")["value"] == 0.01


def test_nothing_at_all(tmp_path: Path) -> None:
    found = once(tmp_path, [])

    assert {m["value"] for m in found if m["statistic"] in {"accuracy", "krippendorff_alpha", "join_coverage"}} == {
        None
    }


SCALE = ("none", "mild", "severe")
GRADES = [("none", "none")] * 20 + [("mild", "mild")] * 12 + [("severe", "severe")] * 9
GRADES += [("none", "mild")] * 6 + [("mild", "severe")] * 5 + [("none", "severe")] * 2 + [("mild", "none")] * 4

# krippendorff 0.9.0: alpha(value_counts=..., level_of_measurement="ordinal") on these 58 items.
ORDINAL_ALPHA = 0.6654342424816563


def test_an_ordinal_scale_weighs_how_far_apart_two_labels_are(tmp_path: Path) -> None:
    found = once(tmp_path, two_raters(GRADES), dataset={"classes": list(SCALE), "scale": "ordinal"})

    square = [[GRADES.count((a, b)) for b in SCALE] for a in SCALE]
    for statistic, weights in (("cohen_kappa_linear", "linear"), ("cohen_kappa_quadratic", "quadratic")):
        expected = cohens_kappa(square, wt=weights)
        assert one(found, statistic)["value"] == pytest.approx(expected.kappa, abs=1e-12)
    assert one(found, "krippendorff_alpha_ordinal")["value"] == pytest.approx(ORDINAL_ALPHA, abs=1e-9)


def test_a_nominal_scale_has_no_weights(tmp_path: Path) -> None:
    found = once(tmp_path, two_raters(GRADES), dataset={"classes": list(SCALE)})

    assert not [
        m for m in found if m["statistic"] in {"krippendorff_alpha_ordinal", "cohen_kappa_linear"} and m["value"]
    ]


def test_an_ordinal_scale_without_classes_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="need `classes` in their order"):
        once(tmp_path, two_raters(GRADES), dataset={"scale": "ordinal"})
