"""PromQL as small frozen trees: built from typed parts, rendered one way, so that a test can mutate them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace


class Expr(ABC):
    """A PromQL expression."""

    @abstractmethod
    def lines(self) -> list[str]:
        """The expression, line by line, each indented below the one that holds it."""

    def __str__(self) -> str:
        return "\n".join(self.lines())


@dataclass(frozen=True)
class Metric(Expr):
    """A selector: `name{label="value"}`; `one_of` gives a label's values, and `none_of` those it must not have."""

    name: str
    matchers: tuple[tuple[str, str], ...] = ()
    one_of: tuple[tuple[str, tuple[str, ...]], ...] = ()
    none_of: tuple[tuple[str, str], ...] = ()

    def lines(self) -> list[str]:
        inside = ", ".join(
            (
                *(f"{label}={quoted(value)}" for label, value in self.matchers),
                *(f"{label}=~{quoted('|'.join(values))}" for label, values in self.one_of),
                *(f"{label}!={quoted(value)}" for label, value in self.none_of),
            )
        )
        return [f"{self.name}{{{inside}}}" if inside else self.name]


@dataclass(frozen=True)
class Compare(Expr):
    """`left op right`, filtering; `right` is a number or an expression matched one to one."""

    left: Expr
    op: str
    right: float | Expr

    def lines(self) -> list[str]:
        right = [number(self.right)] if not isinstance(self.right, Expr) else self.right.lines()
        left = self.left.lines()
        return [*left[:-1], f"{left[-1]} {self.op} {right[0]}", *right[1:]]


@dataclass(frozen=True)
class Join(Expr):
    """Set operations over `parts`: `and`, `or`; `ignoring` labels do not take part in the matching, or only `on`."""

    op: str
    parts: tuple[Expr, ...]
    ignoring: tuple[str, ...] = ()
    on: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        matching = f" ignoring ({', '.join(self.ignoring)})" if self.ignoring else ""
        matching = f" on ({', '.join(self.on)})" if self.on else matching
        found = _nested(self.parts[0])
        for part in self.parts[1:]:
            first, *rest = _nested(part)
            found += [f"{self.op}{matching} {first}", *rest]
        return found


@dataclass(frozen=True)
class MaxBy(Expr):
    """`max by (labels) (inner)`: the worst of the replicas."""

    labels: tuple[str, ...]
    inner: Expr

    def lines(self) -> list[str]:
        inner = self.inner.lines()
        head = f"max by ({', '.join(self.labels)}) ("
        if len(inner) == 1:
            return [f"{head}{inner[0]})"]
        return [head, *_indented(inner), ")"]


@dataclass(frozen=True)
class Age(Expr):
    """`time() - inner`: how long ago an instant was."""

    inner: Expr

    def lines(self) -> list[str]:
        first, *rest = self.inner.lines()
        return [f"time() - {first}", *rest]


@dataclass(frozen=True)
class Scaled(Expr):
    """`inner * factor + offset`, the offset left out where it is 0."""

    inner: Expr
    factor: float
    offset: float = 0.0

    def lines(self) -> list[str]:
        plus = f" + {number(self.offset)}" if self.offset else ""
        return [f"{self.inner} * {number(self.factor)}{plus}"]


@dataclass(frozen=True)
class Absent(Expr):
    """`absent(inner)`."""

    inner: Expr

    def lines(self) -> list[str]:
        return [f"absent({self.inner})"]


@dataclass(frozen=True)
class WithOwner(Expr):
    """`inner` with the owner's labels of `info` joined on.

    Replicas in a rollout may disagree on an owner: the one that loaded its config last (`loaded`, a timestamp per
    replica) is right. topk over equal values would pick one at random, and another at the next evaluation.
    """

    inner: Expr
    info: str
    loaded: str
    labels: tuple[str, ...] = field(default=())

    def lines(self) -> list[str]:
        # `*` binds tighter than any comparison.
        inner = self.inner.lines()
        if isinstance(self.inner, (Join, Compare)):
            inner = ["(", *_indented(inner), ")"]
        joined = ", ".join(self.labels)
        return [
            *inner,
            f"* on (dataset) group_left ({joined}) (",
            f"  topk by (dataset) (1, max by (dataset, {joined}) (",
            f"    {self.info} * on (job, instance) group_left () {self.loaded}",
            "  )) > bool 0",
            ")",
        ]


def quoted(text: str) -> str:
    r"""A text as PromQL reads it back, whatever is in it.

    Examples
    --------
    >>> print(quoted('high, "urgent"'))
    "high, \"urgent\""
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def number(value: float) -> str:
    """A number as PromQL reads it, without noise."""
    return f"{value:.10g}"


def mutants(expr: Expr) -> Iterator[tuple[str, Expr]]:
    """Every expression that differs from `expr` in one branch or one comparison, with what was changed."""
    if isinstance(expr, Join):
        for index, part in enumerate(expr.parts):
            if len(expr.parts) > 1:
                kept = (*expr.parts[:index], *expr.parts[index + 1 :])
                yield f"dropped {expr.op}-branch {part.lines()[0]}", replace(expr, parts=kept)
            for what, changed in mutants(part):
                yield what, replace(expr, parts=(*expr.parts[:index], changed, *expr.parts[index + 1 :]))
        return
    if isinstance(expr, Compare):
        for op in _SWAPS[expr.op]:
            yield f"{expr.op} became {op} in {expr.lines()[0]}", replace(expr, op=op)
    for item in fields(expr):  # type: ignore[arg-type]
        inner = getattr(expr, item.name)
        if isinstance(inner, Expr):
            for what, changed in mutants(inner):
                yield what, replace(expr, **{item.name: changed})  # type: ignore[type-var]


_SWAPS = {">": ("<", ">="), ">=": ("<", ">"), "<": (">", "<="), "==": ("!=", ">")}


def _nested(expr: Expr) -> list[str]:
    lines = expr.lines()
    if isinstance(expr, (Metric, MaxBy, Absent)):
        return lines
    if isinstance(expr, Compare) and len(lines) == 1:
        return lines
    return ["(", *_indented(lines), ")"]


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
