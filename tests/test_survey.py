"""Audits as a survey: the weighted share, its design effect, and what is left out, against textbooks and statsmodels."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given

from labelmon.check import EventSlo, Moment
from labelmon.checks import catalogue, check_named
from labelmon.counts import ROWS, Counts, Op
from labelmon.estimators.burn import window_count
from labelmon.estimators.proportion import evidence_nats, wilson
from labelmon.estimators.survey import design_effect, kish_factor
from labelmon.exporter import expose
from labelmon.ledger import open_ledger
from labelmon.model import DAY, HOUR, Dataset, Estimate, State, StoreSpec
from labelmon.once import Reading, measure_once
from labelmon.profiles import DEFAULT_ALERTING
from labelmon.pseudonyms import Pseudonyms
from labelmon.sampler import DatasetSampler
from labelmon.samples import samples_of
from labelmon.stores import open_store
from tests.world import NOW, dataset, iso, relation, target

CHECK = check_named("label_accuracy")
OPS = dict.fromkeys((ROWS, "weight", "good_weight", "weight_squared", "good_weight_squared"), Op.SUM)
Audit = tuple[str, str, float, int]  # stratum, cluster, weight, right


def counts(audits: list[Audit], *keys: str) -> Counts:
    rows = [(*({"stratum": s, "cluster": c}[k] for k in keys), 1, w, w * r, w * w, w * w * r) for s, c, w, r in audits]
    return Counts.of(keys, OPS, rows)


def alike(stratum: str, weight: float, right: int, n: int) -> list[Audit]:
    return [(stratum, "", weight, int(i < right)) for i in range(n)]


# Scheaffer, Mendenhall, Ott, Elementary Survey Sampling, stratified proportion: households that watch a show, 16 of 20
# in town A (155 households), 2 of 8 in town B (62), 6 of 12 in the rural area (93): share .60, variance .0045.
TOWNS = [*alike("a", 155 / 20, 16, 20), *alike("b", 62 / 8, 2, 8), *alike("rural", 93 / 12, 6, 12)]


def test_a_stratified_share_of_the_textbook() -> None:
    share, effect, *strata = CHECK.estimate(counts(TOWNS, "stratum"), Moment(at=0))

    assert share.value == pytest.approx(0.6)
    variance = effect.value * 0.6 * 0.4 / 39
    assert variance * (1 - 40 / 310) == pytest.approx(0.0045, abs=0.00005)
    by_hand = (155**2 * 0.8 * 0.2 / 19 + 62**2 * 0.25 * 0.75 / 7 + 93**2 * 0.25 / 11) / 310**2
    assert variance == pytest.approx(by_hand, rel=1e-12)
    n = 40 / effect.value
    assert (share.low, share.high) == pytest.approx(wilson(0.6 * n, n), abs=1e-12)
    assert [(e.labels["stratum"], e.value, e.n) for e in strata] == [("a", 0.8, 20), ("b", 0.25, 8), ("rural", 0.5, 12)]
    assert (strata[0].low, strata[0].high) == pytest.approx(wilson(16, 20))


def test_kishs_factor_by_hand() -> None:
    # Kish (1965), 11.7: n x sum of w^2 / (sum of w)^2. Weights 1, 1, 1, 5: 4 x 28 / 64.
    assert kish_factor(4, 8, 28) == 1.75
    assert kish_factor(3, 6, 12) == 1  # equal weights cost nothing


def test_clusters_that_speak_with_one_voice() -> None:
    # Four batches of five, each all right or all wrong: residual sums are +-2.5, the variance 4/3 x 4 x 6.25 / 20^2
    # = 1/12; a simple random sample of 20 has .25/19.
    audits = [("", f"c{c}", 1.0, int(c < 2)) for c in range(4) for _ in range(5)]

    assert design_effect(counts(audits, "stratum", "cluster")) == pytest.approx(19 / 3)


def test_clusters_are_no_gain_and_one_cluster_is_one_observation() -> None:
    balanced = [("", f"c{c}", 1.0, r) for c in range(6) for r in (0, 1)]  # every batch is half right
    alone = [("", "c", 1.0, r) for r in (0, 1, 1, 1)]
    loose = [("", "", 1.0, r) for r in (0, 1, 1, 1)]

    assert design_effect(counts(balanced, "cluster")) == pytest.approx(1)
    assert design_effect(counts(alone, "cluster")) == 4
    assert design_effect(counts(loose, "cluster")) == 1  # audits of no batch stand for themselves


def test_strata_that_are_all_right_do_not_make_certain() -> None:
    audits = [*alike("big", 100, 50, 50), *alike("small", 1, 120, 150)]
    kish = kish_factor(200, 5150, 50 * 100**2 + 150)

    assert design_effect(counts(audits, "stratum")) == pytest.approx(kish / 2)


def test_without_any_error_only_the_weights_count() -> None:
    audits = [("", f"c{n % 3}", w, 1) for n, w in enumerate([1.0, 1, 1, 5])]
    share = CHECK.estimate(counts(audits, "stratum"), Moment(at=0))[0]

    assert design_effect(counts(audits, "stratum", "cluster")) == 1.75
    assert (share.value, share.low) == pytest.approx((1.0, wilson(4 / 1.75, 4 / 1.75)[0]))


WEIGHTED = st.lists(
    st.tuples(st.just(""), st.sampled_from("abcdef"), st.floats(1, 50), st.integers(0, 1)), min_size=4, max_size=60
).filter(lambda rows: 0 < sum(r for *_, r in rows) < len(rows) and len({c for _, c, *_ in rows}) > 1)


@given(WEIGHTED)
def test_the_effect_is_that_of_a_weighted_regression(audits: list[Audit]) -> None:
    """statsmodels: WLS on a constant has Hajek's share; HC1 and cluster-robust variances are the linearized ones."""
    frame = pd.DataFrame(audits, columns=["s", "c", "w", "r"])
    model = sm.WLS(frame.r, np.ones(len(frame)), weights=frame.w)
    groups = pd.factorize(frame.c)[0]
    by_audit = float(model.fit(cov_type="HC1").cov_params().iloc[0, 0])
    by_cluster = float(model.fit(cov_type="cluster", cov_kwds={"groups": groups}).cov_params().iloc[0, 0])
    share = float(model.fit().params.iloc[0])
    plain = share * (1 - share) / (len(frame) - 1)
    least = kish_factor(len(frame), frame.w.sum(), (frame.w**2).sum()) / 2

    assert design_effect(counts(audits, "cluster")) == pytest.approx(max(by_audit / plain, by_cluster / plain, least))
    assert CHECK.estimate(counts(audits), Moment(at=0))[0].value == pytest.approx(share)


@given(WEIGHTED, st.integers(0, 60))
def test_windows_merge_exactly(audits: list[Audit], cut: int) -> None:
    keys = ("stratum", "cluster")
    merged = counts(audits[:cut], *keys).merge(counts(audits[cut:], *keys))

    assert design_effect(merged) == pytest.approx(design_effect(counts(audits, *keys)), rel=1e-9)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_plain_audits_are_a_plain_share(pair: tuple[int, int]) -> None:
    good, n = pair
    share, effect = CHECK.estimate(counts(alike("", 1.0, good, n), "stratum"), Moment(at=0, budget=0.05))

    assert (share.value, share.low, share.high) == (good / n, *wilson(good, n))
    assert (effect.statistic, effect.value) == ("design_effect", 1.0)


def test_too_few_effective_audits_prove_nothing() -> None:
    audits = [("", "one batch", 1.0, int(n > 0)) for n in range(10)]
    effect = design_effect(counts(audits, "cluster"))
    share = CHECK.estimate(counts(audits), Moment(at=0, budget=0.05, design_effect=effect))[0]

    assert (share.state, share.reason) == (
        State.INSUFFICIENT,
        "1 effective audits; 3 could prove a total failure",
    )


def test_evidence_counts_effective_events() -> None:
    counted = window_count(3600, 100, 20, 0.05, 4.0)

    assert (counted.events, counted.errors, counted.error_ratio) == (100, 20, 0.2)
    assert counted.evidence_nats == pytest.approx(evidence_nats(5, 25, 0.05))


def test_an_error_ratio_has_weights_and_no_dust() -> None:
    slo = EventSlo(good="g", of="w", target=0.9)

    assert slo.errors({ROWS: 10.0, "w": 40.0, "g": 30.0}.__getitem__) == 2.5
    assert slo.errors({ROWS: 10.0, "w": 40.0, "g": 40.0 - 1e-14}.__getitem__) == 0
    assert slo.errors({ROWS: 3.0, "w": 0.3, "g": 0.0}.__getitem__) <= 3
    assert slo.errors({ROWS: 0.0, "w": 0.0, "g": 0.0}.__getitem__) == 0


COLUMNS = ("item", "label", "truth", "audited_at", "stratum", "weight", "selection", "gold", "seeded", "cluster")
BASE, EXTRA = COLUMNS[:4], COLUMNS[4:]


class Store:
    """A SQLite file of audits whose every optional column may be mapped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = 0
        with sqlite3.connect(folder / "s.db") as db:
            db.execute(f"CREATE TABLE audits ({', '.join(COLUMNS)})")
        db.close()

    def put(self, at: float, n: int = 1, *, right: bool = True, **given: object) -> None:
        row = {"label": "x", "truth": "x" if right else "y", "audited_at": iso(at), **given}
        with sqlite3.connect(self.folder / "s.db") as db:
            for _ in range(n):
                self.rows += 1
                values = [f"i{self.rows}", *(row.get(column) for column in COLUMNS[1:])]
                db.execute(f"INSERT INTO audits VALUES ({', '.join('?' * len(COLUMNS))})", values)
        db.close()

    def dataset(self, *roles: str) -> Dataset:
        audits = relation("audits", "audits", *BASE, *roles)
        return dataset(relations={"audits": audits}, objectives={"label_accuracy": (target(0.95),)})

    def once(self, *roles: str, **changes: object) -> Reading:
        stores = {"s": open_store(StoreSpec(name="s", url=f"sqlite:///{self.folder}/s.db"))}
        watched = replace(self.dataset(*roles), **changes)
        return measure_once(watched, stores, catalogue(), NOW, Pseudonyms(keys=(b"k" * 32,)))

    def sampler(self, *roles: str) -> DatasetSampler:
        return DatasetSampler(
            dataset=self.dataset(*roles),
            stores={"s": open_store(StoreSpec(name="s", url=f"sqlite:///{self.folder}/s.db"))},
            ledger=open_ledger(f"sqlite:///{self.folder}/ledger.db"),
            pseudonyms=Pseudonyms(keys=(b"k" * 32,)),
            alerting=DEFAULT_ALERTING,
            catalogue=catalogue(),
        )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def said(reading: Reading, statistic: str, **labels: str) -> Estimate:
    (found,) = [
        m.estimate
        for m in reading.measurements
        if m.check == "label_accuracy" and m.estimate.statistic == statistic and m.estimate.labels == labels
    ]
    return found


def excluded(reading: Reading) -> dict[str, float | None]:
    return {
        m.estimate.labels["reason"]: m.estimate.value
        for m in reading.measurements
        if m.estimate.statistic == "excluded_audits"
    }


def test_what_is_left_out_is_counted_by_its_first_reason(store: Store) -> None:
    at = NOW - HOUR
    store.put(at, 30, weight=2)
    store.put(at, 10, weight=2, right=False, selection=" Random ")
    store.put(at, 5, weight=1, truth=None)
    store.put(at, 4, weight=1, right=False, gold=1, seeded=1)
    store.put(at, 3, weight=1, right=False, seeded="true", selection="active_learning")
    store.put(at, 2, weight=-1, right=False, selection="active_learning")
    store.put(at, 6, weight=None, right=False)
    store.put(at, 7, weight="heavy", right=False)
    store.put(at, 1, weight=0, right=False)
    store.put(at, 8, weight=-2.5, right=False)
    store.put(at, 9, weight=0.5, right=False)
    reading = store.once("weight", "selection", "gold", "seeded")

    assert excluded(reading) == {
        "incomplete": 5,
        "gold": 4,
        "seeded": 3,
        "not_random": 2,
        "weight_missing": 13,
        "weight_not_positive": 9,
        "weight_below_one": 9,
    }
    share = said(reading, "accuracy")
    assert (share.value, share.n) == (0.75, 40)
    assert (share.low, share.high) == pytest.approx(wilson(30, 40))
    (slo,) = reading.slos
    assert (slo.events, slo.errors, slo.design_effect) == (40, 10, 1)


def test_what_is_not_mapped_leaves_nothing_out(store: Store) -> None:
    store.put(NOW - HOUR, 8, weight=-1, selection="picked", gold=1)
    store.put(NOW - HOUR, 2, weight=0, right=False)
    reading = store.once()

    assert excluded(reading) == {}
    assert (said(reading, "accuracy").value, said(reading, "accuracy").n) == (0.8, 10)


def test_nothing_valid_is_no_evidence(store: Store) -> None:
    store.put(NOW - HOUR, 3, weight=0.2)
    reading = store.once("weight")

    assert excluded(reading) == {"weight_below_one": 3}
    assert (said(reading, "accuracy").value, said(reading, "accuracy").state) == (None, State.INSUFFICIENT)
    assert reading.slos[0].design_effect is None


def test_a_class_that_nobody_declared_is_a_wrong_label(store: Store) -> None:
    store.put(NOW - HOUR, 3, label="x", truth="x")
    store.put(NOW - HOUR, 1, label="x", truth="never heard of")
    reading = store.once(classes=("x", "y"))

    assert said(reading, "accuracy").value == 0.75


def test_votes_leave_out_what_the_accuracy_leaves_out(store: Store) -> None:
    at = NOW - HOUR
    store.put(at, 1, item="a")
    with sqlite3.connect(store.folder / "s.db") as db:
        rows = [("a", "x", "x", None)] * 2 + [("a", "y", "x", None)] + [("a", "y", "x", 1)] * 9
        db.executemany(
            "INSERT INTO audits (item, label, truth, audited_at, seeded) VALUES (?, ?, ?, ?, ?)",
            [(i, a, b, iso(at), s) for i, a, b, s in rows],
        )
        db.execute("DELETE FROM audits WHERE item = 'i1'")
    db.close()

    assert said(store.once("seeded"), "majority_vote_accuracy").value == 1  # two against one; seeded ones have no vote
    assert said(store.once(), "majority_vote_accuracy").value == 0


def test_weights_strata_and_clusters_through_the_store(store: Store) -> None:
    at = NOW - HOUR
    audits: list[Audit] = []
    for n in range(200):
        stratum = ("hard", "easy")[n % 2]
        right = int(n % 7 != 0 if stratum == "hard" else n % 31 != 0)
        audits.append((stratum, f"batch {n // 8}", 3.0 if stratum == "hard" else 20.0, right))
        store.put(at + n, right=bool(right), stratum=stratum, weight=audits[-1][2], cluster=audits[-1][1])
    reading = store.once("weight", "stratum", "cluster")

    both = counts(audits, "stratum", "cluster")
    effect = design_effect(both)
    share = said(reading, "accuracy")
    weighed = sum(w * r for *_, w, r in audits) / sum(w for *_, w, _ in audits)
    assert said(reading, "design_effect").value == pytest.approx(effect)
    assert share.value == pytest.approx(weighed)
    assert (share.low, share.high) == pytest.approx(wilson(weighed * 200 / effect, 200 / effect))
    hard = said(reading, "accuracy", stratum="hard")
    assert (hard.value, hard.n) == (pytest.approx(sum(r for s, _, _, r in audits if s == "hard") / 100), 100)
    assert reading.slos[0].errors == pytest.approx(200 * (1 - weighed))


def test_the_daemon_counts_effective_audits_as_evidence(store: Store) -> None:
    """Ten batches, one of them all wrong, of today and of yesterday: no simple random sample of 200."""
    for batch in range(10):
        at = NOW - DAY - HOUR if batch % 2 else NOW - HOUR
        store.put(at, 20, right=batch != 4, cluster=f"b{batch}")
    clustered = store.sampler("cluster").cycle(NOW)
    (slo,) = clustered.board.slos
    audits = [("", f"b{n // 20}", 1.0, int(n // 20 != 4)) for n in range(200)]
    effect = design_effect(counts(audits, "cluster"))

    assert slo.design_effect == pytest.approx(effect)
    assert effect > 15
    for window in slo.windows:
        if window.events:
            wanted = evidence_nats(window.errors / effect, window.events / effect, 0.05)
            assert window.evidence_nats == pytest.approx(wanted)
    assert max(w.errors for w in slo.windows) == 20
    text = expose(samples_of(clustered, {c.name: c for c in catalogue()}), NOW, process=False).text.decode()
    assert f'labelmon_sli_design_effect_ratio{{dataset="d",sli="label_accuracy"}} {slo.design_effect}' in text


def test_too_many_clusters_become_random_groups(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelmon.reading.MOST_UNITS", 5)
    store.put(NOW - HOUR, 10)
    for batch in range(60):
        store.put(NOW - HOUR, 10, right=batch % 3 > 0, cluster=f"b{batch}")
    sampler = store.sampler("cluster")
    (slo,) = sampler.cycle(NOW).board.slos

    assert slo.design_effect is not None
    assert slo.design_effect > 3  # batches of ten that err together
    assert slo.events == 610
    track = sampler.tracks["label_accuracy.clusters"]
    groups = {combo[1] for combo in track.line.combos}
    assert "" in groups
    assert len(groups) <= 6


def test_neither_strata_nor_clusters_become_metrics(store: Store) -> None:
    store.put(NOW - HOUR, 30, stratum="secret site", cluster="secret batch")
    store.put(NOW - HOUR, 30, stratum="other site", cluster="other batch", right=False)
    sampler = store.sampler("stratum", "cluster")
    result = sampler.cycle(NOW)
    text = expose(samples_of(result, {c.name: c for c in catalogue()}), NOW, process=False).text.decode()

    assert {m.estimate.labels.get("stratum") for m in result.board.measurements} > {"secret site", "other site"}
    assert "site" not in text
    assert "batch" not in text
    track = sampler.tracks["label_accuracy.clusters"]
    assert not any("batch" in key for combo in track.line.combos for key in combo)  # nor is a batch's name kept
