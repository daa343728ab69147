"""Counts: the sufficient statistic. Grouped sums over a small frame that merge in any order.

A frame has one row per group: the key columns (text; `bucket` holds the bucket's start in seconds), the row
count `rows`, and the columns a check declares. Each column says how it merges: by sum, min, max or last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

BUCKET = "bucket"
ROWS = "rows"
OTHER = "other"


class Op(StrEnum):
    """How two values of a column become one."""

    SUM = "sum"
    MIN = "min"
    MAX = "max"
    LAST = "last"


@dataclass(frozen=True, eq=False)
class Counts:
    """Grouped counts: `frame` has the columns `keys` + `ops`; a missing min, max or last is NaN.

    Merging is commutative and associative for every op but LAST, whose order is the caller's.
    """

    keys: tuple[str, ...]
    ops: Mapping[str, Op]
    frame: pd.DataFrame

    @classmethod
    def of(cls, keys: Iterable[str], ops: Mapping[str, Op], rows: Iterable[tuple[object, ...]]) -> Self:
        """Counts from tuples in the order of `keys` then `ops`; groups that repeat are merged."""
        names = tuple(keys)
        frame = pd.DataFrame.from_records(list(rows), columns=[*names, *ops])
        for column in ops:
            frame[column] = pd.to_numeric(frame[column]).astype("float64")
        return cls(names, dict(ops), _merged(frame, names, ops))

    @classmethod
    def of_groups(
        cls,
        keys: Iterable[str],
        ops: Mapping[str, Op],
        groups: Sequence[tuple[str, ...]],
        values: NDArray[np.float64],
    ) -> Self:
        """Counts of `groups`, sorted and each once, with (groups, ops) `values`: quicker than `of`, which merges."""
        names = tuple(keys)
        columns: dict[str, object] = {key: [group[place] for group in groups] for place, key in enumerate(names)}
        columns |= {column: values[:, place] for place, column in enumerate(ops)}
        return cls(names, dict(ops), pd.DataFrame(columns))

    @classmethod
    def empty(cls, keys: Iterable[str], ops: Mapping[str, Op]) -> Self:
        """No groups at all."""
        return cls.of(keys, ops, [])

    def merge(self, other: Self) -> Self:
        """Both sets of groups as one.

        Raises
        ------
        ValueError : if the two do not have the same keys and columns.
        """
        if self.keys != other.keys or self.ops != other.ops:
            raise ValueError(f"need equal keys and columns, got {self.keys} and {other.keys}")
        frame = pd.concat([self.frame, other.frame], ignore_index=True)
        return type(self)(self.keys, self.ops, _merged(frame, self.keys, self.ops))

    def project(self, keys: Iterable[str]) -> Self:
        """The same rows grouped by fewer `keys`."""
        kept = tuple(keys)
        return type(self)(kept, self.ops, _merged(self.frame[[*kept, *self.ops]], kept, self.ops))

    def where(self, **wanted: str) -> Self:
        """Only the groups whose keys equal `wanted`."""
        frame = self.frame
        for key, value in wanted.items():
            frame = frame[frame[key] == value]
        return type(self)(self.keys, self.ops, frame.reset_index(drop=True))

    def rename_values(self, key: str, names: Mapping[str, str]) -> Self:
        """`key` with its values replaced by `names`; groups that become equal are merged."""
        frame = self.frame.assign(**{key: self.frame[key].map(lambda value: names.get(value, value))})
        return type(self)(self.keys, self.ops, _merged(frame, self.keys, self.ops))

    def fold(self, key: str, keep: Iterable[str]) -> Self:
        """Every value of `key` outside `keep` becomes `other`."""
        kept = set(keep)
        values = set(self.frame[key])
        return self.rename_values(key, dict.fromkeys(values - kept, OTHER))

    def in_seconds(self) -> Self:
        """The same counts with `bucket` in seconds; statements give it in milliseconds."""
        frame = self.frame.assign(**{BUCKET: self.frame[BUCKET].astype("int64") // 1000})
        return type(self)(self.keys, self.ops, frame)

    def suppress(self, minimum: int) -> Self:
        """Only the groups of at least `minimum` rows: small cells may point at people."""
        frame = self.frame[self.frame[ROWS] >= minimum]
        return type(self)(self.keys, self.ops, frame.reset_index(drop=True))

    def total(self, column: str) -> float | None:
        """`column` over all groups; 0 for an empty sum, None for an empty min, max or last."""
        values = self.frame[column].dropna()
        match self.ops[column]:
            case Op.SUM:
                return float(values.sum())
            case _ if values.empty:
                return None
            case Op.MIN:
                return float(values.min())
            case Op.MAX:
                return float(values.max())
            case Op.LAST:
                return float(values.iloc[-1])

    @property
    def rows(self) -> float:
        """How many store rows stand behind the counts."""
        return self.total(ROWS) or 0.0

    def records(self) -> list[tuple[object, ...]]:
        """The groups as tuples, keys first."""
        return [tuple(row) for row in self.frame[[*self.keys, *self.ops]].itertuples(index=False, name=None)]


def _merged(frame: pd.DataFrame, keys: tuple[str, ...], ops: Mapping[str, Op]) -> pd.DataFrame:
    how = {column: op.value for column, op in ops.items()}
    if not keys:
        if frame.empty:
            return frame[[*ops]]
        merged = frame.groupby(lambda _: 0).agg(how)
        return merged.reset_index(drop=True)[[*ops]]
    if frame.empty:
        return frame[[*keys, *ops]].reset_index(drop=True)
    return frame.groupby(list(keys), sort=True, dropna=False).agg(how).reset_index()
