"""When a label counts as right: equality of classes, or the comparison that the dataset declares.

A row offers the verdicts `right`, `complete` (there is all that a verdict needs), `incomplete` (what an audit must say
is missing) and `comparable` (what it says can be compared); a pair of ratings `alike` (of numbers a share is one of the
larger). Without a declared comparison they are written out just
as `label = truth` and IS NULL, so that what was counted before stays what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, func, literal, or_, true
from sqlalchemy.types import Double

from labelmon.model import Compared, Comparison

# Text roles read as numbers, each with the role whose column it reads.
NUMBERS: Mapping[str, str] = {"label_number": "label", "truth_number": "truth"}
HAIR = 1e-9  # of a tolerance: 10.1 - 10 is above 0.1 in binary
VERDICTS = frozenset({"right", "complete", "incomplete", "comparable", "alike"})
Verdicts = Mapping[str, Callable[[Any], ColumnElement[bool]]]


def verdict(  # noqa: PLR0911  one kind, one return
    name: str, row: Any, comparison: Comparison | None
) -> ColumnElement[bool]:
    """One of `VERDICTS` on a row whose roles are attributes."""
    kind = comparison.kind if comparison else None
    if comparison is None or kind is None:
        return _BY_CLASS[name](row)
    if kind is Compared.NUMBER:
        if name == "right":
            return _close(row.label_number, row.truth_number, row.truth_number, comparison)
        return _alike(row, comparison) if name == "alike" else _BY_NUMBER[name](row)
    if name == "incomplete":  # the column judges by itself; the label and the truth of a box need not be text
        return false()
    said: ColumnElement[Any] = row.equal if kind is Compared.EQUAL else row.score
    if name != "right":
        return said.is_not(None)
    if kind is Compared.EQUAL:
        return said.is_(True)
    least, most = comparison.at_least, comparison.at_most
    return said >= _constant(least) if least is not None else said <= _constant(most or 0.0)


_BY_CLASS: Verdicts = {
    "right": lambda row: row.label == row.truth,
    "complete": lambda row: and_(row.label.is_not(None), row.truth.is_not(None)),
    "incomplete": lambda row: or_(row.label.is_(None), row.truth.is_(None)),
    "alike": lambda row: row.label == row.other_label,
    "comparable": lambda row: true(),  # noqa: ARG005  and_() leaves it out of the statement
}
_BY_NUMBER: Verdicts = {
    "complete": lambda row: and_(row.label_number.is_not(None), row.truth_number.is_not(None)),
    "incomplete": _BY_CLASS["incomplete"],
    "comparable": lambda row: and_(row.label_number.is_not(None), row.truth_number.is_not(None)),
}


def _close(
    one: ColumnElement[float], other: ColumnElement[float], whole: ColumnElement[float], comparison: Comparison
) -> ColumnElement[bool]:
    """Whether two numbers are within one of the tolerances, both ends included; a share is one of `whole`."""
    apart = func.abs(one - other, type_=Double)
    tolerances = []
    if comparison.within is not None:
        tolerances.append(apart <= _constant(comparison.within * (1 + HAIR)))
    if comparison.within_share is not None:
        share = _constant(comparison.within_share * (1 + HAIR))
        tolerances.append(apart <= func.abs(whole, type_=Double) * share)
    return or_(*tolerances)


def _alike(row: Any, comparison: Comparison) -> ColumnElement[bool]:
    one, other = row.label_number, row.other_number
    larger = case((func.abs(one, type_=Double) >= func.abs(other, type_=Double), one), else_=other)
    return _close(one, other, larger, comparison)


def _constant(value: float) -> ColumnElement[float]:
    return literal(value, Double(), literal_execute=True)
