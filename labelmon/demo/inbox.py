"""Where the demo's page and ticket receivers deliver: every notification becomes one line on the terminal."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

BODY_LIMIT = 1 << 20


class Inbox:
    """A webhook receiver on loopback; it says an alert when it begins and when it ends, and not in between."""

    def __init__(self, port: int, say: Callable[[str], None]) -> None:
        self._say = say
        self._seen: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()
        try:
            self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        except OSError:  # taken, by an Alertmanager's cluster port for one
            self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens: the port asked for, or a free one if that was taken."""
        return self._server.server_port

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, payload: Mapping[str, Any]) -> None:
        """Notes one Alertmanager notification."""
        receiver = str(payload.get("receiver", ""))
        for alert in payload.get("alerts", ()):
            labels, status = alert.get("labels", {}), str(alert.get("status", ""))
            key = (receiver, json.dumps(labels, sort_keys=True))
            with self._lock:
                known, self._seen[key] = self._seen.get(key), status
            if known == status:
                continue
            at = datetime.now(UTC).strftime("%H:%M:%S")
            name, severity = labels.get("alertname", ""), labels.get("severity", "")
            summary = alert.get("annotations", {}).get("summary", "")
            self._say(f"{at} {status} {name} ({severity}) reached {receiver}: {summary}")

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        inbox = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "")
                if not length.isdecimal() or int(length) > BODY_LIMIT:
                    self.send_error(413)
                    return
                try:
                    inbox.take(json.loads(self.rfile.read(int(length))))
                except (ValueError, AttributeError, TypeError):
                    self.send_error(400, "need an Alertmanager webhook")
                    return
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing: the alerts are the log."""

        return Handler
