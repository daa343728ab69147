"""Sessions a user has: what is typed, what is printed, how it ends. No traceback for a mistake, never a secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labelmon.checks import catalogue
from tests.world import NOW, World, iso

GOOD = """
stores: {w: {url: "sqlite:///labels.db"}}
datasets:
  radiology:
    owner: {team: rad}
    relations:
      items: {columns: {priority: priority}}
      labels: {table: annotations, columns: {labeled_at: labeled_at, annotator: annotator}}
      audits: {}
    objectives:
      label_accuracy: {target: 0.95}
      label_latency: {target: 0.9, within: 1h}
      label_backlog: {at_most: 1d}
"""


def labelmon(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "labelmon", *arguments],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    world = World(tmp_path)
    world.audits(NOW - 86400, NOW - 200, 600)
    for n in range(20):
        world.item(f"i{n}", NOW - 7200 + n * 60)
        if n % 4:
            world.label(f"i{n}", NOW - 7100 + n * 60)
    world.close()
    (tmp_path / "labelmon.yaml").write_text(GOOD)
    return tmp_path


def test_every_problem_of_a_config_at_once(folder: Path) -> None:
    (folder / "bad.yaml").write_text(
        """stores:
  w: {url: "sqlite:///labels.db", statement_timout: 3s}
  v: {url: "${LABELS_URL}"}
datasets:
  radiology:
    tier: critcal
    interval: 5m
    classes: [yes, no, yes]
    relations:
      audits: {store: w, columns: {thruth: consensus}}
    objectives:
      label_acuracy: {target: 0.9}
      label_accuracy: {target: 1.5}
  radiology: {}
"""
    )

    done = labelmon(folder, "check-config", "--config.file", "bad.yaml", LABELS_URL="oracle://bob:hunter2@db/x")

    assert done.returncode == 2
    assert "hunter2" not in done.stdout + done.stderr
    assert done.stderr == (
        f"""bad.yaml:2: stores.w.statement_timout: unknown key
  known: files, max_concurrency, statement_timeout, url   did you mean "statement_timeout"?
bad.yaml:3: stores.v.url: need a sqlite, duckdb or postgresql URL, got oracle
  other engines: export to files, or wait for a later release
bad.yaml:6: datasets.radiology.tier: unknown tier 'critcal'
  known: critical, experimental, standard   did you mean "critical"?
bad.yaml:7: datasets.radiology.interval: need an interval of at most 1m, got 5m
  a bucket is a quarter of the shortest alert window, and each needs a sample
bad.yaml:8: datasets.radiology.classes: each class once, repeated: yes
bad.yaml:10: datasets.radiology.relations.audits.columns.thruth: unknown column role
  known: annotator, audited_at, auditor, cluster, equal, gold, ingested_at, item, label, score, seeded, selection, stratum, truth, weight   did you mean "truth"?
bad.yaml:12: datasets.radiology.objectives.label_acuracy: unknown check
  known: {", ".join(check.name for check in catalogue())}   did you mean "label_accuracy"?
bad.yaml:13: datasets.radiology.objectives.label_accuracy.target: need a share above 0 and at most 1, got 1.5
bad.yaml:14: datasets.radiology: duplicate key, first on line 5
  keep one of the two
9 problems, nothing started
"""
    )


def test_what_only_the_store_knows_is_checked_too(folder: Path) -> None:
    text = GOOD.replace("labeled_at: labeled_at", "labeled_at: labelled_at").replace(
        "audits: {}", "audits: {table: audit}"
    )
    (folder / "labelmon.yaml").write_text(text)

    done = labelmon(folder, "check-config")

    assert done.returncode == 2
    assert done.stderr == (
        """labelmon.yaml:8: datasets.radiology.relations.labels.columns.labeled_at: no column 'labelled_at' in annotations
  columns: item, label, annotator, labeled_at   did you mean "labeled_at"?
labelmon.yaml:9: datasets.radiology.relations.audits: store w: missing table: no such table: audit
2 problems, nothing started
"""
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "labels.db").unlink(), "labelmon.yaml:2: stores.w: store w: unreachable (OperationalError)"),
        (
            lambda f: (f / "labels.db").write_text("not a database " * 100),
            "labelmon.yaml:2: stores.w: store w: unreachable (DatabaseError)",
        ),
        (lambda f: (f / "labelmon.yaml").write_text(""), "labelmon.yaml:1: config: the file is empty"),
        (
            lambda f: (f / "labelmon.yaml").write_text("- a\n- b\n"),
            "labelmon.yaml:1: config: need a mapping of keys, got a list",
        ),
        (lambda f: (f / "labelmon.yaml").write_text("stores: {a: [}\n"), "labelmon.yaml:1: config: not valid YAML: "),
        (
            lambda f: (f / "labelmon.yaml").unlink(),
            "labelmon.yaml:1: config: cannot be read: No such file or directory",
        ),
    ],
    ids=["no store", "no database", "empty", "list", "yaml", "no config"],
)
def test_unusable_files(folder: Path, spoil, said: str) -> None:
    spoil(folder)

    done = labelmon(folder, "check-config")

    assert done.returncode == 2
    assert done.stderr.startswith(said)


def test_a_store_that_may_not_be_read(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (folder / "labels.db").chmod(0)

    assert labelmon(folder, "check-config").returncode == 2


def test_check_config_says_what_is_measured(folder: Path) -> None:
    done = labelmon(folder, "check-config")

    assert (done.returncode, done.stderr) == (0, "")
    assert "radiology: measures label_accuracy, label_backlog, label_latency[within=1h]" in done.stdout


def test_once_as_json_holds_to_the_contract(folder: Path) -> None:
    said = json.loads(labelmon(folder, "once", "--format", "json", "--at", iso(NOW)).stdout)

    assert said["at"] == iso(NOW).replace("Z", ".000Z")
    first = said["measurements"][0]
    assert set(first) == {
        "dataset",
        "check",
        "statistic",
        "window",
        "labels",
        "value",
        "low",
        "high",
        "n",
        "state",
        "reason",
    }
    assert (first["check"], first["statistic"], first["value"], first["n"]) == ("label_accuracy", "accuracy", 1.0, 144)
    assert {"dataset", "check", "scope", "objective", "window", "events", "errors", "budget_remaining", "state"} <= set(
        said["slos"][0]
    )
    backlog = {m["statistic"]: m["value"] for m in said["measurements"] if m["check"] == "label_backlog"}
    assert backlog["backlog_items"] == 5
    assert backlog["oldest_age_seconds"] == 7200
    assert backlog["age_p50_seconds"] == 7200 - 480


def test_rows_after_at_do_not_exist(folder: Path) -> None:
    said = json.loads(labelmon(folder, "once", "--format", "json", "--at", iso(NOW - 7200 + 100)).stdout)

    backlog = {m["statistic"]: m["value"] for m in said["measurements"] if m["check"] == "label_backlog"}
    assert backlog["backlog_items"] == 2  # two have arrived, no label has come yet


def test_once_never_writes_a_ledger(folder: Path) -> None:
    (folder / "ledger.db").unlink()

    labelmon(folder, "once")

    assert not (folder / "labelmon.db").exists()
    assert not (folder / "labelmon.key").exists()


def test_a_dead_store_is_the_worlds_failure(folder: Path) -> None:
    (folder / "labels.db").unlink()

    done = labelmon(folder, "once")

    assert done.returncode == 1
    assert done.stderr == "labelmon: store w: unreachable (OperationalError)\n"
    assert "error: unreachable: store w: unreachable" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("once", "--at", "yesterday"),
            "labelmon: need an ISO 8601 instant such as 2026-01-31T12:00:00Z, got 'yesterday'\n",
        ),
        (("once", "--dataset", "radiologie"), "labelmon: --dataset: unknown dataset 'radiologie'; known: radiology\n"),
        (
            ("explain", "label_speed"),
            (f"labelmon: unknown check 'label_speed'; known: {', '.join(check.name for check in catalogue())}\n"),
        ),
        (
            ("backfill", "--since", "2999-01-01"),
            "labelmon: --since: need an instant in the past, got 2999-01-01T00:00:00.000Z\n",
        ),
        (("run", "--web.listen-address", "here"), "labelmon: --web.listen-address: need host:port, got 'here'\n"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_mistakes_end_with_2_and_say_what_was_wanted(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    done = labelmon(folder, *arguments)

    assert (done.returncode, done.stderr) == (2, said)


def test_explain_says_why_a_check_is_off_and_shows_its_statement(folder: Path) -> None:
    (folder / "labelmon.yaml").write_text(
        GOOD.replace("      audits: {}\n", "").replace("      label_accuracy: {target: 0.95}\n", "")
    )

    off = labelmon(folder, "explain", "label_accuracy").stdout
    plan = labelmon(folder, "explain", "label_latency", "--dataset", "radiology", "--plan").stdout

    assert "label_accuracy is off: needs relation audits" in off
    assert "SELECT" in plan
    assert "GROUP BY" in plan


def test_the_schema_is_json_and_knows_the_checks() -> None:
    schema = json.loads(labelmon(Path(), "config-schema").stdout)

    objectives = schema["properties"]["datasets"]["additionalProperties"]["properties"]["objectives"]
    assert "label_accuracy" in objectives["properties"]
    assert schema["additionalProperties"] is False


def test_stale_generated_files_end_with_1_and_a_diff(tmp_path: Path) -> None:
    labelmon(tmp_path, "generate", "--out", "out")
    fresh = labelmon(tmp_path, "generate", "--check", "--out", "out")
    rules = tmp_path / "out" / "rules" / "labelmon.rules.yml"
    rules.write_text(rules.read_text().replace("> 14.4", "> 13.4", 1))
    (tmp_path / "out" / "rules" / "runbooks" / "Old.md").write_text("<!-- Generated by labelmon generate -->")

    stale = labelmon(tmp_path, "generate", "--check", "--out", "out")

    assert fresh.returncode == 0
    assert stale.returncode == 1
    assert "+                      labelmon_slo_burn_rate" in stale.stdout
    assert "rules/runbooks/Old.md: generated once, no longer made" in stale.stdout


def test_generated_files_are_the_same_under_every_hash_seed(tmp_path: Path) -> None:
    made = []
    for seed in ("0", "1", "4242"):
        labelmon(tmp_path, "generate", "--out", seed, PYTHONHASHSEED=seed)
        made.append(
            {str(p.relative_to(tmp_path / seed)): p.read_bytes() for p in (tmp_path / seed).rglob("*") if p.is_file()}
        )

    assert made[0] == made[1] == made[2]
    assert len(made[0]) > 15


def test_help_does_not_wait_for_scipy() -> None:
    code = (
        "import sys, labelmon.cli; print(sorted({'scipy', 'statsmodels', 'pandas', 'sqlalchemy'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_the_committed_files_are_fresh(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]

    done = labelmon(root, "generate", "--check", "--config.file", _packaged(), LABELMON_DEMO_FOLDER=str(tmp_path))

    assert done.returncode == 0, done.stdout


def _packaged() -> str:
    import labelmon.demo

    return str(Path(labelmon.demo.__file__).parent / "demo.yaml")
