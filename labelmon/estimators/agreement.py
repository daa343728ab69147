"""Agreement between annotators, chance-corrected, from counts of pairs of ratings.

The counts have one row per `fold`, `ratings` (m, how many annotators rated the item) and pair of labels. A pair
of an item with m ratings weighs 2 / (m - 1) in the coincidence matrix and 2 / (m (m - 1)) in the mean over items,
so every statistic here comes out of whole numbers that merge in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelmon.check import Moment
from labelmon.counts import OTHER, ROWS, Counts
from labelmon.estimators.jackknife import jackknife_interval
from labelmon.model import Estimate, State

Array = NDArray[np.float64]
FEWEST_ITEMS = 20
MOST_CLASSES = 50  # told apart where none are declared
PARADOX = 0.2  # AC1 above alpha by so much: the prevalence of a class, not the annotators, lowers alpha


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Sums over items with at least two ratings; an axis of K holds classes.

    `items` their number; `pairs`, `same` pairs of annotators, and those that agree; `mean_same` the sum over
    items of the share of pairs that agree; `coincidences` (K) the marginals of the coincidence matrix and
    `agreeing` (K) its diagonal; `shares` (K) the sum over items of each class's share of the ratings;
    `matrix` (K, K) the coincidence matrix itself, for ordinal classes only.
    """

    items: float
    pairs: float
    same: float
    mean_same: float
    coincidences: Array
    agreeing: Array
    shares: Array
    matrix: Array | None = None

    def percent_agreement(self) -> float | None:
        """Mean over items of the share of pairs of ratings that agree."""
        return self.mean_same / self.items if self.items > 0 else None

    def pooled_agreement(self) -> float | None:
        """Share of all pairs of ratings that agree."""
        return self.same / self.pairs if self.pairs > 0 else None

    def krippendorff_alpha(self) -> float | None:
        """Krippendorff's alpha, nominal; None if only one class was used (Krippendorff 2011)."""
        n = float(self.coincidences.sum())
        expected = n * n - float((self.coincidences**2).sum())
        return 1 - (n - 1) * (n - float(self.agreeing.sum())) / expected if expected > 1e-9 * n * n else None

    def krippendorff_alpha_ordinal(self) -> float | None:
        """Krippendorff's alpha with the ordinal metric over the declared order of classes."""
        if self.matrix is None:
            return None
        marginals = self.matrix.sum(axis=0)
        up_to = np.cumsum(marginals)
        between = np.abs(up_to[None, :] - up_to[:, None] + (marginals[:, None] - marginals[None, :]) / 2)
        distance = between**2
        expected = float((np.outer(marginals, marginals) * distance).sum())
        observed = float((self.matrix * distance).sum())
        return 1 - (float(marginals.sum()) - 1) * observed / expected if expected > 0 else None

    def fleiss_kappa(self) -> float | None:
        """Fleiss' kappa; with unequal numbers of ratings in Gwet's form (Fleiss 1971; Gwet 2014, chapter 2)."""
        observed = self.percent_agreement()
        if observed is None:
            return None
        chance = float(((self.shares / self.items) ** 2).sum())
        return (observed - chance) / (1 - chance) if 1 - chance > 1e-9 else None

    def gwet_ac1(self) -> float | None:
        """Gwet's AC1; the number of classes is that of the scale (Gwet 2008, BJMSP 61:29)."""
        observed, classes = self.percent_agreement(), len(self.shares)
        if observed is None or classes < 2:
            return None
        shares = self.shares / self.items
        chance = float((shares * (1 - shares)).sum()) / (classes - 1)
        return (observed - chance) / (1 - chance)


def agreement_by_fold(counts: Counts, moment: Moment) -> tuple[list[str], list[Agreement]]:
    """The classes, and the sums of each fold that holds data."""
    frame = counts.frame
    declared = list(moment.classes)
    seen = sorted({*frame["label"], *frame["other_label"]} - set(declared))
    classes = [*declared, *seen]
    place = {name: index for index, name in enumerate(classes)}
    ordinal = moment.ordinal and not seen
    found = []
    for _, part in sorted(frame.groupby("fold"), key=lambda pair: str(pair[0])):
        m = part["ratings"].astype(float).to_numpy()
        rows, same = part[ROWS].to_numpy(float), part["same"].to_numpy(float)
        one = part["label"].map(place).to_numpy(int)
        two = part["other_label"].map(place).to_numpy(int)
        coincidence, share = 1 / (m - 1), 1 / (m * (m - 1))
        sums = {name: np.zeros(len(classes)) for name in ("coincidences", "agreeing", "shares")}
        for side in (one, two):
            np.add.at(sums["coincidences"], side, rows * coincidence)
            np.add.at(sums["shares"], side, rows * share)
        np.add.at(sums["agreeing"], one, 2 * same * coincidence)
        matrix = None
        if ordinal:
            matrix = np.zeros((len(classes), len(classes)))
            np.add.at(matrix, (one, two), rows * coincidence)
            matrix = matrix + matrix.T
        found.append(
            Agreement(
                items=float((2 * rows * share).sum()),
                pairs=float(rows.sum()),
                same=float(same.sum()),
                mean_same=float((2 * same * share).sum()),
                matrix=matrix,
                **sums,
            )
        )
    return classes, found


def added(parts: list[Agreement]) -> Agreement:
    """The sums of several folds."""
    matrices = [part.matrix for part in parts if part.matrix is not None]
    return Agreement(
        items=sum(part.items for part in parts),
        pairs=sum(part.pairs for part in parts),
        same=sum(part.same for part in parts),
        mean_same=sum(part.mean_same for part in parts),
        coincidences=np.sum([part.coincidences for part in parts], axis=0),
        agreeing=np.sum([part.agreeing for part in parts], axis=0),
        shares=np.sum([part.shares for part in parts], axis=0),
        matrix=np.sum(matrices, axis=0) if matrices else None,
    )


STATISTICS: dict[str, tuple[Callable[[Agreement], float | None], float]] = {
    "krippendorff_alpha": (Agreement.krippendorff_alpha, -1.0),
    "krippendorff_alpha_ordinal": (Agreement.krippendorff_alpha_ordinal, -1.0),
    "fleiss_kappa": (Agreement.fleiss_kappa, -1.0),
    "gwet_ac1": (Agreement.gwet_ac1, -1.0),
    "percent_agreement": (Agreement.percent_agreement, 0.0),
    "percent_agreement_pooled": (Agreement.pooled_agreement, 0.0),
}


def agreement(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
    """All chance-corrected statistics over the items of `counts`, with jackknife intervals over folds."""
    names = [name for name in STATISTICS if moment.ordinal or not name.endswith("_ordinal")]
    if counts.frame.empty:
        reason = "no item has ratings by two annotators"
        return tuple(Estimate(statistic=n, value=None, state=State.INSUFFICIENT, reason=reason) for n in names)
    classes, folds = agreement_by_fold(counts, moment)
    whole = added(folds)
    cut = not moment.classes and OTHER in classes and len(classes) >= MOST_CLASSES
    found = []
    values: dict[str, float] = {}
    for name in names:
        compute, least = STATISTICS[name]
        value = compute(whole)
        if cut and not name.startswith("percent"):
            reason = f"more than {MOST_CLASSES - 1} classes: declare `classes`, or the rest is one class"
            found.append(_none(name, whole, reason))
        elif value is None:
            found.append(_none(name, whole, _why_none(name, classes, moment)))
        else:
            values[name] = value
            found.append(_estimate(name, value, compute, least, folds, whole))
    alpha, ac1 = values.get("krippendorff_alpha"), values.get("gwet_ac1")
    if alpha is not None and ac1 is not None:
        paradox = float(ac1 - alpha > PARADOX)
        found.append(
            Estimate(statistic="prevalence_paradox", value=paradox, low=paradox, high=paradox, n=_whole(whole.items))
        )
    return (*found, *_by_class(classes, whole))


def _estimate(
    name: str,
    value: float,
    compute: Callable[[Agreement], float | None],
    least: float,
    folds: list[Agreement],
    whole: Agreement,
) -> Estimate:
    without = [compute(_less(whole, fold)) for fold in folds] if len(folds) > 1 else []
    known = [one for one in without if one is not None]
    ends = jackknife_interval(value, known, least, 1.0) if len(known) == len(without) else None
    state, reason = State.OK, ""
    if whole.items < FEWEST_ITEMS:
        state, reason = State.INSUFFICIENT, f"{whole.items:.0f} items with two ratings; need {FEWEST_ITEMS}"
    elif ends is None:
        state, reason = State.INSUFFICIENT, "too few groups of items for an interval"
    low, high = ends or (None, None)
    return Estimate(statistic=name, value=value, low=low, high=high, n=_whole(whole.items), state=state, reason=reason)


def _less(whole: Agreement, fold: Agreement) -> Agreement:
    return Agreement(
        items=whole.items - fold.items,
        pairs=whole.pairs - fold.pairs,
        same=whole.same - fold.same,
        mean_same=whole.mean_same - fold.mean_same,
        coincidences=whole.coincidences - fold.coincidences,
        agreeing=whole.agreeing - fold.agreeing,
        shares=whole.shares - fold.shares,
        matrix=None if whole.matrix is None or fold.matrix is None else whole.matrix - fold.matrix,
    )


def _by_class(classes: list[str], whole: Agreement) -> Iterator[Estimate]:
    """Specific agreement: of the pairs in which one rating is the class, how many have it twice."""
    for name, total, both in zip(classes, whole.coincidences, whole.agreeing, strict=True):
        if total > 0:
            share = float(both / total)
            few = total < FEWEST_ITEMS
            yield Estimate(
                statistic="class_agreement",
                value=share,
                n=float(total),
                labels={"class": name},
                state=State.INSUFFICIENT if few else State.OK,
                reason=f"{total:g} ratings of the class; need {FEWEST_ITEMS}" if few else "",
            )


def _none(name: str, whole: Agreement, reason: str) -> Estimate:
    return Estimate(statistic=name, value=None, n=_whole(whole.items), state=State.NOT_COMPUTABLE, reason=reason)


def _why_none(name: str, classes: list[str], moment: Moment) -> str:
    if name.endswith("_ordinal") and set(classes) - set(moment.classes):
        return "some labels are not in `classes`, so they have no place in the order"
    return "only one class was used: chance agreement is 1"


def _whole(items: float) -> float:
    return float(round(items))
