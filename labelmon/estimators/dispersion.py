"""Whether two mixes of classes differ by more than chance and the usual unrest: G-tests over phi."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FEWEST_EXPECTED = 5.0
CLEARLY = 0.01


@dataclass(frozen=True, kw_only=True)
class MixTest:
    """G of two mixes, its degrees of freedom, the overdispersion phi >= 1, and the p-value.

    `dispersion` is phi before it is held to 1.

    `by_class` (classes,) are p-values of each class against all others, adjusted for their number, to tell which ones
    moved; a class too rare to be tested by itself has that of all such classes together. `groups` is what `merge_small`
    made of the classes.
    """

    g: float
    df: int
    phi: float
    p_value: float
    by_class: Array
    groups: Array
    dispersion: float


@dataclass(frozen=True, kw_only=True)
class Unrest:
    """How much rows differ beyond chance: phi >= 1 and its degrees of freedom.

    A class of share pi has a phi of its own, 1 + slope x pi. `evenness` is the share of df that is left where these
    differ: 1 if they do not, and smaller the more few classes dominate.
    """

    phi: float = 1.0
    raw: float = 1.0
    df: int = 0
    slope: float = 0.0
    evenness: float = 1.0

    def clearly_above(self, other: Unrest) -> bool:
        """Whether this phi is larger than chance makes it one time in a hundred."""
        from scipy.special import fdtrc  # noqa: PLC0415  heavy, and only here

        if not (self.df and other.df):
            return self.df > 0
        return float(fdtrc(self.evenness * self.df, other.evenness * other.df, self.phi / other.phi)) < CLEARLY


def mix_test(current: Array, periods: Array, weeks: Array | None = None) -> MixTest | None:
    """The two-sample G-test of a period against the periods before it, in units of their own differences.

    Classes expected fewer than five times on either side are one class. Shares change from day to day by more than
    chance: phi, (Pearson's X^2) / df of the reference days, the same weekdays held against each other, says how much
    more; or that of whole periods where these differ clearly more, since then days of a period go together. Large
    classes change more than small ones, so that G / phi is a sum of unequal chi-squares: it is taken as one of fewer
    degrees of freedom (Satterthwaite's), and its quotient with phi as F distributed, which allows for what is not
    known of phi. One period before shows no differences: phi is 1 and the test is the plain one.

    Parameters
    ----------
    current : counts by class, shape (classes,)
    periods : counts of the reference, shape (periods, days, classes); season is what differs between days
    weeks : what the unrest is told from instead, in the same shape: single days before say little of it

    Returns
    -------
    None where fewer than two classes are left to compare.

    References
    ----------
    R. R. Sokal, F. J. Rohlf (1995), Biometry, 17.4, for G; P. McCullagh, J. A. Nelder (1989), Generalized Linear
    Models, 4.5 and 9.2, for phi and F; J. N. K. Rao, A. J. Scott (1984), Annals of Statistics 12:46, for the degrees.
    """
    reference = periods.sum(axis=(0, 1))
    merged = merge_small(current, reference)
    now, before = current @ merged, reference @ merged
    df = merged.shape[1] - 1
    if df < 1:
        return None
    blocks = (periods if weeks is None else weeks) @ merged
    daily = _unrest([blocks[:, day] for day in range(blocks.shape[1])])
    whole = _unrest([blocks.sum(axis=1)])
    usual = whole if whole.clearly_above(daily) else daily
    g = g_statistic(now, before)
    shares = (now + before) / (now + before).sum()
    each = [
        _tail(g_statistic(np.array([one, now.sum() - one]), np.array([other, before.sum() - other])), 1, usual, phi)
        for one, other, phi in zip(now, before, 1 + usual.slope * shares, strict=True)
    ]
    by_group = np.minimum(1.0, np.array(each) * len(each))
    return MixTest(
        g=g,
        df=df,
        phi=usual.phi,
        p_value=_tail(g, df, usual, usual.phi),
        by_class=_of_classes(by_group, merged),
        groups=merged,
        dispersion=usual.raw,
    )


def _of_classes(by_group: Array, merged: Array) -> Array:
    """Each class's value is that of its group; 1 for one that is in none."""
    return np.asarray(np.where(merged.sum(axis=1) > 0, merged @ by_group, 1.0))


def merge_small(current: Array, reference: Array) -> Array:
    """A (classes, groups) matrix of 0 and 1: classes expected fewer than five times on either side share a group."""
    both = current + reference
    total = both.sum()
    least = min(current.sum(), reference.sum())
    small = both * least < FEWEST_EXPECTED * total
    columns = [np.eye(len(both))[:, ~small]]
    if both[small].sum() > 0:
        columns.append(small.astype(float)[:, None])
    return np.hstack(columns)


def g_statistic(one: Array, other: Array) -> float:
    """G of a 2 x K table: 2 x sum of observed x ln(observed / expected).

    Examples
    --------
    >>> round(g_statistic(np.array([10.0, 20.0]), np.array([30.0, 20.0])), 4)
    5.4115
    """
    table = np.vstack([one, other])
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    seen = table > 0
    return max(0.0, 2 * float((table[seen] * np.log(table[seen] / expected[seen])).sum()))


def _unrest(tables: list[Array]) -> Unrest:
    """What the rows of each table, held against their sum, say. Pearson's X^2 keeps its mean where cells are small.

    X^2 of a class with share pi has mean df (1 - pi) (1 + slope x pi) where noise multiplies shares.
    """
    seen = slopes = spread = 0.0
    df = 0
    everything = np.sum([table.sum(axis=0) for table in tables], axis=0)
    for table in tables:
        held = table[table.sum(axis=1) > 0]
        total = held.sum(axis=0)
        if len(held) < 2 or (total > 0).sum() < 2:
            continue
        shares = total / total.sum()
        expected = np.outer(held.sum(axis=1), shares)
        squares = np.divide((held - expected) ** 2, expected, out=np.zeros_like(held), where=expected > 0).sum(axis=0)
        chance = (len(held) - 1) * (1 - shares)
        seen += float(squares.sum())
        slopes += float((shares * (squares - chance)).sum())
        spread += float((shares**2 * chance).sum())
        df += (len(held) - 1) * int((total > 0).sum() - 1)
    if not df:
        return Unrest()
    slope = max(0.0, slopes / spread)
    shares = everything[everything > 0] / everything.sum()
    each, weights = 1 + slope * shares, 1 - shares
    even = float((weights * each).sum() ** 2 / (weights * each**2).sum() / weights.sum())
    return Unrest(phi=max(1.0, seen / df), raw=seen / df, df=df, slope=slope, evenness=even)


def _tail(g: float, df: int, usual: Unrest, phi: float) -> float:
    from scipy.special import chdtrc, fdtrc  # noqa: PLC0415  heavy, and only here

    if not usual.df:
        return float(chdtrc(df, g))
    numerator = usual.evenness * df if df > 1 else 1.0
    return float(fdtrc(numerator, usual.evenness * usual.df, g / df / phi))
