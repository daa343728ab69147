"""YAML with positions: every scalar stays the text its author wrote, every key knows its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from labelmon.errors import Problem

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)\})")
_MOST_DEPTH = 50


@dataclass(frozen=True, kw_only=True)
class Node:
    """A value of the file: text, None, a list of nodes or a mapping of nodes, with the line it stands on.

    `secret` marks text that came out of an environment variable: it is never printed.
    """

    value: str | list[Node] | dict[str, Node] | None
    line: int
    path: str
    secret: str = ""

    @property
    def shown(self) -> str:
        """The value as an error may show it."""
        if self.secret:
            return f"the value of ${{{self.secret}}}"
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        return "nothing" if self.value is None else repr(self.value)

    def child(self, key: str) -> str:
        """The dotted path of `key` below this node."""
        return f"{self.path}.{key}" if self.path else key


@dataclass(kw_only=True)
class Source:
    """One config file being read: collects the problems of everything found in it."""

    file: str
    environ: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)

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
            said = getattr(error, "problem", None) or "cannot be read as YAML"
            self.problem(mark.line + 1 if mark else 1, "", f"not valid YAML: {said}")
            return nothing
        except (RecursionError, ValueError):
            self.problem(1, "", "not valid YAML: nested too deeply or malformed")
            return nothing
        if composed is None:
            self.problem(1, "", "the file is empty", "it needs at least stores: and datasets:")
            return nothing
        node = self._node(composed, "", 0)
        if not isinstance(node.value, dict):
            self.problem(node.line, "", f"need a mapping of keys, got {node.shown}")
            return nothing
        return node

    def _node(self, node: yaml.Node, path: str, depth: int) -> Node:
        line = node.start_mark.line + 1
        if depth > _MOST_DEPTH:
            self.problem(line, path, "nested too deeply")
            return Node(value=None, line=line, path=path)
        if isinstance(node, yaml.MappingNode):
            return Node(value=dict(self._pairs(node, path, depth)), line=line, path=path)
        if isinstance(node, yaml.SequenceNode):
            items = [self._node(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(node.value)]
            return Node(value=items, line=line, path=path)
        if getattr(node, "style", None) is None and node.value in _NULLS:
            return Node(value=None, line=line, path=path)
        text, secret = self._expanded(node.value, line, path)
        return Node(value=text, line=line, path=path, secret=secret)

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
            yield key, Node(value=value.value, line=line, path=where, secret=value.secret)

    def _expanded(self, text: str, line: int, path: str) -> tuple[str, str]:
        """`text` with ${NAME} replaced and $$ as $; and the first variable's name."""
        used: list[str] = []

        def replace(match: re.Match[str]) -> str:
            name = match.group(1)
            if name is None:
                return "$"
            used.append(name)
            if name not in self.environ:
                self.problem(line, path, f"environment variable {name} is not set", "write $$ for a plain $")
                return ""
            return self.environ[name]

        return _VARIABLE.sub(replace, text), used[0] if used else ""
