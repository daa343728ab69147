"""Agreement of numbers: Krippendorff's alpha with the interval metric, from sums over pairs of ratings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from labelmon.check import Moment
from labelmon.counts import Counts
from labelmon.estimators.agreement import FEWEST_ITEMS
from labelmon.estimators.jackknife import jackknife_interval
from labelmon.estimators.proportion import wilson
from labelmon.model import Estimate, State

Z = 1.959963984540054  # the 97.5 % point of the normal distribution
LOST = 1e-10  # of the mean square: a spread so small is what rounding left


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Sums over pairs of ratings of items with m ratings each; every rating is in m - 1 pairs.

    `rated` is the number of ratings, `total` and `squares` the sums of their numbers and of the squares, `apart` that
    of 2 (a - b)^2 / (m - 1), `items` the number of items, `alike` that of items, each by its share of alike pairs.
    """

    rated: float
    total: float
    squares: float
    apart: float
    items: float
    alike: float

    def alpha(self) -> float | None:
        """1 - observed / expected squared difference of two ratings; None where all numbers are one.

        References
        ----------
        K. Krippendorff (2011), Computing Krippendorff's alpha-reliability.
        """
        if self.rated <= 1:
            return None
        expected = 2 * (self.rated * self.squares - self.total**2) / (self.rated * (self.rated - 1))
        if expected <= LOST * self.squares / self.rated:
            return None
        return 1 - self.apart / self.rated / expected

    def percent(self) -> float | None:
        """Mean over items of the share of pairs within the tolerance."""
        return min(1.0, self.alike / self.items) if self.items > 0 else None


def number_agreement(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
    """`krippendorff_alpha_interval` and `percent_agreement` with jackknife intervals over folds of items."""
    del moment
    columns = [field.name for field in fields(Numbers)]
    frame = counts.project(("fold",)).frame
    folds = [Numbers(**dict(zip(columns, row, strict=True))) for row in frame[columns].to_numpy(float).tolist()]
    whole = Numbers(**{name: counts.total(name) or 0.0 for name in columns})
    asked = (
        ("krippendorff_alpha_interval", Numbers.alpha, -1.0),
        ("percent_agreement", Numbers.percent, 0.0),
    )
    return tuple(_estimate(name, compute, least, folds, whole) for name, compute, least in asked)


def _estimate(
    name: str, compute: Callable[[Numbers], float | None], least: float, folds: list[Numbers], whole: Numbers
) -> Estimate:
    n, value = float(round(whole.items)), compute(whole)
    if n == 0:
        reason = "no item has numbers by two annotators"
        return Estimate(statistic=name, value=None, state=State.INSUFFICIENT, reason=reason)
    if value is None:
        reason = "all numbers are one, or too large for their spread: subtract a constant"
        return Estimate(statistic=name, value=None, n=n, state=State.NOT_COMPUTABLE, reason=reason)
    without = [compute(_less(whole, fold)) for fold in folds] if len(folds) > 1 else []
    known = [one for one in without if one is not None]
    ends = jackknife_interval(value, known, least, 1.0) if len(known) == len(without) else None
    if ends is not None and least == 0.0:
        ends = _of_share(value, ends, whole.items)
    state, reason = State.OK, ""
    if n < FEWEST_ITEMS:
        state, reason = State.INSUFFICIENT, f"{n:g} items with two numbers; need {FEWEST_ITEMS}"
    elif ends is None:
        state, reason = State.INSUFFICIENT, "too few groups of items for an interval"
    low, high = ends or (None, None)
    return Estimate(statistic=name, value=value, low=low, high=high, n=n, state=state, reason=reason)


def _of_share(share: float, ends: tuple[float, float], items: float) -> tuple[float, float]:
    """Wilson's interval of a share, on as many items as would make a plain share's interval as wide as `ends`.

    Near 0 and 1 a symmetric interval is too short. Means of an item's pairs vary at most as single pairs do, so that
    there are no fewer than the items themselves.
    """
    half = (ends[1] - ends[0]) / 2
    effective = max(items, Z * Z * share * (1 - share) / half**2) if half > 0 else items
    return wilson(share * effective, effective)


def _less(whole: Numbers, fold: Numbers) -> Numbers:
    return Numbers(**{f.name: getattr(whole, f.name) - getattr(fold, f.name) for f in fields(Numbers)})
