"""What may stand where: fields declared once, for checking, for hints and for the JSON Schema."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from labelmon.config.source import Node, Source
from labelmon.durations import parse_duration

NAME = re.compile(r"[a-z0-9_-]+")
LOOSE_NAME = re.compile(r"[A-Za-z0-9_.-]+")
MOST_SECONDS = 100 * 365 * 86_400  # beyond a hundred years it is a slip of the finger, and dates overflow


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A type of value: how it reads a text and what it says it wants.

    `fits` may refuse what could be read, saying `limit`.
    """

    read: Callable[[str], Any]
    wants: str
    schema: Mapping[str, Any]
    fits: Callable[[Any], bool] | None = None
    limit: str = ""


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(text)
        return text

    return read


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _url(text: str) -> str:
    parts = urlsplit(text)
    # RFC 3986 has no URL with these either; `{{` would be a template in an annotation.
    strange = any(c.isspace() or not c.isprintable() or c in '{}<>"\\^`|' for c in text)
    if parts.scheme not in {"http", "https"} or not parts.netloc or strange:
        raise ValueError(text)
    return text.rstrip("/")


_STRING = {"type": "string"}
TEXT = Kind(read=str, wants="text", schema=_STRING)
SOME_TEXT = Kind(read=_matching(re.compile(r".+", re.DOTALL)), wants="text that is not empty", schema=_STRING)
NUMBER = Kind(read=_number, wants="a number", schema={"type": "number"})
SHARE = replace(NUMBER, fits=lambda value: 0 < value < 1, limit="a share above 0 and below 1")
WHOLE = Kind(
    read=int,
    wants="a whole number",
    schema={"type": "integer", "minimum": 1},
    fits=lambda value: value >= 1,
    limit="a whole number of at least 1",
)
FLAG = Kind(read=_flag, wants="true or false", schema={"type": "boolean"})
DURATION = Kind(
    read=parse_duration,
    wants="a duration such as 60s, 48h or 28d",
    schema={"type": "string", "pattern": r"^(\d+(ms|[ywdhms]))+$"},
    fits=lambda seconds: seconds <= MOST_SECONDS,
    limit="a duration of at most 100y",
)
SPAN = replace(DURATION, fits=lambda seconds: 0 < seconds <= MOST_SECONDS, limit="a duration above 0 and at most 100y")
SECONDS = replace(
    DURATION,
    fits=lambda seconds: seconds <= MOST_SECONDS and seconds == int(seconds),
    limit="a duration of whole seconds, at most 100y",
)
URL = Kind(
    read=_url,
    wants="an http or https URL without spaces, quotes or braces",
    schema={"type": "string", "format": "uri"},
)
DATASET_NAME = Kind(
    read=_matching(NAME),
    wants="a name of a-z, 0-9, _ and -",
    schema={"type": "string", "pattern": f"^{NAME.pattern}$"},
)
LABEL = Kind(
    read=_matching(LOOSE_NAME),
    wants="a name of letters, digits, _ . and -",
    schema={"type": "string", "pattern": f"^{LOOSE_NAME.pattern}$"},
)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Reads nodes, noting every problem; a value that cannot be read is None."""

    source: Source

    def mapping(self, node: Node | None, known: Iterable[str] | None, what: str = "key") -> dict[str, Node]:
        """The entries of a mapping; unknown ones are problems (`known` None: any key is fine)."""
        if node is None:
            return {}
        if not isinstance(node.value, dict):
            self.problem(node, f"need a mapping, got {node.shown}")
            return {}
        if known is None:
            return node.value
        names = list(known)
        for key in node.value:
            if key not in names:
                line = node.value[key].line
                self.source.problem(line, node.child(key), f"unknown {what}", nearest(key, names))
        return {key: value for key, value in node.value.items() if key in names}

    def items(self, node: Node) -> list[Node]:
        """The items of a list; a single value counts as a list of one."""
        return node.value if isinstance(node.value, list) else [node]

    def scalar(self, node: Node | None, kind: Kind, default: Any = None) -> Any:
        """The value of a text node read as `kind`."""
        if node is None or node.unset:
            return default
        if not isinstance(node.value, str):
            self.problem(
                node,
                f"need {kind.wants}, got {node.shown}",
                "quote it if the word itself is meant" if node.value is None else "",
            )
            return default
        try:
            value = kind.read(node.value)
        except (ValueError, KeyError, OverflowError):
            self.problem(node, f"need {kind.wants}, got {node.shown}")
            return default
        if kind.fits is not None and not kind.fits(value):
            self.problem(node, f"need {kind.limit}, got {node.shown}")
            return default
        return value

    def choice(self, node: Node | None, allowed: Iterable[str], what: str, default: Any = None) -> Any:
        """A text out of `allowed`."""
        text = self.scalar(node, TEXT)
        if text is None or node is None:
            return default
        names = list(allowed)
        if text not in names:
            self.problem(node, f"unknown {what} {node.shown}", nearest(text, names))
            return default
        return text

    def texts(self, node: Node | None) -> tuple[str, ...]:
        """A list of texts."""
        if node is None:
            return ()
        found = [self.scalar(item, TEXT) for item in self.items(node)]
        return tuple(text for text in found if text is not None)

    def problem(self, node: Node, message: str, hint: str = "") -> None:
        """Notes a problem at a node."""
        self.source.problem(node.line, node.path, message, hint)


def nearest(text: str, names: Iterable[str]) -> str:
    """`known: a, b   did you mean "a"?`"""
    known = sorted(names)
    close = difflib.get_close_matches(text, known, 1)
    return f"known: {', '.join(known) or 'none'}" + (f'   did you mean "{close[0]}"?' if close else "")
