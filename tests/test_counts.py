"""Counts merge in any order and any split; what is folded or suppressed is not lost or leaked."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from labelmon.cells import cells_of, coarse_width, compact, grid
from labelmon.counts import BUCKET, Counts, Op

OPS = {"rows": Op.SUM, "good": Op.SUM, "first": Op.MIN, "last": Op.MAX}
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.integers(1, 9),
        st.integers(0, 9),
        st.integers(0, 99) | st.none(),
        st.integers(0, 99) | st.none(),
    ),
    max_size=12,
)


def same(left: Counts, right: Counts) -> bool:
    return left.frame.fillna(-1).to_dict("records") == right.frame.fillna(-1).to_dict("records")


def made(rows: list[tuple[object, ...]]) -> Counts:
    return Counts.of(("label",), OPS, rows)


@given(ROWS, ROWS, ROWS)
def test_merging_commutes_and_associates(a, b, c) -> None:
    x, y, z = made(a), made(b), made(c)

    assert same(x.merge(y), y.merge(x))
    assert same(x.merge(y).merge(z), x.merge(y.merge(z)))


@given(ROWS, st.integers(0, 12))
def test_any_split_gives_the_same(rows, cut) -> None:
    assert same(made(rows), made(rows[:cut]).merge(made(rows[cut:])))


@given(ROWS)
def test_projecting_keeps_totals(rows) -> None:
    counts = made(rows)
    whole = counts.project(())

    for column in OPS:
        assert whole.total(column) == counts.total(column)


@given(ROWS)
def test_folding_loses_nothing(rows) -> None:
    counts = made(rows)
    folded = counts.fold("label", ["a"])

    assert folded.total("rows") == counts.total("rows")
    assert set(folded.frame["label"]) <= {"a", "other"}


def test_small_cells_are_left_out() -> None:
    counts = made([("a", 2, 1, None, None), ("b", 5, 5, None, None)])

    assert counts.suppress(3).frame["label"].tolist() == ["b"]


def test_counts_of_different_shape_do_not_merge() -> None:
    with pytest.raises(ValueError, match="need equal keys and columns"):
        made([]).merge(Counts.of((), OPS, []))  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 5)), max_size=20))
def test_compacting_keeps_sums_and_extremes(rows) -> None:
    counts = Counts.of((BUCKET,), {"rows": Op.SUM, "m": Op.MIN}, [(60_000 * b, n, b) for b, n in rows])
    cells = cells_of(counts, 60)
    packed = compact(cells, [Op.SUM, Op.MIN], grid(3600), snapshot=False)

    assert sum(c.values[0] for c in packed) == sum(n for _, n in rows)
    assert all(c.width == 3600 and c.start % 3600 == 0 for c in packed)
    assert min((c.values[1] for c in packed), default=None) == min((b for b, _ in rows), default=None)


def test_part_hour_zones_keep_quarters() -> None:
    assert [coarse_width(z) for z in ("UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu")] == [
        3600,
        3600,
        900,
        900,
    ]
