"""The disjoint time slices of a gauge's window: how many were good, how many bad, and of how many nobody can tell.

A gauge has no events to spend a budget on. Its window is cut on fixed UTC borders instead, and each slice is judged
by what its own cells say: by the last sample of a state, by the counts of a table. Slices share no cell, so that one
bad day is one bad slice. They say what was, and never feed evidence: an alert on a gauge looks at the gauge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from labelmon.model import DAY, HOUR, Estimate, Objective, ObjectiveKind, State
from labelmon.timeline import Timeline

WEEK = 7 * DAY
MONDAY = 4 * DAY  # 1970-01-05
# After a start every slice of a window is estimated anew; a cycle that did all of them at once would be late.
MOST_AT_ONCE = 48
UNSEEN, NEITHER, GOOD, BAD = range(4)

Judge = Callable[[int, int, float], int]


@dataclass(frozen=True, kw_only=True)
class Span:
    """`count` whole slices of `width` seconds from `first` on, seconds since 1970."""

    first: int
    width: int
    count: int


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many slices there are, how many of them are judged and bad, and how many wait to be looked at."""

    slices: int
    judged: int
    bad: int
    unseen: int


def whole_slices(start: int, end: int, width: int) -> Span:
    """The slices that lie in [start, end) from border to border; weeks begin on Mondays."""
    anchor = MONDAY if width % WEEK == 0 else 0
    first = -((anchor - start) // width) * width + anchor
    last = (end - anchor) // width * width + anchor
    return Span(first=first, width=width, count=max(0, (last - first) // width))


def verdict(found: list[Estimate], statistic: str, objective: Objective) -> int:
    """GOOD or BAD by the whole's `statistic` among an estimator's findings, NEITHER where it is not `ok`."""
    whole = next((e for e in found if e.statistic == statistic and not e.labels), None)
    if whole is None or whole.state is not State.OK or whole.value is None or objective.value is None:
        return NEITHER
    past = whole.value > objective.value if objective.kind is ObjectiveKind.AT_MOST else whole.value < objective.value
    return BAD if past else GOOD


@dataclass(kw_only=True)
class Slices:
    """What is known of the slices of one objective; it is kept between cycles, and moves with the window.

    `verdicts` and `marks` have an entry per slice; a mark is a checksum of the cells that a verdict was made of.
    """

    span: Span = field(default_factory=lambda: Span(first=0, width=HOUR, count=0))
    verdicts: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))
    marks: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    stamp: tuple[object, ...] = ()

    def look(self, line: Timeline, span: Span, judge: Judge, *, latest: bool, counted: object = None) -> Tally:
        """The verdicts on the slices of `span`, made anew where their cells have changed.

        Parameters
        ----------
        line : the cells
        judge : the verdict on the cells that start in [start, end), as of an instant; all in seconds
        latest : judge the last sample of a slice, as of when it was taken, rather than all its counts
        counted : changes whenever older cells may have; without a change only new slices are looked at
        """
        stamp = (span, counted)
        if stamp != self.stamp or (self.verdicts == UNSEEN).any():
            self._move(span)
            self._judge(line, judge, latest=latest)
            self.stamp = stamp
        return Tally(
            slices=span.count,
            judged=int((self.verdicts >= GOOD).sum()),
            bad=int((self.verdicts == BAD).sum()),
            unseen=int((self.verdicts == UNSEEN).sum()),
        )

    def _move(self, span: Span) -> None:
        verdicts, marks = np.full(span.count, UNSEEN, np.uint8), np.zeros(span.count, np.uint32)
        if span.width == self.span.width:
            ahead = (span.first - self.span.first) // span.width
            kept = range(max(0, -ahead), min(span.count, self.span.count - ahead))
            for new in kept:
                verdicts[new], marks[new] = self.verdicts[new + ahead], self.marks[new + ahead]
        self.span, self.verdicts, self.marks = span, verdicts, marks

    def _judge(self, line: Timeline, judge: Judge, *, latest: bool) -> None:
        borders = self.span.first + self.span.width * np.arange(self.span.count + 1, dtype=np.int64)
        edges = np.searchsorted(line.starts, borders).tolist()
        left = MOST_AT_ONCE
        for place in reversed(range(self.span.count)):  # the newest first
            low, high = edges[place], edges[place + 1]
            if low == high:
                self.verdicts[place], self.marks[place] = NEITHER, 0
                continue
            start, end = int(borders[place]), int(borders[place + 1])
            at = float(end)
            if latest:
                start, at = int(line.starts[high - 1]), line.sampled_at(high - 1)
                low = int(np.searchsorted(line.starts, start))
            # A checksum and not the timeline's version: most recounts find what was known.
            mark = crc32(line.values[low:high].tobytes(), crc32(line.codes[low:high].tobytes()))
            if self.verdicts[place] != UNSEEN and self.marks[place] == mark:
                continue
            self.marks[place], self.verdicts[place] = mark, UNSEEN
            if left:
                left -= 1
                self.verdicts[place] = judge(start, end, at)
