"""Windows of events against an error budget: burn rate, evidence, what is left, and which windows suit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from labelmon.estimators.proportion import ALPHA, evidence_nats, fewest_events
from labelmon.model import Instrument, WindowCount
from labelmon.profiles import Profile

HYSTERESIS = 2.0  # a quicker profile is taken up only with twice the room it needs
RETURN = 1.1  # windows page again only with so much more than they need; one that waits for long is slow to see a fault


def window_count(window: int, events: float, errors: float, budget: float, design_effect: float = 1.0) -> WindowCount:
    """What the rules need of one window; ratios are None where nothing happened, or nothing may be spent.

    Parameters
    ----------
    window : seconds
    events, errors : counts, 0 <= errors <= events; `errors` is a fraction where events have weights
    budget : share of events that may be bad, in [0, 1); 0 for `none_bad`
    design_effect : how many events tell as much as one that was drawn by itself, above 0; evidence counts
        events / design_effect
    """
    ratio = errors / events if events > 0 else None
    spendable = ratio is not None and budget > 0
    return WindowCount(
        window=window,
        events=events,
        errors=errors,
        error_ratio=ratio,
        burn_rate=ratio / budget if spendable and ratio is not None else None,
        evidence_nats=evidence_nats(errors / design_effect, events / design_effect, budget) if spendable else None,
    )


def budget_remaining(events: float, errors: float, budget: float) -> float | None:
    """Share of the error budget that is left, weighted by events; below 0 when overspent, None when unknown.

    Examples
    --------
    >>> budget_remaining(1000, 25, 0.05)
    0.5
    """
    return None if events <= 0 or budget <= 0 else 1.0 - errors / (events * budget)


def choose_profile(
    profiles: Sequence[Profile],
    *,
    expected: Callable[[int], float],
    lag: float,
    budget: float,
    alpha: float = ALPHA,
    current: str,
    otherwise: str,
) -> str:
    """The quickest profile whose windows see the data and can prove a total failure; else `otherwise`.

    Parameters
    ----------
    profiles : from the quickest to the slowest
    expected : how many events a window of so many seconds holds
    lag : seconds by which rows arrive after their instant
    budget : share of events that may be bad, in (0, 1)
    alpha : chance that evidence lies, per look, that an alert accepts
    current : the profile in force; a quicker one must fit with a factor of 2 to spare, so that a rate near a
        border does not flap
    """
    order = [profile.name for profile in profiles]
    place = order.index(current) if current in order else (len(order) if current else -1)
    for index, profile in enumerate(profiles):
        slack = HYSTERESIS if index < place else 1.0
        sees = lag * slack <= profile.windows[0] / 4
        needed = fewest_events(budget, alpha) * slack
        proves = any(expected(tier.long) >= needed for tier in profile.page or profile.tiers)
        if sees and proves:
            return profile.name
    return otherwise


def choose_instrument(expected_bad: float, current: str) -> Instrument:
    """Whether windows may page too: where the longest can expect a bad event at the budget, 1.1 to come back to them.

    Below that a single bad event is many budgets, and the bound that evidence rests on is at its worst: by windows
    99 % at 5 events an hour would page falsely .3 times a month. The e-CUSUM knows no windows.

    Parameters
    ----------
    expected_bad : (effective) events of the longest page window x budget, divided once more by a design effect
        above 1
    current : the instrument in force, '' at first

    Examples
    --------
    >>> [str(choose_instrument(1.05, current)) for current in ("", "both", "cusum")]
    ['both', 'both', 'cusum']
    """
    needed = RETURN if current == Instrument.CUSUM else 1.0
    return Instrument.BOTH if expected_bad >= needed else Instrument.CUSUM
