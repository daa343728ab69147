"""Pairs of ratings, votes, coverage, joins and weeks: counted in each store as plain Python counts them."""

# ruff: noqa: F811  a fixture that is imported looks redefined where a test asks for it

from __future__ import annotations

import itertools
import random
from collections import Counter

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, example, given, settings

from labelmon.checks import check_named
from labelmon.model import Dataset, Objective, ObjectiveKind
from labelmon.reading import targets_of
from labelmon.stores import Series, Span
from labelmon.stores.series import part_series, series_for
from tests.stores.test_pushdown import DAY_MS, Put, counted, put, text  # noqa: F401  put is a fixture
from tests.world import dataset, relation, target

ENGINES = ["sqlite", "parquet", "postgresql", "postgresql-typed"]
HOUR_MS = 3_600_000
SETTLE = 1800
NOTHING = {"items": [("i", text(DAY_MS, 0), None)], "audits": [("i", "x", "x", None)]}
# Whole seconds, so that ties are common: two annotators, or one annotator twice, at the same instant.
RATINGS = st.lists(
    st.tuples(
        st.integers(0, 6), st.sampled_from(["None", "none", "x", "ä"]), st.sampled_from("pqrs"), st.integers(0, 5400)
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda row: (row[0], row[2], row[3]),
)


def agreement_series(window: int | None = 86_400, **more: object) -> Series:
    objective = Objective(
        kind=ObjectiveKind.AT_LEAST, value=0.5, window=window, settle=float(SETTLE), overlap=2, **more
    )
    return series_for(check_named("annotator_agreement"), dataset(), objective)


def settled_pairs(ratings: list[tuple[int, str, str, int]], at: int) -> Counter[tuple[str, str, str]]:
    """(ratings of the item, label, label) of every pair, as DESIGN.md's section 5 defines an item that settles."""
    found: Counter[tuple[str, str, str]] = Counter()
    for item in {row[0] for row in ratings}:
        mine = sorted((row for row in ratings if row[0] == item and row[3] <= at), key=lambda row: row[3])
        if not mine:
            continue
        firsts: dict[str, int] = {}
        for _, _, who, when in mine:
            firsts.setdefault(who, when)
        second = sorted(firsts.values())[1] if len(firsts) > 1 else None
        settles = min(mine[0][3] + SETTLE, second if second is not None else mine[0][3] + SETTLE)
        if settles > at:
            continue
        last = {who: label for _, label, who, when in mine if when <= settles}
        for one, other in itertools.combinations(sorted(last), 2):
            found[str(len(last)), *sorted((last[one], last[other]))] += 1
    return found


def pairs_of(counts) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    frame = counts.frame
    for m, a, b, rows, same in zip(
        frame["ratings"], frame["label"], frame["other_label"], frame["rows"], frame["same"], strict=True
    ):
        assert same == (rows if a == b else 0)
        found[str(m), *sorted((a, b))] += int(rows)
    return found


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(ratings=[(0, "x", "p", 0), (0, "None", "p", 10), (0, "x", "q", 20), (0, "ä", "q", 30)], at=60, seed=1)
@example(ratings=[(0, "x", "p", 0), (0, "x", "q", 3600), (0, "x", "r", 900), (0, "x", "s", 900)], at=7200, seed=1)
@given(ratings=RATINGS, at=st.integers(0, 7200), seed=st.integers(0, 99))
def test_items_settle_the_same_whatever_order_their_labels_arrived_in(
    tmp_path_factory,
    put: Put,
    engine,
    ratings,
    at,
    seed,
) -> None:
    rows = [(f"i{n}", label, who, text(DAY_MS + t * 1000, t % 3)) for n, label, who, t in ratings]
    random.Random(seed).shuffle(rows)
    spec = put(tmp_path_factory.mktemp("s"), engine, {**NOTHING, "annotations": rows})
    span = Span(start_ms=DAY_MS, end_ms=DAY_MS + 4 * HOUR_MS)

    got = counted(spec, agreement_series(), span, DAY_MS + at * 1000)

    assert pairs_of(got) == settled_pairs(ratings, at)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_people_table_on_every_engine(tmp_path, put: Put, engine) -> None:
    rows = [
        ("i1", "x", "p", text(DAY_MS, 0)),
        ("i1", "y", "q", text(DAY_MS + 1000, 1)),
        ("i1", "x", "q", text(DAY_MS + 9000, 1)),  # a repeat: the last one counts
        ("i2", "x", "q", text(DAY_MS, 0)),
        ("i2", "x", "p", text(DAY_MS, 0)),
        ("i3", "x", "p", text(DAY_MS, 0)),  # nobody else
    ]
    spec = put(tmp_path, engine, {**NOTHING, "annotations": rows})
    whole = Span(start_ms=0, end_ms=DAY_MS + HOUR_MS, whole=True)
    (pairs,) = part_series(agreement_series(window=None))

    main = counted(spec, agreement_series(window=None), whole, DAY_MS + HOUR_MS - 1)
    people = counted(spec, pairs, whole, DAY_MS + HOUR_MS - 1)

    assert pairs_of(main) == {("2", "x", "x"): 2}
    assert (people.rows, people.total("same")) == (2, 2)
    assert len(people.project(("annotator", "other_annotator")).records()) == 1
    # i1 and i2 end in 49 and 50: one fold apart in steps of 11, on every engine.
    folds = sorted(int(f) for f in main.frame["fold"])
    assert {(folds[1] - folds[0]) % 20} <= {9, 11}


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(votes=st.lists(st.tuples(st.integers(0, 3), st.sampled_from("xyz")), min_size=1, max_size=20))
def test_votes_count_as_python_counts(tmp_path_factory, put: Put, engine, votes) -> None:
    rows = [(f"i{n}", label, "x", text(DAY_MS + k * 1000, 0)) for k, (n, label) in enumerate(votes)]
    spec = put(
        tmp_path_factory.mktemp("s"), engine, {**NOTHING, "audits": rows, "annotations": [("i", "x", "p", None)]}
    )
    series = next(
        s for s in part_series(series_for(check_named("label_accuracy"), dataset(), target(0.9))) if s.part == "votes"
    )

    got = counted(spec, series, Span(start_ms=DAY_MS, end_ms=DAY_MS + HOUR_MS), DAY_MS + HOUR_MS)

    right = 0.0
    for item in {n for n, _ in votes}:
        tally = Counter(label for n, label in votes if n == item)
        top = [label for label, k in tally.items() if k == max(tally.values())]
        right += top.count("x") / len(top)
    assert got.rows == len({n for n, _ in votes})
    assert got.total("votes") == len(votes)
    assert got.total("good") == pytest.approx(right)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_join_that_matches_almost_nothing_is_measured(tmp_path, put: Put, engine) -> None:
    rows = [(f"X{n}" if n else "i", "x", "p", text(DAY_MS + n, 0)) for n in range(50)]
    spec = put(tmp_path, engine, {**NOTHING, "annotations": rows})
    series = series_for(check_named("label_join"), dataset(), target(0.9))

    got = counted(spec, series, Span(start_ms=DAY_MS, end_ms=DAY_MS + HOUR_MS), DAY_MS + HOUR_MS)

    assert (got.rows, got.total("good")) == (50, 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_ten_thousand_classes_are_cut_and_say_so(tmp_path, put: Put, engine) -> None:
    rows = [(f"i{n // 2}", f"c{n}", "pq"[n % 2], text(DAY_MS, 0)) for n in range(10_000)]
    spec = put(tmp_path, engine, {**NOTHING, "annotations": rows})

    got = counted(spec, agreement_series(window=None), Span(start_ms=0, end_ms=DAY_MS + 1, whole=True), DAY_MS)

    assert got.rows == 5000
    assert len({*got.frame["label"], *got.frame["other_label"]}) == 50
    assert got.total("same") == 0  # folding has not made two labels agree


def test_without_times_agreement_needs_an_objective_over_all() -> None:
    def watched(window: int | None) -> Dataset:
        labels = relation("labels", "annotations", "item", "label", "annotator")
        objective = Objective(kind=ObjectiveKind.AT_LEAST, value=0.5, window=window)
        return dataset(relations={"labels": labels}, objectives={"annotator_agreement": (objective,)})

    check = check_named("annotator_agreement")
    assert targets_of(watched(None), [check])[0][0].series.untimed
    assert "window: all" in targets_of(watched(86_400), [check])[1]["annotator_agreement"]
