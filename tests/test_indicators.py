"""Each indicator on rows written by hand, through `labelmon once`: the number, its interval, its trap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import nbinom, poisson
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from labelmon.check import Moment
from labelmon.counts import ROWS, Counts, Op
from labelmon.estimators.corrections import corrected_for_misses
from labelmon.estimators.multiplicity import benjamini_hochberg, holm
from labelmon.estimators.sources import newcombe
from labelmon.estimators.starvation import low_tail, overdispersion
from tests.full_store import day, once, one


def test_validators_by_rule_and_overruled_failures(tmp_path: Path) -> None:
    rows = [{"item": f"i{n}", "rule": "bounds", "passed": n >= 12, "checked_at": day(n)} for n in range(300)]
    rows += [{"item": f"i{n}", "rule": "format", "passed": True, "checked_at": day(n)} for n in range(100)]
    for n in range(12):
        rows[n]["false_fail"] = n < 9
    rows.append({"item": "unknown", "rule": "format", "passed": None, "checked_at": day(0)})

    found = once(tmp_path, {"validations": rows}, {"validator_pass": {"target": 0.99}})

    whole = one(found, "validator_pass")
    assert (whole["value"], whole["n"]) == (388 / 400, 400)
    assert (whole["low"], whole["high"]) == pytest.approx(proportion_confint(388, 400, method="wilson"))
    assert one(found, "validator_pass", rule="bounds")["value"] == 288 / 300
    assert one(found, "validator_pass", rule="format")["value"] == 1
    # The trap: nine of twelve failures were the rule's fault, so that labels are better than the pass rate.
    assert one(found, "false_fail")["value"] == 9 / 12


def test_corrections_and_the_ones_that_reviews_miss(tmp_path: Path) -> None:
    reviews = [
        {"item": f"i{n}", "label": "x", "corrected_label": "y" if n < 30 else "x", "reviewed_at": day(n)}
        for n in range(1000)
    ]
    seeded = [
        {"item": f"s{n}", "label": "x" if n < 40 else "y", "truth": "x", "audited_at": day(n), "seeded": 1}
        for n in range(100)
    ]
    honest = [{"item": f"a{n}", "label": "x", "truth": "x", "audited_at": day(n), "seeded": 0} for n in range(50)]
    tables = {"reviews": reviews, "audits": [*seeded, *honest]}

    found = once(tmp_path, tables, {"label_corrections": {"target": 0.98}})

    assert one(found, "corrected")["value"] == 0.03
    assert (one(found, "catch_rate")["value"], one(found, "catch_rate")["n"]) == (0.4, 100)
    # 3 % were corrected, but only two errors in five are found.
    whole = one(found, "corrected_with_misses")
    assert whole["value"] == pytest.approx(0.075)
    # The published form of MOVER-R, with the intervals of statsmodels.
    (least, most), (low, high) = (proportion_confint(k, n, method="wilson") for k, n in ((30, 1000), (40, 100)))
    p, q = 0.03, 0.4
    inner = (p * q) ** 2 - least * high * (2 * p - least) * (2 * q - high)
    outer = (p * q) ** 2 - most * low * (2 * p - most) * (2 * q - low)
    assert whole["low"] == pytest.approx((p * q - inner**0.5) / (high * (2 * q - high)))
    assert whole["high"] == pytest.approx((p * q + outer**0.5) / (low * (2 * q - low)))


def test_the_corrected_share_holds_its_nominal_coverage() -> None:
    rng = np.random.default_rng(5)
    hit, runs, truth, catch = 0, 400, 0.08, 0.6
    combine = corrected_for_misses(corrected="corrected", seeded="seeded", caught="caught")
    for _ in range(runs):
        changed, found = rng.binomial(800, truth * catch), rng.binomial(150, catch)
        reviews = Counts.of((), {ROWS: Op.SUM, "corrected": Op.SUM}, [(800.0, float(changed))])
        seeded = Counts.of((), {ROWS: Op.SUM, "seeded": Op.SUM, "caught": Op.SUM}, [(150.0, 150.0, float(found))])
        _, whole = combine({"": reviews, "seeded": seeded}, Moment(at=0.0, budget=0.02))
        hit += whole.low <= truth <= whole.high
    assert 0.925 <= hit / runs <= 0.98


def test_reviews_that_catch_nothing_say_nothing(tmp_path: Path) -> None:
    reviews = [{"item": f"i{n}", "label": "x", "corrected_label": "x", "reviewed_at": day(n)} for n in range(200)]
    seeded = [{"item": f"s{n}", "label": "y", "truth": "x", "audited_at": day(n), "seeded": 1} for n in range(30)]

    found = once(tmp_path, {"reviews": reviews, "audits": seeded}, {"label_corrections": {"target": 0.98}})

    assert one(found, "corrected")["value"] == 0
    whole = one(found, "corrected_with_misses")
    assert (whole["value"], whole["state"]) == (None, "not_computable")


FIELDS = ("annotator", "tool", "guideline_version", "schema_version", "source_uri")


def test_provenance_counts_empty_as_missing_and_unmapped_as_not_asked(tmp_path: Path) -> None:
    labels = [
        {
            "item": f"i{n}",
            "label": "x",
            "labeled_at": day(n),
            "annotator": "p",
            "tool": ["t", "", None][n % 3] if n < 30 else "t",
            "guideline_version": "g1" if n >= 5 else None,
        }
        for n in range(100)
    ]
    left_out = ["labels.schema_version", "labels.source_uri"]

    found = once(tmp_path, {"labels": labels}, {"label_provenance": {"none_bad": True}}, leave_out=left_out)

    missing = {m["labels"]["field"]: m["value"] for m in found if m["statistic"] == "missing_field"}
    assert missing == {"annotator": 0, "tool": 0.2, "guideline_version": 0.05}
    both = sum((n < 30 and n % 3 > 0) or n < 5 for n in range(100))
    assert one(found, "provenance")["value"] == 1 - both / 100


def test_without_a_mapped_field_there_is_no_provenance(tmp_path: Path) -> None:
    labels = [{"item": "i", "label": "x", "labeled_at": day(1)}]

    found = once(
        tmp_path, {"labels": labels}, {"label_provenance": {"target": 0.9}}, leave_out=[f"labels.{f}" for f in FIELDS]
    )

    assert (one(found, "provenance")["value"], one(found, "provenance")["state"]) == (None, "insufficient")


def test_freshness_knows_who_sets_no_expiry(tmp_path: Path) -> None:
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": day(n), "label_source": "human"} for n in range(100)]
    for n in range(40):
        labels[n]["expires_at"] = "2026-02-20T00:00:00Z" if n < 10 else "2027-01-01T00:00:00Z"

    found = once(tmp_path, {"labels": labels}, {"label_freshness": {"at_least": 0.95}})

    assert one(found, "fresh")["value"] == 0.9
    assert one(found, "dated")["value"] == 0.4
    assert one(found, "expired_labels")["value"] == 10
    assert one(found, "oldest_expired_age_seconds")["value"] == 10 * 86_400
    assert one(found, "fresh", label_source="human")["n"] == 100


def test_nobody_sets_an_expiry(tmp_path: Path) -> None:
    found = once(
        tmp_path,
        {"labels": [{"item": "i", "label": "x", "labeled_at": day(1)}]},
        {"label_freshness": {"at_least": 0.9}},
    )

    assert one(found, "fresh")["value"] is None  # and not a share of 1
    assert one(found, "dated")["value"] == 0


def test_retention_names_the_source_of_the_oldest_label(tmp_path: Path) -> None:
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": day(n), "label_source": "human"} for n in range(28)]
    labels += [{"item": "a", "label": None, "labeled_at": "2020-03-02T00:00:00Z", "label_source": "auto"}]
    labels += [{"item": "n", "label": "x", "labeled_at": None}, {"item": "f", "label": "x", "labeled_at": "2030-01-01"}]

    found = once(tmp_path, {"labels": labels}, {"label_retention": {"at_most": "365d"}})

    # A label that was taken back to NULL is kept all the same; what has no time, or is of the future, is not judged.
    oldest = one(found, "oldest_label_age_seconds")
    assert (oldest["value"], oldest["n"]) == (2191 * 86_400, 29)
    assert one(found, "oldest_label_age_seconds", label_source="human")["value"] == 28.5 * 86_400


def test_audits_that_stopped_and_classes_nobody_audits(tmp_path: Path) -> None:
    labels = [{"item": f"i{n}", "label": "xyz"[n % 3], "labeled_at": day(n)} for n in range(300)]
    labels += [{"item": "r", "label": "rare", "labeled_at": day(1)}]
    audits = [{"item": f"i{n}", "label": "xy"[n % 2], "truth": "x", "audited_at": day(n % 7)} for n in range(30)]

    found = once(tmp_path, {"labels": labels, "audits": audits}, {"audit_health": {"at_most": "7d"}})

    # The newest audit is of 7 February, noon; the moment 2 March.
    assert one(found, "last_audit_age_seconds")["value"] == 22.5 * 86_400
    assert one(found, "unaudited_classes")["value"] == 1
    assert one(found, "unaudited_labels", **{"class": "z"})["value"] == 100


def test_annotators_and_strata_nobody_audits(tmp_path: Path) -> None:
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": day(n), "annotator": "pqr"[n % 3]} for n in range(300)]
    labels += [{"item": f"s{n}", "label": "x", "labeled_at": day(n), "annotator": "seldom"} for n in range(49)]
    labels += [{"item": f"u{n}", "label": "x", "labeled_at": day(n), "annotator": None} for n in range(90)]
    audits = [
        {"item": f"i{n}", "label": "x", "truth": "x", "audited_at": day(n), "annotator": "pq"[n % 2], "stratum": "a"}
        for n in range(30)
    ]
    audits.append({**audits[0], "audited_at": "2025-06-01T00:00:00Z", "stratum": "b", "annotator": "r"})

    found = once(tmp_path, {"labels": labels, "audits": audits}, {"audit_health": {"at_most": "7d"}})

    assert one(found, "unaudited_annotators")["value"] == 1  # r was audited long ago; too few labels of `seldom`
    (who,) = [m for m in found if m["statistic"] == "unaudited_labels"]
    assert (who["value"], who["labels"]["annotator"] in {"p", "q", "r"}) == (100, False)
    assert one(found, "unaudited_strata")["value"] == 1
    assert one(found, "unaudited_classes")["value"] == 0


def test_audits_of_labels_that_no_longer_exist_are_named(tmp_path: Path) -> None:
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": day(n)} for n in range(80)]
    audits = [{"item": f"i{n}", "label": "x", "truth": "x", "audited_at": day(n)} for n in range(100)]

    found = once(tmp_path, {"labels": labels, "audits": audits}, {"audit_join": {"target": 0.95}})

    assert (one(found, "join_coverage")["value"], one(found, "join_coverage")["n"]) == (0.8, 100)


def test_automatic_labels_are_judged_by_the_label_that_was_audited(tmp_path: Path) -> None:
    labels, audits = [], []
    for n in range(150):
        auto = n < 70
        labels.append(
            {"item": f"i{n}", "label": "x", "labeled_at": day(n, 1), "label_source": "auto" if auto else "human"}
        )
        if n == 0:  # relabelled by a person after the audit: the audit judged the automatic label
            labels.append({"item": "i0", "label": "y", "labeled_at": day(n, 23), "label_source": "human"})
        wrong = n < 56 if auto else n < 70 + 48
        audits.append({"item": f"i{n}", "label": "x", "truth": "y" if wrong else "x", "audited_at": day(n, 12)})
    labels.append({"item": "u", "label": "x", "labeled_at": day(1)})  # no source: not counted

    found = once(
        tmp_path, {"labels": labels, "audits": audits}, {"auto_label": {"at_most": 0.9}}, leave_out=["audits.weight"]
    )

    assert (one(found, "auto_share")["value"], one(found, "auto_share")["n"]) == (70 / 151, 151)
    assert one(found, "human_labels")["value"] == 81
    assert one(found, "error", label_source="auto")["value"] == 56 / 70
    assert one(found, "error", label_source="human")["value"] == 48 / 80
    # Newcombe's own example: 56 of 70 against 48 of 80.
    difference = one(found, "error_difference")
    assert (difference["low"], difference["high"]) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_the_difference_of_two_shares_is_that_of_statsmodels() -> None:
    for (a, m), (b, n) in (((56, 70), (48, 80)), ((9, 10), (3, 10)), ((0, 10), (0, 20)), ((10, 10), (0, 20))):
        expected = confint_proportions_2indep(a, m, b, n, method="newcomb", compare="diff")
        assert newcombe((a, m), (b, n)) == pytest.approx(expected)


def test_class_quality_of_predictions_against_later_labels(tmp_path: Path) -> None:
    cells = {("x", "x"): 60, ("x", "y"): 10, ("y", "x"): 5, ("y", "y"): 40, ("z", "y"): 3}
    labels, predictions = [], []
    for (label, predicted), times in cells.items():
        for n in range(times):
            item = f"{label}{predicted}{n}"
            predictions.append({"item": item, "predicted": predicted, "predicted_at": day(n, 1)})
            labels.append({"item": item, "label": label, "labeled_at": day(n, 12)})
    # A later prediction cannot be judged by an earlier label, and an older one was replaced.
    predictions.append({"item": "xx0", "predicted": "z", "predicted_at": day(0, 20)})
    predictions.append({"item": "xx1", "predicted": "z", "predicted_at": "2026-01-01T00:00:00Z"})
    labels.append({"item": "no prediction", "label": "x", "labeled_at": day(1)})

    found = once(tmp_path, {"labels": labels, "predictions": predictions}, {"class_quality": {"target": 0.8}})

    assert (one(found, "confirmed")["value"], one(found, "confirmed")["n"]) == (100 / 118, 118)
    # By hand: x was predicted 65 times, 60 of them right; 70 labels say x.
    assert one(found, "precision", **{"class": "x"})["value"] == 60 / 65
    assert one(found, "recall", **{"class": "x"})["value"] == 60 / 70
    f1 = one(found, "f1", **{"class": "x"})
    assert f1["value"] == pytest.approx(2 * 60 / (65 + 70))
    assert one(found, "precision", **{"class": "z"})["value"] is None  # never predicted: not 0
    assert one(found, "recall", **{"class": "z"})["state"] == "insufficient"
    assert one(found, "confusion", **{"class": "x", "other_class": "y"})["value"] == 10


def test_cost_per_correct_label_and_what_no_label_explains(tmp_path: Path) -> None:
    labels = [
        {"item": f"i{n}", "label": "x", "labeled_at": day(n), "cost": 0.5, "label_source": "human"} for n in range(80)
    ]
    labels += [
        {"item": f"a{n}", "label": "x", "labeled_at": day(n), "cost": c, "label_source": "auto"}
        for n, c in enumerate([0.1] * 20 + [None] * 4 + [0.0] * 3 + [-2.0] * 2)
    ]
    audits = [
        {"item": f"i{n}", "label": "x", "truth": "x" if n < 40 else "y", "audited_at": day(n), "weight": 1.0}
        for n in range(50)
    ]
    audits += [{**audits[45], "selection": "uncertain"} for _ in range(50)]  # picked, not drawn: says nothing
    costs = [
        {"period": "2026-02-01T00:00:00Z", "amount": 50.0, "category": "labels", "budget": 80.0},
        {"period": "2026-02-02T00:00:00Z", "amount": 10.0, "category": "tools", "budget": None},
        {"period": "2026-01-01T00:00:00Z", "amount": 999.0, "category": "labels", "budget": 1.0},
    ]

    goals = {"label_cost": {"at_most": 1}, "label_budget": {"at_most": 1}}
    found = once(tmp_path, {"labels": labels, "audits": audits, "costs": costs}, goals)

    assert (one(found, "budget")["value"], one(found, "budget_spent")["value"]) == (80, 50 / 80)
    assert one(found, "unbudgeted_cost")["value"] == 10
    spent = {m["labels"]["category"]: m["value"] for m in found if m["statistic"] == "cost"}
    assert spent == {"labels": 50, "tools": 10}
    assert one(found, "cost_per_label")["value"] == pytest.approx(42 / 100)
    assert one(found, "cost_per_label", label_source="auto")["value"] == pytest.approx(0.1)
    assert {m["labels"]["reason"]: m["value"] for m in found if m["statistic"] == "excluded_costs"} == {
        "missing": 4,
        "zero": 3,
        "negative": 2,
    }
    each = one(found, "cost_per_correct_label")
    low, high = proportion_confint(40, 50, method="wilson")
    assert (each["low"], each["value"], each["high"]) == pytest.approx((0.42 / high, 0.42 / 0.8, 0.42 / low))
    assert one(found, "unallocated_cost")["value"] == pytest.approx(1 - 42 / 60)


def test_a_class_that_runs_dry_is_found_and_a_rare_one_is_not(tmp_path: Path) -> None:
    labels = []
    for week in range(5):  # week 0 is the newest
        start = 23 - 7 * week
        for n in range(100):
            when = f"2026-{'02' if start > 0 else '01'}-{start if start > 0 else start + 31:02d}T{n % 24:02d}:00:00Z"
            labels.append({"item": f"{week}-{n}", "label": "common", "labeled_at": when})
            if n < 30 and week > 0:
                labels.append({"item": f"{week}-{n}-d", "label": "dry", "labeled_at": when})
            if n == 0 and week in {2, 3}:
                labels.append({"item": f"{week}-r", "label": "rare", "labeled_at": when})

    found = once(tmp_path, {"labels": labels}, {"class_starvation": {"at_most": 0}})

    assert one(found, "starved_classes")["value"] == 1
    assert one(found, "starvation_p_value", **{"class": "dry"})["value"] < 0.001
    assert one(found, "starvation_p_value", **{"class": "rare"})["value"] > 0.1
    assert one(found, "received_labels", **{"class": "common"})["value"] == 100
    assert one(found, "rate_upper_bound", **{"class": "dry"})["value"] == 3


def test_one_week_of_history_is_too_little_to_starve_by(tmp_path: Path) -> None:
    labels = [{"item": f"i{n}", "label": "x", "labeled_at": day(14 + n)} for n in range(14)]

    starved = one(once(tmp_path, {"labels": labels}, {"class_starvation": {"at_most": 0}}), "starved_classes")

    assert (starved["value"], starved["state"]) == (None, "insufficient")


def test_low_tails_are_those_of_scipy() -> None:
    even = np.array([30.0, 30.0, 30.0, 30.0])  # the mean itself is uncertain: extra = 1 / (30 x 4)
    assert low_tail(12, even) == pytest.approx(nbinom.cdf(12, 120, 120 / (120 + 30)))
    wild = np.array([10.0, 50.0, 10.0, 50.0])
    beyond = overdispersion(wild.reshape(4, 1))
    assert beyond == pytest.approx((wild.var(ddof=1) - 30) / 900)
    extra = beyond * 1.25 + 1 / 120
    assert low_tail(12, wild, beyond) == pytest.approx(nbinom.cdf(12, 1 / extra, 1 / (1 + extra * 30)))
    assert low_tail(12, wild, beyond) > low_tail(12, even)
    many = np.full(4, 1e12)
    assert low_tail(1e12, many) == pytest.approx(poisson.cdf(1e12, 1e12), abs=0.05)


def test_adjusted_p_values_are_those_of_statsmodels() -> None:
    for seed in range(20):
        p = np.random.default_rng(seed).uniform(0, 0.2, 7).tolist()
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
        assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


def test_healthy_classes_hardly_ever_starve() -> None:
    rng = np.random.default_rng(11)
    false, rounds = 0, 3000
    for _ in range(rounds):
        # Ten classes, weeks that vary by a fifth beyond chance.
        means = rng.dirichlet(np.ones(10)) * 500
        weeks = rng.poisson(means * rng.gamma(25, 1 / 25, size=(5, 10)))
        past = weeks[1:].astype(float)
        raw = [low_tail(float(k), past[:, i], overdispersion(past)) for i, k in enumerate(weeks[0])]
        false += min(holm(raw)) < 0.001
    assert false / rounds * 52 < 0.5  # tickets a dataset-year
