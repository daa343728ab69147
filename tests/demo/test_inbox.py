"""The demo's receiver says every alert when it begins and when it ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from labelmon.demo.inbox import BODY_LIMIT, Inbox


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def inbox(said: list[str]) -> Iterator[Inbox]:
    made = Inbox(0, said.append)
    yield made
    made.close()


def notification(status: str, **labels: str) -> dict[str, Any]:
    alert = {
        "status": status,
        "labels": {"alertname": "LabelAccuracyBudgetBurn", "severity": "page", **labels},
        "annotations": {"summary": "burns 12.0 times too fast"},
    }
    return {"receiver": "platform-oncall", "alerts": [alert]}


def send(inbox: Inbox, json: object = None, data: bytes | None = None) -> int:
    return requests.post(f"http://127.0.0.1:{inbox.port}/page", json=json, data=data, timeout=5).status_code


def test_an_alert_is_said_once_when_it_begins_and_once_when_it_ends(inbox: Inbox, said: list[str]) -> None:
    for status in ("firing", "firing", "resolved", "firing"):
        assert send(inbox, notification(status)) == 200

    assert [line.partition(" ")[2] for line in said] == [
        f"{status} LabelAccuracyBudgetBurn (page) reached platform-oncall: burns 12.0 times too fast"
        for status in ("firing", "resolved", "firing")
    ]


def test_alerts_of_two_datasets_are_two_alerts(inbox: Inbox, said: list[str]) -> None:
    send(inbox, notification("firing", dataset="radiology"))
    send(inbox, notification("firing", dataset="pathology"))

    assert len(said) == 2


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"x"', b'{"alerts": [1]}', b'{"alerts": 1}'])
def test_what_is_no_notification_is_refused_and_not_said(inbox: Inbox, said: list[str], data: bytes) -> None:
    assert send(inbox, data=data) == 400
    assert said == []


def test_a_huge_body_is_refused_unread(inbox: Inbox, said: list[str]) -> None:
    with socket.create_connection(("127.0.0.1", inbox.port), timeout=5) as client:
        client.sendall(f"POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY_LIMIT + 1}\r\n\r\n".encode())

        assert b" 413 " in client.recv(200)
    assert said == []


def test_a_taken_port_is_replaced(inbox: Inbox) -> None:
    second = Inbox(inbox.port, str)
    try:
        assert second.port != inbox.port
        assert send(second, notification("firing")) == 200
    finally:
        second.close()
