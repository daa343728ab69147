"""The plain rule of Google's SRE workbook, to compare with: burning above a factor over a long and a short window.

It asks for no evidence: at 95 % and five audits a day one bad audit pages. And it knows no lag: every objective is
judged by the same windows. `alerting: {mode: plain}` generates it instead of labelmon's own rule.
"""

from __future__ import annotations

from labelmon import naming
from labelmon.alerting.promql import Compare, Expr, Join, Metric
from labelmon.check import Check
from labelmon.durations import format_duration
from labelmon.model import DAY, HOUR, BurnTier, Profile

NAME = "workbook"
# Share of the period's budget, long and short window: chapter 5, "Alerting on SLOs", table 5-8.
PAGES = ((0.02, HOUR, 300), (0.05, 6 * HOUR, 1800))
TICKETS = ((0.10, DAY, 2 * HOUR), (0.10, 3 * DAY, 6 * HOUR))


def factor(share: float, period: int, long: int) -> float:
    """The burn rate that spends `share` of the budget of `period` within `long` (both in seconds).

    Examples
    --------
    >>> factor(0.02, 30 * 86400, 3600), factor(0.02, 28 * 86400, 3600)
    (14.4, 13.44)
    """
    return share * period / long


def workbook(period: int = 30 * DAY) -> Profile:
    """The workbook's tiers for objectives over `period` seconds.

    References
    ----------
    B. Beyer et al. (2018), The Site Reliability Workbook, chapter 5.
    """
    page, ticket = (
        tuple(BurnTier(burn=factor(share, period, long), long=long, short=short) for share, long, short in table)
        for table in (PAGES, TICKETS)
    )
    return Profile(name=NAME, page=page, ticket=ticket)


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
