"""Labels outside the schema: found, counted and named alike in every store."""

# ruff: noqa: F811  a fixture that is imported looks redefined where a test asks for it

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from labelmon.check import Moment
from labelmon.checks import check_named
from labelmon.counts import OTHER
from labelmon.estimators.schema import meant_class
from labelmon.stores import Span
from labelmon.stores.needs import why_off
from labelmon.stores.series import part_series, series_for
from tests.stores.test_pushdown import DAY_MS, Put, counted, put, text  # noqa: F401  put is a fixture
from tests.world import dataset, relation, target

ENGINES = ["sqlite", "parquet", "duckdb", "postgresql"]
CLASSES = ("none", "poc", "ä")
SPAN = Span(start_ms=DAY_MS, end_ms=DAY_MS + 3_600_000)
NOTHING = {"items": [("i", text(DAY_MS, 0), None)], "audits": [("i", "x", "x", None)]}
CHECK = check_named("schema_mismatch")


def watched(*versions: str):
    return dataset(classes=CLASSES, schema_versions=versions)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    labels=st.lists(
        st.sampled_from([*CLASSES, "None", "NONE", "n\u00f6ne", "a\u0308", " none"]), min_size=1, max_size=40
    )
)
def test_offending_labels_count_as_plain_python_counts(tmp_path_factory, put: Put, engine, labels) -> None:
    rows = [(f"i{n}", label, "p", text(DAY_MS + n, 0)) for n, label in enumerate(labels)]
    spec = put(tmp_path_factory.mktemp("s"), engine, {**NOTHING, "annotations": rows})
    whole = series_for(CHECK, watched(), target(0.999))
    (part,) = part_series(whole)

    main = counted(spec, whole, SPAN, DAY_MS + 7_200_000)
    named = counted(spec, part, SPAN, DAY_MS + 7_200_000)

    wrong = Counter(label for label in labels if label not in CLASSES)
    assert (main.rows, main.total("good")) == (len(labels), len(labels) - wrong.total())
    assert {value: rows for _, value, rows in named.records()} == wrong


@pytest.mark.parametrize("engine", ENGINES)
def test_only_the_most_frequent_offenders_leave_the_store(tmp_path, put: Put, engine) -> None:
    free = [f"free text {n:03d}" for n in range(300)] + ["often"] * 7
    rows = [(f"i{n}", label, "p", text(DAY_MS + n, 0)) for n, label in enumerate(free)]
    spec = put(tmp_path, engine, {**NOTHING, "annotations": rows})
    (part,) = part_series(series_for(CHECK, watched(), target(0.999)))

    named = {value: rows for _, value, rows in counted(spec, part, SPAN, DAY_MS + 7_200_000).records()}

    assert len(named) == CHECK.parts[0].most
    assert named["often"] == 7


@pytest.mark.parametrize("engine", ENGINES)
def test_a_version_that_is_not_in_force_offends(tmp_path, put: Put, engine) -> None:
    # The annotator's column plays the schema version: the tables of these tests have no other.
    rows = [(f"i{n}", "none", version, text(DAY_MS + n, 0)) for n, version in enumerate(["v1", "v2", "v2", "v3", None])]
    spec = put(tmp_path, engine, {**NOTHING, "annotations": rows})
    versioned = relation("labels", "annotations", "item", "label", "labeled_at", schema_version="annotator")
    seen = watched("v2", "v3")
    seen = replace(seen, relations={**seen.relations, "labels": versioned})
    whole = series_for(CHECK, seen, target(0.999))
    (part,) = part_series(whole)

    assert counted(spec, whole, SPAN, DAY_MS + 7_200_000).total("good") == 3
    assert {v: n for _, v, n in counted(spec, part, SPAN, DAY_MS + 7_200_000).records()} == {"v1": 1, "": 1}


def test_without_classes_there_is_no_schema_to_miss() -> None:
    assert why_off(CHECK, dataset()) == "needs the dataset's classes"
    assert why_off(CHECK, watched()) == ""


def test_other_classes_are_another_definition() -> None:
    one = series_for(CHECK, watched("v1"), target(0.999))

    assert one.definition != series_for(CHECK, watched("v1", "v2"), target(0.999)).definition
    # Checks that do not judge the schema keep their counts when its versions change.
    accuracy = check_named("label_accuracy")
    definitions = {series_for(accuracy, watched(*v), target(0.9)).definition for v in (("v1",), ("v2",))}
    assert len(definitions) == 1


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("None", "none"),
        (" NONE ", "none"),
        ("\uff4eone", "none"),
        ("a\u0308", "ä"),
        ("n\u043ene", ""),
        ("", ""),
        (OTHER, ""),
    ],
    ids=["case", "spaces", "full width", "decomposed", "Cyrillic o", "empty", "folded"],
)
def test_a_value_is_told_which_class_it_spells(value: str, meant: str) -> None:
    assert meant_class(value, CLASSES) == meant


def test_offenders_are_named_with_the_class_they_spell(tmp_path, put: Put) -> None:
    rows = [(f"i{n}", label, "p", text(DAY_MS + n, 0)) for n, label in enumerate(["None", "None", "x"])]
    spec = put(tmp_path, "sqlite", {**NOTHING, "annotations": rows})
    (part,) = part_series(series_for(CHECK, watched(), target(0.999)))
    counts = counted(spec, part, SPAN, DAY_MS + 7_200_000)

    found = part.table.estimate(counts, Moment(at=0, classes=CLASSES))

    assert [(e.value, dict(e.labels)) for e in found] == [
        (2, {"value": "None", "looks_like": "none"}),
        (1, {"value": "x"}),
    ]
