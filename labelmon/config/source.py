"""YAML with positions: every scalar stays the text its author wrote, every key knows its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import yaml

from labelmon.errors import Problem

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)\})")
_MOST_DEPTH = 50
# A file cannot hold more values than characters; only aliases that repeat aliases multiply beyond that.
_MOST_ALIASED = 100_000
_MOST_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Node:
    """A value of the file: text, None, a list of nodes or a mapping of nodes, with the line it stands on.

    `secret` names the environment variable that text came out of: such text is never printed. `unset` marks
    one whose variable is not set, which has been said already.
    """

    value: str | list[Node] | dict[str, Node] | None
    line: int
    path: str
    secret: str = ""
    unset: bool = False

    @property
    def shown(self) -> str:
        """The value as an error may show it."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        if self.value is None:
            return "nothing"
        return self.told(repr(self.value if len(self.value) <= _MOST_SHOWN else f"{self.value[:_MOST_SHOWN]}..."))

    def told(self, plain: str) -> str:
        """`plain`, a rendering of the value, unless the value is not to be shown."""
        return f"the value of ${{{self.secret}}}" if self.secret else plain

    @property
    def hides(self) -> bool:
        """Whether anything in here is not to be shown."""
        if isinstance(self.value, dict | list):
            inner = self.value.values() if isinstance(self.value, dict) else self.value
            return any(node.hides for node in inner)
        return bool(self.secret)

    def child(self, key: str) -> str:
        """The dotted path of `key` below this node."""
        return f"{self.path}.{key}" if self.path else key


class _TooMuchError(Exception):
    """The file unfolds into more than can be read."""

    def __init__(self, line: int, path: str, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.path = path


@dataclass(kw_only=True)
class Source:
    """One config file being read: collects the problems of everything found in it."""

    file: str
    environ: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    _left: int = 0

    def problem(self, line: int, key: str, message: str, hint: str = "") -> None:
        """Notes a problem."""
        self.problems.append(Problem(file=self.file, line=line, key=key or "config", message=message, hint=hint))

    def parse(self, text: str) -> Node:
        """The file as nodes; problems of syntax, duplicate keys and unset variables are noted."""
        nothing = Node(value={}, line=1, path="")
        try:
            composed = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            said = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read as YAML"
            line = mark.line if mark else text.count("\n", 0, getattr(error, "position", 0))
            self.problem(line + 1, "", f"not valid YAML: {said}")
            return nothing
        except (RecursionError, ValueError):
            self.problem(1, "", "not valid YAML: nested too deeply or malformed")
            return nothing
        if composed is None:
            self.problem(1, "", "the file is empty", "it needs at least stores: and datasets:")
            return nothing
        self._left = len(text) + _MOST_ALIASED
        try:
            node = self._node(composed, "", 0)
        except _TooMuchError as error:
            self.problem(error.line, error.path, str(error))
            return nothing
        if not isinstance(node.value, dict):
            self.problem(node.line, "", f"need a mapping of keys, got {node.shown}")
            return nothing
        return node

    def _node(self, node: yaml.Node, path: str, depth: int) -> Node:
        line = node.start_mark.line + 1
        self._left -= 1
        top = path.partition("[")[0].partition(".")[0]
        if depth > _MOST_DEPTH:
            raise _TooMuchError(line, top, f"nested more than {_MOST_DEPTH} deep")
        if self._left < 0:
            raise _TooMuchError(line, top, "aliases that repeat aliases make too many values")
        if isinstance(node, yaml.MappingNode):
            return Node(value=dict(self._pairs(node, path, depth)), line=line, path=path)
        if isinstance(node, yaml.SequenceNode):
            items = [self._node(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(node.value)]
            return Node(value=items, line=line, path=path)
        if getattr(node, "style", None) is None and node.value in _NULLS:
            return Node(value=None, line=line, path=path)
        return self._expanded(node.value, line, path)

    def _pairs(self, node: yaml.MappingNode, path: str, depth: int) -> Iterator[tuple[str, Node]]:
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problem(line, path, "need plain text as a key")
                continue
            key = str(key_node.value)
            where = f"{path}.{key}" if path else key
            if key in first:
                self.problem(line, where, f"duplicate key, first on line {first[key]}", "keep one of the two")
                continue
            first[key] = line
            self.lines[where] = line
            value = self._node(value_node, where, depth + 1)
            yield key, replace(value, line=line)

    def _expanded(self, text: str, line: int, path: str) -> Node:
        """`text` with ${NAME} replaced and $$ as $."""
        used: list[str] = []
        unset: list[str] = []

        def expand(match: re.Match[str]) -> str:
            name = match.group(1)
            if name is None:
                return "$"
            used.append(name)
            if name not in self.environ:
                unset.append(name)
                self.problem(line, path, f"environment variable {name} is not set", "write $$ for a plain $")
                return ""
            return self.environ[name]

        expanded = _VARIABLE.sub(expand, text)
        return Node(value=expanded, line=line, path=path, secret=used[0] if used else "", unset=bool(unset))
