"""Rules and routes as manifests of the Prometheus operator: a PrometheusRule and an AlertmanagerConfig.

The groups of the PrometheusRule are those of the rule file. The AlertmanagerConfig is the Alertmanager config in the
operator's field names, with two differences: its route is held to labelmon's own alerts, all of which carry
`sli`, since an operator's Alertmanager is shared, and what the config reads from files it reads from a Secret.
Field names: https://prometheus-operator.dev/docs/api-reference/api/ (monitoring.coreos.com/v1 and v1alpha1).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from labelmon import naming
from labelmon.alerting.files import rule_groups
from labelmon.alerting.routing import alertmanager_document
from labelmon.alerting.rules import Rule
from labelmon.alerting.yamlfile import dump
from labelmon.check import Check
from labelmon.config import Config, Receiver
from labelmon.errors import UsageError
from labelmon.model import Owner, Urls
from labelmon.profiles import Alerting

RULE_MANIFEST = "operator/prometheusrule.yaml"
ROUTES_MANIFEST = "operator/alertmanagerconfig.yaml"
API_GROUP = "monitoring.coreos.com"
# The operator decodes child routes strictly: a field it does not know fails the whole object.
_ROUTE_FIELDS = {
    "receiver": "receiver",
    "group_by": "groupBy",
    "group_wait": "groupWait",
    "group_interval": "groupInterval",
    "repeat_interval": "repeatInterval",
}
_RECEIVER_FIELDS = {
    "send_resolved": "sendResolved",
    "routing_key_file": "routingKey",
    "api_key_file": "apiKey",
    "api_url_file": "apiURL",
    "channel": "channel",
    "to": "to",
    "from": "from",
    "smarthost": "smarthost",
    "auth_username": "authUsername",
    "auth_password_file": "authPassword",
    "require_tls": "requireTLS",
    "url": "url",
    "http_config": "httpConfig",
    "authorization": "authorization",
    "credentials_file": "credentials",
}
_MATCHER = re.compile(r'(?P<name>\w+)(?P<type>=~|!~|!=|=)"(?P<value>[^"\\]*)"')
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_OWN = {"name": naming.SLI, "matchType": "=~", "value": ".+"}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Name, namespace ('' leaves it to kubectl) and labels of the manifests."""

    name: str = "labelmon"
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def secret(self) -> str:
        """The Secret that holds what the receivers' files hold."""
        return f"{self.name}-receivers"

    def as_yaml(self) -> dict[str, Any]:
        """As `metadata:` of a manifest."""
        found: dict[str, Any] = {"name": self.name}
        if self.namespace:
            found["namespace"] = self.namespace
        if self.labels:
            found["labels"] = dict(sorted(self.labels.items()))
        return found


def metadata(name: str, namespace: str, labels: Sequence[str]) -> Metadata:
    """Metadata out of command line options, `labels` as KEY=VALUE.

    Raises
    ------
    UsageError : with everything that Kubernetes would refuse.
    """
    problems = [
        f"--{option}: need at most 63 of a-z, 0-9 and -, beginning and ending with one of a-z and 0-9, got {text!r}"
        for option, text in (("name", name), ("namespace", namespace))
        if not _DNS_LABEL.fullmatch(text) and not (option == "namespace" and not text)
    ]
    found: dict[str, str] = {}
    for label in labels:
        key, equals, value = label.partition("=")
        if not equals or not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            problems.append(f"--label: need KEY=VALUE of a Kubernetes label such as release=prometheus, got {label!r}")
        elif found.setdefault(key, value) != value:
            problems.append(f"--label: {key} twice, as {found[key]!r} and {value!r}")
    if problems:
        raise UsageError("; ".join(problems))
    return Metadata(name=name, namespace=namespace, labels=found)


def prometheus_rule(rules: Sequence[Rule], alerting: Alerting, meta: Metadata) -> str:
    """The PrometheusRule with every rule."""
    notes = ("keep_firing_for needs operator 0.66 and Prometheus 2.42 or later.",)
    spec = {"groups": rule_groups(rules, alerting)}
    return dump(_manifest("v1", "PrometheusRule", meta, spec), notes)


def alertmanager_manifest(
    checks: Iterable[Check], config: Config | None, alerting: Alerting, urls: Urls, meta: Metadata
) -> str:
    """The AlertmanagerConfig with every route, receiver and inhibition; without a config all end at nobody."""
    receivers = config.receivers if config else {}
    operator = config.operator if config else Owner(team="labelmon")
    datasets = list(config.datasets.values()) if config else []
    document = alertmanager_document(checks, datasets, receivers, operator, alerting, urls)
    root = document["route"]
    spec = {
        "route": {**_route(root), "matchers": [_OWN], "routes": [_child(route) for route in root["routes"]]},
        "inhibitRules": [_inhibition(rule) for rule in document["inhibit_rules"]],
        "receivers": [_receiver(body, receivers.get(body["name"]), meta) for body in document["receivers"]],
    }
    notes = [*limits(receivers, urls, meta), *_secret_command(receivers, meta)]
    return dump(_manifest("v1alpha1", "AlertmanagerConfig", meta, spec), notes)


def limits(receivers: Mapping[str, Receiver], urls: Urls, meta: Metadata) -> list[str]:
    """What a manifest cannot say for itself: what to set elsewhere so that notifications arrive."""
    where = f"is {meta.namespace}" if meta.namespace else "is that of the object"
    namespaces = (
        "labelmon's alerts carry no label `namespace`, and unless told otherwise the operator routes only alerts whose "
        f"namespace {where}: none would arrive. Set alertmanagerConfigMatcherStrategy: {{type: None}} in the "
        "Alertmanager, or enforcedNamespaceLabel: namespace in a Prometheus that scrapes labelmon in that namespace."
    )
    sharing = (
        "The operator puts this route beside others and lets alerts go on to them (continue: true); the Alertmanager's "
        "own receiver of last resort is not told of alerts that end in null here."
    )
    found = [namespaces, sharing]
    tickets = sorted(name for name, receiver in receivers.items() if receiver.kind == "tickets")
    if tickets and urlsplit(urls.labelmon).hostname in _LOOPBACK:
        found.append(
            f"Tickets ({', '.join(tickets)}) go through {urls.labelmon}, which an Alertmanager in a pod does not "
            "reach: set urls.labelmon in the config."
        )
    return found


def _manifest(version: str, kind: str, meta: Metadata, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": f"{API_GROUP}/{version}", "kind": kind, "metadata": meta.as_yaml(), "spec": spec}


def _route(route: Mapping[str, Any]) -> dict[str, Any]:
    return {ours: route[theirs] for theirs, ours in _ROUTE_FIELDS.items() if theirs in route}


def _child(route: Mapping[str, Any]) -> dict[str, Any]:
    return {"matchers": _matchers(route["matchers"]), **_route(route)}


def _inhibition(rule: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "sourceMatch": _matchers(rule["source_matchers"]),
        "targetMatch": _matchers(rule["target_matchers"]),
    }
    if "equal" in rule:
        found["equal"] = list(rule["equal"])
    return found


def _matchers(texts: Iterable[str]) -> list[dict[str, str]]:
    found = []
    for text in texts:
        match = _MATCHER.fullmatch(text)
        assert match is not None, text  # noqa: S101  routing writes them, out of names that need no quoting
        found.append({"name": match["name"], "matchType": match["type"], "value": match["value"]})
    return found


def _receiver(body: Mapping[str, Any], receiver: Receiver | None, meta: Metadata) -> dict[str, Any]:
    found: dict[str, Any] = {"name": body["name"]}
    hidden = receiver.from_environment if receiver else frozenset()
    for integration, configs in body.items():
        if integration != "name":
            ours = f"{integration.removesuffix('_configs')}Configs"
            found[ours] = [_fields(config, body["name"], hidden, meta) for config in configs]
    return found


def _fields(config: Mapping[str, Any], receiver: str, hidden: frozenset[str], meta: Metadata) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in config.items():
        name = _RECEIVER_FIELDS[key]
        if isinstance(value, dict):
            found[name] = _fields(value, receiver, frozenset(), meta)
        elif key.endswith("_file"):
            found[name] = {"name": meta.secret, "key": _secret_key(receiver, key)}
        elif key == "url" and key in hidden:
            found["urlSecret"] = {"name": meta.secret, "key": _secret_key(receiver, key)}
        else:
            found[name] = value
    return found


def _secret_key(receiver: str, setting: str) -> str:
    return f"{receiver}.{setting.removesuffix('_file')}"


def _secret_command(receivers: Mapping[str, Receiver], meta: Metadata) -> Iterator[str]:
    """How to make the Secret, as lines of a shell command."""
    parts = [part for _, receiver in sorted(receivers.items()) for part in _secret_parts(receiver)]
    if not parts:
        return
    namespace = f" --namespace {meta.namespace}" if meta.namespace else ""
    yield "Secrets are read from a Secret in the same namespace:"
    yield f"  kubectl create secret generic {meta.secret}{namespace} \\"
    for part in parts[:-1]:
        yield f"    {part} \\"
    yield f"    {parts[-1]}"


def _secret_parts(receiver: Receiver) -> Iterator[str]:
    for key, value in receiver.settings.items():
        if isinstance(value, dict):
            setting = "credentials" if key == "bearer_token" else key
            path = str(value["file"])
            shown = path if path.isprintable() else "FILE"
            yield "--from-file=" + shlex.quote(f"{_secret_key(receiver.name, setting)}={shown}")
        elif key == "url" and key in receiver.from_environment:
            yield f"--from-literal={_secret_key(receiver.name, key)}=URL"
