"""Time to a label with pending items, stage by stage, through `labelmon once`; the curve held to statsmodels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from labelmon.bins import BINS, EDGES_MS, bin_name, edges
from labelmon.estimators.delay import quantile, survival
from tests.full_store import AT, once, one

NOW = datetime.fromisoformat(AT)
STAGES = ["items.queued_at", "labels.started_at", "labels.stored_at"]
GOAL = {"label_delay": {"at_most": "1d"}}


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).astimezone(UTC).isoformat().replace("+00:00", "Z")


def test_bins_grow_by_a_twentieth_of_a_decade() -> None:
    assert BINS == 162
    assert edges(bin_name(0)) == (0, 1)
    assert edges(bin_name(41)) == (100, pytest.approx(112.202))
    assert edges(bin_name(BINS - 1)) == (1e8, None)
    assert list(EDGES_MS) == sorted(set(EDGES_MS))


def test_every_duration_falls_into_the_bin_that_holds_it(tmp_path: Path) -> None:
    """The edges themselves, and a millisecond before each, up to 29 days."""
    lasted = [ms - back for ms in EDGES_MS[1:128] for back in (0, 1)]
    for ms in (lasted[0], lasted[1], lasted[100], lasted[101], lasted[-2], lasted[-1]):
        items = [{"item": f"i{n}", "arrived_at": ago(29 * 86_400)} for n in range(50)]
        ended = (NOW - timedelta(days=29) + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds")
        labels = [{"item": f"i{n}", "label": "x", "labeled_at": ended} for n in range(50)]
        found = once(tmp_path, {"items": items, "labels": labels}, GOAL, leave_out=STAGES)
        p50 = one(found, "p50_seconds")
        assert p50["low"] <= ms / 1000 < p50["high"]
        begin = max(edge for edge in EDGES_MS if edge <= ms)
        assert p50["low"] == begin / 1000


def test_the_curve_and_its_band_are_those_of_statsmodels() -> None:
    rng = np.random.default_rng(2)
    done, pending = rng.integers(0, 9, 30).astype(float), rng.integers(0, 5, 30).astype(float)
    pending[-1] = 4
    times = np.repeat(np.arange(30), 2)
    status = np.tile([1, 0], 30)
    each = np.column_stack([done, pending]).ravel().astype(int)  # with weights they have no standard errors
    theirs = SurvfuncRight(times.repeat(each), status.repeat(each))

    curve, low, high = survival(done.tolist(), pending.tolist())

    at = theirs.surv_times.astype(int)
    assert curve[at] == pytest.approx(theirs.surv_prob)
    spread = np.exp(1.959964 * theirs.surv_prob_se / (theirs.surv_prob * -np.log(theirs.surv_prob)))
    assert low[at] == pytest.approx(theirs.surv_prob**spread)
    assert high[at] == pytest.approx(theirs.surv_prob ** (1 / spread))
    # Their log-log interval of each quantile, on whole bins: ours crosses in the same ones.
    for q in (0.25, 0.5):
        lower, upper = theirs.quantile_ci(q, method="cloglog")
        assert np.argmax(low <= 1 - q) == lower
        assert np.argmax(high <= 1 - q) == upper
        assert np.argmax(curve <= 1 - q) == theirs.quantile(q)


def test_an_interval_is_never_narrower_than_its_bin() -> None:
    name = bin_name(41)

    assert quantile(0.5, [100_000.0], [0.0], [name])[1:] == edges(name)


def test_a_curve_that_ends_at_once_still_has_an_upper_end_only_where_many_ended() -> None:
    assert quantile(0.99, [100.0], [0.0], ["041"])[2] is None  # the chance that none of 100 is slower is 37 %
    assert quantile(0.99, [400.0], [0.0], ["041"])[2] == edges("041")[1]


def test_each_mapped_stage_has_its_own_percentiles(tmp_path: Path) -> None:
    """60 s to the queue, 600 s to the start (a third still waits), 30 s to the label, 5 s to the store."""
    items, labels, checks = [], [], []
    for n in range(300):
        begin = 86_400.0 + n
        items.append({"item": f"i{n}", "arrived_at": ago(begin), "queued_at": ago(begin - 60)})
        if n % 3 == 0:
            continue
        started = begin - 660
        label = {"item": f"i{n}", "label": "x", "started_at": ago(started), "labeled_at": ago(started - 30)}
        labels.append(label | {"stored_at": ago(started - 35)})
        labels.append({"item": f"i{n}", "label": "y", "labeled_at": ago(100), "stored_at": ago(90)})  # a second one
        for rule, after in (("late", 9), ("soon", 7)):
            checks.append({"item": f"i{n}", "rule": rule, "passed": 1, "checked_at": ago(started - 30 - after)})
    tables = {"items": items, "labels": labels, "validations": checks}

    found = once(tmp_path, tables, GOAL)

    for stage, seconds, waiting, n in (
        ("queued", 60, 0, 300),
        ("started", 600, 100, 300),
        ("labelled", 30, 0, 200),
        ("stored", 5, 0, 200),
        ("validated", 7, 0, 200),
    ):
        p50 = one(found, "stage_p50_seconds", stage=stage)
        assert p50["low"] <= seconds <= p50["high"], stage
        assert p50["high"] / p50["low"] == pytest.approx(10**0.05, rel=1e-3)
        assert p50["n"] == n
        assert one(found, "pending_items", stage=stage)["value"] == waiting
    whole = one(found, "p50_seconds")
    assert whole["low"] <= 695 <= whole["high"]
    assert one(found, "pending_items")["value"] == 100
    # A third still waits, for a day: where 95 of 100 would be nobody knows.
    late = one(found, "p95_seconds")
    assert (late["value"], late["state"]) == (None, "insufficient")
    assert "still wait" in late["reason"]


def test_stages_without_times_are_not_there(tmp_path: Path) -> None:
    items = [{"item": f"i{n}", "arrived_at": ago(5000), "queued_at": ago(4000)} for n in range(30)]
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": ago(1000)} for n in range(30)]

    bare = once(tmp_path, {"items": items, "labels": labels}, GOAL, leave_out=STAGES)
    queued = once(tmp_path, {"items": items, "labels": labels}, GOAL, leave_out=STAGES[1:])

    assert {m["labels"].get("stage") for m in bare} == {None}
    assert {m["labels"].get("stage") for m in queued} == {None, "queued", "labelled"}


def test_clock_skew_is_counted_apart_and_old_arrivals_are_left_out(tmp_path: Path) -> None:
    items = [{"item": f"i{n}", "arrived_at": ago(1000)} for n in range(60)]
    items += [{"item": f"old{n}", "arrived_at": ago(31 * 86_400)} for n in range(500)]
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": ago(900 if n < 40 else 1100)} for n in range(60)]

    found = once(tmp_path, {"items": items, "labels": labels}, GOAL, leave_out=STAGES)

    assert one(found, "clock_skew_items")["value"] == 20
    p50 = one(found, "p50_seconds")
    assert (p50["low"], p50["n"]) == (100, 40)


def test_few_labels_say_nothing(tmp_path: Path) -> None:
    items = [{"item": f"i{n}", "arrived_at": ago(1000)} for n in range(19)]
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": ago(900)} for n in range(19)]

    found = once(tmp_path, {"items": items, "labels": labels}, GOAL, leave_out=STAGES)

    assert (one(found, "p50_seconds")["value"], one(found, "p50_seconds")["reason"]) == (
        None,
        "19 of 19 items done; need 20",
    )


def test_the_backlog_by_pipeline_stage(tmp_path: Path) -> None:
    items = [{"item": f"i{n}", "arrived_at": ago(100), "stage": "triage" if n % 4 else None} for n in range(20)]
    labels = [{"item": "i1", "label": "x", "labeled_at": ago(50), "stored_at": ago(50)}]

    found = once(tmp_path, {"items": items, "labels": labels}, {"label_backlog": {"at_most": "1d"}})

    assert one(found, "backlog_items")["value"] == 19
    assert one(found, "backlog_items", stage="triage")["value"] == 14
    assert [m["labels"] for m in found if m["statistic"] == "backlog_items"] == [{}, {"stage": "triage"}]
