r"""Regular expressions that SQLite, DuckDB and PostgreSQL read the same, and a matcher that cannot be slow.

The subset is what RE2, PostgreSQL and Python share: no lookaround, no references, no word boundaries. A pattern is
searched for, so `^` and `$` (the very end of the text) anchor it; `\d`, `\w` and `\s` are ASCII, `.` is any
character but a line feed. SQLite has no engine of its own: a pattern becomes an automaton of K. Thompson (1968),
CACM 11:419, that reads each character once, since a backtracking engine would outlast a statement timeout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

_CLASSES = {"d": (("0", "9"),), "w": (("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z")), "s": (("\t", "\r"), (" ", " "))}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
_WRITTEN = {written: f"\\{name}" for name, written in _CONTROLS.items()}
_MOST_TIMES = 255  # PostgreSQL's limit of {m,n}
_MOST_PLACES = 1000  # characters of a pattern, repetitions written out
_MOST_KNOWN = 200_000  # states in the remembered steps of an automaton: some 10 MB
Ranges = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Chars:
    """One character: in `ranges`, or with `negated` in none of them."""

    ranges: Ranges
    negated: bool = False

    def has(self, char: str) -> bool:
        return any(low <= char <= high for low, high in self.ranges) is not self.negated

    def __str__(self) -> str:
        if not self.negated and len(self.ranges) == 1 and self.ranges[0][0] == self.ranges[0][1]:
            return _literal(self.ranges[0][0])
        inside = "".join(_literal(a) if a == b else f"{_literal(a)}-{_literal(b)}" for a, b in self.ranges)
        return f"[{'^' if self.negated else ''}{inside}]"


@dataclass(frozen=True)
class _Edge:
    """The start or the end of the text."""

    end: bool

    def __str__(self) -> str:
        return "$" if self.end else "^"


@dataclass(frozen=True)
class _Series:
    """One after the other."""

    parts: tuple[_Node, ...]

    def __str__(self) -> str:
        return "".join(map(str, self.parts))


@dataclass(frozen=True)
class _Either:
    """One of several."""

    parts: tuple[_Node, ...]

    def __str__(self) -> str:
        return f"(?:{'|'.join(map(str, self.parts))})"


@dataclass(frozen=True)
class _Repeat:
    """So many times; `most` None is without end."""

    part: _Node
    least: int
    most: int | None

    def __str__(self) -> str:
        part = str(self.part) if isinstance(self.part, _Chars | _Either) else f"(?:{self.part})"
        short = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((self.least, self.most))
        most = "" if self.most is None else self.most
        return part + (short or (f"{{{self.least}}}" if self.least == self.most else f"{{{self.least},{most}}}"))


_Node = _Chars | _Edge | _Series | _Either | _Repeat


def portable(pattern: str) -> str:
    r"""`pattern` in the one spelling that every engine reads the same.

    Raises
    ------
    ValueError : for what the engines do not share, and for a pattern that is none or too large.

    Examples
    --------
    >>> portable(r"^\d+(\.\d+)*$")
    '^[0-9]+(?:\\.[0-9]+)*$'
    """
    node = _Parser(pattern).parsed()
    if _places(node) > _MOST_PLACES:
        raise ValueError(f"it is longer than {_MOST_PLACES} characters with its repetitions written out")
    return str(node)


class Matcher(Protocol):
    """Whether a text holds a pattern."""

    def __call__(self, text: str, stopped: Callable[[], bool] = ...) -> bool:
        """In time linear in the text; `stopped` is asked before every slow step and ends it by a TimeoutError."""
        ...


@lru_cache(maxsize=32)
def matcher(pattern: str) -> Matcher:
    """The matcher of a pattern.

    Raises
    ------
    ValueError : as `portable`.

    Examples
    --------
    >>> matcher("^(a+)+$")("a" * 5000 + "b")
    False
    """
    return _Automaton(_Parser(portable(pattern)).parsed()).found


def _never() -> bool:
    return False


def _literal(char: str) -> str:
    if char in _WRITTEN:
        return _WRITTEN[char]
    return f"\\{char}" if char in r"\^$.|?*+()[]{}-" else char


def _places(node: _Node) -> int:
    match node:
        case _Series(parts) | _Either(parts):
            return sum(map(_places, parts))
        case _Repeat(part, least, most):
            return max(1, _places(part)) * max(1, least if most is None else most)
        case _:
            return 1


class _Parser:
    """A recursive descent over the shared grammar."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth = text, 0, 0

    def parsed(self) -> _Node:
        node = self._either()
        if self._at < len(self._text):
            raise ValueError("a ) without its (")
        return node

    def _peek(self, sign: str) -> bool:
        return self._text.startswith(sign, self._at)

    def _take(self, sign: str) -> bool:
        taken = self._peek(sign)
        self._at += len(sign) * taken
        return taken

    def _next(self, after: str) -> str:
        if self._at >= len(self._text):
            raise ValueError(f"it ends after {after}")
        self._at += 1
        return self._text[self._at - 1]

    def _either(self) -> _Node:
        parts = [self._series()]
        while self._take("|"):
            parts.append(self._series())
        return parts[0] if len(parts) == 1 else _Either(tuple(parts))

    def _series(self) -> _Node:
        parts: list[_Node] = []
        while self._at < len(self._text) and not self._peek("|") and not self._peek(")"):
            parts.append(self._repeated(self._atom()))
        if not parts:
            raise ValueError("an empty pattern, group or alternative; write (...)? for what may be missing")
        return parts[0] if len(parts) == 1 else _Series(tuple(parts))

    def _repeated(self, atom: _Node) -> _Node:
        times = self._times()
        if times is None:
            return atom
        match atom:
            case _Edge():
                raise ValueError("a repeated ^ or $")
        self._take("?")  # a lazy match finds the same
        if self._times() is not None:
            raise ValueError("two repetitions in a row; write (?:...) around the first")
        return _Repeat(atom, *times)

    def _times(self) -> tuple[int, int | None] | None:
        for sign, times in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return times
        if not self._take("{"):
            return None
        inside, closed, rest = self._text[self._at :].partition("}")
        least, comma, most = inside.partition(",")
        if not closed or not all(n.isascii() and n.isdigit() for n in (least, *([most] if most else []))):
            raise ValueError("a { that begins no repetition; write \\{ for the character")
        self._at = len(self._text) - len(rest)
        low, high = int(least), (int(most) if most else None) if comma else int(least)
        if low > _MOST_TIMES or (high is not None and not max(low, 1) <= high <= _MOST_TIMES):
            raise ValueError(f"need {{m,n}} with m <= n and n from 1 to {_MOST_TIMES}, got {{{inside}}}")
        return low, high

    def _atom(self) -> _Node:
        char = self._next("nothing")
        match char:
            case "(":
                return self._group()
            case "[":
                return self._chars()
            case ".":
                return _Chars((("\n", "\n"),), negated=True)
            case "^" | "$":
                return _Edge(char == "$")
            case "\\":
                return self._escape(inside=False)
            case "*" | "+" | "?" | "{":
                raise ValueError(f"a {char} with nothing to repeat; write \\{char} for the character")
            case "]" | "}":
                raise ValueError(f"a {char} without its opening; write \\{char} for the character")
            case _:
                return _Chars(((char, char),))

    def _group(self) -> _Node:
        self._depth += 1
        if self._depth > 50:
            raise ValueError("groups nested more than 50 deep")
        if self._peek("?") and not self._take("?:"):
            raise ValueError("(? begins lookaround, a name or a flag, which the engines do not share; (?:...) is fine")
        node = self._either()
        if not self._take(")"):
            raise ValueError("a ( without its )")
        self._depth -= 1
        return node

    def _escape(self, *, inside: bool) -> _Chars:
        char = self._next("a backslash")
        if char in _CONTROLS:
            return _Chars(((_CONTROLS[char], _CONTROLS[char]),))
        if char in _CLASSES or (char.lower() in _CLASSES and not inside):
            return _Chars(_CLASSES[char.lower()], negated=char.isupper())
        if char.isascii() and not char.isalnum() and char.isprintable() and char not in " _":
            return _Chars(((char, char),))
        raise ValueError(f"\\{char} means different things to the engines, or nothing")

    def _chars(self) -> _Chars:
        negated = self._take("^")
        ranges: list[tuple[str, str]] = []
        while not self._take("]") or not ranges:
            one = self._one_of()
            if self._peek("-") and not self._peek("-]"):
                self._at += 1
                ((low, _), *more), ((high, _), *rest) = one.ranges, self._one_of().ranges
                if more or rest or low > high:
                    raise ValueError("a range in [...] needs two characters in order; write \\- for the character")
                ranges.append((low, high))
            else:
                ranges += one.ranges
        return _Chars(tuple(ranges), negated)

    def _one_of(self) -> _Chars:
        char = self._next("a [")
        if char == "\\":
            return self._escape(inside=True)
        if char in "[]":
            raise ValueError(f"a {char} in [...]; write \\{char} for the character")
        return _Chars(((char, char),))


Step = tuple[frozenset[int], bool]


@dataclass
class _Automaton:
    """States of a nondeterministic automaton; what follows a set of them is remembered, to a limit.

    `ways` leads on without reading, and past an edge only at the start or the end of the text.
    """

    node: _Node
    reads: dict[int, tuple[_Chars, int]] = field(default_factory=dict)
    ways: dict[int, list[tuple[int, _Edge | None]]] = field(default_factory=dict)
    known: dict[tuple[frozenset[int], str], Step] = field(default_factory=dict)
    states: int = 1
    kept: int = 0

    def __post_init__(self) -> None:
        self.goal = self._build(self.node, 0)
        self.first = self._reached((0,), start=True, end=False)
        self.again = self._reached((0,), start=False, end=False)

    def found(self, text: str, stopped: Callable[[], bool] = _never) -> bool:
        """Whether some part of `text` matches."""
        now, known, goal = self.first, self.known, self.goal
        if goal in now:
            return True
        for char in text:
            step = known.get((now, char))
            if step is None:
                if stopped():
                    raise TimeoutError("stopped")
                step = self._step(now, char)
            now, done = step
            if done:
                return True
        return goal in self._reached(now, start=not text, end=True)

    def _step(self, now: frozenset[int], char: str) -> Step:
        read = [self.reads[state][1] for state in now if state in self.reads and self.reads[state][0].has(char)]
        after = self._reached(read, start=False, end=False) | self.again
        self.kept += len(after)
        if self.kept > _MOST_KNOWN:
            self.known.clear()
            self.kept = 0
        step = (after, self.goal in after)
        self.known[now, char] = step
        return step

    def _reached(self, states: Iterable[int], *, start: bool, end: bool) -> frozenset[int]:
        found, waiting = set(states), list(states)
        while waiting:
            for state, edge in self.ways.get(waiting.pop(), ()):
                if state not in found and (edge is None or (end if edge.end else start)):
                    found.add(state)
                    waiting.append(state)
        return frozenset(found)

    def _new(self) -> int:
        self.states += 1
        return self.states - 1

    def _way(self, start: int, end: int, edge: _Edge | None = None) -> None:
        self.ways.setdefault(start, []).append((end, edge))

    def _build(self, node: _Node, start: int) -> int:
        """States for `node` from `start` on; the one they end in."""
        match node:
            case _Chars():
                end, begin = self._new(), self._new()
                self._way(start, begin)
                self.reads[begin] = (node, end)
                return end
            case _Edge():
                end = self._new()
                self._way(start, end, node)
                return end
            case _Series(parts):
                for part in parts:
                    start = self._build(part, start)
                return start
            case _Either(parts):
                end = self._new()
                for part in parts:
                    self._way(self._build(part, start), end)
                return end
            case _Repeat(part, least, most):
                return self._repeat(part, least, most, start)

    def _repeat(self, part: _Node, least: int, most: int | None, start: int) -> int:
        for _ in range(least):
            start = self._build(part, start)
        end = self._new()
        if most is None:
            loop = self._new()
            self._way(start, loop)
            self._way(self._build(part, loop), loop)
            self._way(loop, end)
            return end
        self._way(start, end)
        for _ in range(most - least):
            start = self._build(part, start)
            self._way(start, end)
        return end
