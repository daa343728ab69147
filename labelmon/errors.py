"""What can go wrong, and which exit code says so.

LabelmonError            exit 1: the world failed
  ConfigError            exit 2: the user's mistake, every problem listed
  StoreError             a label store did not answer, or answered something unusable
  LedgerError            the state store is locked, corrupt or of a newer version
  GenerateError          generated files are stale or cannot be written
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class LabelmonError(Exception):
    """Base of every error that a user may see; its text is complete and holds no secret."""

    exit_code = 1


@dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """One thing wrong with a config: where it stands, what we got, what we wanted."""

    file: str
    line: int
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: {self.key}: {self.message}"
        return f"{where}\n  {self.hint}" if self.hint else where


class ConfigError(LabelmonError):
    """The config cannot be used; `problems` holds all that was found, in file order."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        super().__init__("\n".join([*map(str, self.problems), f"{count} {noun}, nothing started"]))


class UsageError(LabelmonError):
    """A command was called with arguments that make no sense together."""

    exit_code = 2


class StoreError(LabelmonError):
    """A store failed. `retryable` is False where another try cannot help (a missing column)."""

    def __init__(self, message: str, *, reason: str = "store_error", retryable: bool = True) -> None:
        super().__init__(message)
        self.reason = reason
        self.retryable = retryable


class LedgerError(LabelmonError):
    """The ledger cannot be opened or written."""


class GenerateError(LabelmonError):
    """Generated files differ from what the catalogue says, or could not be written."""
