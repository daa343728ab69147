"""Cohen's kappa of each pair of annotators, weighted for ordinal classes, and pooled over pairs."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelmon.check import Moment
from labelmon.counts import OTHER, ROWS, Counts
from labelmon.estimators.jackknife import jackknife_interval
from labelmon.estimators.proportion import wilson
from labelmon.model import Estimate, State

Array = NDArray[np.float64]
FEWEST_ITEMS = 20
MOST_PAIRS = 1000
WEIGHTS = {"cohen_kappa": 0, "cohen_kappa_linear": 1, "cohen_kappa_quadratic": 2}


def agreement_weights(classes: int, power: int) -> Array:
    """Weights of a K x K table: 1 on the diagonal, falling with the distance to `power`; 0 is the identity."""
    if power == 0 or classes < 2:
        return np.eye(classes)
    place = np.arange(classes)
    return np.asarray(1.0 - (np.abs(place[:, None] - place[None, :]) / (classes - 1)) ** power)


def cohen_kappa(table: Array, weights: Array) -> tuple[float, float, float, float] | None:
    """(kappa, standard error, observed, chance agreement) of two annotators' K x K table; None at chance 1.

    References
    ----------
    J. Cohen (1960), EPM 20:37; J. L. Fleiss, J. Cohen, B. S. Everitt (1969), Psychol. Bull. 72:323, for the
    large-sample standard error.

    Examples
    --------
    >>> kappa, *_ = cohen_kappa(np.array([[20.0, 5.0], [10.0, 15.0]]), np.eye(2))
    >>> round(kappa, 3)
    0.4
    """
    n = float(table.sum())
    if n <= 0:
        return None
    p = table / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    observed, chance = float((p * weights).sum()), float(rows @ weights @ columns)
    if 1 - chance < 1e-12:
        return None
    kappa = (observed - chance) / (1 - chance)
    mean = (weights @ columns)[:, None] + (rows @ weights)[None, :]
    spread = float((p * (weights - mean * (1 - kappa)) ** 2).sum()) - (kappa - chance * (1 - kappa)) ** 2
    return kappa, sqrt(max(0.0, spread) / n) / (1 - chance), observed, chance


@dataclass(frozen=True, kw_only=True)
class _Pair:
    names: tuple[str, str]
    tables: dict[str, Array]  # fold -> K x K
    blurred: bool  # labels outside the declared classes disagree within `other`

    @property
    def table(self) -> Array:
        return np.asarray(np.sum(list(self.tables.values()), axis=0))


def pairwise_kappa(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
    """Kappa and percent agreement of each pair, most shared items first, and kappa pooled over pairs."""
    if counts.frame.empty:
        reason = "no two annotators rated the same item"
        return (Estimate(statistic="cohen_kappa", value=None, state=State.INSUFFICIENT, reason=reason),)
    pairs = _pairs(counts, moment)
    names = list(WEIGHTS) if moment.ordinal else ["cohen_kappa"]
    found = [_pooled(name, pairs, moment) for name in names]
    for pair in sorted(pairs, key=lambda one: (-one.table.sum(), one.names))[:MOST_PAIRS]:
        labels = dict(zip(("annotator", "other_annotator"), pair.names, strict=True))
        found += [_of_pair(name, pair, labels, moment) for name in names]
        found.append(_percent(pair, labels))
    return tuple(found)


def _pairs(counts: Counts, moment: Moment) -> list[_Pair]:
    frame = counts.frame
    frame = frame[(frame["annotator"] != OTHER) & (frame["other_annotator"] != OTHER)]
    # The store's order of two people is not that of their pseudonyms; each pair must come once, the lesser first.
    turned = frame["annotator"] > frame["other_annotator"]
    swap = {
        "annotator": "other_annotator",
        "other_annotator": "annotator",
        "label": "other_label",
        "other_label": "label",
    }
    frame = pd.concat([frame[~turned], frame[turned].rename(columns=swap)])
    found = []
    for names, part in frame.groupby(["annotator", "other_annotator"]):
        one, two = (str(name) for name in names)
        labels, others = part["label"], part["other_label"]
        declared = list(moment.classes)
        classes = [*declared, *sorted({*labels, *others} - set(declared))]
        # Unweighted kappa needs only the classes that were used: tables of 540 x 540 would be mostly air.
        if not moment.ordinal:
            used = {*labels, *others}
            classes = [name for name in classes if name in used]
        place = {name: index for index, name in enumerate(classes)}
        tables: dict[str, Array] = {}
        for fold, rows, a, b in zip(part["fold"], part[ROWS], labels, others, strict=True):
            table = tables.setdefault(str(fold), np.zeros((len(classes), len(classes))))
            table[place[a], place[b]] += rows
        lumped = (labels == OTHER) & (others == OTHER) & (part["same"] < part[ROWS])
        found.append(_Pair(names=(one, two), tables=tables, blurred=bool(lumped.any())))
    return found


def _of_pair(name: str, pair: _Pair, labels: dict[str, str], moment: Moment) -> Estimate:
    table = pair.table
    n = float(table.sum())
    problem = _unordered(name, table, moment) or (
        "the two disagree on labels outside `classes`" if pair.blurred else ""
    )
    known = None if problem else cohen_kappa(table, agreement_weights(len(table), WEIGHTS[name]))
    if known is None:
        reason = problem or "only one class was used: chance agreement is 1"
        return Estimate(statistic=name, value=None, n=n, labels=labels, state=State.NOT_COMPUTABLE, reason=reason)
    kappa, error, *_ = known
    half = NormalDist().inv_cdf(0.975) * error
    few = n < FEWEST_ITEMS
    return Estimate(
        statistic=name,
        value=kappa,
        low=max(-1.0, kappa - half),
        high=min(1.0, kappa + half),
        n=n,
        labels=labels,
        state=State.INSUFFICIENT if few else State.OK,
        reason=f"{n:g} shared items; need {FEWEST_ITEMS}" if few else "",
    )


def _percent(pair: _Pair, labels: dict[str, str]) -> Estimate:
    table = pair.table
    n, same = float(table.sum()), float(np.trace(table))
    low, high = wilson(same, n)
    few = n < FEWEST_ITEMS
    return Estimate(
        statistic="percent_agreement",
        value=None if pair.blurred else same / n,
        low=None if pair.blurred else low,
        high=None if pair.blurred else high,
        n=n,
        labels=labels,
        state=State.NOT_COMPUTABLE if pair.blurred else State.INSUFFICIENT if few else State.OK,
        reason="the two disagree on labels outside `classes`"
        if pair.blurred
        else f"{n:g} shared items; need {FEWEST_ITEMS}"
        if few
        else "",
    )


def _pooled(name: str, pairs: list[_Pair], moment: Moment) -> Estimate:
    """Observed and chance agreement averaged over pairs by shared items (De Vries et al. 2008)."""
    # A pair that shares one item has all of its chance agreement on it: such pairs would pull kappa to 0.
    shared = [pair for pair in pairs if float(pair.table.sum()) >= FEWEST_ITEMS]
    usable = [pair for pair in shared if not pair.blurred and not _unordered(name, pair.table, moment)]
    folds = sorted({fold for pair in usable for fold in pair.tables})
    n = float(sum(pair.table.sum() for pair in usable))
    value = _pool([pair.table for pair in usable], WEIGHTS[name])
    if value is None:
        reason = "only one class was used: chance agreement is 1"
        if not usable:
            reason = f"no pair shares {FEWEST_ITEMS} items whose labels can be compared"
        return Estimate(statistic=name, value=None, n=n, state=State.NOT_COMPUTABLE, reason=reason)
    without = [_pool([pair.table - pair.tables.get(fold, 0.0) for pair in usable], WEIGHTS[name]) for fold in folds]
    known = [one for one in without if one is not None]
    ends = jackknife_interval(value, known, -1.0, 1.0) if len(known) == len(without) else None
    few = n < FEWEST_ITEMS or ends is None
    low, high = ends or (None, None)
    return Estimate(
        statistic=name,
        value=value,
        low=low,
        high=high,
        n=n,
        state=State.INSUFFICIENT if few else State.OK,
        reason=f"{n:g} pairs of ratings are too few for an interval" if few else "",
    )


def _pool(tables: list[Array], power: int) -> float | None:
    total = observed = chance = 0.0
    for table in tables:
        n = float(table.sum())
        if n <= 0:
            continue
        weights = agreement_weights(len(table), power)
        p = table / n
        total += n
        observed += n * float((p * weights).sum())
        chance += n * float(p.sum(axis=1) @ weights @ p.sum(axis=0))
    return (observed - chance) / (total - chance) if total - chance > 1e-9 * max(total, 1.0) else None


def _unordered(name: str, table: Array, moment: Moment) -> str:
    if WEIGHTS[name] and len(table) != len(moment.classes):
        return "some labels are not in `classes`, so they have no place in the order"
    return ""
