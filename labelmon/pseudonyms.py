"""People become pseudonyms before anything is written or shown: HMAC-SHA256 of the raw id under a secret key."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from labelmon.counts import Counts
from labelmon.errors import LabelmonError
from labelmon.roles import PERSON_ROLES

SHORTEST_KEY = 16


@dataclass(frozen=True, kw_only=True)
class Pseudonyms:
    """Names people by the first key; a second one is the key that is being rotated out."""

    keys: tuple[bytes, ...] = field(repr=False)

    def of(self, person: str, key: int = 0) -> str:
        """`a-` and 12 hex digits that stand for `person`; '' (nobody known) stays ''."""
        if not person:
            return ""
        return "a-" + hmac.new(self.keys[key], person.encode(), "sha256").hexdigest()[:12]

    def every(self, person: str) -> tuple[str, ...]:
        """The pseudonyms of `person` under each key, the current first: how to find old rows in a rotation."""
        return tuple(self.of(person, index) for index in range(len(self.keys)))

    def apply(self, counts: Counts) -> Counts:
        """`counts` with every key that names a person replaced by its pseudonym."""
        for key in counts.keys:
            if key in PERSON_ROLES:
                people = {str(value) for value in counts.frame[key]}
                counts = counts.rename_values(key, {person: self.of(person) for person in people})
        return counts


def load_pseudonyms(paths: Iterable[Path], beside: Path | None = None) -> Pseudonyms:
    """Keys from files; without any, from `labelmon.key` in the folder `beside`, made there on first use.

    Raises
    ------
    LabelmonError : if a file cannot be read or holds less than 16 bytes.
    """
    keys = [_read(path) for path in paths]
    if not keys and beside is None:
        keys = [secrets.token_bytes(32)]
    elif not keys and beside is not None:
        path = beside / "labelmon.key"
        if not path.exists():
            _create(path)
        keys = [_read(path)]
    return Pseudonyms(keys=tuple(keys))


def _create(path: Path) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # another process was quicker: its key is the key
        return
    except OSError as error:
        raise LabelmonError(
            f"{path}: cannot write the pseudonym key ({error.strerror}); name one under privacy.pseudonym_keys"
        ) from error
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(32) + "\n")


def _read(path: Path) -> bytes:
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise LabelmonError(f"{path}: cannot read the pseudonym key ({error.strerror})") from error
    if len(key) < SHORTEST_KEY:
        raise LabelmonError(f"{path}: need a pseudonym key of at least {SHORTEST_KEY} bytes, got {len(key)}")
    return key
