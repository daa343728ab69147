"""The real data sets, their reference values, and `labelmon once` on them as a user runs it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from labelmon.cli import main

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("LABELMON_DATA", ROOT.parent / "shared" / "data"))
KEY = b"a key for the tests, nothing else"
MISSING = "" if (DATA / "README.md").exists() else f"the data sets are not there ({DATA.name}; set LABELMON_DATA)"

Measured = dict[str, Any]


@cache
def reference(name: str) -> dict[str, Any]:
    """The tasks of a set's reference.json; {} where the data are not there."""
    path = DATA / name / "reference.json"
    return json.loads(path.read_text())["tasks"] if path.exists() else {}


def pseudonym(person: str) -> str:
    """Written out here, not imported: what a key holder can compute with any tool."""
    return "a-" + hmac.new(KEY, person.encode(), hashlib.sha256).hexdigest()[:12]


@cache
def once(example: str, at: str, dataset: str, folder: Path) -> tuple[Measured, ...]:
    """The measurements of `labelmon once --format json --at AT --dataset DATASET` on an example's config."""
    config = yaml.safe_load((ROOT / "examples" / f"{example}.yaml").read_text())
    key = folder / "test.key"
    key.write_bytes(KEY)
    config["privacy"] = {"pseudonym_keys": [{"file": str(key)}]}
    for one in config["datasets"].values():
        if isinstance(one.get("classes"), dict):
            one["classes"] = {"file": str(ROOT / "examples" / one["classes"]["file"])}
    path = folder / f"{example}.yaml"
    path.write_text(yaml.safe_dump(config))
    command = ["once", "--config.file", str(path), "--format", "json", "--at", at, "--dataset", dataset]
    done = CliRunner().invoke(main, command, env={"LABELMON_DATA": str(DATA)}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return tuple(json.loads(done.stdout)["measurements"])


def value(found: tuple[Measured, ...], check: str, statistic: str, **labels: str) -> Measured:
    """The one measurement of a statistic under exactly these labels."""
    (one,) = [m for m in found if (m["check"], m["statistic"], m["labels"]) == (check, statistic, labels)]
    return one
