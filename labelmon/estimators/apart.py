"""Who stands apart from the others, many people at once: p-values against the rest, and periods of their days."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmon.counts import BUCKET, OTHER, Counts
from labelmon.estimators.breakdown import census, unknown
from labelmon.estimators.multiplicity import benjamini_hochberg
from labelmon.model import DAY, Estimate

Array = NDArray[np.float64]
Index = NDArray[np.intp]
# Of somebody by place among all: how likely an honest person is so far off. It is made of the others alone.
Tail = Callable[[int], float]
FEWEST_PEERS = 4
NEWEST_DAYS = 7


def stand_apart(
    people: int,
    against: Callable[[Index], Tail],
    *,
    limits: tuple[float, float],
    worst: Callable[[Sequence[float]], Index] | None = None,
) -> tuple[list[float], list[bool]]:
    """Each one's p-value among the others, adjusted for all (Benjamini-Hochberg), and whether it is flagged.

    Everybody is held against the others. So that two who stand apart do not hide each other, the worst few, a quarter
    at most, are also taken out together and held against the rest: the largest such group whose every member stands
    apart is flagged.

    Parameters
    ----------
    people : how many there are, above `FEWEST_PEERS`
    against : the tail by those at the given places
    limits : adjusted p-values below which one alone, and each of a group, stands apart
    worst : everybody's places, the worst first, out of the p-values alone; by these where not given
    """
    everybody = np.arange(people)
    alone = [against(everybody[everybody != i])(i) for i in range(people)]
    order = np.argsort(alone, kind="stable") if worst is None else worst(alone)
    for size in range(people // 4, 0, -1):
        suspects, rest = order[:size], order[size:]
        if len(rest) < FEWEST_PEERS:
            continue
        tail, raw = against(rest), list(alone)
        for i in suspects:
            raw[i] = tail(i)
        adjusted = benjamini_hochberg(raw)
        if all(adjusted[i] < limits[size > 1] for i in suspects):
            return adjusted, [bool(i in suspects) for i in everybody]
    return benjamini_hochberg(alone), [False] * people


def newest_week(counts: Counts, at: float) -> NDArray[np.bool_]:
    """Which rows of counts by `bucket` are of the last seven days (UTC), the one that has begun being the last."""
    edge = (-(-int(at) // DAY) - NEWEST_DAYS) * DAY
    return np.asarray(counts.frame[BUCKET].to_numpy(np.int64) >= edge)


def by_person(frame: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """The sums of `columns` by annotator, in order of name; people who are not told apart are left out."""
    named = frame[~frame["annotator"].isin(["", OTHER])]
    return named.groupby("annotator", sort=True)[list(columns)].sum()


def verdicts(
    statistic: str, p_value: str, flag: str, judged: pd.Series[float], p_values: Sequence[float], flags: Sequence[bool]
) -> list[Estimate]:
    """How many are flagged, and of each one, by pseudonym, the p-value and the flag; `judged` are rows by annotator."""
    found = [census(statistic, float(sum(flags)), float(judged.sum()))]
    for (name, n), p, flagged in zip(judged.items(), p_values, flags, strict=True):
        labels = {"annotator": str(name)}
        found.append(Estimate(statistic=p_value, value=p, n=float(n), labels=labels))
        found.append(Estimate(statistic=flag, value=float(flagged), n=float(n), labels=labels))
    return found


def too_few(statistic: str, known: int, needed: str) -> Estimate | None:
    """What is said instead where too few people can be compared; None if they are enough. `needed` is of each one."""
    if known > FEWEST_PEERS:
        return None
    return unknown(statistic, f"{known} annotators with {needed}; need {FEWEST_PEERS + 1} to compare")


def flagged_by_any(statistic: str, tests: Sequence[str], found: Sequence[Estimate], flags: Sequence[str]) -> Estimate:
    """How many people the tests flag together, each one once; unknown if none ran.

    Among the estimates `found`, `tests` are the numbers of people and `flags` what is said of each one.
    """
    counted = [e for e in found if e.statistic in tests]
    ran = [e for e in counted if e.value is not None]
    if not ran:
        return unknown(statistic, "; ".join(dict.fromkeys(e.reason for e in counted)))
    who = {e.labels["annotator"] for e in found if e.statistic in flags and e.value}
    return census(statistic, float(len(who)), max(e.n for e in ran))
