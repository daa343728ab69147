"""PromQL as a small tree of frozen values and one renderer, so that rules can be composed, read and mutated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from labelmon.durations import format_duration

WIDTH = 92  # a rendered line is broken up when it would be longer


@dataclass(frozen=True, kw_only=True)
class Selector:
    """The series of one metric; `matchers` are label to value, `offset` looks back that many seconds."""

    metric: str
    matchers: tuple[tuple[str, str], ...] = ()
    offset: int = 0


@dataclass(frozen=True)
class Number:
    """A literal."""

    value: float


@dataclass(frozen=True)
class Call:
    """A function of vectors: `time()`, `absent(x)`."""

    function: str
    arguments: tuple[Expr, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """`operator by (labels) (expr)`, with a parameter for topk."""

    operator: str
    by: tuple[str, ...]
    expr: Expr
    parameter: int | None = None


@dataclass(frozen=True, kw_only=True)
class Match:
    """How the two sides of an operator find each other; empty means by all labels."""

    on: tuple[str, ...] = ()
    ignoring: tuple[str, ...] = ()
    group_left: tuple[str, ...] | None = None


ALL_LABELS = Match()


@dataclass(frozen=True)
class Binary:
    """`left operator right`: arithmetic, comparison or set operator."""

    operator: str
    left: Expr
    right: Expr
    match: Match = ALL_LABELS


Expr = Selector | Number | Call | Aggregate | Binary

COMPARISONS = (">", ">=", "<", "<=", "==", "!=")
# Binding strength, loosest first; whatever has none of these binds tightest.
_LEVELS = {"or": 1, "and": 2, "unless": 2, **dict.fromkeys(COMPARISONS, 3), "-": 4, "*": 5}
_TIGHTEST = 9


def compare(left: Expr, operator: str, right: Expr | float) -> Binary:
    """`left operator right`; a plain number becomes a literal."""
    return Binary(operator, left, Number(right) if isinstance(right, int | float) else right)


def both(left: Expr, right: Expr, match: Match = ALL_LABELS) -> Binary:
    """What of `left` has a partner in `right`."""
    return Binary("and", left, right, match)


def either(branches: Sequence[Expr]) -> Expr:
    """Any of `branches`, one at least."""
    return reduce(lambda left, right: Binary("or", left, right), branches)


def render(expr: Expr) -> str:
    """The text of `expr`, on as many lines as a reader needs."""
    return "\n".join(_lines(expr))


def _lines(expr: Expr) -> list[str]:
    flat = _flat(expr)
    if len(flat) <= WIDTH or isinstance(expr, Selector | Number):
        return [flat]
    if isinstance(expr, Aggregate):
        head = f"{expr.operator} by ({', '.join(expr.by)}) ("
        parameter = [] if expr.parameter is None else [f"  {expr.parameter},"]
        return [head, *parameter, *_indented(expr.expr), ")"]
    if isinstance(expr, Call):
        inner = [line for argument in expr.arguments for line in _indented(argument)]
        return [f"{expr.function}(", *inner, ")"]
    left = _operand(expr.left, expr, left=True)
    right = _operand(expr.right, expr, left=False)
    operator = _operator(expr)
    if len(right) == 1 and len(operator) + len(right[0]) < WIDTH:
        return [*left, f"{operator} {right[0]}"]
    if right[0] == "(":
        return [*left, f"{operator} (", *right[1:]]
    return [*left, operator, *right]


def _operand(expr: Expr, parent: Binary, *, left: bool) -> list[str]:
    if not _needs_parentheses(expr, parent, left=left):
        return _lines(expr)
    flat = f"({_flat(expr)})"
    return [flat] if len(flat) <= WIDTH else ["(", *_indented(expr), ")"]


def _indented(expr: Expr) -> list[str]:
    return [f"  {line}" for line in _lines(expr)]


def _flat(expr: Expr) -> str:
    if isinstance(expr, Selector):
        matchers = ", ".join(f'{label}="{value}"' for label, value in expr.matchers)
        offset = f" offset {format_duration(expr.offset)}" if expr.offset else ""
        return expr.metric + (f"{{{matchers}}}" if matchers else "") + offset
    if isinstance(expr, Number):
        return f"{expr.value:.12g}"
    if isinstance(expr, Call):
        return f"{expr.function}({', '.join(map(_flat, expr.arguments))})"
    if isinstance(expr, Aggregate):
        parameter = "" if expr.parameter is None else f"{expr.parameter}, "
        return f"{expr.operator} by ({', '.join(expr.by)}) ({parameter}{_flat(expr.expr)})"
    sides = [
        f"({_flat(side)})" if _needs_parentheses(side, expr, left=is_left) else _flat(side)
        for side, is_left in ((expr.left, True), (expr.right, False))
    ]
    return f"{sides[0]} {_operator(expr)} {sides[1]}"


def _operator(expr: Binary) -> str:
    match = expr.match
    parts = [expr.operator]
    if match.on:
        parts.append(f"on ({', '.join(match.on)})")
    if match.ignoring:
        parts.append(f"ignoring ({', '.join(match.ignoring)})")
    if match.group_left is not None:
        parts.append(f"group_left ({', '.join(match.group_left)})")
    return " ".join(parts)


def _needs_parentheses(expr: Expr, parent: Binary, *, left: bool) -> bool:
    if not isinstance(expr, Binary):
        return False
    inner, outer = _LEVELS.get(expr.operator, _TIGHTEST), _LEVELS[parent.operator]
    if inner == outer:
        return not left or expr.operator != parent.operator
    # `and` binds tighter than `or`, which no tired reader remembers.
    return inner < outer or expr.operator in ("and", "unless")
