"""The demo's folder: always a fresh world in it, never somebody else's files."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from labelmon.errors import LabelmonError, UsageError

CONFIG = "labelmon.yaml"
STORE = "labels.db"
LEDGER = "labelmon.db"
AWAY = "labels.away"
_OURS = (STORE, LEDGER, AWAY)
_SIDE_FILES = ("", "-wal", "-shm", "-journal")


def claim(place: Path, mark: str) -> IO[str]:
    """Makes the folder, empties it of an earlier demo and holds it until the returned file is closed.

    A world that goes on after a pause would show a backlog nobody made: the items that were waiting when the
    last demo ended.

    Raises
    ------
    LabelmonError : if the folder cannot be written, or another demo runs in it.
    UsageError : if it holds a store that no demo wrote (`mark` is how a demo's config begins).
    """
    try:
        place.mkdir(parents=True, exist_ok=True)
        held = (place / ".demo").open("w")
    except OSError as error:
        raise LabelmonError(f"{error.filename}: cannot be written ({error.strerror}); give another --folder") from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        raise LabelmonError(f"{place}: another demo runs here; give this one a --folder of its own") from None
    there = [path for name in _OURS for side in _SIDE_FILES if (path := place / (name + side)).exists()]
    config = place / CONFIG
    if (there or config.exists()) and not (config.exists() and config.read_text().startswith(mark)):
        held.close()
        found = ", ".join(path.name for path in [*there, config] if path.exists())
        raise UsageError(f"{place}: holds {found}, which no demo wrote; give an empty --folder")
    for path in there:
        path.unlink()
    return held
