"""Auditors, authors, comments, the queue of people, costs by source and month: hand-written rows through `labelmon once`."""

from __future__ import annotations

from pathlib import Path

import pytest
from statsmodels.stats.proportion import proportion_confint

from tests.full_store import day, once, one


def test_auditors_and_what_each_of_them_finds(tmp_path: Path) -> None:
    audits = [
        {"item": f"i{n}", "label": "x", "truth": "y" if n % 2 and n < 40 else "x", "audited_at": day(n)}
        | {"auditor": "strict" if n % 2 else "kind"}
        for n in range(100)
    ]
    audits.append({"item": "u", "label": "x", "truth": "x", "audited_at": day(1)})

    found = once(tmp_path, {"audits": audits}, {"audit_health": {"at_most": "7d"}})

    assert (one(found, "auditors")["value"], one(found, "auditors")["n"]) == (2, 101)
    errors = [m for m in found if m["statistic"] == "auditor_error"]
    assert sorted((m["value"], m["n"]) for m in errors) == [(0, 50), (0.4, 50)]
    assert not {"strict", "kind"} & {m["labels"]["auditor"] for m in errors}
    strict = max(errors, key=lambda m: m["value"])
    assert (strict["low"], strict["high"]) == pytest.approx(proportion_confint(20, 50, method="wilson"))


def test_a_reviewer_who_waves_labels_through(tmp_path: Path) -> None:
    reviews = [
        {"item": f"i{n}", "label": "x", "corrected_label": "y" if n % 2 and n < 20 else "x", "reviewed_at": day(n)}
        | {"author": "waves" if n % 2 == 0 else "reads"}
        for n in range(100)
    ]

    found = once(tmp_path, {"reviews": reviews}, {"label_corrections": {"target": 0.9}})

    each = [m["value"] for m in found if m["statistic"] == "corrected" and "author" in m["labels"]]
    assert sorted(each) == [0, 0.2]


def test_comments_are_counted_and_never_read(tmp_path: Path) -> None:
    said = ["is this a dog?", "", None, "unclear"]
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": day(n), "comment": said[n % 4]} for n in range(40)]

    found = once(tmp_path, {"labels": labels}, {"label_provenance": {"target": 0.9}})

    assert (one(found, "commented")["value"], one(found, "commented")["n"]) == (0.5, 40)


def test_the_queue_of_people_in_days_of_their_work(tmp_path: Path) -> None:
    # Forty human labels since 12 February, noon: 18 days less half a one, to 2 March.
    labels = [
        {"item": f"i{n}", "label": "x", "labeled_at": day(11 + n % 10), "label_source": "auto" if n >= 40 else "human"}
        | {"stored_at": day(11 + n % 10)}
        for n in range(100)
    ]
    items = [{"item": f"i{n}", "arrived_at": day(1)} for n in range(180)]
    items.append({"item": "later", "arrived_at": "2026-03-05T00:00:00Z"})

    found = once(tmp_path, {"labels": labels, "items": items}, {"auto_label": {"at_most": 0.9}})

    pace = one(found, "human_labels_per_day")
    assert pace["value"] == pytest.approx(40 / 17.5)
    queue = one(found, "human_queue_seconds")
    assert (queue["value"], queue["n"]) == (pytest.approx(80 / 40 * 17.5 * 86_400), 80)


def test_people_who_make_no_labels_never_finish(tmp_path: Path) -> None:
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": day(n), "label_source": "auto"} for n in range(30)]
    items = [{"item": f"i{n}", "arrived_at": day(1)} for n in range(50)]

    found = once(tmp_path, {"labels": labels, "items": items}, {"auto_label": {"at_most": 0.9}})

    queue = one(found, "human_queue_seconds")
    assert (queue["value"], queue["state"]) == (None, "not_computable")


def test_a_correct_label_of_each_source_costs_its_own(tmp_path: Path) -> None:
    labels, audits = [], []
    for n in range(100):
        human = n < 50
        labels.append({"item": f"i{n}", "label": "x", "labeled_at": day(n, 1), "cost": 0.9 if human else 0.1})
        labels[-1]["label_source"] = "human" if human else "auto"
        wrong = n < 5 if human else n >= 75
        audits.append({"item": f"i{n}", "label": "x", "truth": "y" if wrong else "x", "audited_at": day(n)})

    found = once(
        tmp_path, {"labels": labels, "audits": audits}, {"label_cost": {"at_most": 1}}, leave_out=["audits.weight"]
    )

    assert one(found, "cost_per_correct_label")["value"] == pytest.approx(0.5 / 0.7)
    human = one(found, "cost_per_correct_label", label_source="human")
    low, high = proportion_confint(45, 50, method="wilson")
    assert (human["low"], human["value"], human["high"]) == pytest.approx((0.9 / high, 1.0, 0.9 / low))
    assert one(found, "cost_per_correct_label", label_source="auto")["value"] == pytest.approx(0.2)


def test_months_are_those_of_the_datasets_time_zone(tmp_path: Path) -> None:
    # 31 January 23:30 in UTC is February in Berlin.
    labels = [{"item": f"j{n}", "label": "x", "labeled_at": "2026-01-15T00:00:00Z", "cost": 1.0} for n in range(30)]
    labels += [{"item": f"f{n}", "label": "x", "labeled_at": "2026-01-31T23:30:00Z", "cost": 3.0} for n in range(30)]
    for zone, february in (("Europe/Berlin", 30), ("UTC", None)):
        found = once(tmp_path, {"labels": labels}, {"label_cost_trend": {"at_most": 1.25}}, timezone=zone)

        counted = {m["labels"]["month"]: m["n"] for m in found if m["statistic"] == "monthly_cost_per_label"}
        assert counted.get("2026-02") == february
        growth = one(found, "cost_growth")
        assert growth["value"] == (3 if february else None)
        assert growth["state"] == ("ok" if february else "insufficient")


def test_errors_of_automatic_labels_by_rollout_stage(tmp_path: Path) -> None:
    labels, audits = [], []
    for n in range(100):
        canary = n < 40
        labels.append({"item": f"i{n}", "label": "x", "labeled_at": day(n, 1), "label_source": "auto"})
        labels[-1] |= {"confidence": 0.9, "rollout": "canary" if canary else "all"}
        audits.append({"item": f"i{n}", "label": "x", "truth": "y" if n < 10 else "x", "audited_at": day(n)})

    found = once(
        tmp_path,
        {"labels": labels, "audits": audits},
        {"auto_confidence": {"at_most": 0.05}},
        leave_out=["audits.weight"],
    )

    assert one(found, "rollout_error", rollout="canary")["value"] == 0.25
    assert one(found, "rollout_error", rollout="all")["value"] == 0
    # Where all are equally sure, the difference varies as the right share does.
    gap = one(found, "confidence_gap")
    low, high = proportion_confint(90, 100, method="wilson")
    assert (gap["low"], gap["value"], gap["high"]) == pytest.approx((0.9 - high, 0.0, 0.9 - low), abs=1e-12)
