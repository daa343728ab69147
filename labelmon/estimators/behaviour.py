"""Annotators by what they do rather than by what audits say: their mixes of classes and their pace."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from labelmon.check import Column, Combiner, Moment
from labelmon.counts import OTHER, ROWS, Counts
from labelmon.estimators import mixes
from labelmon.estimators.apart import Array, by_person, flagged_by_any, newest_week, too_few, verdicts
from labelmon.estimators.breakdown import unknown
from labelmon.estimators.pace import BOUNDS, FEWEST_TIMED, outpaced, typical_seconds
from labelmon.model import Estimate, State

TESTS = ("odd_mix_annotators", "changed_mix_annotators", "fast_annotators", "slow_annotators")
FLAGS = ("odd_mix", "changed_mix", "fast", "slow")
ALIKE = "fewer than two classes are frequent enough to compare"


def within_bounds() -> dict[str, Column]:
    """A column for each bound of the pace's histogram: the labels that took so long at most."""

    def counted(bound: float) -> Column:
        return Column(lambda row: row.labeled_at - row.started_at <= round(bound * 1000))

    return {_column(bound): counted(bound) for bound in BOUNDS}


def annotators_apart(*, mix: str, pace: str) -> Combiner:
    """A combiner over the parts `mix`, by `bucket`, `annotator` and `label`, and `pace`, with `within_bounds`.

    Of people by pseudonym it tells `mix_distance` from the peers' mix and `mix_change` from the own earlier one (total
    variation), and `seconds_per_label`, the median with its 95 % interval.
    """

    def combine(tables: Mapping[str, Counts], moment: Moment) -> tuple[Estimate, ...]:
        found = [*_mixes(tables.get(mix), moment), *_pace(tables.get(pace))]
        return flagged_by_any("apart_annotators", TESTS, found, FLAGS), *found

    return combine


def _mixes(counts: Counts | None, moment: Moment) -> list[Estimate]:
    needed = f"{mixes.FEWEST_EARLIER} labels or more"
    both_needed = f"{mixes.FEWEST_LABELS} labels in the newest week and {mixes.FEWEST_EARLIER} before it"
    if counts is None:
        return [unknown(statistic, "no counts by annotator and label") for statistic in TESTS[:2]]
    newest = newest_week(counts, moment.at)
    all_of, now, before = (_by_class(counts.frame[rows]) for rows in (newest | True, newest, ~newest))
    found = []
    labels = all_of[all_of.sum(axis=1) >= mixes.FEWEST_EARLIER]
    if few := too_few("odd_mix_annotators", len(labels), needed):
        found.append(few)
    elif (tables := _told_apart(labels)) is None:
        found.append(unknown("odd_mix_annotators", ALIKE, float(labels.to_numpy().sum()), State.NOT_COMPUTABLE))
    else:
        p_values, flags, far = mixes.odd(*tables)
        n = labels.sum(axis=1)
        found += verdicts("odd_mix_annotators", "odd_mix_p_value", "odd_mix", n, p_values, flags)
        found += _each("mix_distance", n, far)
    enough = before.sum(axis=1)
    both = now[now.sum(axis=1) >= mixes.FEWEST_LABELS].index.intersection(enough[enough >= mixes.FEWEST_EARLIER].index)
    now, before = now.loc[both], before.loc[both]
    if few := too_few("changed_mix_annotators", len(both), both_needed):
        return [*found, few]
    classes = now.columns.union(before.columns)
    tables = _told_apart(*(one.reindex(columns=classes, fill_value=0.0) for one in (now, before)))
    n = now.sum(axis=1)
    if tables is None:
        return [*found, unknown("changed_mix_annotators", ALIKE, float(n.sum()), State.NOT_COMPUTABLE)]
    p_values, flags, far = mixes.changed(*tables)
    found += verdicts("changed_mix_annotators", "changed_mix_p_value", "changed_mix", n, p_values, flags)
    return [*found, *_each("mix_change", n, far)]


def _pace(counts: Counts | None) -> list[Estimate]:
    if counts is None:
        return [unknown(statistic, "no column says when work on a label started") for statistic in TESTS[2:]]
    columns = [_column(bound) for bound in BOUNDS]
    people = by_person(counts.frame, (*columns, ROWS))
    people = people[people[ROWS] >= FEWEST_TIMED]
    needed = f"{FEWEST_TIMED} timed labels or more"
    none = [few for statistic in TESTS[2:] if (few := too_few(statistic, len(people), needed))]
    if none:
        return none
    below = people[[*columns, ROWS]].to_numpy(float)
    typical = [typical_seconds(row) for row in below]
    fast_p, fast, slow_p, slow = outpaced([middle for middle, _, _ in typical])
    n = people[ROWS]
    found = verdicts("fast_annotators", "fast_p_value", "fast", n, fast_p, fast)
    found += verdicts("slow_annotators", "slow_p_value", "slow", n, slow_p, slow)
    for (name, rows), (middle, low, high) in zip(n.items(), typical, strict=True):
        labels = {"annotator": str(name)}
        found.append(
            Estimate(statistic="seconds_per_label", value=middle, low=low, high=high, n=float(rows), labels=labels)
        )
    return found


def _by_class(frame: pd.DataFrame) -> pd.DataFrame:
    """Labels by annotator (rows) and class (columns), people who are not told apart left out."""
    named = frame[~frame["annotator"].isin(["", OTHER])]
    return named.pivot_table(index="annotator", columns="label", values=ROWS, aggfunc="sum", fill_value=0.0)


def _told_apart(*tables: pd.DataFrame) -> tuple[Array, ...] | None:
    """The tables over the classes that are not rare; None where these are fewer than two."""
    merged = mixes.merge_rare(*(table.to_numpy(float) for table in tables))
    return merged if merged[0].shape[1] > 1 else None


def _each(statistic: str, judged: pd.Series[float], values: Array) -> list[Estimate]:
    return [
        Estimate(statistic=statistic, value=float(value), n=float(n), labels={"annotator": str(name)})
        for (name, n), value in zip(judged.items(), np.minimum(values, 1.0), strict=True)
    ]


def _column(bound: float) -> str:
    return f"within_{round(bound * 1000)}_ms"
