"""The Alertmanager config: a route per team and severity, grouped so that one cause is one notification."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from labelmon import naming
from labelmon.alerting.inhibition import inhibitions
from labelmon.alerting.yamlfile import dump
from labelmon.check import Check
from labelmon.config import Receiver
from labelmon.durations import format_duration
from labelmon.model import Dataset, Owner, Severity, Urls
from labelmon.profiles import Alerting

NULL = "null"
ROUTES_FILE = "rules/alertmanager.yml"


def alertmanager_config(
    checks: Iterable[Check],
    datasets: Iterable[Dataset],
    receivers: Mapping[str, Receiver],
    operator: Owner,
    alerting: Alerting,
    urls: Urls,
) -> str:
    """The config as YAML; secrets stay in the files the receivers name."""
    return dump(alertmanager_document(checks, datasets, receivers, operator, alerting, urls))


def alertmanager_document(
    checks: Iterable[Check],
    datasets: Iterable[Dataset],
    receivers: Mapping[str, Receiver],
    operator: Owner,
    alerting: Alerting,
    urls: Urls,
) -> dict[str, Any]:
    """The config as Alertmanager's own keys and values."""
    routes: list[dict[str, Any]] = []
    # About labelmon and its stores: one notification per store, to whoever operates labelmon.
    own = 'sli=~"labelmon|store"'
    routes += _routes([own], operator, receivers, alerting, group_by=["alertname", naming.STORE])
    teams: dict[str, dict[tuple[str, str], list[str]]] = {}
    for dataset in datasets:
        places = teams.setdefault(dataset.owner.team, {})
        places.setdefault((dataset.owner.page, dataset.owner.tickets), []).append(dataset.name)
    for team, places in sorted(teams.items()):
        for (page, tickets), names in sorted(places.items()):
            matchers = [f'team="{team}"']
            if len(places) > 1:
                matchers.append(f'dataset=~"{"|".join(sorted(names))}"')
            owner = Owner(team=team, page=page, tickets=tickets)
            routes += _routes(matchers, owner, receivers, alerting, group_by=[naming.PIPELINE, naming.DATASET])
    used = [NULL, *sorted(receivers)]
    return {
        "route": {
            "receiver": NULL,
            "group_by": [naming.PIPELINE, naming.DATASET],
            "group_wait": format_duration(alerting.page_group_wait),
            "group_interval": format_duration(alerting.page_group_interval),
            "repeat_interval": format_duration(alerting.repeat_interval),
            "routes": routes,
        },
        "inhibit_rules": inhibitions(checks),
        "receivers": [_receiver(name, receivers.get(name), urls) for name in used],
    }


def _routes(
    matchers: list[str],
    owner: Owner,
    receivers: Mapping[str, Receiver],
    alerting: Alerting,
    group_by: list[str],
) -> list[dict[str, Any]]:
    found = []
    for severity, name, wait, interval in (
        (Severity.PAGE, owner.page, alerting.page_group_wait, alerting.page_group_interval),
        (Severity.TICKET, owner.tickets, alerting.ticket_group_wait, alerting.ticket_group_interval),
    ):
        found.append(
            {
                "matchers": [f'severity="{severity.value}"', *matchers],
                "receiver": name if name in receivers else NULL,
                "group_by": group_by,
                "group_wait": format_duration(wait),
                "group_interval": format_duration(interval),
            }
        )
    return found


def _receiver(name: str, receiver: Receiver | None, urls: Urls) -> dict[str, Any]:
    if receiver is None:
        return {"name": name}
    said = receiver.settings
    match receiver.kind:
        case "pagerduty":
            body: dict[str, Any] = {"routing_key_file": _file(said, "routing_key"), "send_resolved": True}
        case "opsgenie":
            body = {"api_key_file": _file(said, "api_key"), "send_resolved": True}
        case "slack":
            body = {"api_url_file": _file(said, "api_url"), "send_resolved": True}
            if said.get("channel"):
                body["channel"] = said["channel"]
        case "email":
            body = {k: v for k, v in said.items() if k != "auth_password"} | {"send_resolved": True}
            if "auth_password" in said:
                body["auth_password_file"] = _file(said, "auth_password")
        case "webhook":
            body = {"url": said.get("url", ""), "send_resolved": True}
            if "bearer_token" in said:
                body["http_config"] = {"authorization": {"credentials_file": _file(said, "bearer_token")}}
        case _:  # tickets: labelmon itself opens, updates and closes them
            return {
                "name": name,
                "webhook_configs": [{"url": f"{urls.labelmon}/api/v1/alerts", "send_resolved": True}],
            }
    return {"name": name, f"{receiver.kind}_configs": [body]}


def _file(settings: Mapping[str, object], key: str) -> str:
    reference = settings.get(key)
    return str(reference["file"]) if isinstance(reference, dict) else ""
