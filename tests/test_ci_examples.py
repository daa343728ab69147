"""What the CI examples, the hooks and docs/ci.md tell people to run exists, and runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from labelmon.cli import main
from labelmon.gate import EXIT_CODES, HTTP_CODES, Verdict
from tests.world import NOW, World, iso

ROOT = Path(__file__).parents[1]
HOOKS = ROOT / ".pre-commit-hooks.yaml"
EXAMPLES = (ROOT / "examples" / "ci" / "github-actions.yml", ROOT / "examples" / "ci" / "gitlab-ci.yml")
pytestmark = pytest.mark.skipif(not HOOKS.exists(), reason="the examples are not beside these tests")
CONFIG = """
stores: {w: {url: "${WAREHOUSE_URL}"}}
datasets:
  radiology:
    owner: {team: rad}
    relations: {audits: {}}
    objectives: {label_accuracy: {target: 0.9}}
"""


def commands(path: Path) -> list[str]:
    """Every line of shell in a workflow, in order, without what installs."""
    document = yaml.safe_load(path.read_text())
    found: list[str] = []
    if "jobs" in document:
        for job in document["jobs"].values():
            found += [line for step in job["steps"] for line in step.get("run", "").splitlines()]
    else:
        for job in document.values():
            if isinstance(job, dict):
                found += [*job.get("before_script", ()), *job["script"]]
    return [line for line in found if not re.search(r"\b(pip|apt-get)\b", line)]


def entries() -> list[str]:
    return [f"{hook['entry']} {' '.join(hook['args'])}" for hook in yaml.safe_load(HOOKS.read_text())]


def told() -> Iterator[str]:
    for path in EXAMPLES:
        yield from commands(path)
    yield from entries()
    for page in ("ci.md", "operator.md", "openslo.md"):
        text = (ROOT / "docs" / page).read_text().replace("\\\n", " ")
        yield from re.findall(r"^(labelmon .*)$", text, re.MULTILINE)
        yield from re.findall(r"`(labelmon [^`]*)`", text.replace("\n", " "))


def test_every_command_and_option_exists() -> None:
    seen = set()
    for line in told():
        words = shlex.split(line.partition("||")[0])
        if words[0] != "labelmon":
            continue
        said = CliRunner().invoke(main, [words[1], "--help"])
        assert said.exit_code == 0, line
        known = set(re.findall(r"(?<![\w-])--?[a-z][\w.-]*", said.output))
        assert {word for word in words[2:] if word.startswith("-")} <= known, line
        seen.add(words[1])
    assert seen == {"check-config", "generate", "gate"}


def shell(line: str, folder: Path, path: str, store: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PATH": path, "WAREHOUSE_URL": store}
    return subprocess.run(["bash", "-ec", line], cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a config and what it generates, and a PATH that has labelmon, a rollout and no more tools of ours."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "labelmon.yaml").write_text(CONFIG)
    tools = tmp_path_factory.mktemp("bin")
    (tools / "labelmon").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m labelmon "$@"\n')
    (tools / "labelmon").chmod(0o755)
    path = f"{tools}:{os.environ['PATH']}"
    made = shell("labelmon generate --config.file labelmon.yaml", folder, path, "sqlite:///nowhere.db")
    assert made.returncode == 0, made.stderr
    return folder, path


def test_both_workflows_run_the_same(repository: tuple[Path, str]) -> None:
    github, gitlab = map(commands, EXAMPLES)

    assert github == gitlab
    assert [line.split()[:2] for line in github] == [
        ["labelmon", "check-config"],
        ["labelmon", "generate"],
        ["promtool", "check"],
        ["promtool", "test"],
        ["amtool", "check-config"],
        ["labelmon", "gate"],
        ["./rollout.sh"],
    ]


def test_the_checks_pass_on_a_sound_repository(repository: tuple[Path, str]) -> None:
    folder, path = repository
    for line in commands(EXAMPLES[0])[:5]:
        tool = line.split()[0]
        if tool != "labelmon" and not shutil.which(tool):
            pytest.skip(f"{tool} is missing")
        # All of them pass in tests/alerting, in the minute that takes; here one shows that the line finds them.
        done = shell(
            line.replace("tests/*.yml", "tests/LabelAccuracyAnyBad.test.yml"), folder, path, "sqlite:///nowhere.db"
        )
        assert done.returncode == 0, (line, done.stdout[-500:], done.stderr)


def test_the_hooks_fail_as_docs_say_and_pass_when_mended(repository: tuple[Path, str]) -> None:
    folder, path = repository
    check, fresh = entries()
    rules = folder / "rules" / "alertmanager.yml"
    good = rules.read_text()
    try:
        rules.write_text(good.replace("severity", "severty", 1))
        stale = shell(fresh, folder, path, "sqlite:///nowhere.db")
        (folder / "labelmon.yaml").write_text(CONFIG.replace("label_accuracy", "label_acuracy"))
        wrong = shell(check, folder, path, "sqlite:///nowhere.db")
    finally:
        rules.write_text(good)
        (folder / "labelmon.yaml").write_text(CONFIG)

    assert (stale.returncode, wrong.returncode) == (1, 2)
    assert "severty" in stale.stdout
    assert 'did you mean "label_accuracy"' in wrong.stderr
    assert all(shell(line, folder, path, "sqlite:///nowhere.db").returncode == 0 for line in (check, fresh))


@pytest.mark.parametrize(("right", "code"), [(True, 0), (False, 3), (None, 4)], ids=["go", "pause", "nobody-knows"])
def test_the_gate_lets_the_rollout_go_on_or_not(
    repository: tuple[Path, str], tmp_path: Path, *, right: bool | None, code: int
) -> None:
    folder, path = repository
    world = World(tmp_path)
    if right is not None:
        world.audits(NOW - 7200, NOW - 200, 60, right=right)
    world.close()
    (gate,) = (line for line in commands(EXAMPLES[0]) if line.startswith("labelmon gate"))

    done = shell(f"{gate} --at {iso(NOW)}; echo rolled out", folder, path, f"sqlite:///{tmp_path}/labels.db")

    assert done.returncode == code, done.stdout + done.stderr
    assert ("rolled out" in done.stdout) == (code == 0)


def test_the_page_gives_the_exit_codes_of_the_code() -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    rows = dict(re.findall(r"^\|.*\| (\d) \| (.*?)[:.]", page, re.MULTILINE))

    assert rows[str(EXIT_CODES[Verdict.PAUSE])].startswith("an error budget burns")
    assert rows[str(EXIT_CODES[Verdict.INSUFFICIENT])] == "nobody can know"
    assert f"{HTTP_CODES[Verdict.PAUSE]} (pause) and {HTTP_CODES[Verdict.INSUFFICIENT]} (nobody can know)" in page


def test_hooks_have_what_pre_commit_reads() -> None:
    for hook in yaml.safe_load(HOOKS.read_text()):
        assert set(hook) == {"id", "name", "description", "language", "entry", "args", "files", "pass_filenames"}
        assert hook["language"] == "python"
        assert hook["pass_filenames"] is False
        assert re.search(hook["files"], "labelmon.yaml")
        assert not re.search(hook["files"], "labelmon_yaml.py")


def test_actions_are_pinned_by_major_and_no_registry_is_named() -> None:
    text = "".join(path.read_text() for path in (*EXAMPLES, HOOKS))
    document: dict[str, Any] = yaml.safe_load(EXAMPLES[0].read_text())

    uses = [step["uses"] for job in document["jobs"].values() for step in job["steps"] if "uses" in step]
    assert uses
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in uses)
    assert "https://" not in text
    assert not re.search(r"index-url|docker\.io|ghcr\.io|pypi\.org|quay\.io", text)
