"""The plain rule of Google's SRE workbook, to compare with: burning above a factor over a long and a short window.

It asks for no evidence: at 95 % and five audits a day one bad audit pages. And it knows no lag: every objective is
judged by the same windows. `alerting: {mode: plain}` generates it instead of labelmon's own rule.
"""

from __future__ import annotations

from labelmon import naming
from labelmon.alerting.promql import Compare, Expr, Join, Metric
from labelmon.check import Check
from labelmon.durations import format_duration
from labelmon.profiles import BurnTier, Profile, factor, workbook

__all__ = ["factor", "plain_tier", "thresholds", "workbook"]


def thresholds(profile: Profile, objective: float) -> tuple[float, ...]:
    """The error ratio above which each tier of `profile` holds for an objective in (0, 1); at 1 and above, never.

    Examples
    --------
    >>> [round(ratio, 6) for ratio in thresholds(workbook(), 0.999)]
    [0.0144, 0.006, 0.003, 0.001]
    """
    return tuple(tier.burn * (1 - objective) for tier in profile.tiers)


def plain_tier(check: Check, tier: BurnTier) -> Expr:
    """Burning above the tier's factor over both windows; its value is the long one's burn rate."""

    def over(window: int) -> Expr:
        matchers = ((naming.SLI, check.name), (naming.WINDOW, format_duration(window)))
        return Compare(Metric(naming.SLO_BURN_RATE, matchers), ">", tier.burn)

    return Join("and", (over(tier.long), over(tier.short)), ignoring=(naming.WINDOW,))
