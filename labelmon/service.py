"""`labelmon run`: the daemon and its web server under signals."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from types import FrameType

from labelmon.checks import catalogue
from labelmon.daemon import Daemon
from labelmon.logs import start_logging
from labelmon.web.access import WebConfig, load_web_config
from labelmon.web.app import create_app
from labelmon.web.server import WebServer

log = logging.getLogger("labelmon.service")


def serve(config: Path, address: str, web_config: Path | None, log_level: str, *, lifecycle: bool) -> None:
    """Runs until SIGTERM or SIGINT.

    Raises
    ------
    LabelmonError : if the config is refused, the ledger cannot be opened or the address is taken.
    """
    start_logging(log_level)
    web = load_web_config(web_config) if web_config else WebConfig()
    daemon = Daemon(path=config, catalogue=catalogue())
    events = _Signals()
    server = WebServer(create_app(daemon, lifecycle=lifecycle), address, web)  # a taken port is known at once
    daemon.start()
    server.start()
    log.info("listening on %s", server.address)
    while events.wait():
        daemon.reload()
    daemon.stop()
    server.stop()


class _Signals:
    """SIGHUP asks for a reload, SIGTERM and SIGINT for the end; handlers only leave a note."""

    def __init__(self) -> None:
        self._noted = threading.Event()
        self._hang_up = self._end = False
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def wait(self) -> bool:
        """True for a reload, False for the end."""
        while not (self._hang_up or self._end):
            self._noted.wait(1.0)
            self._noted.clear()
        reload, self._hang_up = self._hang_up and not self._end, False
        return reload

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._hang_up = True
        else:
            self._end = True
        self._noted.set()
