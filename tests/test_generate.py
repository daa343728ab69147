"""Generated files are whole and load whatever a config holds, or the config is refused; a failure leaves the old ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from labelmon import generate
from labelmon.alerting.files import rule_file
from labelmon.alerting.operator import Metadata, alertmanager_manifest
from labelmon.alerting.routing import alertmanager_config
from labelmon.alerting.rules import all_rules
from labelmon.checks import catalogue
from labelmon.config import Config, load
from labelmon.errors import ConfigError, GenerateError, Problem, UsageError
from labelmon.formats import make
from labelmon.openslo import openslo
from tests.alerting.conftest import Tool, _tool

NASTY = {
    "quotes": "a\"b'c",
    "template": "{{ $value }}",
    "open template": "{{ if",
    "braces": '{a="b"}',
    "backslash": "a\\d\\",
    "newline": "a\nb: c",
    "comment": "a #b",
    "umlaut": "größe",
    "separator": "a\u2028b",
    "colon": "- a: [b",
    "percent": "%s %q",
}
CONFIG = """
stores: {STORE: {url: "sqlite:///s.db"}}
urls: {runbooks: "https://wiki.example/URL"}
receivers:
  RECEIVER: {email: {to: MAIL, from: b@example.com, smarthost: "mail.example:25"}}
  secret: {pagerduty: {routing_key: {file: PATH}}}
alerting: {profiles: {PROFILE: {page: [{burn: 9, long: 1h, short: 5m}], ticket: [{burn: 1, long: 3d, short: 6h}]}}}
datasets:
  DATASET:
    pipeline: PIPELINE
    owner: {team: TEAM, page: RECEIVER, tickets: secret}
    classes: [CLASS, b]
    relations:
      items: {columns: {priority: priority}}
      labels: {}
      audits: {}
    objectives:
      label_accuracy: {target: 0.9, window: all}
      label_latency: {target: 0.9, within: 1h, scope: {priority: SCOPE}}
"""
PLACES = ("STORE", "URL", "RECEIVER", "MAIL", "PATH", "PROFILE", "DATASET", "PIPELINE", "TEAM", "CLASS", "SCOPE")


@pytest.fixture(scope="module")
def promtool() -> Tool:
    return _tool("promtool", "prometheus")


@pytest.fixture(scope="module")
def amtool() -> Tool:
    return _tool("amtool", "prometheus-alertmanager")


def configured(folder: Path, **texts: str) -> Config:
    said = CONFIG.replace('"https://wiki.example/URL"', "URL")
    for place in sorted(PLACES, key=len, reverse=True):
        text = texts.get(place, f"x{place.lower()}")
        text = f"https://wiki.example/{text}" if place == "URL" else text
        said = said.replace(place, json.dumps(text))
    path = folder / "labelmon.yaml"
    path.write_text(said, encoding="utf-8")
    return load(path)


def texts(config: Config) -> dict[str, str]:
    """The files that hold text of the config; the rules are made of its windows and links alone."""
    routes = (catalogue(), config.datasets.values(), config.receivers, config.operator, config.alerting, config.urls)
    return {
        "alertmanager.yml": alertmanager_config(*routes),
        "manifest.yaml": alertmanager_manifest(catalogue(), config, config.alerting, config.urls, Metadata()),
        "openslo.yaml": openslo(config, catalogue(), "http://prometheus.example").text,
    }


@pytest.mark.parametrize("place", PLACES)
def test_strange_text_is_refused_with_its_line_or_written_so_that_it_loads(
    amtool: Tool, tmp_path: Path, place: str
) -> None:
    plain = configured(tmp_path)
    taken: list[str] = []
    problems: list[Problem] = []
    for what, text in NASTY.items():
        try:
            config = configured(tmp_path, **{place: text})
        except ConfigError as error:
            problems += error.problems
            continue
        taken.append(what)
        assert place == "URL" or (config.alerting, config.urls) == (plain.alerting, plain.urls)
        for name, content in texts(config).items():
            assert list(yaml.safe_load_all(content))
            (tmp_path / name).write_text(content, encoding="utf-8")
        checked = amtool("check-config", "alertmanager.yml", cwd=tmp_path)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    expected = {
        "PATH": set(NASTY),
        "CLASS": set(NASTY),
        "SCOPE": set(NASTY),
        "MAIL": set(NASTY) - {"open template", "newline", "separator"},
        "URL": {"umlaut"},
    }
    assert set(taken) == expected.get(place, set())
    assert len(problems) >= len(NASTY) - len(taken)
    assert all(problem.line > 1 for problem in problems)


def test_rules_with_a_link_beyond_ascii_load(promtool: Tool, tmp_path: Path) -> None:
    config = configured(tmp_path, URL=NASTY["umlaut"])
    rules = all_rules(catalogue(), config.alerting, config.urls)
    generate.write({"rules.yml": rule_file(rules, config.alerting)}, tmp_path, ())

    checked = promtool("check", "rules", "rules.yml", cwd=tmp_path)

    assert checked.returncode == 0, checked.stderr
    assert "https://wiki.example/größe/" in (tmp_path / "rules.yml").read_text(encoding="utf-8")


def test_what_a_path_says_comes_back_from_the_file(tmp_path: Path) -> None:
    for what, text in NASTY.items():
        made = yaml.safe_load(texts(configured(tmp_path, PATH=text))["alertmanager.yml"])
        receivers = {r["name"]: r for r in made["receivers"]}
        assert receivers["secret"]["pagerduty_configs"][0]["routing_key_file"] == text, what


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


OLD = {"rules/a.yml": "old a\n", "rules/gone.yml": f"# {generate.MARK}\n", "dashboards/b.json": "old b\n"}
NEW = {"rules/a.yml": "new a\n", "fresh/deep/c.md": "new c\n", "dashboards/b.json": "new b\n"}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    generate.write(OLD, tmp_path / "out")
    return tmp_path / "out"


def test_writing_replaces_adds_and_removes(out: Path) -> None:
    generate.write(NEW, out)

    assert everything(out) == {name: text.encode() for name, text in NEW.items()}
    assert {path.stat().st_mode & 0o777 for path in out.rglob("*") if path.is_file()} == {0o644}


def test_only_the_formats_own_folders_are_tidied(out: Path) -> None:
    generate.write({"openslo/x.yaml": "x\n"}, out, ("openslo",))

    assert set(everything(out)) == {*OLD, "openslo/x.yaml"}


def test_a_folder_in_the_way_of_one_file_leaves_all_old_ones(out: Path) -> None:
    (out / "dashboards" / "b.json").unlink()
    (out / "dashboards" / "b.json").mkdir()
    before = everything(out)

    with pytest.raises(GenerateError, match=r"b\.json: cannot be written \(Is a directory\); name another --out"):
        generate.write(NEW, out)

    assert everything(out) == before
    assert not (out / "fresh").exists()


def test_a_disk_that_is_full_half_way_leaves_all_old_ones(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, real, made = everything(out), os.fdopen, []

    def full(handle: int, *arguments: object, **more: object) -> object:
        made.append(handle)
        if len(made) == len(NEW):
            os.close(handle)
            raise OSError(28, "No space left on device")
        return real(handle, *arguments, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(GenerateError, match=r"b\.json: cannot be written \(No space left on device\)"):
        generate.write(NEW, out)

    assert everything(out) == before
    assert not (out / "fresh").exists()


def labelmon(folder: Path, *arguments: str, first: str = "") -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", f'{first} exec "$@"', "sh", sys.executable, "-m", "labelmon", *arguments]
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_a_real_command_that_cannot_write_its_largest_files_changes_nothing(tmp_path: Path) -> None:
    assert labelmon(tmp_path, "generate").returncode == 0
    for path in (tmp_path / "rules").glob("*.yml"):
        path.write_text(f"# {generate.MARK}\nold\n")
    before = everything(tmp_path)

    done = labelmon(tmp_path, "generate", first="ulimit -f 100;")

    assert done.returncode == 1
    assert "cannot be written (File too large)" in done.stderr
    assert everything(tmp_path) == before


def test_each_format_is_written_checked_and_found_stale(tmp_path: Path) -> None:
    configured(tmp_path)
    here = ("--config.file", "labelmon.yaml", "--out", "out")
    asked = {
        "operator": ("--name", "watch", "--namespace", "mon", "--label", "release=prometheus"),
        "openslo": ("--prometheus-url", "http://prometheus.example:9090"),
    }
    for form, options in asked.items():
        made = labelmon(tmp_path, "generate", *here, "--format", form, *options)
        fresh = labelmon(tmp_path, "generate", *here, "--format", form, *options, "--check")
        stale = labelmon(tmp_path, "generate", *here, "--format", form, "--check")
        assert (made.returncode, fresh.returncode, stale.returncode) == (0, 0, 1)
        assert "labelmon: note: " in made.stderr, form
        assert fresh.stderr == ""
        assert any(line.startswith("-") and options[1] in line for line in stale.stdout.splitlines())
    assert set(everything(tmp_path / "out")) == {
        "operator/prometheusrule.yaml",
        "operator/alertmanagerconfig.yaml",
        "openslo/labelmon.yaml",
    }


def test_options_of_another_format_are_refused(tmp_path: Path) -> None:
    config = configured(tmp_path)

    with pytest.raises(UsageError, match=r"^--namespace goes with --format operator; --label goes with"):
        make("prometheus", catalogue(), config, tmp_path, {"namespace": "x", "label": ("a=b",)})
    with pytest.raises(UsageError, match=r"^--prometheus-url goes with --format openslo$"):
        make("operator", catalogue(), config, tmp_path, {"prometheus_url": "http://x"})
    with pytest.raises(UsageError, match=r"name it with --config\.file"):
        make("openslo", catalogue(), None, tmp_path, {})
    with pytest.raises(UsageError, match=r"--prometheus-url: need an http or https URL .* got 'prometheus:9090'"):
        make("openslo", catalogue(), config, tmp_path, {"prometheus_url": "prometheus:9090"})


def test_without_a_config_the_operators_manifests_name_nobody(tmp_path: Path) -> None:
    files = make("operator", catalogue(), None, tmp_path, {}).files

    spec = yaml.safe_load(files["operator/alertmanagerconfig.yaml"])["spec"]
    assert spec["receivers"] == [{"name": "null"}]


def test_a_readme_that_is_no_text_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"\xff\xfe")

    with pytest.raises(GenerateError, match="not UTF-8 text"):
        make("prometheus", catalogue(), None, tmp_path, {})


def test_a_generated_file_that_is_no_text_any_more_is_stale(out: Path) -> None:
    (out / "rules" / "a.yml").write_bytes(b"\xff\xfe")

    assert "+new a" in generate.check(NEW, out)
