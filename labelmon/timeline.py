"""A series' cells in memory, ready to be summed over any window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from labelmon.cells import Cell
from labelmon.counts import BUCKET, Counts, Op

MOST_VOTES = 12  # half a day: a nightly upload still outvotes the hours that are seen at once
_IDENTITY = {Op.SUM: 0.0, Op.MIN: np.inf, Op.MAX: -np.inf, Op.LAST: np.nan}


@dataclass(kw_only=True)
class Timeline:
    """Arrays over cells in order of time: `starts`, `widths`, `codes` (into `combos`), `values`, `lags`."""

    keys: tuple[str, ...]
    ops: Mapping[str, Op]
    starts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    widths: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    codes: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    lags: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    combos: list[tuple[str, ...]] = field(default_factory=list)
    version: int = 0

    def replace(self, start: int, cells: Sequence[Cell]) -> None:
        """Everything from `start` on becomes `cells`."""
        self.version += 1
        kept = int(np.searchsorted(self.starts, start))
        known = {combo: code for code, combo in enumerate(self.combos)}
        ordered = sorted(cells, key=lambda cell: cell.start)
        for cell in ordered:
            if cell.keys not in known:
                known[cell.keys] = len(known)
                self.combos.append(cell.keys)
        width = len(self.ops)
        fresh = np.array([cell.values for cell in ordered], dtype=np.float64).reshape(len(ordered), width)
        self.starts = np.concatenate([self.starts[:kept], np.array([c.start for c in ordered], np.int64)])
        self.widths = np.concatenate([self.widths[:kept], np.array([c.width for c in ordered], np.int64)])
        self.codes = np.concatenate([self.codes[:kept], np.array([known[c.keys] for c in ordered], np.int32)])
        self.values = np.concatenate([self.values[:kept].reshape(kept, width), fresh])
        lags = np.array([np.nan if c.lag is None else c.lag for c in ordered], np.float64)
        self.lags = np.concatenate([self.lags[:kept], lags])

    def cells(self, start: int) -> list[Cell]:
        """The cells that start at or after `start`."""
        first = int(np.searchsorted(self.starts, start))
        return [
            Cell(
                start=int(self.starts[i]),
                width=int(self.widths[i]),
                keys=self.combos[self.codes[i]],
                values=tuple(None if v != v else v for v in self.values[i].tolist()),  # noqa: PLR0124  NaN
                lag=None if np.isnan(self.lags[i]) else float(self.lags[i]),
            )
            for i in range(first, len(self.starts))
        ]

    def sampled_at(self, place: int) -> float:
        """When the state in the cell at `place` was sampled; the cell's end where nobody noted it."""
        lag = self.lags[place]
        return float(self.starts[place] + self.widths[place]) + (0.0 if np.isnan(lag) else float(lag))

    @property
    def newest(self) -> int | None:
        """When the newest cell ends; None without cells."""
        return int((self.starts + self.widths).max()) if len(self.starts) else None

    def totals(self, start: int, end: int, scope: Mapping[str, str] | None = None) -> dict[str, float]:
        """Each column over the cells that start in [start, end) and match `scope`; empty sums are 0."""
        _, values = self._matching(start, end, scope)
        found = {}
        for index, (name, op) in enumerate(self.ops.items()):
            column = values[:, index]
            column = column[~np.isnan(column)]
            found[name] = _reduce(op, column)
        return found

    def by_cell(self, start: int, end: int, scope: Mapping[str, str] | None = None) -> dict[str, NDArray[np.float64]]:
        """Each summed column over the cells of [start, end) that match `scope`, by their start, in order of time."""
        starts, values = self._matching(start, end, scope)
        firsts = np.flatnonzero(np.diff(starts, prepend=-1)) if len(starts) else np.empty(0, np.int64)
        sums = np.nan_to_num(values, nan=0.0)
        return {
            name: np.add.reduceat(sums[:, index], firsts) if len(firsts) else np.empty(0)
            for index, (name, op) in enumerate(self.ops.items())
            if op is Op.SUM
        }

    def counts(self, start: int, end: int) -> Counts:
        """The cells that start in [start, end) as Counts grouped by the series' keys."""
        part = self._within(start, end)
        codes = self.codes[part].tolist()
        if codes and len(set(codes)) == len(codes):  # as in a state's one sample: there is nothing to merge
            order = sorted(range(len(codes)), key=lambda place: self.combos[codes[place]])
            keys = [self.combos[codes[place]] for place in order]
            return Counts.of_groups(self.keys, self.ops, keys, self.values[part][order])
        rows = [(*self.combos[code], *values) for code, values in zip(codes, self.values[part].tolist(), strict=True)]
        return Counts.of(self.keys, self.ops, rows)

    def history(self, start: int, end: int) -> Counts:
        """The cells that start in [start, end) as Counts by `bucket`, the cell's start in seconds, and keys."""
        part = self._within(start, end)
        starts, codes, values = self.starts[part].tolist(), self.codes[part], self.values[part].tolist()
        rows = [(at, *self.combos[code], *value) for at, code, value in zip(starts, codes, values, strict=True)]
        return Counts.of((BUCKET, *self.keys), self.ops, rows)

    def arrival_lag(self, start: int, share: float = 0.75) -> float | None:
        """How late rows arrive: the quantile `share` over hours of event time of when an hour's first row was seen.

        Weighing hours, not rows, keeps one bulk upload from deciding, and so does that what arrived within an hour has
        no more votes than MOST_VOTES; None where nothing was watched arriving.
        """
        watched = (self.starts >= start) & ~np.isnan(self.lags)
        if not watched.any():
            return None
        starts, lags = self.starts[watched], self.lags[watched]
        arrived = (starts + self.widths[watched] + lags) // 3600
        order = np.argsort(lags, kind="stable")
        _, first = np.unique(starts[order] // 3600, return_index=True)
        by_arrival: dict[float, list[float]] = {}
        for place in order[first]:
            by_arrival.setdefault(float(arrived[place]), []).append(float(lags[place]))
        votes = [
            np.quantile(lags, np.linspace(0, 1, MOST_VOTES)) if len(lags) > MOST_VOTES else np.array(lags)
            for lags in by_arrival.values()
        ]
        return float(np.quantile(np.concatenate(votes), share))

    def _matching(
        self, start: int, end: int, scope: Mapping[str, str] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Starts and values of the cells that start in [start, end) and match `scope`."""
        part = self._within(start, end)
        starts, values = self.starts[part], self.values[part]
        if not scope or not self.combos:
            return starts, values
        wanted = {self.keys.index(key): value for key, value in scope.items()}
        match = np.array([all(combo[i] == v for i, v in wanted.items()) for combo in self.combos], dtype=bool)
        mine = match[self.codes[part]]
        return starts[mine], values[mine]

    def _within(self, start: int, end: int) -> slice:
        return slice(int(np.searchsorted(self.starts, start)), int(np.searchsorted(self.starts, end)))


def timeline(keys: Iterable[str], ops: Mapping[str, Op], cells: Sequence[Cell]) -> Timeline:
    """A timeline of `cells`."""
    made = Timeline(keys=tuple(keys), ops=dict(ops))
    made.replace(0, cells)
    return made


def _reduce(op: Op, column: NDArray[np.float64]) -> float:
    if not len(column):
        return _IDENTITY[op]
    match op:
        case Op.SUM:
            return float(column.sum())
        case Op.MIN:
            return float(column.min())
        case Op.MAX:
            return float(column.max())
        case Op.LAST:
            return float(column[-1])
