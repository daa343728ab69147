"""Rules judged in the store as plain Python judges them, on every engine, whatever the rows and the span."""

# ruff: noqa: F811  a fixture that is imported looks redefined where a test asks for it

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from labelmon.checks import check_named
from labelmon.model import Rule, RuleKind
from labelmon.stores import Span
from labelmon.stores.series import part_series, series_for
from tests.stores.test_pushdown import DAY_MS, Put, counted, put, text  # noqa: F401  put is a fixture
from tests.world import dataset, relation, target

ENGINES = ["sqlite", "csv", "parquet", "duckdb", "postgresql", "postgresql-typed"]
CLASSES = ("x", "ä")
RULES = (
    Rule(kind=RuleKind.CLASSES, roles=("label",)),
    Rule(kind=RuleKind.REQUIRED, roles=("annotator",)),
    Rule(kind=RuleKind.PATTERN, roles=("label",), pattern="^[a-zä]+$"),
    Rule(kind=RuleKind.RANGE, roles=("cost",), least=-1.0, most=2.5),
    Rule(kind=RuleKind.KNOWN_ITEMS, roles=("item",)),
    Rule(kind=RuleKind.UNIQUE, roles=("item", "annotator")),
)
SPAN = Span(start_ms=DAY_MS, end_ms=DAY_MS + 3_600_000, width=900)
# The annotator's column also plays the cost: names that are numbers, and some that are not quite.
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["i1", "i2", "i3", "stranger", None]),
        st.sampled_from(["x", "ä", "X", "x ", "", "x1", None]),
        st.sampled_from(["1", "2.5", "2.6", "-1", "1 apple", "nan", "", None]),
        st.integers(-4, 4).map(lambda quarter: quarter * 900_000),
    ),
    min_size=1,
    max_size=30,
)
Row = tuple[str | None, str | None, str | None, int]


def judged(rows: list[Row]) -> tuple[Counter[tuple[int, str, bool]], int, int]:
    """(bucket, rule, kept) of each check in the span; labels that any rule judges, and those that break one."""
    found: Counter[tuple[int, str, bool]] = Counter()
    places = {id(row): place for place, row in enumerate(rows)}
    labels = failing = 0
    for row in rows:
        item, label, who, at = row
        if not 0 <= at < 3_600_000:
            continue
        kept: dict[str, bool] = {"required_annotator": bool(who)}
        if label:
            kept |= {"classes": label in CLASSES, "pattern_label": bool(re.fullmatch("[a-zä]+", label))}
        if who:
            kept["range_cost"] = bool(re.fullmatch(r"-?\d+(\.\d+)?", who)) and -1 <= float(who) <= 2.5
        if item:
            kept["known_items"] = item != "stranger"
        if item and who:
            same = [other for other in rows if other[0] == item and other[2] == who]
            earlier = [other for other in same if other[3] < at]
            # Of rows of one instant, the one that breaks most by itself stands first; which it is does not matter here.
            twins = [other for other in same if other[3] == at and places[id(other)] < places[id(row)]]
            kept["unique"] = not earlier and not twins
        labels += 1
        failing += not all(kept.values())
        found.update((DAY_MS + at - at % 900_000, rule, good) for rule, good in kept.items())
    return found, labels, failing


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_the_store_judges_as_plain_python_does(tmp_path_factory, put: Put, engine, rows) -> None:
    rows = [(*row,) for row in rows]
    labels = [(item, label, who, text(DAY_MS + at, n % 3)) for n, (item, label, who, at) in enumerate(rows)]
    items = [(item, text(DAY_MS, 0), None) for item in ("i1", "i2", "i3", "i3")]
    tables = {"annotations": labels, "items": items, "audits": [("i", "x", "x", text(DAY_MS, 0))]}
    spec = put(tmp_path_factory.mktemp("s"), engine, tables)
    watched = replace(
        dataset(classes=CLASSES, validators=RULES),
        relations={
            "items": relation("items", "items", "item", "arrived_at"),
            "labels": relation("labels", "annotations", "item", "label", "annotator", "labeled_at", cost="annotator"),
        },
    )
    whole = series_for(check_named("label_rules"), watched, target(0.99))
    (part,) = part_series(whole)

    main = counted(spec, whole, SPAN, DAY_MS + 7_200_000)
    labeled = counted(spec, part, SPAN, DAY_MS + 7_200_000)

    checks, judged_labels, failing = judged(rows)
    said = {(bucket, rule): (n, good) for bucket, rule, n, good in main.records()}
    assert said == {
        (bucket, rule): (checks[bucket, rule, True] + checks[bucket, rule, False], checks[bucket, rule, True])
        for bucket, rule, _ in checks
    }
    assert (labeled.rows, labeled.total("judged")) == (judged_labels, checks.total())
    assert labeled.total("broken") == sum(n for (_, _, kept), n in checks.items() if not kept)
    twins = Counter((item, who, at) for item, _, who, at in rows).most_common(1)[0][1]
    if twins == 1:  # of rows of one instant our order and the store's may differ
        assert labeled.total("failing") == failing
