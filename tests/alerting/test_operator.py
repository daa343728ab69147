"""The operator's manifests say what the plain files say: read back, promtool and amtool judge them the same."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from labelmon.alerting.files import rule_file
from labelmon.alerting.operator import alertmanager_manifest, limits, metadata, prometheus_rule
from labelmon.alerting.routing import alertmanager_config
from labelmon.alerting.rules import all_rules
from labelmon.checks import catalogue
from labelmon.config import Config, load
from labelmon.errors import UsageError
from labelmon.model import Urls
from labelmon.profiles import DEFAULT_ALERTING
from tests.alerting.conftest import Tool

CONFIG = """
stores: {s: {url: "sqlite:///s.db"}}
urls: {labelmon: "https://labelmon.example"}
receivers:
  oncall: {pagerduty: {routing_key: {file: /run/secrets/pd}}}
  ops: {opsgenie: {api_key: {file: "/run/it's here/ops"}}}
  chat: {slack: {api_url: {file: chat}, channel: "#{{ .CommonLabels.team }}"}}
  mail:
    email: {to: a@example.com, from: b@example.com, smarthost: "mail.example:25", auth_username: b,
            auth_password: {file: mail}, require_tls: false}
  hook: {webhook: {url: "https://hook.example/x", bearer_token: {file: hook}}}
  hidden: {webhook: {url: "https://hook.example/${TOKEN}"}}
  imaging: {tickets: "github:example/imaging"}
operator: {page: ops, tickets: chat}
datasets:
  xray: {owner: {team: rad, page: oncall, tickets: imaging}, relations: {audits: {}}}
  mri: {owner: {team: rad, page: chat, tickets: mail}, relations: {audits: {}}}
  chats: {owner: {team: support, page: ops, tickets: hook}, relations: {audits: {}}}
  films: {owner: {team: media, page: hidden, tickets: hidden}, relations: {audits: {}}}
  lost: {relations: {audits: {}}}
"""
META = metadata("labelmon", "mon", ["release=prometheus"])
ALERTS = [
    {"severity": "page", "team": "rad", "dataset": "xray", "sli": "label_accuracy"},
    {"severity": "ticket", "team": "rad", "dataset": "xray", "sli": "label_accuracy"},
    {"severity": "page", "team": "rad", "dataset": "mri", "sli": "label_latency"},
    {"severity": "ticket", "team": "rad", "dataset": "mri", "sli": "label_latency"},
    {"severity": "ticket", "team": "support", "dataset": "chats", "sli": "label_backlog"},
    {"severity": "page", "team": "media", "dataset": "films", "sli": "label_backlog"},
    {"severity": "page", "team": "unowned", "dataset": "lost", "sli": "label_backlog"},
    {"severity": "page", "sli": "labelmon", "alertname": "LabelmonGone"},
    {"severity": "ticket", "sli": "store", "store": "warehouse", "alertname": "LabelStoreStale"},
]
STRANGERS = [
    {"alertname": "NodeDown", "severity": "page", "namespace": "shop"},
    {"alertname": "DiskFull", "severity": "ticket", "team": "rad", "dataset": "xray"},
]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    path = tmp_path_factory.mktemp("config") / "labelmon.yaml"
    path.write_text(CONFIG)
    return load(path, environ={"TOKEN": "hunter2"})


def manifest(config: Config) -> dict[str, Any]:
    return yaml.safe_load(alertmanager_manifest(catalogue(), config, config.alerting, config.urls, META))


def plain(config: Config) -> dict[str, Any]:
    return yaml.safe_load(
        alertmanager_config(
            catalogue(), config.datasets.values(), config.receivers, config.operator, config.alerting, config.urls
        )
    )


# What the operator does, by hand: its names to Alertmanager's, a Secret's key to a file of that name, our route
# below a stranger's root with continue: true, and by default a matcher on the namespace.
BACK = {
    "groupBy": "group_by", "groupWait": "group_wait", "groupInterval": "group_interval",
    "repeatInterval": "repeat_interval", "receiver": "receiver", "sendResolved": "send_resolved",
    "routingKey": "routing_key_file", "apiKey": "api_key_file", "apiURL": "api_url_file", "channel": "channel",
    "to": "to", "from": "from", "smarthost": "smarthost", "authUsername": "auth_username",
    "authPassword": "auth_password_file", "requireTLS": "require_tls", "url": "url", "httpConfig": "http_config",
    "authorization": "authorization", "credentials": "credentials_file",
}  # fmt: skip


def matchers(listed: list[dict[str, str]]) -> list[str]:
    assert all(set(m) == {"name", "matchType", "value"} and m["matchType"] in {"=", "!=", "=~", "!~"} for m in listed)
    return [f'{m["name"]}{m["matchType"]}"{m["value"]}"' for m in listed]


def route_back(route: dict[str, Any]) -> dict[str, Any]:
    found = {BACK[key]: value for key, value in route.items() if key not in {"matchers", "routes"}}
    found["matchers"] = matchers(route["matchers"])
    if "routes" in route:
        found["routes"] = [route_back(child) for child in route["routes"]]
    return found


def settings_back(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in body.items():
        if key == "urlSecret":
            assert set(value) == {"name", "key"}
            found["url"] = "https://from.a.secret/"
        elif isinstance(value, dict) and set(value) == {"name", "key"}:
            assert value["name"] == "labelmon-receivers"
            assert re.fullmatch(r"[-._a-zA-Z0-9]+", value["key"])
            found[BACK[key]] = f"/secrets/{value['key']}"
        else:
            found[BACK[key]] = settings_back(value) if isinstance(value, dict) else value
    return found


def operated(made: dict[str, Any], *, namespace: str = "") -> dict[str, Any]:
    spec = made["spec"]
    first = {**route_back(spec["route"]), "continue": True}
    if namespace:
        first["matchers"].append(f'namespace="{namespace}"')
    return {
        "route": {"receiver": "elsewhere", "routes": [first]},
        "inhibit_rules": [
            {
                "source_matchers": matchers(rule["sourceMatch"]),
                "target_matchers": matchers(rule["targetMatch"]),
                **({"equal": rule["equal"]} if "equal" in rule else {}),
            }
            for rule in spec["inhibitRules"]
        ],
        "receivers": [{"name": "elsewhere"}]
        + [
            {
                "name": r["name"],
                **{
                    key.replace("Configs", "_configs"): [settings_back(body) for body in bodies]
                    for key, bodies in r.items()
                    if key != "name"
                },
            }
            for r in spec["receivers"]
        ],
    }


def routed(amtool: Tool, folder: Path, document: dict[str, Any], labels: dict[str, str]) -> str:
    (folder / "a.yml").write_text(yaml.safe_dump(document))
    asked = [f"{key}={value}" for key, value in labels.items()]
    done = amtool("config", "routes", "test", "--config.file=a.yml", *asked, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_groups_are_those_of_the_rule_file(promtool: Tool, tmp_path: Path) -> None:
    rules = all_rules(catalogue(), DEFAULT_ALERTING, Urls())
    made = yaml.safe_load(prometheus_rule(rules, DEFAULT_ALERTING, META))
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(made["spec"]))

    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", "rules.yml", cwd=tmp_path)

    assert {key: made[key] for key in ("apiVersion", "kind", "metadata")} == {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "labelmon", "namespace": "mon", "labels": {"release": "prometheus"}},
    }
    assert list(made["spec"]) == ["groups"]
    assert made["spec"] == yaml.safe_load(rule_file(rules, DEFAULT_ALERTING))
    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"{len(rules)} rules found" in checked.stdout


def test_alertmanager_accepts_what_the_operator_makes_of_it(amtool: Tool, tmp_path: Path, config: Config) -> None:
    (tmp_path / "a.yml").write_text(yaml.safe_dump(operated(manifest(config))))

    checked = amtool("check-config", "a.yml", cwd=tmp_path)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "9 receivers" in checked.stdout


def test_every_alert_goes_where_the_plain_config_sends_it(amtool: Tool, tmp_path: Path, config: Config) -> None:
    theirs, ours = operated(manifest(config)), plain(config)

    for alert in ALERTS:
        assert routed(amtool, tmp_path, theirs, alert) == routed(amtool, tmp_path, ours, alert), alert
    for alert in STRANGERS:
        assert routed(amtool, tmp_path, theirs, alert) == "elsewhere", alert


def test_by_default_the_operator_would_route_nothing_and_we_say_so(
    amtool: Tool, tmp_path: Path, config: Config
) -> None:
    made = operated(manifest(config), namespace="mon")

    assert routed(amtool, tmp_path, made, ALERTS[0]) == "elsewhere"
    assert routed(amtool, tmp_path, made, {**ALERTS[0], "namespace": "mon"}) == "oncall"
    text = alertmanager_manifest(catalogue(), config, config.alerting, config.urls, META)
    assert "whose namespace is mon: none would arrive" in text
    assert "alertmanagerConfigMatcherStrategy: {type: None}" in text


def test_groups_and_waits_are_those_of_the_plain_config(config: Config) -> None:
    first, root = operated(manifest(config))["route"]["routes"][0], plain(config)["route"]

    assert first["matchers"] == ['sli=~".+"']
    assert {key: first[key] for key in root if key != "routes"} == {k: v for k, v in root.items() if k != "routes"}
    assert first["routes"] == root["routes"]


def test_receivers_are_those_of_the_plain_config_but_for_their_secrets(config: Config) -> None:
    def masked(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: masked(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [masked(v) for v in value]
        return "secret" if key.endswith("_file") else value

    theirs = masked(operated(manifest(config))["receivers"])[1:]
    ours = masked(plain(config)["receivers"])

    hidden = next(receiver for receiver in ours if receiver["name"] == "hidden")
    hidden["webhook_configs"][0]["url"] = "https://from.a.secret/"
    assert theirs == ours


def test_no_secret_is_in_the_manifest_and_its_head_makes_the_one_it_names(config: Config) -> None:
    text = alertmanager_manifest(catalogue(), config, config.alerting, config.urls, META)
    body = text[text.index("apiVersion") :]

    assert "hunter2" not in text
    assert "/run" not in body
    named = set(re.findall(r"key: (\S+\.\S+)", body))
    command = "".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#    "))
    made = dict(re.findall(r"--from-(?:file|literal)='?([\w.-]+)=(.*?)'? *\\?(?=--from|$|\s+--from)", command))
    assert named == set(made) == {
        "oncall.routing_key", "ops.api_key", "chat.api_url", "mail.auth_password", "hook.credentials", "hidden.url",
    }  # fmt: skip
    assert "kubectl create secret generic labelmon-receivers --namespace mon" in text
    assert made["oncall.routing_key"] == "/run/secrets/pd"


def holds(texts: list[str], alert: dict[str, str]) -> bool:
    """Alertmanager's matchers, by hand: a label that is not there is empty, a regex is anchored."""
    for text in texts:
        name, kind, value = re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', text).groups()  # type: ignore[union-attr]
        got = alert.get(name, "")
        matched = re.fullmatch(value, got) is not None if "~" in kind else got == value
        if matched == kind.startswith("!"):
            return False
    return True


def inhibited(rules: list[dict[str, Any]], source: dict[str, str], target: dict[str, str]) -> bool:
    return any(
        holds(rule["source_matchers"], source)
        and holds(rule["target_matchers"], target)
        and all(source.get(label, "") == target.get(label, "") for label in rule.get("equal", ()))
        for rule in rules
    )


def test_inhibitions_are_the_same_among_ours_and_touch_nobody_elses(config: Config) -> None:
    theirs, ours = operated(manifest(config))["inhibit_rules"], plain(config)["inhibit_rules"]

    for source in ALERTS:
        for target in ALERTS:
            assert inhibited(theirs, source, target) == inhibited(ours, source, target), (source, target)
    assert inhibited(theirs, ALERTS[7], ALERTS[0])
    for rules in (theirs, ours):
        for stranger in STRANGERS:
            assert not any(inhibited(rules, source, stranger) for source in [*ALERTS, *STRANGERS])
            assert not any(inhibited(rules, stranger, target) for target in [*ALERTS, *STRANGERS])


def test_every_alert_of_ours_carries_the_label_that_its_route_asks_for() -> None:
    for rule in all_rules(catalogue(), DEFAULT_ALERTING, Urls()):
        assert "sli" in dict(rule.labels) or "max by (dataset, sli, scope)" in str(rule.expr), rule.alert


def test_tickets_through_a_loopback_address_are_told(config: Config) -> None:
    assert not any("Tickets" in note for note in limits(config.receivers, config.urls, META))
    assert any("Tickets (imaging)" in note for note in limits(config.receivers, Urls(), META))


def test_a_path_cannot_end_the_comment_it_stands_in(config: Config) -> None:
    evil = replace(config.receivers["oncall"], settings={"routing_key": {"file": "a\nkind: Secret\n#'"}})
    changed = replace(config, receivers={**config.receivers, "oncall": evil})

    text = alertmanager_manifest(catalogue(), changed, config.alerting, config.urls, META)

    assert "oncall.routing_key=FILE" in text
    assert yaml.safe_load(text)["kind"] == "AlertmanagerConfig"


@pytest.mark.parametrize(
    ("name", "namespace", "label", "said"),
    [
        ("Label_Mon", "", "a=b", "--name: need at most 63"),
        ("x", "a.b", "a=b", "--namespace: need at most 63"),
        ("x" * 64, "", "a=b", "--name: need"),
        ("x", "", "release", "--label: need KEY=VALUE"),
        ("x", "", "a b=c", "--label: need KEY=VALUE"),
        ("x", "", "a=b: {c", "--label: need KEY=VALUE"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused(name: str, namespace: str, label: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        metadata(name, namespace, [label])
    with pytest.raises(UsageError, match="x twice, as 'a' and 'b'"):
        metadata("x", "", ["x=a", "x=b"])
