"""`validators:` of a dataset: what becomes a rule, and every mistake with its place."""

from __future__ import annotations

from pathlib import Path

from labelmon.config.schema import json_schema
from labelmon.model import Rule, RuleKind
from tests.config.test_load import problems, read

HEAD = """
stores: {s: {url: "sqlite:///labels.db"}, t: {url: "sqlite:///items.db"}}
datasets:
  d:
    classes: [x]
    schema_versions: [v1]
    relations:
      labels: {store: s, columns: {labeled_at: at, annotator: who, cost: paid, schema_version: v}}
      items: {store: s}
"""


def test_every_kind_becomes_a_rule(tmp_path: Path) -> None:
    said = """    validators:
      classes: true
      versions: true
      required: [annotator, cost]
      pattern: {label: '^\\w+$'}
      range: {cost: [0, 5e1]}
      known_items: true
      unique: [item, annotator]
"""

    rules = read(tmp_path, HEAD + said).datasets["d"].validators

    assert rules == (
        Rule(kind=RuleKind.CLASSES, roles=("label",)),
        Rule(kind=RuleKind.VERSIONS, roles=("schema_version",)),
        Rule(kind=RuleKind.REQUIRED, roles=("annotator",)),
        Rule(kind=RuleKind.REQUIRED, roles=("cost",)),
        Rule(kind=RuleKind.PATTERN, roles=("label",), pattern="^[0-9A-Z_a-z]+$"),
        Rule(kind=RuleKind.RANGE, roles=("cost",), least=0, most=50),
        Rule(kind=RuleKind.KNOWN_ITEMS, roles=("item",)),
        Rule(kind=RuleKind.UNIQUE, roles=("item", "annotator")),
    )
    assert [rule.name for rule in rules][2:6] == ["required_annotator", "required_cost", "pattern_label", "range_cost"]


def test_a_rule_that_is_false_is_none(tmp_path: Path) -> None:
    said = "    validators: {classes: false, known_items: true}\n"

    assert [rule.name for rule in read(tmp_path, HEAD + said).datasets["d"].validators] == ["known_items"]


def test_every_mistake_is_named_with_its_place(tmp_path: Path) -> None:
    said = """    validators:
      clases: true
      versions: maybe
      required: [anotator, tool, annotator, annotator]
      pattern:
        label: '(?=x)'
        cost: '1'
        tool: 'x'
      range:
        cost: [2, 1]
        confidence: [0, 1]
        labeled_at: [0, 1]
      unique: []
"""

    assert problems(tmp_path, HEAD + said) == [
        "11 datasets.d.validators.clases: unknown validator",
        "12 datasets.d.validators.versions: need true or false, got 'maybe'",
        "13 datasets.d.validators.required[0]: unknown role 'anotator' of labels",
        "13 datasets.d.validators.required[1]: need the role tool in columns: of labels",
        "13 datasets.d.validators.required[3]: need each role once, got 'annotator' again",
        (
            "15 datasets.d.validators.pattern.label: need a regular expression that every store reads the same: (? begins "
            "lookaround, a name or a flag, which the engines do not share; (?:...) is fine"
        ),
        "16 datasets.d.validators.pattern.cost: unknown text role",
        "17 datasets.d.validators.pattern.tool: need the role tool in columns: of labels",
        "19 datasets.d.validators.range.cost: need [least, most] in order, got [2, 1]",
        "20 datasets.d.validators.range.confidence: need the role confidence in columns: of labels",
        "21 datasets.d.validators.range.labeled_at: unknown numeric role",
        "22 datasets.d.validators.unique: need at least one role",
    ]


def test_what_a_rule_needs_of_its_dataset(tmp_path: Path) -> None:
    bare = HEAD.replace("    classes: [x]\n    schema_versions: [v1]\n", "").replace(
        "items: {store: s}", "audits: {store: s}"
    )
    said = "    validators: {classes: true, versions: true, known_items: true}\n"

    assert problems(tmp_path, bare + said) == [
        "8 datasets.d.validators.classes: need the dataset's `classes`, which labels are to be of",
        "8 datasets.d.validators.known_items: need the relation items, which labels are to be found in",
        "8 datasets.d.validators.versions: need the dataset's `schema_versions`, which labels are to be of",
    ]
    apart = HEAD.replace("items: {store: s}", "items: {store: t}")
    assert problems(tmp_path, apart + said) == [
        "10 datasets.d.validators.known_items: need labels and items in one store, got s and t"
    ]
    unlabeled = HEAD.replace("      labels:", "      predictions:").partition("store: s, columns")[0]
    unlabeled += "store: s}\n"
    assert problems(tmp_path, unlabeled + said) == [
        "9 datasets.d.validators: need the relation labels: its rows are what validators judge"
    ]
    assert problems(tmp_path, HEAD + "    validators: {}\n") == [
        "10 datasets.d.validators: need at least one validator"
    ]


def test_rules_that_do_not_run_are_said(tmp_path: Path) -> None:
    mapped = HEAD + "      validations: {store: s}\n    validators: {classes: true}\n"

    assert [n for n in read(tmp_path, mapped).notices if "validators" in n] == [
        "dataset d maps validations: what they found is counted, its validators do not run"
    ]


def test_editors_know_the_keys() -> None:
    dataset = json_schema()["properties"]["datasets"]["additionalProperties"]

    assert set(dataset["properties"]["validators"]["properties"]) == {kind.value for kind in RuleKind}
