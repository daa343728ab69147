"""The trap of each indicator, built by hand: what the naive figure says, and what `labelmon once` says of the same rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, chi2_contingency, poisson
from scipy.stats import entropy as scipy_entropy

from labelmon.checks import catalogue
from tests.full_store import AT, day, once, one

DAY_S = 86_400


def test_each_check_has_its_trap_here() -> None:
    assert {f"test_{check.name}" for check in catalogue()} <= set(globals())


def test_label_accuracy(tmp_path: Path) -> None:
    """Active learning picks what is doubtful: half of the picks are wrong, one label in twenty really is."""
    audits = [
        {"item": f"r{n}", "label": "x", "truth": "y" if n < 10 else "x", "selection": "random", "audited_at": day(n)}
        for n in range(200)
    ]
    audits += [
        {
            "item": f"p{n}",
            "label": "x",
            "truth": "y" if n < 100 else "x",
            "selection": "uncertain",
            "audited_at": day(n),
        }
        for n in range(200)
    ]
    naive = sum(row["label"] == row["truth"] for row in audits) / len(audits)

    found = once(tmp_path, {"audits": audits}, {"label_accuracy": {"target": 0.9}}, leave_out=["audits.weight"])

    assert naive == 0.725
    ours = one(found, "accuracy")
    assert (ours["value"], ours["n"], ours["state"]) == (0.95, 200, "ok")
    assert one(found, "excluded_audits", reason="not_random")["value"] == 200


def test_annotator_agreement(tmp_path: Path) -> None:
    """Where one class prevails kappa is below 0 although people agree on 95 items of 100."""
    said = [("a", "a")] * 95 + [("a", "b")] * 3 + [("b", "a")] * 2
    labels = [
        {"item": f"i{n:03d}", "label": label, "annotator": who, "labeled_at": day(n % 27)}
        for n, pair in enumerate(said)
        for who, label in zip("pq", pair, strict=True)
    ]

    found = once(tmp_path, {"labels": labels}, {"annotator_agreement": {"at_least": 0.8, "settle": "1h"}})

    assert one(found, "krippendorff_alpha")["value"] < 0  # the naive reading: they agree less than by chance
    assert one(found, "percent_agreement")["value"] == 0.95
    assert one(found, "gwet_ac1")["value"] > 0.9
    assert one(found, "prevalence_paradox")["value"] == 1
    assert one(found, "class_agreement", **{"class": "a"})["value"] > 0.9
    assert one(found, "class_agreement", **{"class": "b"})["value"] == 0  # and this is where they do not


def test_label_latency(tmp_path: Path) -> None:
    """Of the labels that were made all came within the hour; as many items still wait for theirs, and are late."""
    items = [{"item": f"i{n}", "arrived_at": day(n, 10)} for n in range(100)]
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": day(n, 10)} for n in range(0, 100, 2)]
    # Nobody can say yet whether this one is late.
    items.append({"item": "new", "arrived_at": "2026-03-01T23:30:00Z"})

    found = once(
        tmp_path,
        {"items": items, "labels": labels},
        {"label_latency": {"within": "1h", "target": 0.9}},
        leave_out=["labels.stored_at"],
    )

    arrived = {row["item"]: row["arrived_at"] for row in items}
    assert all(arrived[row["item"]] == row["labeled_at"] for row in labels)  # completed only: 100 % in time
    ours = one(found, "within_ratio", within="1h")
    assert (ours["value"], ours["n"]) == (0.5, 100)


def test_label_coverage(tmp_path: Path) -> None:
    """A rare class has no label at all, while 97 % of all items have one."""
    items = [
        {"item": f"i{n}", "arrived_at": day(n), "expected_class": "rare" if n < 30 else "common"} for n in range(1000)
    ]
    labels = [{"item": row["item"], "label": "common", "labeled_at": day(27)} for row in items[30:]]

    tables = {"items": items, "labels": labels}
    found = once(tmp_path, tables, {"label_coverage": {"at_least": 0.9}}, leave_out=["labels.stored_at"])

    assert one(found, "coverage")["value"] == 0.97
    assert one(found, "worst_coverage")["value"] == 0
    # By the labels' own class the rare one does not even exist.
    assert {row["label"] for row in labels} == {"common"}


def test_validator_pass(tmp_path: Path) -> None:
    """One rule makes all failures, and a person overruled most of them."""
    rows = [
        {"item": f"i{n}", "rule": rule, "passed": rule == "sound" or n >= 40, "checked_at": day(n)}
        for n in range(200)
        for rule in ("sound", "poor")
    ]
    failures = [row for row in rows if not row["passed"]]
    for n, row in enumerate(failures):
        row["false_fail"] = n < 36

    found = once(tmp_path, {"validations": rows}, {"validator_pass": {"target": 0.99}})

    assert one(found, "validator_pass")["value"] == 0.9  # naive: a tenth of the labels is bad
    assert one(found, "validator_pass", rule="sound")["value"] == 1
    wronged = one(found, "false_fail", rule="poor")
    assert (wronged["value"], wronged["n"]) == (0.9, 40)


def test_label_backlog(tmp_path: Path) -> None:
    """A burst of 900 fresh items is healthy; three that nobody took for a week are not."""
    fresh = [{"item": f"i{n}", "arrived_at": "2026-03-01T22:00:00Z"} for n in range(900)]
    stale = [{"item": f"s{n}", "arrived_at": "2026-02-20T00:00:00Z"} for n in range(3)]
    labels = [{"item": "other", "label": "x", "labeled_at": day(1)}]

    burst = once(tmp_path, {"items": fresh, "labels": labels}, {"label_backlog": {"at_most": "1d"}})
    forgotten = once(tmp_path, {"items": stale, "labels": labels}, {"label_backlog": {"at_most": "1d"}})

    lengths = [one(found, "backlog_items")["value"] for found in (burst, forgotten)]
    ages = [one(found, "oldest_age_seconds")["value"] for found in (burst, forgotten)]
    assert lengths == [900, 3]  # an alert on length picks the wrong one
    assert ages == [2 * 3600, 10 * DAY_S]


def test_label_corrections(tmp_path: Path) -> None:
    """Reviewers correct 2 %, and notice one error in four."""
    reviews = [
        {"item": f"i{n}", "label": "x", "corrected_label": "y" if n < 20 else "x", "reviewed_at": day(n)}
        for n in range(1000)
    ]
    seeded = [
        {"item": f"s{n}", "label": "x" if n < 25 else "y", "truth": "x", "audited_at": day(n), "seeded": 1}
        for n in range(100)
    ]

    found = once(tmp_path, {"reviews": reviews, "audits": seeded}, {"label_corrections": {"target": 0.95}})

    assert one(found, "corrected")["value"] == 0.02
    assert one(found, "corrected_with_misses")["value"] == pytest.approx(0.08)


def test_label_provenance(tmp_path: Path) -> None:
    """A burn rate over a budget of 0 is no number: one label without its tool must be an event of its own."""
    labels = [
        {"item": f"i{n}", "label": "x", "labeled_at": day(n), "annotator": "p", "tool": "" if n == 7 else "t"}
        for n in range(20_000)
    ]

    found = once(
        tmp_path,
        {"labels": labels},
        {"label_provenance": {"target": 1}},
        leave_out=["labels.guideline_version", "labels.schema_version", "labels.source_uri"],
    )

    ours = one(found, "provenance")
    assert round(ours["value"], 3) == 1.0  # naive: 100 %
    assert ours["value"] < 1
    assert one(found, "missing_field", field="tool")["value"] == 1 / 20_000


def test_label_cost(tmp_path: Path) -> None:
    """Labels that cost half a unit cost 1.25 when a fifth is wrong and half of the money is in no label's price."""
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": day(n), "cost": 0.5} for n in range(100)]
    audits = [
        {"item": f"i{n}", "label": "x", "truth": "x" if n < 80 else "y", "audited_at": day(n), "weight": 1}
        for n in range(100)
    ]
    costs = [{"period": day(3), "amount": 100.0, "category": "everything"}]

    found = once(tmp_path, {"labels": labels, "audits": audits, "costs": costs}, {"label_cost": {"at_most": 2}})

    assert one(found, "cost_per_label")["value"] == 0.5
    assert one(found, "cost_per_correct_label")["value"] == pytest.approx(0.625)
    assert one(found, "unallocated_cost")["value"] == 0.5


def test_label_budget(tmp_path: Path) -> None:
    """All costs over all budgets look fine, because a refund that nobody planned hides a period that is over."""
    costs = [
        {"period": day(1), "amount": 120.0, "budget": 100.0},
        {"period": day(2), "amount": 0.0, "budget": None},
        {"period": day(3), "amount": -30.0, "budget": None},  # a refund of a period that nobody planned
    ]

    found = once(tmp_path, {"costs": costs}, {"label_budget": {"at_most": 1}})

    naive = sum(row["amount"] for row in costs) / 100
    assert naive < 1
    assert one(found, "budget_spent")["value"] == 1.2
    assert one(found, "unbudgeted_cost")["value"] == -30


def test_prediction_validated(tmp_path: Path) -> None:
    """Predictions of the last hour have no label yet, and are no failures."""
    predictions = [{"item": f"i{n}", "predicted": "x", "predicted_at": day(n)} for n in range(100)]
    predictions += [{"item": f"n{n}", "predicted": "x", "predicted_at": "2026-03-01T23:00:00Z"} for n in range(300)]
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": day(n, 13)} for n in range(100)]
    labelled = {row["item"] for row in labels}
    naive = sum(row["item"] in labelled for row in predictions) / len(predictions)

    found = once(
        tmp_path,
        {"predictions": predictions, "labels": labels},
        {"prediction_validated": {"within": "24h", "target": 0.95}},
        leave_out=["labels.stored_at"],
    )

    assert naive == 0.25
    assert (one(found, "validated", within="1d")["value"], one(found, "validated", within="1d")["n"]) == (1, 100)


def test_class_quality(tmp_path: Path) -> None:
    """Audits of what the model found, and few of what it did not: naive recall .962, of all predictions .714."""
    # 200 predicted x (150 are), every second one audited; 800 predicted y (60 are x), every twentieth audited.
    predictions, audits = [], []
    for predicted, drawn, are_x, weight in (("x", 100, 75, 2), ("y", 40, 3, 20)):
        for n in range(drawn):
            item = f"{predicted}{n}"
            truth = "x" if n < are_x else "y"
            predictions.append({"item": item, "predicted": predicted, "predicted_at": day(n, 1)})
            audits.append({"item": item, "label": truth, "truth": truth, "audited_at": day(n), "weight": weight})
    predicted = {row["item"]: row["predicted"] for row in predictions}
    hits = Counter(predicted[row["item"]] for row in audits if row["truth"] == "x")
    labels = [{"item": row["item"], "label": row["truth"], "labeled_at": day(n, 20)} for n, row in enumerate(audits)]

    found = once(
        tmp_path,
        {"labels": labels, "predictions": predictions, "audits": audits},
        {"class_quality": {"target": 0.8}},
    )

    assert hits["x"] / hits.total() == pytest.approx(0.962, abs=5e-4)
    assert one(found, "recall", **{"class": "x"})["value"] == hits["x"] / hits.total()
    ours = one(found, "audited_recall", **{"class": "x"})
    assert ours["value"] == pytest.approx(150 / 210)
    assert ours["low"] < 0.6  # three audits stand for sixty: the interval knows
    assert one(found, "audited_precision", **{"class": "x"})["value"] == pytest.approx(0.75)


def test_schema_mismatch(tmp_path: Path) -> None:
    """`None` and `none` are two labels to a computer: what no case-blind count would notice."""
    labels = [{"item": f"i{n}", "label": "None" if n < 8 else "none", "labeled_at": day(n)} for n in range(400)]

    found = once(tmp_path, {"labels": labels}, {"schema_mismatch": {"target": 0.99}}, classes=["none", "poc"])

    assert {str(row["label"]).casefold() for row in labels} <= {"none", "poc"}  # naive: all in the schema
    assert one(found, "in_schema")["value"] == 0.98
    (offending,) = [m for m in found if m["statistic"] == "offending_labels"]
    assert offending["value"] == 8
    assert offending["labels"]["looks_like"] == "none"


def test_prediction_schema(tmp_path: Path) -> None:
    """A model that still says the old word seems to be wrong; its vocabulary is."""
    predictions = [
        {"item": f"i{n}", "predicted": "CAT" if n < 50 else "dog", "predicted_at": day(n, 1)} for n in range(100)
    ]
    labels = [{"item": f"i{n}", "label": "cat" if n < 50 else "dog", "labeled_at": day(n)} for n in range(100)]

    found = once(
        tmp_path,
        {"predictions": predictions, "labels": labels},
        {"prediction_schema": {"target": 0.99}, "class_quality": {"target": 0.8}},
        classes=["cat", "dog"],
    )

    assert one(found, "confirmed")["value"] == 0.5  # naive: the model errs on every second item
    assert one(found, "in_schema", "prediction_schema")["value"] == 0.5
    (offending,) = [m for m in found if m["statistic"] == "offending_predictions"]
    assert offending["labels"]["looks_like"] == "cat"


def test_class_starvation(tmp_path: Path) -> None:
    """No label of a class for a week: of the rare one by chance, of the frequent one not."""
    labels = []
    for week in range(1, 5):  # none of the two in the newest week
        for n in range(40):
            when = f"2026-{'02' if 23 - 7 * week > 0 else '01'}-{(22 - 7 * week) % 31 + 1:02d}T{n % 24:02d}:00:00Z"
            labels.append({"item": f"f{week}-{n}", "label": "frequent", "labeled_at": when})
            if n == 0 and week % 2:
                labels.append({"item": f"r{week}", "label": "rare", "labeled_at": when})
    labels += [{"item": f"o{n}", "label": "other_work", "labeled_at": day(27, n % 24)} for n in range(40)]

    found = once(tmp_path, {"labels": labels}, {"class_starvation": {"at_most": 0}})

    absent = {"frequent", "rare"} - {row["label"] for row in labels if row["labeled_at"] >= "2026-02-23"}
    assert len(absent) == 2  # naive: two classes are gone
    assert one(found, "starved_classes")["value"] == 1
    assert one(found, "starvation_p_value", **{"class": "rare"})["value"] > poisson.cdf(0, 0.5) / 2
    assert one(found, "starvation_p_value", **{"class": "frequent"})["value"] < 0.001


def test_annotator_anomaly(tmp_path: Path) -> None:
    """Honest people differ in skill: a plain binomial test accuses one of them."""
    wrong = [2, 3, 4, 5, 6, 7, 8, 9, 12, 18, 3, 4, 5, 6, 7, 16, 2, 10, 11, 13]
    audits = [
        {
            "item": f"{who}-{n}",
            "label": "x",
            "truth": "y" if n < k else "x",
            "audited_at": day(n),
            "annotator": f"a{who}",
        }
        for who, k in enumerate(wrong)
        for n in range(100)
    ]
    mean = sum(wrong) / len(audits)
    accused = [k for k in wrong if binomtest(k, 100, mean, alternative="greater").pvalue < 0.05 / len(wrong)]

    found = once(tmp_path, {"audits": audits}, {"annotator_anomaly": {"at_most": 0}})

    assert accused == [18]
    assert one(found, "flagged_annotators")["value"] == 0


def test_annotator_behaviour(tmp_path: Path) -> None:
    """Everybody got other work: a plain chi-square finds each of them odd, ours finds the one who clicks through."""
    mixes = [
        (60, 30, 10),
        (50, 35, 15),
        (70, 20, 10),
        (55, 40, 5),
        (45, 30, 25),
        (65, 15, 20),
        (50, 25, 25),
        (2, 3, 95),
    ]
    labels = [
        {
            "item": f"{who}-{n}",
            "label": "a" if n < a else "b" if n < a + b else "c",
            "labeled_at": day(n % 27),
            "started_at": day(n % 27).replace("12:00:00", "11:59:58" if who == 7 else f"11:59:{20 + who + n % 9:02d}"),
            "annotator": f"a{who}",
        }
        for who, (a, b, _) in enumerate(mixes)
        for n in range(100)
    ]
    total = [sum(column) for column in zip(*mixes, strict=True)]
    accused = [
        mix
        for mix in mixes
        if chi2_contingency([mix, [t - m for t, m in zip(total, mix, strict=True)]]).pvalue < 0.05 / len(mixes)
    ]

    found = once(tmp_path, {"labels": labels}, {"annotator_behaviour": {"at_most": 0}})

    assert len(accused) >= 4
    assert one(found, "odd_mix_annotators")["value"] == 1
    assert one(found, "fast_annotators")["value"] == 1
    assert one(found, "apart_annotators")["value"] == 1  # the same person, once


def test_label_freshness(tmp_path: Path) -> None:
    """All labels fresh, because only five of a thousand carry an expiry."""
    labels = [
        {"item": f"i{n}", "label": "x", "labeled_at": day(n), "expires_at": "2027-01-01T00:00:00Z" if n < 5 else None}
        for n in range(1000)
    ]

    found = once(tmp_path, {"labels": labels}, {"label_freshness": {"at_least": 0.95}})

    assert one(found, "fresh")["value"] == 1
    assert one(found, "dated")["value"] == 0.005


def test_label_retention(tmp_path: Path) -> None:
    """No label carries an expiry: none is ever past it, and some are ten years old."""
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": day(n)} for n in range(95)]
    labels += [{"item": f"o{n}", "label": "x", "labeled_at": "2016-03-02T00:00:00Z"} for n in range(5)]
    goals = {"label_freshness": {"at_least": 0.95}, "label_retention": {"at_most": "2555d"}}

    found = once(tmp_path, {"labels": labels}, goals)

    assert one(found, "fresh")["value"] is None
    assert one(found, "oldest_label_age_seconds")["value"] == 3652 * DAY_S


def test_auto_label(tmp_path: Path) -> None:
    """Automatic labels held to automatic ones agree with themselves; people find a fifth of them wrong."""
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": day(n, 1), "label_source": "auto"} for n in range(100)]
    labels += [{"item": f"h{n}", "label": "x", "labeled_at": day(n, 1), "label_source": "human"} for n in range(100)]
    again = {row["item"]: "x" for row in labels}  # what the same model says once more
    audits = [
        {"item": f"{kind}{n}", "label": "x", "truth": "y" if n < bad else "x", "audited_at": day(n), "weight": 1}
        for kind, bad in (("i", 20), ("h", 2))
        for n in range(100)
    ]

    found = once(tmp_path, {"labels": labels, "audits": audits}, {"auto_label": {"at_most": 0.9}})

    assert all(again[row["item"]] == row["label"] for row in labels)
    assert one(found, "error", label_source="auto")["value"] == 0.2
    assert one(found, "error_difference")["value"] == pytest.approx(0.18)
    assert one(found, "error_difference")["low"] > 0


def test_audit_health(tmp_path: Path) -> None:
    """Nobody has audited for three weeks: accuracy still looks fine, and would for another one."""
    audits = [
        {"item": f"a{n}", "label": "x", "truth": "x", "audited_at": f"2026-02-0{1 + n % 7}T12:00:00Z", "weight": 1}
        for n in range(100)
    ]

    found = once(tmp_path, {"audits": audits}, {"audit_health": {"at_most": "7d"}, "label_accuracy": {"target": 0.95}})

    assert (one(found, "accuracy")["value"], one(found, "accuracy")["state"]) == (1, "ok")
    assert one(found, "last_audit_age_seconds")["value"] == pytest.approx(22.5 * DAY_S)


def join_trap(folder: Path, relation: str, instant: str, check: str) -> tuple[dict[str, object], float]:
    """Ids written in two ways: the join finds the few that look alike, and all of those agree."""
    items = [{"item": f"{n:04d}", "arrived_at": day(n, 1)} for n in range(200)]
    names = [f"{n:04d}" if n < 10 else f"{n}" for n in range(200)]
    values = {"label": "x", "truth": "x", "predicted": "x", "weight": 1}
    rows = [{"item": name, instant: day(n), **values} for n, name in enumerate(names)]
    labels = [{"item": row["item"], "label": "x", "labeled_at": day(n, 2)} for n, row in enumerate(items)]
    tables = {"items": items, "labels": labels} | {relation: rows}
    found = once(folder, tables, {check: {"target": 0.95}})
    ours = one(found, "join_coverage", check)
    joined = [row for row in rows if row["item"] in {item["item"] for item in items}]
    naive = sum(row["label"] == row["truth"] for row in joined) / len(joined)
    assert ours["n"] == 200
    return ours, naive


def test_label_join(tmp_path: Path) -> None:
    ours, naive = join_trap(tmp_path, "labels", "labeled_at", "label_join")

    assert (ours["value"], naive) == (0.05, 1.0)


def test_prediction_join(tmp_path: Path) -> None:
    ours, naive = join_trap(tmp_path, "predictions", "predicted_at", "prediction_join")

    assert (ours["value"], naive) == (0.05, 1.0)


def test_audit_join(tmp_path: Path) -> None:
    ours, naive = join_trap(tmp_path, "audits", "audited_at", "audit_join")

    assert (ours["value"], naive) == (0.05, 1.0)


def weeks_of(
    days: int, mix: dict[str, int], weekend: dict[str, int], last: dict[int, dict[str, int]]
) -> list[dict[str, Any]]:
    """So many days of work before AT, a Monday; weekends have another mix, and `last` the days counted backwards."""
    rows = []
    for back in range(days):
        date = (datetime.fromisoformat(AT) - timedelta(days=back + 1)).date()
        counts = last.get(back, weekend if date.weekday() >= 5 else mix)
        for label, times in counts.items():
            rows += [
                {"item": f"{back}-{label}-{n}", "label": label, "predicted": label, "at": f"{date}T{n % 24:02d}:00:00Z"}
                for n in range(times)
            ]
    return rows


WEEKDAY, WEEKEND = {"a": 30, "b": 30, "c": 30}, {"a": 30, "b": 3, "c": 6}


def drift_trap(folder: Path, relation: str, instant: str, check: str) -> None:
    """A weekend differs from Friday every week; whole weeks do not differ at all. And then b goes missing for a week."""
    calm = [row | {instant: row["at"]} for row in weeks_of(35, WEEKDAY, WEEKEND, {})]
    sunday, friday = (Counter(r["label"] for r in calm if r["at"].startswith(d)) for d in ("2026-03-01", "2026-02-27"))
    assert chi2_contingency([[day[c] for c in "abc"] for day in (sunday, friday)]).pvalue < 1e-4  # naive: drift
    gone = {back: {"a": 30, "b": 12, "c": 30} for back in range(2, 7)}
    shifted = [row | {instant: row["at"]} for row in weeks_of(35, WEEKDAY, WEEKEND, gone)]

    quiet = once(folder, {relation: calm}, {check: {"at_most": 0.005}})
    loud = once(folder, {relation: shifted}, {check: {"at_most": 0.005}})

    assert one(quiet, "kl_excess_nats", check)["value"] == 0
    assert one(quiet, "drift_adjusted_p_value", check)["value"] > 0.5
    assert one(loud, "kl_excess_nats", check)["value"] > 0.005
    assert one(loud, "drift_adjusted_p_value", check)["value"] < 0.001


def test_label_drift(tmp_path: Path) -> None:
    drift_trap(tmp_path, "labels", "labeled_at", "label_drift")


def test_prediction_drift(tmp_path: Path) -> None:
    drift_trap(tmp_path, "predictions", "predicted_at", "prediction_drift")


def test_label_break(tmp_path: Path) -> None:
    """The last Sunday as every Sunday, and one on which a class is gone: against the day before both are a break."""
    usual = [row | {"labeled_at": row["at"]} for row in weeks_of(35, {"a": 50, "b": 100}, {"a": 100, "b": 50}, {})]
    broken = weeks_of(35, {"a": 50, "b": 100}, {"a": 100, "b": 50}, {0: {"b": 150}})

    quiet = once(tmp_path, {"labels": usual}, {"label_break": {"at_most": 0.25}})
    loud = once(
        tmp_path, {"labels": [row | {"labeled_at": row["at"]} for row in broken]}, {"label_break": {"at_most": 0.25}}
    )

    assert one(quiet, "kl_excess_nats")["value"] == 0
    assert one(loud, "kl_excess_nats")["value"] > 0.25
    assert one(loud, "drift_adjusted_p_value")["value"] < 1e-6


def test_a_pinned_baseline_remembers_what_a_moving_one_forgets(tmp_path: Path) -> None:
    """A mix that moved five weeks ago is the usual one by now, unless somebody pinned the old one."""
    rows = weeks_of(56, WEEKDAY, WEEKDAY, {back: {"a": 60, "b": 30, "c": 10} for back in range(35)})
    labels = [row | {"labeled_at": row["at"]} for row in rows]

    moving = once(tmp_path, {"labels": labels}, {"label_drift": {"at_most": 0.005}})
    pinned = once(tmp_path, {"labels": labels}, {"label_drift": {"at_most": 0.005, "pinned": "2026-01-05/2026-01-26"}})

    assert one(moving, "kl_excess_nats")["value"] == 0
    assert one(pinned, "kl_excess_nats")["value"] > 0.1
    assert one(pinned, "drift_adjusted_p_value")["value"] < 1e-6


def test_label_delay(tmp_path: Path) -> None:
    """Times of 30 minutes at the median, seen after every item waited at most an hour: done ones alone seem quick."""
    rng = np.random.default_rng(4)
    now = datetime.fromisoformat(AT)
    items, labels, naive = [], [], []
    for n, (minutes, age) in enumerate(
        zip(rng.exponential(30 / np.log(2), 2000), rng.uniform(0, 60, 2000), strict=True)
    ):
        arrived = now - timedelta(minutes=age)
        items.append({"item": f"i{n}", "arrived_at": arrived.isoformat()})
        if minutes <= age:
            labels.append(
                {"item": f"i{n}", "label": "x", "labeled_at": (arrived + timedelta(minutes=minutes)).isoformat()}
            )
            naive.append(minutes * 60)
    stages = ["items.queued_at", "labels.started_at", "labels.stored_at"]

    found = once(tmp_path, {"items": items, "labels": labels}, {"label_delay": {"at_most": "1h"}}, leave_out=stages)

    assert np.median(naive) < 17 * 60  # the naive figure: half of the truth
    ours = one(found, "p50_seconds")
    assert ours["low"] <= 30 * 60 <= ours["high"]
    assert ours["value"] == pytest.approx(30 * 60, rel=0.1)
    assert one(found, "p95_seconds")["state"] == "insufficient"  # nobody has waited for so long yet


def test_label_rules(tmp_path: Path) -> None:
    """Uploads were retried: half of the labels are there twice, which a mean over many rules hides."""
    labels = [
        {"item": f"i{n}", "label": "x", "labeled_at": day(3, hour), "annotator": "p", "tool": "t", "source_uri": "s:1"}
        for n in range(100)
        for hour in (10, 11)
    ]
    fields = ["item", "label", "annotator", "tool", "source_uri"]
    rules = {"required": fields, "pattern": dict.fromkeys(fields, "."), "unique": ["item", "annotator"]}

    found = once(tmp_path, {"labels": labels}, {"label_rules": {"target": 0.95}}, validators=rules)

    assert one(found, "rule_pass")["value"] == pytest.approx(21 / 22)  # the naive mean: 95 % is met
    assert one(found, "rule_pass", rule="unique")["value"] == 0.5
    assert one(found, "rule_pass", rule="required_tool")["value"] == 1
    assert one(found, "failing_labels")["value"] == 0.5


def test_auto_confidence(tmp_path: Path) -> None:
    """A model that is 95 % sure of everything is right seven times in ten, of what was drawn at random."""
    labels = [
        {"item": f"i{n}", "label": "x", "labeled_at": day(n, 1), "label_source": "auto", "confidence": 0.95}
        for n in range(200)
    ]
    audits = [
        {"item": f"i{n}", "label": "x", "truth": "y" if n < 60 else "x", "audited_at": day(n), "weight": 1}
        for n in range(200)
    ]

    found = once(tmp_path, {"labels": labels, "audits": audits}, {"auto_confidence": {"at_most": 0.05}})

    assert one(found, "mean_confidence")["value"] == pytest.approx(0.95)  # naive: one label in twenty is wrong
    assert one(found, "confidence_gap")["value"] == pytest.approx(0.25)
    assert one(found, "confidence_gap")["low"] > 0.15


def test_label_cost_trend(tmp_path: Path) -> None:
    """The month that has begun has cost a tenth of the last one so far, and a label of it costs twice as much."""
    months = (("2026-01", 200, 0.5), ("2026-02", 200, 1.0), ("2026-03", 10, 2.0))
    labels = [
        {"item": f"{month}-{n}", "label": "x", "labeled_at": f"{month}-01T00:{n % 60:02d}:00Z", "cost": price}
        for month, count, price in months
        for n in range(count)
    ]

    found = once(tmp_path, {"labels": labels}, {"label_cost_trend": {"at_most": 1.25}}, at="2026-03-02T00:00:00Z")

    spent = {m["labels"]["month"]: m["value"] for m in found if m["statistic"] == "monthly_spent"}
    assert spent["2026-03"] / spent["2026-02"] == 0.1  # naive: labels have become cheap
    assert one(found, "cost_growth")["value"] == 2
    assert one(found, "monthly_cost_per_label", month="2026-03")["value"] == 2


def labels_given_predictions(sure: Mapping[int, float], share: Mapping[int, float]) -> dict[str, list[dict[str, Any]]]:
    """Five weeks of 60 items a day; by week, how many are predicted x and how often a label says what was predicted."""
    labels, predictions = [], []
    for back in range(35):
        date = (datetime.fromisoformat(AT) - timedelta(days=back + 1)).date()
        as_x = round(60 * share.get(back // 7, 0.5))
        for predicted, other, times in (("x", "y", as_x), ("y", "x", 60 - as_x)):
            right = round(times * sure.get(back // 7, 0.9))
            for n in range(times):
                item = f"{back}-{predicted}-{n}"
                label = predicted if n < right else other
                predictions.append({"item": item, "predicted": predicted, "predicted_at": f"{date}T01:00:00Z"})
                labels.append({"item": item, "label": label, "labeled_at": f"{date}T{2 + n % 20:02d}:00:00Z"})
    return {"labels": labels, "predictions": predictions}


def test_concept_drift(tmp_path: Path) -> None:
    """Other items arrive: labels drift and mean what they did. Or labels swap their meaning, and their mix stays."""
    objectives = {"label_drift": {"at_most": 0.005}, "concept_drift": {"at_most": 0.005}}

    other_items = once(tmp_path, labels_given_predictions({}, {0: 0.8}), objectives)
    other_labels = once(tmp_path, labels_given_predictions({0: 0.6}, {}), objectives)

    # The naive reading, of labels alone, is wrong both times.
    assert one(other_items, "drift_adjusted_p_value", "label_drift")["value"] < 0.001
    assert one(other_items, "kl_excess_nats", "label_drift")["value"] > 0.005
    assert one(other_labels, "kl_excess_nats", "label_drift")["value"] == 0
    assert one(other_items, "kl_excess_nats", "concept_drift")["value"] == 0
    assert one(other_items, "drift_adjusted_p_value", "concept_drift")["value"] > 0.5
    assert one(other_labels, "kl_excess_nats", "concept_drift")["value"] > 0.1
    assert one(other_labels, "drift_adjusted_p_value", "concept_drift")["value"] < 1e-6
    assert one(other_labels, "share_change", "concept_drift", **{"class": "x", "other_class": "y"})[
        "value"
    ] == pytest.approx(0.3)


def test_version_delta(tmp_path: Path) -> None:
    """As many cats and dogs as before, and every tenth of them the other way round."""
    older = [{"item": f"i{n}", "version": "v1", "label": "cd"[n % 2]} for n in range(100)]
    newer = [{"item": f"i{n}", "version": "v2", "label": "cd"[(n + (n < 10)) % 2]} for n in range(100)]

    found = once(tmp_path, {"versions": older + newer}, {"version_delta": {"at_most": 0.05}})

    assert Counter(row["label"] for row in older) == Counter(row["label"] for row in newer)  # the naive comparison
    assert one(found, "changed_share")["value"] == 0.1


def test_version_skew(tmp_path: Path) -> None:
    """Mondays have more dogs: a version drawn from all days is far from a Monday, and like production."""
    production = [
        {"item": f"{n}-{k}", "predicted": "d" if k < (60 if n % 7 == 0 else 20) else "c", "predicted_at": day(n, 9)}
        for n in range(28)
        for k in range(100)
    ]
    dogs = sum(row["predicted"] == "d" for row in production)
    made = [{"item": f"i{n}", "version": "v1", "label": "d" if n < dogs else "c"} for n in range(len(production))]
    goal = {"version_skew": {"at_most": 0.05}}

    found = once(tmp_path, {"versions": made, "predictions": production}, goal, at="2026-03-01T00:00:00Z")

    monday = scipy_entropy([dogs / 2800, 1 - dogs / 2800], [0.6, 0.4])
    assert monday > 0.05  # naive: against the last Monday
    assert one(found, "kl_excess_nats")["value"] < 0.001
    assert one(found, "drift_p_value")["value"] > 0.5


def test_prediction_score(tmp_path: Path) -> None:
    """Scores of .9 look like 90 % right; the labels that came later confirm six of ten."""
    labels = [{"item": f"i{n}", "label": "x" if n % 10 < 6 else "y", "labeled_at": day(n, 12)} for n in range(200)]
    predictions = [{"item": f"i{n}", "predicted": "x", "predicted_at": day(n, 9), "score": 0.9} for n in range(200)]

    found = once(tmp_path, {"labels": labels, "predictions": predictions}, {"prediction_score": {"at_most": 0.1}})

    assert sum(row["score"] for row in predictions) / 200 == pytest.approx(0.9)  # naive
    assert one(found, "score_gap")["low"] > 0.2


def test_number_agreement(tmp_path: Path) -> None:
    """Everything is about 5 mm, whoever measures: all pairs are within a millimetre, and nobody measures anything."""
    rng = np.random.default_rng(3)
    labels = [
        {"item": f"i{n}", "label": f"{5 + rng.normal(0, 0.2):.3f}", "labeled_at": day(n), "annotator": who}
        for n in range(100)
        for who in "pq"
    ]
    goal = {"number_agreement": {"at_least": 0.8, "window": "all"}}

    found = once(tmp_path, {"labels": labels}, goal, comparison={"number": {"within": 1}})

    assert one(found, "percent_agreement")["value"] > 0.99  # naive
    assert one(found, "krippendorff_alpha_interval")["high"] < 0.4


def test_pair_agreement(tmp_path: Path) -> None:
    """Ten items, each rated by ten people: 450 pairs look sure of a share that ten items decide."""
    pairs = [
        {"item": f"i{n}", "score": 0.9 if n < 7 else 0.1, "compared_at": day(n)} for n in range(10) for _ in range(45)
    ]

    found = once(
        tmp_path,
        {"pairs": pairs},
        {"pair_agreement": {"at_least": 0.8}},
        comparison={"score": "score", "at_least": 0.5},
    )

    share = one(found, "alike_share")
    half = 1.96 * (0.7 * 0.3 / 450) ** 0.5
    assert 0.7 + half < 0.8  # naive: proven to be below the objective
    assert share["value"] == 0.7
    assert share["high"] > 0.8


def test_pipeline_stall(tmp_path: Path) -> None:
    """No row for an hour is every night's news; ten minutes without any at half past ten are an outage."""
    rng = np.random.default_rng(11)
    opened = [datetime(2026, 2, 2, 8) + timedelta(days=n) for n in range(26) if n % 7 < 5]
    arrived = [(at + timedelta(seconds=s)).isoformat() + "Z" for at in opened for s in rng.uniform(0, 36_000, 1000)]
    items = [{"item": f"i{n}", "arrived_at": at} for n, at in enumerate(arrived)]
    goal = {"pipeline_stall": {"at_most": "30y"}}
    year = 365 * DAY_S

    night = once(tmp_path, {"items": items}, goal, at="2026-02-27T03:00:00Z")
    cut = [row for row in items if row["arrived_at"] < "2026-02-27T10:30"]
    outage = once(tmp_path, {"items": cut}, goal, at="2026-02-27T10:45:00Z")

    assert one(night, "last_arrival_age_seconds")["value"] > 8 * 3600  # naive: stalled since 18:00
    assert one(night, "return_period_seconds")["value"] < 0.1 * year
    assert one(outage, "last_arrival_age_seconds")["value"] < 1000  # naive: fine for another three quarters of an hour
    assert one(outage, "missed_arrivals")["value"] == pytest.approx(25, rel=0.15)
    assert one(outage, "return_period_seconds")["value"] > 30 * year
