"""Audits as a sample: which were drawn by chance, and what is counted of them. For checks that speak for all labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, not_, or_

from labelmon.check import Column, Expression

# What `selection` may say of an audit that was drawn by chance; anything else (active learning, complaints) was picked.
BY_CHANCE = ("", "random", "uniform", "srs", "simple", "systematic", "stratified", "cluster", "pps", "weighted", "true")
# Why an audit says nothing about the other labels: the first that holds. A chance above 1 cannot be, but for rounding.
LEFT_OUT: Mapping[str, Expression] = {
    "incomplete": lambda row: row.incomplete,
    "gold": lambda row: row.gold.is_(True),
    "seeded": lambda row: row.seeded.is_(True),
    "not_random": lambda row: func.lower(func.trim(func.coalesce(row.selection, ""))).not_in(BY_CHANCE),
    "weight_missing": lambda row: row.weight.is_(None),
    "weight_not_positive": lambda row: row.weight <= 0,
    "weight_below_one": lambda row: row.weight < 1 - 1e-9,
}
# Why an audit that was drawn by chance has no verdict, where the dataset declares how labels compare.
WITHOUT_VERDICT = "not_comparable"
# What these expressions read where a role of the audits is not mapped: then every audit was drawn alike.
UNMAPPED: Mapping[str, float | str | None] = {
    "weight": 1.0,
    "selection": None,
    "gold": None,
    "seeded": None,
    "stratum": None,
}


def drawn(row: Any) -> ColumnElement[bool]:
    """Whether an audit was drawn by chance, with a weight that can be one."""
    return and_(*[not_(test(row)) for test in LEFT_OUT.values()], row.comparable)


def without_verdict(row: Any) -> ColumnElement[bool]:
    """Whether an audit was drawn by chance and yet cannot be compared: no number, no score, no flag."""
    return and_(*[not_(test(row)) for test in LEFT_OUT.values()], not_(row.comparable))


def picked(row: Any) -> ColumnElement[bool]:
    """Whether an audit is left out of what speaks for all labels."""
    return or_(*[test(row) for test in LEFT_OUT.values()])


def weighed(good: Callable[[Any], ColumnElement[bool]]) -> dict[str, Column]:
    """The columns that `estimators.survey` reads: sums of the weights and of their squares, over all and the good."""
    return {
        "weight": Column(lambda row: row.weight),
        "good_weight": Column(lambda row: case((good(row), row.weight), else_=0.0)),
        "weight_squared": Column(lambda row: row.weight * row.weight),
        "good_weight_squared": Column(lambda row: case((good(row), row.weight * row.weight), else_=0.0)),
    }
