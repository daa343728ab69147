"""Logs as Prometheus writes them: logfmt on standard error. No label's text and no person's name goes in here."""

from __future__ import annotations

import logging
from datetime import UTC, datetime


class Logfmt(logging.Formatter):
    """`ts=... level=... component=... msg="..."`."""

    def format(self, record: logging.LogRecord) -> str:
        instant = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = f"ts={instant.replace('+00:00', 'Z')} level={record.levelname.lower()} component={record.name}"
        text = record.getMessage().replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        line += f' msg="{text}"'
        if record.exc_info and record.exc_info[0] is not None:
            # A bug: its place helps, its values may hold data.
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
            line += f' error={record.exc_info[0].__name__} at="{where}"'
        return line


def start_logging(level: str = "info") -> None:
    """Everything of `labelmon` at `level` and above goes to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(Logfmt())
    root = logging.getLogger("labelmon")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False
