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
from labelmon.checks import catalogue
from labelmon.config import Config, load
from labelmon.errors import ConfigError, GenerateError, UsageError
from labelmon.formats import make
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
      label_accuracy: {target: 0.9}
      label_latency: {target: 0.9, within: 1h, scope: {priority: SCOPE}}
"""
PLACES = ("STORE", "URL", "RECEIVER", "MAIL", "PATH", "PROFILE", "DATASET", "PIPELINE", "TEAM", "CLASS", "SCOPE")
FREE = {"CLASS", "SCOPE", "PATH"}  # any text: none of it is a name


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


def written(config: Config, out: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for form in ("prometheus", "operator", "openslo"):
        made = make(form, catalogue(), config, out, {})
        generate.write(made.files, out, made.folders)
        assert generate.check(made.files, out, made.folders) == ""
        found |= made.files
    return found


@pytest.mark.parametrize("place", PLACES)
def test_strange_text_is_refused_with_its_line_or_written_so_that_it_loads(
    promtool: Tool, amtool: Tool, tmp_path: Path, place: str
) -> None:
    """One set of files for all texts that are taken: the rules do not depend on them, which is asserted first."""
    rules = written(configured(tmp_path), tmp_path / "plain")["rules/labelmon.rules.yml"]
    taken = []
    for what, text in NASTY.items():
        try:
            config = configured(tmp_path, **{place: text})
        except ConfigError as error:
            assert place not in FREE, (what, str(error))
            assert all(":" in str(p) and p.line > 1 for p in error.problems)
            continue
        taken.append(what)
        files = written(config, tmp_path / what)
        assert place == "URL" or files["rules/labelmon.rules.yml"] == rules
        checked = amtool("check-config", "rules/alertmanager.yml", cwd=tmp_path / what)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        for name, content in files.items():
            if name.endswith((".yml", ".yaml")):
                assert list(yaml.safe_load_all(content))
    expected = {
        "PATH": set(NASTY),
        "CLASS": set(NASTY),
        "SCOPE": set(NASTY),
        "MAIL": set(NASTY) - {"open template", "newline", "separator"},
        "URL": {"umlaut"},
    }
    assert set(taken) == expected.get(place, set())
    if "umlaut" in taken:
        checked = promtool("check", "rules", "rules/labelmon.rules.yml", cwd=tmp_path / "umlaut")
        assert checked.returncode == 0, checked.stderr


def test_what_a_path_and_a_mail_address_say_comes_back_from_the_files(tmp_path: Path) -> None:
    for what, text in NASTY.items():
        files = written(configured(tmp_path, PATH=text), tmp_path / "out")
        receivers = {r["name"]: r for r in yaml.safe_load(files["rules/alertmanager.yml"])["receivers"]}
        assert receivers["secret"]["pagerduty_configs"][0]["routing_key_file"] == text, what
        assert yaml.safe_load(files["operator/alertmanagerconfig.yaml"])["kind"] == "AlertmanagerConfig"


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


def labelmon(folder: Path, *arguments: str, shell: str = "") -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", f'{shell} exec "$@"', "sh", sys.executable, "-m", "labelmon", *arguments]
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_a_real_command_that_cannot_write_its_largest_files_changes_nothing(tmp_path: Path) -> None:
    assert labelmon(tmp_path, "generate").returncode == 0
    for path in (tmp_path / "rules").glob("*.yml"):
        path.write_text(f"# {generate.MARK}\nold\n")
    before = everything(tmp_path)

    done = labelmon(tmp_path, "generate", shell="ulimit -f 100;")

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
        assert "labelmon: note: " in made.stderr
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
