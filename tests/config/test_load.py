"""What a config may say, and that nothing a user writes ends in anything but a list of problems."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from labelmon.config import Config, load
from labelmon.errors import ConfigError
from labelmon.model import ObjectiveKind

FULL = """
ledger: {url: sqlite:///labelmon.db}
stores:
  warehouse: {url: "${WAREHOUSE_URL}", statement_timeout: 20s, max_concurrency: 2}
  exports:   {files: {labels: "export/labels*.csv.gz", items: "export/items.parquet"}}
urls: {labelmon: "https://labelmon.example", grafana: "https://grafana.example", runbooks: "https://wiki.example/labelmon"}
receivers: {platform-oncall: {pagerduty: {routing_key: {file: /run/secrets/pd}}}, imaging-data: {tickets: "github:example/imaging"}}
operator: {page: platform-oncall, tickets: imaging-data}
datasets:
  radiology:
    pipeline: imaging
    owner: {team: imaging-data, page: platform-oncall, tickets: imaging-data}
    tier: critical
    interval: 60s
    lateness: 48h
    timezone: UTC
    classes: [normal, yes, no, 01, 1.0, None, 'null', on]
    relations:
      items: {store: exports, columns: {item: id, arrived_at: at, priority: prio}}
      labels: {store: warehouse, table: annotations, where: {task: chest}, columns: {item: study_id, label: finding, annotator: reader, labeled_at: read_at}}
      audits: {store: warehouse, query: "SELECT 1", columns: {item: study_id, label: finding, truth: consensus, audited_at: at, stratum: site}}
    objectives:
      label_accuracy: {target: 0.95, window: 28d}
      label_latency: [{within: 1h, target: 0.99, scope: {priority: high}}, {within: 24h, target: 1, window: all}]
      label_backlog: {at_most: 12h}
"""
SMALL = """
stores: {s: {url: "sqlite:///labels.db"}}
datasets: {d: {relations: {audits: {}}}}
"""


def read(folder: Path, text: str, **environ: str) -> Config:
    (folder / "labelmon.yaml").write_text(text)
    return load(folder / "labelmon.yaml", environ=environ)


def problems(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as found:
        read(folder, text, **environ)
    return [f"{p.line} {p.key}: {p.message}" for p in found.value.problems]


def test_a_full_config(tmp_path: Path) -> None:
    config = read(tmp_path, FULL, WAREHOUSE_URL="sqlite:///w.db")
    radiology = config.datasets["radiology"]

    assert radiology.classes == ("normal", "yes", "no", "01", "1.0", "None", "null", "on")
    assert config.stores["warehouse"].url == f"sqlite:///{tmp_path}/w.db"
    assert config.stores["exports"].files["items"] == f"{tmp_path}/export/items.parquet"
    assert radiology.relations["labels"].where == {"task": ("chest",)}
    assert radiology.relations["items"].table == "items"
    accuracy, (quick, day), (backlog,) = (
        radiology.objectives[f"label_{n}"] for n in ("accuracy", "latency", "backlog")
    )
    assert (accuracy[0].value, accuracy[0].window) == (0.95, 28 * 86400)
    assert (quick.within, quick.scope) == (3600.0, {"priority": "high", "within": "1h"})
    assert (day.kind, day.window, day.budget) == (ObjectiveKind.NONE_BAD, None, 0.0)
    assert (backlog.kind, backlog.value) == (ObjectiveKind.AT_MOST, 43200.0)
    assert config.lines["datasets.radiology.relations.audits.columns.truth"] == 21
    assert config.notices == ()


def test_the_smallest_config_and_what_its_defaults_hide(tmp_path: Path) -> None:
    config = read(tmp_path, SMALL)

    assert config.datasets["d"].objectives["label_accuracy"][0].value == 0.95
    assert config.ledger_url == f"sqlite:///{tmp_path}/labelmon.db"
    assert len(config.notices) == 4
    assert "dataset d has no owner: its team is `unowned` and nobody is told" in config.notices


def test_how_much_of_a_gauge_may_be_bad_and_how_far_back_is_back(tmp_path: Path) -> None:
    """Of the time slices of a gauge, and by what margin of its objective."""
    said = SMALL.replace("{audits: {}}", "{items: {}}").replace(
        "}}}}", "}}, objectives: {label_backlog: {at_most: 2h, bad_slices: 0.2}}}}"
    )

    config = read(tmp_path, said + "alerting: {threshold_margin: 0}\n")

    assert config.datasets["d"].objectives["label_backlog"][0].bad_slices == 0.2
    assert (config.alerting.threshold_margin, read(tmp_path, SMALL).alerting.threshold_margin) == (0, 0.1)


def test_a_dollar_escapes_and_a_missing_variable_is_named(tmp_path: Path) -> None:
    price = read(tmp_path, SMALL.replace("{audits: {}}", '{audits: {where: {task: "$$5 ${A}"}}}'), A="x")
    assert price.datasets["d"].relations["audits"].where == {"task": ("$5 x",)}

    (missing,) = problems(tmp_path, SMALL.replace("{audits: {}}", '{audits: {where: {task: "${A}"}}}'))
    assert missing == "3 datasets.d.relations.audits.where.task: environment variable A is not set"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "objectives: {label_accuracy: {target: 0.9, at_most: 3}}",
            "label_accuracy: need exactly one of target, at_least, at_most, none_bad, got target and at_most",
        ),
        (
            "objectives: {label_accuracy: {}}",
            "label_accuracy: need exactly one of target, at_least, at_most, none_bad, got none",
        ),
        (
            "objectives: {label_accuracy: {target: 0}}",
            "label_accuracy.target: need a share above 0 and at most 1, got 0",
        ),
        (
            "objectives: {label_accuracy: {target: 1.5}}",
            "label_accuracy.target: need a share above 0 and at most 1, got 1.5",
        ),
        (
            "objectives: {label_accuracy: {target: -0.1}}",
            "label_accuracy.target: need a share above 0 and at most 1, got -0.1",
        ),
        ("objectives: {label_accuracy: {target: nan}}", "label_accuracy.target: need a number, got 'nan'"),
        (
            "objectives: {label_accuracy: {at_most: 3}}",
            "label_accuracy.at_most: label_accuracy takes target or none_bad: it counts events",
        ),
        (
            "objectives: {label_accuracy: {target: 0.9, within: 1h}}",
            "label_accuracy.within: goes with deadline checks only; label_accuracy is none",
        ),
        (
            "objectives: {label_accuracy: {target: 0.9, scope: {priority: high}}}",
            "label_accuracy.scope.priority: label_accuracy cannot be scoped by priority here",
        ),
        (
            "objectives: {label_accuracy: [{target: 0.9}, {target: 0.8}]}",
            "label_accuracy[1]: two objectives with one scope (none)",
        ),
        (
            "objectives: {label_accuracy: {target: 0.9, window: soon}}",
            "label_accuracy.window: need a duration such as 60s, 48h or 28d, got 'soon'",
        ),
        (
            "objectives: {label_accuracy: {target: 0.9, bad_slices: 0.1}}",
            "label_accuracy.bad_slices: goes with sliced gauge checks only; label_accuracy is none",
        ),
        (
            "objectives: {label_drift: {at_most: 0.1, bad_slices: 0.1}}",
            "label_drift.bad_slices: goes with sliced gauge checks only; label_drift is none",
        ),
        (
            "objectives: {label_backlog: {at_most: 1h, bad_slices: 0}}",
            "label_backlog.bad_slices: need a share above 0 and below 1, got '0'",
        ),
        ("classes: [a, null]", "classes[1]: need text, got nothing"),
        ("timezone: Mars/Olympus", "timezone: unknown time zone 'Mars/Olympus'"),
        ("owner: {page: nobody}", "owner.page: unknown receiver 'nobody'"),
        ("interval: 2m", "interval: need an interval of at most 1m, got 2m"),
        ("lateness: -1h", "lateness: need a duration such as 60s, 48h or 28d, got '-1h'"),
    ],
)
def test_one_mistake_one_problem(tmp_path: Path, change: str, said: str) -> None:
    text = f'stores: {{s: {{url: "sqlite:///l.db"}}}}\ndatasets:\n  d:\n    relations: {{audits: {{}}}}\n    {change}\n'

    (found,) = problems(tmp_path, text)

    assert said in found
    assert found.startswith("5 datasets.d.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stores: {s: {}}\n" + SMALL.splitlines()[2], "1 stores.s: need exactly one of url and files"),
        (
            'stores: {s: {url: "nonsense"}}\n' + SMALL.splitlines()[2],
            "1 stores.s.url: need a database URL such as sqlite:///labels.db",
        ),
        (
            'stores: {s: {url: "sqlite://"}}\n' + SMALL.splitlines()[2],
            "1 stores.s.url: need a database file, got one in memory",
        ),
        (
            SMALL + "receivers: {a: {pagerduty: {routing_key: hush}}}\n",
            "4 receivers.a.pagerduty.routing_key: need {file: path}: a secret is never written into a config",
        ),
        (
            SMALL + "alerting: {profiles: {x: {page: [{burn: 2, long: 1h}]}}}\n",
            "4 alerting.profiles.x.page[0]: need short",
        ),
        (
            SMALL + "alerting: {profiles: {x: {page: [{burn: 2, long: 1h, short: 5m}]}}}\n",
            "4 alerting.profiles: need a ticket tier in at least one profile",
        ),
        (
            SMALL + "alerting: {page_group_interval: 0s}\n",
            "4 alerting.page_group_interval: need an interval above 0",
        ),
        (
            SMALL + "receivers: {a: {slack: {api_url: {file: f}, channel: '#{{ x'}}}\n",
            "4 receivers.a.slack.channel: need text on one line, in which every {{ has its }}, got '#{{ x'",
        ),
        (
            SMALL + "urls: {grafana: 'https://g/{{ x }}'}\n",
            "4 urls.grafana: need an http or https URL without spaces, quotes or braces, got 'https://g/{{ x }}'",
        ),
        (
            SMALL + "alerting: {profiles: {x: {page: [{burn: 2, long: 1m, short: 1h}]}}}\n",
            "4 alerting.profiles.x.page[0]: need a short window that is not longer than the long one",
        ),
        (
            SMALL + "alerting: {profiles: {x: {page: [{burn: 2, long: 31d, short: 1h}]}}}\n",
            "4 alerting.profiles.x.page[0]: need windows of at most the period, 30d, got 31d",
        ),
        (
            SMALL + "alerting: {period: 7d, profiles: {x: {page: [{burn: 2, long: 8d, short: 1h}]}}}\n",
            "4 alerting.profiles.x.page[0]: need windows of at most the period, 7d, got 8d",
        ),
        (SMALL + "alerting: {period: 30s}\n", "4 alerting.period: need a period of at least 1h, got '30s'"),
        (SMALL + "alerting: {page_alpha: 1}\n", "4 alerting.page_alpha: need a chance between 0 and 1, got '1'"),
        (SMALL + "alerting: {mode: plane}\n", "4 alerting.mode: unknown mode 'plane'"),
        (
            SMALL + "alerting: {mode: plain, profiles: {x: {page: [{burn: 2, long: 1h, short: 5m}]}}}\n",
            "4 alerting.profiles: goes with mode: evidence; plain has the windows of the SRE workbook",
        ),
        (
            SMALL + "privacy: {pseudonym_keys: [{file: no.key}]}\n",
            "4 privacy.pseudonym_keys[0]: the key file does not exist",
        ),
        (SMALL + "stores: {}\n", "4 stores: duplicate key, first on line 2"),
        ('stores: {s: {url: ""}}\n' + SMALL.splitlines()[2], "1 stores.s.url: need text that is not empty, got ''"),
        ("stores: {s: {files: {}}}\n" + SMALL.splitlines()[2], "1 stores.s.files: need at least one view"),
        (SMALL + "receivers: {a: {pagerduty: {}}}\n", "4 receivers.a.pagerduty: need routing_key"),
        (SMALL + "receivers: {a: {email: {to: x@y.example}}}\n", "4 receivers.a.email: need from, smarthost"),
        (
            SMALL + "receivers: {\"null\": {webhook: {url: 'http://x'}}}\n",
            "4 receivers.null: need another name than null",
        ),
        (
            SMALL + "receivers: {a: {tickets: somewhere}}\n",
            "4 receivers.a.tickets: need github:org/repo, gitlab:group/project, jira:PROJECT or a URL, got 'somewhere'",
        ),
        (SMALL + "ledger: {retention: 0s}\n", "4 ledger.retention: need a retention above 0"),
        (
            SMALL + f"alerting: {{keep_firing: {'9' * 400}d}}\n",
            f"4 alerting.keep_firing: need a duration of whole seconds, at most 100y, got '{'9' * 60}...'",
        ),
        (
            SMALL + "alerting: {threshold_margin: 1}\n",
            "4 alerting.threshold_margin: need a share of at least 0 and below 1, got '1'",
        ),
        (
            SMALL + "alerting: {profiles: {x: {page: [{burn: 1, long: 1h, short: 4500ms}]}}}\n",
            "4 alerting.profiles.x.page[0].short: need a duration of whole seconds, at most 100y, got '4500ms'",
        ),
    ],
)
def test_mistakes_elsewhere(tmp_path: Path, text: str, said: str) -> None:
    assert problems(tmp_path, text) == [said]


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ("label_backlog: {at_most: nan}", "label_backlog.at_most: need a duration such as 24h, or seconds, got 'nan'"),
        ("label_backlog: {at_most: -1}", "label_backlog.at_most: need a duration such as 24h, or seconds, got '-1'"),
        ("label_backlog: {at_least: 3}", "label_backlog.at_least: label_backlog takes at_most: it is a gauge"),
        (
            "label_latency: {target: 0.9, within: 0s}",
            "label_latency.within: need a duration above 0 and at most 100y, got '0s'",
        ),
        ("label_latency: []", "label_latency: need at least one objective"),
    ],
)
def test_an_objective_that_could_never_alert_as_meant(tmp_path: Path, objective: str, said: str) -> None:
    text = SMALL.replace("{audits: {}}", f"{{items: {{}}, labels: {{}}}}, objectives: {{{objective}}}")

    assert problems(tmp_path, text) == [f"3 datasets.d.objectives.{said}"]


def test_defaults_hold_only_for_checks_that_have_what_they_need(tmp_path: Path) -> None:
    config = read(tmp_path, SMALL.replace("audits", "items"))  # the backlog needs labels too

    assert set(config.datasets["d"].objectives) == {"pipeline_stall"}
    assert "dataset d has no objectives: the defaults hold for pipeline_stall" in config.notices


@pytest.mark.parametrize("content", [b"\xff\xfehunter2", b""])
def test_a_secret_file_that_cannot_be_used(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "url").write_bytes(content)

    (found,) = problems(tmp_path, SMALL.replace('"sqlite:///labels.db"', "{file: url}"))

    assert found.startswith("2 stores.s.url.file: ")
    assert "hunter2" not in found


def test_a_file_name_that_no_system_takes(tmp_path: Path) -> None:
    text = SMALL.replace("{audits: {}}", '{audits: {}}, classes: {file: "a\\0b"}')

    assert problems(tmp_path, text) == ["3 datasets.d.classes: cannot read the classes file (ValueError)"]


@pytest.mark.parametrize(
    "text",
    [
        SMALL.replace("sqlite:///labels.db", "${S}://db/x"),
        SMALL.replace("sqlite:///labels.db", "postgresql://u:p@h:${S}/x"),
        SMALL.replace("{audits: {}}", '{audits: {}}, classes: ["${S}", "${S}"]'),
        SMALL.replace("{url: ", "{files: {v: x.csv}} #").replace("#", "}\n#").replace("{}}", '{table: "${S}"}}'),
        SMALL.replace("{audits: {}}", '{audits: {}}, timezone: "${S}", tier: "${S}", interval: "${S}"'),
        SMALL.replace(
            "{audits: {}}",
            "{items: {columns: {priority: p}}, labels: {}}, objectives: {label_latency: "
            '[{target: 1, scope: {priority: "${S}"}}, {target: 0.5, scope: {priority: "${S}"}}]}',
        ),
        SMALL + 'receivers: {a: {tickets: "${S}"}, b: {pagerduty: {routing_key: "${S}"}}}\n',
    ],
)
def test_what_an_environment_variable_held_is_never_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "labelmon.yaml").write_text(text)
    with pytest.raises(ConfigError) as found:
        load(tmp_path / "labelmon.yaml", environ={"S": "hunter2"})

    assert "hunter2" not in str(found.value)


def test_an_unset_variable_is_one_problem(tmp_path: Path) -> None:
    text = SMALL.replace("{audits: {}}", '{audits: {}}, tier: "${A}"').replace("sqlite:///labels.db", "${A}")

    assert [said.partition(":")[0] for said in problems(tmp_path, text)] == ["2 stores.s.url", "3 datasets.d.tier"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [*a, *a]\n", "1 a: nested more than 50 deep"),
        (
            "a: &a [x]\n"
            + "".join(f"b{i}: &b{i} [*{p}, *{p}]\n" for i, p in enumerate(["a", *(f"b{i}" for i in range(29))])),
            "1 b14: aliases that repeat aliases make too many values",
        ),
    ],
)
def test_aliases_that_multiply_are_refused_before_they_fill_the_memory(tmp_path: Path, text: str, said: str) -> None:
    assert said in problems(tmp_path, text)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(max_size=200)
    | st.text(alphabet="{}[]:,-&*!|>'\"%@` \nabdls$1.~", max_size=80)
    | st.builds(
        lambda path, value: FULL.replace(path, value, 1),
        st.sampled_from(FULL.replace("{", " ").split()),
        st.text(max_size=12),
    )
)
def test_no_text_ends_in_anything_but_problems(tmp_path_factory, text: str) -> None:
    folder = tmp_path_factory.mktemp("c")
    (folder / "labelmon.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load(folder / "labelmon.yaml", environ={"WAREHOUSE_URL": "postgresql://bob:hunter2@db/x"})
    except ConfigError as error:
        found = error
    else:
        return

    assert "hunter2" not in str(found)
    assert found.problems


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgresql_for_stores_and_ledger(tmp_path: Path, scheme: str) -> None:
    url = f"{scheme}://bob:${{S}}@db.example:5433/labels?sslmode=require"
    config = read(tmp_path, SMALL.replace("sqlite:///labels.db", url) + f'ledger: {{url: "{url}"}}\n', S="hunter2")

    assert config.stores["s"].url == config.ledger_url == url.replace("${S}", "hunter2")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://bob:${S}@db/x", "need a sqlite, duckdb or postgresql URL, got mysql"),
        ("${S}://db/x", "need a sqlite, duckdb or postgresql URL, got another one"),
        ("postgresql+psycopg2://bob:${S}@db/x", "need a sqlite, duckdb or postgresql URL, got postgresql"),
        ("postgresql://bob:${S}@db", "need a database's name"),
        ("postgresql://bob:${S}@db:port/x", "need a database URL such as sqlite:///labels.db"),
    ],
)
def test_stores_of_other_engines_are_refused(tmp_path: Path, url: str, said: str) -> None:
    assert problems(tmp_path, SMALL.replace("sqlite:///labels.db", url), S="hunter2") == [f"2 stores.s.url: {said}"]


def test_another_driver_is_told_which_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="write postgresql://role@host/database: labelmon brings the driver"):
        read(tmp_path, SMALL.replace("sqlite:///labels.db", "postgresql+asyncpg://bob@db/x"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("duckdb:///l.db", "need a URL such as sqlite:///labelmon.db or postgresql://role@host/database"),
        ("mysql://bob:${S}@db/x", "need a URL such as sqlite:///labelmon.db or postgresql://role@host/database"),
        ("postgresql://bob:${S}@db", "need a database's name"),
    ],
)
def test_ledgers_of_other_engines_are_refused(tmp_path: Path, url: str, said: str) -> None:
    assert problems(tmp_path, SMALL + f'ledger: {{url: "{url}"}}\n', S="hunter2") == [f"4 ledger.url: {said}"]


def test_the_plain_mode_has_the_workbooks_windows_for_its_period(tmp_path: Path) -> None:
    alerting = read(tmp_path, SMALL + "alerting: {mode: plain, period: 28d, keep_firing: 5m}\n").alerting

    assert (alerting.mode, alerting.keep_firing) == ("plain", 300)
    assert [tier.burn for tier in alerting.profiles[0].tiers] == pytest.approx([13.44, 5.6, 2.8, 2.8 / 3])
