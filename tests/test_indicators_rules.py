"""Rules that the store itself holds labels to, on rows written by hand, through the command line."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from statsmodels.stats.proportion import proportion_confint

from labelmon.cli import main
from tests.full_store import AT, Row, day, once, one

RULES = {"label_rules": {"target": 0.99}}


def label(item: str, **more: object) -> dict[str, object]:
    return {"item": item, "label": "x", "labeled_at": day(3), "annotator": "p", **more}


def by_rule(found: list[dict[str, object]]) -> dict[str, tuple[float, float]]:
    """Broken and judged labels of each rule."""
    rows = [m for m in found if m["statistic"] == "rule_pass" and m["labels"]]
    return {m["labels"]["rule"]: (round((1 - m["value"]) * m["n"], 6), m["n"]) for m in rows}


def test_each_kind_of_rule_judges_what_has_a_value(tmp_path: Path) -> None:
    labels: list[Row] = [label(f"i{n}", tool="t", cost=1.0, schema_version="v1") for n in range(100)]
    labels += [
        label("i1", label="X", tool="t", cost=1.0, annotator="q"),  # no declared class, and the pattern says so too
        label("i2", tool="", cost=50.5, annotator="q"),  # no tool, too dear
        label("i3", tool=None, cost="12 apples", annotator="q"),  # no tool, and no number
        label("i4", tool="t", cost=None, annotator="q", schema_version="v0"),  # no cost to judge, an old version
        label("i5", tool="t", cost="", annotator="q", label=None),  # neither class nor cost to judge
        label("stranger", tool="t", cost=1.0),
        label("i6", tool="t", cost=50, labeled_at=day(4)),  # again by the same person; a cost at the end of the range
        label("i7", tool="t", cost=0, annotator=None),  # by nobody: no repeat can be told
        label("i7", tool="t", cost=0, annotator=None),
    ]
    items = [{"item": f"i{n}", "arrived_at": day(1)} for n in range(100)]

    found = once(
        tmp_path,
        {"labels": labels, "items": items},
        RULES,
        classes=["x", "y"],
        schema_versions=["v1"],
        validators={
            "classes": True,
            "versions": True,
            "required": ["annotator", "tool"],
            "pattern": {"label": "^[a-z_]+$"},
            "range": {"cost": [0, 50]},
            "known_items": True,
            "unique": ["item", "annotator"],
        },
    )

    assert by_rule(found) == {
        "classes": (1, 108),
        "versions": (1, 101),
        "required_annotator": (2, 109),
        "required_tool": (2, 109),
        "pattern_label": (1, 108),
        "range_cost": (2, 107),
        "known_items": (1, 109),
        "unique": (1, 107),
    }
    whole = one(found, "rule_pass")
    assert (whole["n"], round((1 - whole["value"]) * whole["n"], 6)) == (858, 11)
    assert (one(found, "failing_labels")["value"], one(found, "failing_labels")["n"]) == (8 / 109, 109)


def test_only_later_rows_of_one_kind_are_repeats(tmp_path: Path) -> None:
    """The first of three is as it should be, whenever it came; of two at one instant one is."""
    labels = [label("old", labeled_at="2025-01-01T00:00:00Z"), label("old", labeled_at=day(2))]
    labels += [label("twin", tool="t"), label("twin", tool="")]
    labels += [label("after", labeled_at=day(5)), label("after", labeled_at="2026-04-01T00:00:00Z")]
    labels += [label(f"i{n}") for n in range(20)]

    found = once(tmp_path, {"labels": labels}, RULES, validators={"unique": ["item"], "required": ["tool"]})

    assert by_rule(found)["unique"] == (2, 24)
    assert by_rule(found)["required_tool"] == (23, 24)


def test_the_checks_of_one_label_do_not_count_as_many(tmp_path: Path) -> None:
    """Ten of 100 labels lack all four fields: the interval is that of 100 labels, not of 400 checks."""
    fields = ("tool", "guideline_version", "source_uri", "comment")
    labels = [label(f"i{n}", **({} if n < 10 else dict.fromkeys(fields, "v"))) for n in range(100)]

    found = once(tmp_path, {"labels": labels}, RULES, validators={"required": list(fields)})

    whole = one(found, "rule_pass")
    assert (whole["value"], whole["n"]) == (0.9, 400)
    assert (whole["low"], whole["high"]) == pytest.approx(proportion_confint(90, 100, method="wilson"))
    assert one(found, "design_effect")["value"] == 4
    tool = one(found, "rule_pass", rule="required_tool")
    assert (tool["low"], tool["high"]) == pytest.approx(proportion_confint(90, 100, method="wilson"))


def test_a_rule_that_judges_nothing_is_not_there(tmp_path: Path) -> None:
    labels = [label(f"i{n}") for n in range(30)]

    found = once(tmp_path, {"labels": labels}, RULES, validators={"range": {"cost": [0, 1]}})

    assert [(m["statistic"], m["value"], m["reason"]) for m in found] == [
        ("rule_pass", None, "no checks"),
        ("failing_labels", None, "no judged labels"),
    ]


def written(folder: Path, tables: tuple[str, ...], **dataset: object) -> Path:
    with closing(sqlite3.connect(folder / "s.db")) as db, db:
        db.execute("CREATE TABLE labels (item, label, labeled_at)")
        db.execute("CREATE TABLE validations (item, rule, passed, checked_at)")
        db.execute("INSERT INTO labels VALUES ('i', ?, ?)", ("ab" * 3 + "abbabaab" * 40_000, day(1)))
    relations: dict[str, object] = {name: {} for name in tables}
    config = {
        "stores": {"s": {"url": f"sqlite:///{folder / 's.db'}", "statement_timeout": "500ms"}},
        "datasets": {"d": {"relations": relations, "objectives": RULES, **dataset}},
    }
    file = folder / "labelmon.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


@pytest.mark.parametrize(
    ("tables", "dataset", "said"),
    [
        (("labels",), {}, "label_rules is off: needs the dataset's validators"),
        (
            ("labels", "validations"),
            {"validators": {"required": ["label"]}},
            "label_rules is off: relation validations is mapped: what its checks found is counted instead",
        ),
    ],
)
def test_explain_says_why_it_is_off(tmp_path: Path, tables: tuple[str, ...], dataset: dict, said: str) -> None:
    file = written(tmp_path, tables, **dataset)

    done = CliRunner().invoke(main, ["explain", "label_rules", "--config.file", str(file)])

    assert said in done.output


def test_the_statement_timeout_holds_for_a_pattern(tmp_path: Path) -> None:
    """A pattern of many states over 300 kB of text: without its own end it would take minutes."""
    file = written(tmp_path, ("labels",), validators={"pattern": {"label": "(a|b)*a(a|b){250}c"}})

    done = CliRunner().invoke(main, ["once", "--config.file", str(file), "--at", AT])

    assert "statement_timeout (0.5 s)" in done.output


def test_labels_older_than_their_item_are_named_and_left_out(tmp_path: Path) -> None:
    items = [{"item": f"i{n}", "arrived_at": day(n, 12)} for n in range(28)]
    items.append({"item": "i0", "arrived_at": day(20)})  # came twice: the first arrival counts
    labels = [label(f"i{n}", labeled_at=day(n, 11 if n >= 20 else 12)) for n in range(28)]
    labels += [label("nobody"), label(None)]

    found = once(tmp_path, {"labels": labels, "items": items}, {"label_join": {"target": 0.9}})

    assert (one(found, "join_coverage")["value"], one(found, "join_coverage")["n"]) == (20 / 22, 22)
    assert one(found, "excluded_labels", reason="before_item")["value"] == 8


def test_audits_tell_failures_that_were_none(tmp_path: Path) -> None:
    """Of 40 labels without a tool 30 were right; each audit is held to the label it saw, the last one like its own."""
    labels = [label(f"i{n}", tool="" if n < 40 else "t", labeled_at=day(1)) for n in range(80)]
    labels += [label("i0", tool="t", labeled_at=day(9))]  # came after the audit
    labels += [label("i1", label="x", tool="t", labeled_at=day(1, 13))]  # before it, and as the audit says: it saw this
    audits = [{"item": f"i{n}", "label": "x", "truth": "x" if n < 30 else "y", "audited_at": day(5)} for n in range(80)]
    audits += [{"item": "gone", "label": "x", "truth": "x", "audited_at": day(5)}]
    audits += [{"item": "i2", "label": "z", "truth": "x", "audited_at": day(5)}]  # of a label that is not there

    found = once(
        tmp_path,
        {"labels": labels, "audits": audits},
        RULES,
        validators={"required": ["tool"], "unique": ["item", "label"]},
    )

    tool = one(found, "false_fail", rule="required_tool")
    assert (tool["value"], tool["n"]) == (pytest.approx(29 / 39), 39)
    unique = one(found, "false_fail", rule="unique")
    assert (unique["value"], unique["n"], unique["state"]) == (1, 1, "insufficient")
    whole = one(found, "false_fail")
    assert (whole["low"], whole["high"]) == pytest.approx(proportion_confint(30, 40, method="wilson"))
