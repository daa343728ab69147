"""`labelmon audit-sample` as a user types it: what is drawn, with which probability, and how it says no."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from labelmon.estimators.survey import audits_needed, neyman
from tests.postgres import Cluster
from tests.test_cli import labelmon
from tests.world import NOW, World

AT = "2026-09-21T14:00:00Z"
CONFIG = """
stores: {w: {url: "sqlite:///labels.db"}}
datasets:
  d:
    relations:
      items: {columns: {priority: priority}}
      labels: {table: annotations, columns: {labeled_at: labeled_at, annotator: annotator}}
      audits: {}
"""
FILES = CONFIG.replace('{url: "sqlite:///labels.db"}', "{files: {annotations: a.csv, items: i.csv, audits: u.csv}}")
SIZES = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 500), min_size=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """300 items: one in six is rare, every tenth audited, one in five labelled by ann; some audits of lost labels."""
    world = World(tmp_path)
    for n in range(300):
        world.item(f"i{n}", NOW - 7200, "high" if n % 3 else "low")
        world.label(f"i{n}", NOW - 3600, "rare" if n % 6 == 0 else "bulk", "ann" if n % 5 == 1 else "bob")
        if n % 10 == 0:
            world.audit(f"i{n}", NOW - 60)
            world.audit(f"gone{n}", NOW - 60, right=False)
    world.label("later", NOW + 60)
    for table, file in (("annotations", "a"), ("items", "i"), ("audits", "u")):
        cursor = world.db.execute(f"SELECT * FROM {table} ORDER BY random()")
        with (tmp_path / f"{file}.csv").open("w") as out:
            writer = csv.writer(out)
            writer.writerow([d[0] for d in cursor.description])
            writer.writerows(cursor)
    world.close()
    (tmp_path / "labelmon.yaml").write_text(CONFIG)
    (tmp_path / "files.yaml").write_text(FILES)
    return tmp_path


def drawn(folder: Path, *arguments: str, config: str = "labelmon.yaml") -> list[dict[str, str]]:
    done = labelmon(folder, "audit-sample", "--config.file", config, "--dataset", "d", "--at", AT, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_only_labels_that_nobody_audited_are_drawn(folder: Path) -> None:
    rows = drawn(folder, "--size", "1000")

    assert len(rows) == 270
    assert not {f"i{n}" for n in range(0, 300, 10)} & {row["item"] for row in rows}
    assert {(row["inclusion_probability"], row["weight"], row["selection"]) for row in rows} == {
        ("1.0", "1.0", "random")
    }


def test_the_seed_decides_and_the_order_of_rows_does_not(folder: Path) -> None:
    one = drawn(folder, "--size", "40", "--seed", "7")

    assert drawn(folder, "--size", "40", "--seed", "7") == one
    assert drawn(folder, "--size", "40", "--seed", "7", config="files.yaml") == one
    other = {row["item"] for row in drawn(folder, "--size", "40", "--seed", "8")}
    assert len({row["item"] for row in one} & other) < 20
    assert {(row["inclusion_probability"], row["weight"]) for row in one} == {(str(40 / 270), str(270 / 40))}


def test_the_order_is_the_same_on_postgresql(folder: Path, postgres: Cluster) -> None:
    schema = postgres.schema()
    with postgres.connect(schema) as served:
        for table, file in (("annotations", "a"), ("items", "i"), ("audits", "u")):
            names, *rows = csv.reader((folder / f"{file}.csv").read_text().splitlines())
            served.execute(f"CREATE TABLE {table} ({', '.join(f'{name} text' for name in names)})")
            with served.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(names))})", rows)
    (folder / "served.yaml").write_text(CONFIG.replace("sqlite:///labels.db", postgres.url(schema=schema)))
    arguments = ("--size", "40", "--stratify", "priority", "--auditor", "ann", "--seed", "x")

    assert drawn(folder, *arguments, config="served.yaml") == drawn(folder, *arguments)


@pytest.mark.parametrize(
    ("role", "sizes"), [("label", {"bulk": 230, "rare": 40}), ("priority", {"high": 180, "low": 90})]
)
def test_weights_add_up_to_each_stratum(folder: Path, role: str, sizes: dict[str, int]) -> None:
    rows = drawn(folder, "--size", "30", "--stratify", role)

    assert len(rows) == 30
    for stratum, size in sizes.items():
        weights = [float(row["weight"]) for row in rows if row["stratum"] == stratum]
        assert len(weights) >= 2
        assert sum(weights) == pytest.approx(size)


def test_nobody_audits_their_own_work_and_no_annotator_is_named(folder: Path) -> None:
    rows = drawn(folder, "--size", "1000", "--auditor", "ann", "--stratify", "annotator")

    assert {row["item"] for row in rows} == {f"i{n}" for n in range(300) if n % 10 and n % 5 != 1}
    assert all(row["stratum"].startswith("a-") for row in rows)


def test_label_studio_reads_tasks(folder: Path) -> None:
    arguments = (
        "audit-sample",
        "--dataset",
        "d",
        "--size",
        "3",
        "--format",
        "label-studio",
        "--at",
        AT,
    )
    tasks = json.loads(labelmon(folder, *arguments).stdout)

    assert len(tasks) == 3
    assert set(tasks[0]["data"]) == {"item", "label", "stratum", "inclusion_probability", "weight", "selection"}


def test_how_many_audits_an_interval_needs(folder: Path) -> None:
    arguments = ("audit-sample", "--dataset", "d", "--at", AT, "--half-width", "0.05")
    done = labelmon(folder, *arguments)

    # 30 of 60 past audits were wrong: s^2 = 1/4; Cochran 5.25: .25 / ((.05/1.96)^2 + .25/270) = 158.8
    assert (done.returncode, done.stdout) == (0, "159\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--size", "5", "--dataset", "x"], 2, "--dataset: unknown dataset 'x'; known: d"),
        (["--dataset", "d"], 2, "need either --size or --half-width"),
        (["--dataset", "d", "--size", "0"], 2, "--size: need 1 to 100000, got 0"),
        (["--dataset", "d", "--half-width", "2"], 2, "--half-width: need a share between 0 and 0.5, got 2"),
        (
            ["--dataset", "d", "--size", "3", "--stratify", "label", "--at", AT],
            2,
            "--size: need n >= 4, 2 for each stratum, got 3",
        ),
        (["--dataset", "d", "--size", "3", "--stratify", "site"], 2, "--stratify: d maps no role 'site'"),
        (["--dataset", "d", "--size", "3", "--at", "2020-01-01"], 1, "d: no labelled item waits for an audit"),
    ],
)
def test_how_it_says_no(folder: Path, arguments: list[str], code: int, said: str) -> None:
    done = labelmon(folder, "audit-sample", *arguments)

    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"labelmon: {said}")


def test_neyman_by_hand() -> None:
    # Size x spread is 40, 40 and 20 of 100; the fourth is empty.
    got = neyman({"a": 400, "b": 100, "c": 100, "d": 0}, {"a": 0.1, "b": 0.4, "c": 0.2, "d": 0.5}, 50)

    assert got == {"a": 20, "b": 20, "c": 10, "d": 0}
    assert neyman({"a": 1000, "b": 10}, {"a": 0.5, "b": 0.01}, 20) == {"a": 18, "b": 2}
    assert neyman({"a": 1000, "b": 3}, {"a": 0.01, "b": 0.5}, 500) == {"a": 497, "b": 3}


@given(SIZES, st.integers(12, 3000), st.data())
def test_an_allocation_is_whole_and_fits(sizes: dict[str, int], n: int, data: st.DataObject) -> None:
    spreads = {name: data.draw(st.floats(0.01, 0.5)) for name in sizes}
    got = neyman(sizes, spreads, n)

    assert sum(got.values()) == min(n, sum(sizes.values()))
    assert all(min(2, sizes[name]) <= got[name] <= sizes[name] for name in sizes)


def test_no_more_audits_than_labels() -> None:
    assert audits_needed({"a": 10}, {"a": 0.5}, 0.001) == 10


def test_past_errors_are_judged_by_the_declared_comparison(tmp_path: Path) -> None:
    """As texts every audit below is wrong, and both strata look alike; half of the wild ones are, beyond tolerance."""
    world = World(tmp_path)
    world.db.execute("ALTER TABLE audits ADD stratum TEXT")
    for n in range(400):
        stratum = "wild" if n % 2 else "calm"
        world.item(f"i{n}", NOW - 7200, stratum)
        world.label(f"i{n}", NOW - 3600, "10.0", "ann")
        if n < 100:
            world.db.execute(
                "INSERT INTO audits VALUES (?, ?, '10', '2026-09-21T13:00:00Z', ?)",
                (f"i{n}", "12.0" if stratum == "wild" and n % 4 == 1 else "10.0", stratum),
            )
    world.close()
    config = CONFIG.replace("relations:", "comparison: {number: {within: 0.5}}\n    relations:")
    config = config.replace("audits: {}", "audits: {columns: {stratum: stratum}}")
    (tmp_path / "labelmon.yaml").write_text(config)

    rows = drawn(tmp_path, "--size", "60", "--stratify", "priority")

    strata = [row["stratum"] for row in rows]
    assert strata.count("wild") > 2 * strata.count("calm")
