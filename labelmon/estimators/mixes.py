"""Whose labels have a mix of classes that the others do not explain: against peers, and against the own past.

References
----------
M. F. Freeman, J. W. Tukey (1950), Ann. Math. Statist. 21:607; F. E. Satterthwaite (1946), Biometrics 2:110.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labelmon.estimators.apart import Array, Index, Tail, stand_apart

FEWEST_LABELS = 50  # of the newest week
FEWEST_EARLIER = 100
LIMITS = (0.008, 0.002)
# Degrees of freedom x variance of a chi-square over them: 2, and less since some people are more erratic than others
# (with 2, up to 0.18 of 40 honest annotators whose unrest differs were flagged in a round).
SATTERTHWAITE = 1.4
RARE = 0.02  # classes with a smaller share of all labels count as one
# Labels of a usual mix that a mix is weighed with, so that a class that somebody never had is not impossible.
LIGHT = 10.0
# Even alike work differs a little: variance of a share over share (1 - share), as in a Dirichlet-multinomial.
LEAST_SPREAD = 0.003
# Total variation below which a mix is not worth a talk, however many labels prove it.
FROM_PAST, FROM_PEERS = 0.15, 0.25


def merge_rare(*tables: Array) -> tuple[Array, ...]:
    """Tables of shape (people, classes) with the classes that are rare over all of them as one, if there are any."""
    total = sum((table.sum(axis=0) for table in tables), start=np.zeros(tables[0].shape[1]))
    rare = total < RARE * total.sum()
    if not total[rare].sum():
        return tuple(table[:, ~rare] for table in tables)
    return tuple(np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)]) for table in tables)


def changed(newest: Array, earlier: Array) -> tuple[list[float], list[bool], Array]:
    """Of each one the adjusted p-value of the newest mix given the own earlier one, a flag, and the distance.

    Arrays of shape (people, classes), from `merge_rare`. The earlier mix is moved as the peers'
    mixes moved in the same time, so that a shift that everybody shares flags nobody. Distances are total variation.
    """
    n, m = newest.sum(axis=1), earlier.sum(axis=1)

    def expected(rest: Index) -> Array:
        pool = earlier[rest].sum(axis=0) / earlier[rest].sum()
        own = (earlier + LIGHT * pool) / (m + LIGHT)[:, None]
        due = (n[rest, None] * own[rest]).sum(axis=0)
        moved = own * (newest[rest].sum(axis=0) + LIGHT * pool) / (due + LIGHT * pool + 1e-12)
        return np.asarray(moved / moved.sum(axis=1, keepdims=True))

    return _apart(newest, expected, n * m / (n + m), FROM_PAST)


def odd(labels: Array) -> tuple[list[float], list[bool], Array]:
    """Of each one the adjusted p-value of the own mix among those of the peers, a flag, and the distance from theirs.

    `labels` has shape (people, classes), from `merge_rare`; every peer's mix weighs alike.
    """
    n = labels.sum(axis=1)
    shares = labels / n[:, None]
    return _apart(labels, lambda rest: np.tile(shares[rest].mean(axis=0), (len(n), 1)), n, FROM_PEERS)


def _apart(
    counts: Array, expected: Callable[[Index], Array], size: Array, least: float
) -> tuple[list[float], list[bool], Array]:
    """Everybody's mix held against the expected one, in units of how far peers are from theirs.

    The squared Hellinger distance times 4 x `size` is a chi-square without unrest, also where a class is rare
    (Freeman and Tukey). Unrest makes it larger by 1 + spread x size; the spread is that of the peers. How differently
    it does so for one and another gives the degrees of freedom (Satterthwaite), and the quotient is F distributed.
    """
    from scipy.special import fdtrc  # noqa: PLC0415  heavy, and only here

    shares = counts / counts.sum(axis=1, keepdims=True)
    df = counts.shape[1] - 1
    everybody = np.arange(len(counts))

    def against(rest: Index) -> Tail:
        mix = expected(rest)
        chi = 4 * size * ((np.sqrt(shares) - np.sqrt(mix)) ** 2).sum(axis=1)
        spread = max(LEAST_SPREAD, float((chi[rest] - df).sum() / (df * size[rest]).sum()))
        units = chi / df / (1 + spread * size)
        uneven = float(((units[rest] - 1) ** 2).mean())
        known = min(float(df), max(1.0, SATTERTHWAITE / max(uneven, 1e-9)))
        far = _distance(shares, mix) >= least
        return lambda i: float(fdtrc(known, known * len(rest), units[i])) if far[i] else 1.0

    p_values, flags = stand_apart(len(counts), against, limits=LIMITS)
    far = [_distance(shares, expected(everybody[everybody != i]))[i] for i in everybody]
    return p_values, flags, np.array(far)


def _distance(one: Array, other: Array) -> Array:
    """Total variation of the mixes in each row, in [0, 1]."""
    return np.asarray(np.abs(one - other).sum(axis=1) / 2)
