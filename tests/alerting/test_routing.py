"""Who is told what: the generated Alertmanager config, asked through amtool."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from labelmon.alerting.routing import alertmanager_config
from labelmon.checks import catalogue
from labelmon.config import Receiver
from labelmon.model import Owner, Urls
from labelmon.profiles import DEFAULT_ALERTING
from tests.alerting.conftest import Tool
from tests.world import dataset

SECRET = {"file": "/run/secrets/key"}
RECEIVERS = {
    r.name: r
    for r in (
        Receiver(name="oncall", kind="pagerduty", settings={"routing_key": SECRET}),
        Receiver(name="ops", kind="opsgenie", settings={"api_key": SECRET}),
        Receiver(name="chat", kind="slack", settings={"api_url": SECRET, "channel": "#labels"}),
        Receiver(
            name="mail",
            kind="email",
            settings={
                "to": "a@example.com",
                "from": "b@example.com",
                "smarthost": "mail.example:25",
                "auth_username": "b",
                "auth_password": SECRET,
            },
        ),
        Receiver(name="hook", kind="webhook", settings={"url": "https://hook.example/x", "bearer_token": SECRET}),
        Receiver(name="imaging", kind="tickets", settings={"to": "github:example/imaging"}),
    )
}
DATASETS = [
    replace(dataset(), name="xray", owner=Owner(team="rad", page="oncall", tickets="imaging")),
    replace(dataset(), name="mri", owner=Owner(team="rad", page="chat", tickets="mail")),
    replace(dataset(), name="chats", owner=Owner(team="support", page="ops", tickets="hook")),
    replace(dataset(), name="lost"),
]
TEXT = alertmanager_config(
    catalogue(), DATASETS, RECEIVERS, Owner(team="labelmon", page="ops", tickets="chat"), DEFAULT_ALERTING, Urls()
)


def test_amtool_accepts_the_config(amtool: Tool, tmp_path: Path) -> None:
    (tmp_path / "alertmanager.yml").write_text(TEXT)

    checked = amtool("check-config", "alertmanager.yml", cwd=tmp_path)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "7 receivers" in checked.stdout


@pytest.mark.parametrize(
    ("receiver", "labels"),
    [
        ("oncall", "severity=page team=rad dataset=xray sli=label_accuracy"),
        ("imaging", "severity=ticket team=rad dataset=xray sli=label_accuracy"),
        ("chat", "severity=page team=rad dataset=mri sli=label_latency"),
        ("mail", "severity=ticket team=rad dataset=mri sli=label_latency"),
        ("ops", "severity=page team=support dataset=chats sli=label_backlog"),
        ("hook", "severity=ticket team=support dataset=chats sli=label_backlog"),
        ("null", "severity=page team=t dataset=lost sli=label_backlog"),
        ("ops", "severity=page sli=labelmon"),
        ("ops", "severity=page sli=store store=warehouse"),
        ("chat", "severity=ticket sli=store store=warehouse"),
    ],
)
def test_each_alert_reaches_its_owner(amtool: Tool, tmp_path: Path, receiver: str, labels: str) -> None:
    (tmp_path / "alertmanager.yml").write_text(TEXT)

    routed = amtool(
        "config",
        "routes",
        "test",
        "--config.file=alertmanager.yml",
        f"--verify.receivers={receiver}",
        *labels.split(),
        cwd=tmp_path,
    )

    assert routed.returncode == 0, routed.stdout + routed.stderr


def test_no_secret_is_written() -> None:
    assert "/run/secrets/key" in TEXT
    assert "_file:" in TEXT
    assert "routing_key:" not in TEXT
