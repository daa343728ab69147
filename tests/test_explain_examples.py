"""The example that `labelmon explain` prints for a check is a config that runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from labelmon.checks import catalogue
from labelmon.cli import main
from labelmon.config import load
from labelmon.config.datasets import default_objective
from labelmon.stores.needs import why_off


@pytest.mark.parametrize("check", catalogue(), ids=lambda check: check.name)
def test_the_example_of_a_check_runs_it_with_its_default(check, tmp_path: Path) -> None:
    said = CliRunner().invoke(main, ["explain", check.name, "--config.file", str(tmp_path / "none.yaml")]).output
    lines = said.partition("  example:\n")[2].splitlines()
    path = tmp_path / "labelmon.yaml"
    path.write_text("\n".join(line.removeprefix("    ") for line in lines))

    (dataset,) = load(path).datasets.values()

    assert why_off(check, dataset) == ""
    assert dataset.objectives == {check.name: (default_objective(check),)}
