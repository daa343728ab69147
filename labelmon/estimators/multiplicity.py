"""Many tests at once: adjusted p-values."""

from __future__ import annotations

from collections.abc import Sequence


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given, whose being below q keeps the false discovery rate below q.

    References
    ----------
    Y. Benjamini, Y. Hochberg (1995), J. R. Statist. Soc. B 57:289.

    Examples
    --------
    >>> [round(p, 4) for p in benjamini_hochberg([0.01, 0.04, 0.03, 0.5])]
    [0.04, 0.0533, 0.0533, 0.5]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index], reverse=True)
    adjusted, least = [1.0] * len(p_values), 1.0
    for place, index in enumerate(order):
        least = min(least, p_values[index] * len(p_values) / (len(p_values) - place))
        adjusted[index] = least
    return adjusted


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given, whose being below alpha keeps the chance of any false one below alpha.

    References
    ----------
    S. Holm (1979), Scand. J. Statist. 6:65.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, worst = [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        worst = max(worst, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = worst
    return adjusted
