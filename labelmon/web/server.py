"""The HTTP server: uvicorn in a thread, so that signals stay with the main thread."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import uvicorn

from labelmon.errors import LabelmonError, UsageError
from labelmon.web.access import BasicAuth, WebConfig

if TYPE_CHECKING:
    from fastapi import FastAPI


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8790`, `[::1]:8790` or `:8790`.

    Raises
    ------
    UsageError : if it is neither.
    """
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--web.listen-address: need host:port, got {text!r}")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104  what ":8790" means to its users


class WebServer:
    """Serves an app until `stop`; the socket is bound at construction, so a taken port is known at once."""

    def __init__(self, app: FastAPI, address: str, web: WebConfig) -> None:
        host, port = parse_address(address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise LabelmonError(f"cannot listen on {address}: {error.strerror}") from error
        self.address = "{}:{}".format(*self._socket.getsockname()[:2])
        config = uvicorn.Config(
            BasicAuth(app, web.users) if web.users else app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ssl_certfile=web.cert_file or None,
            ssl_keyfile=web.key_file or None,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="web", daemon=True
        )

    def start(self) -> None:
        """Returns once requests are answered."""
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.01)

    def stop(self) -> None:
        """Answers what is under way, then closes."""
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()
