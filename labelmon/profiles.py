"""The default alert windows, as data: burn factors of Google's SRE workbook for a 30 d period, by profile.

factor = share of the budget x period / long window. `dense` is the workbook's own table (2 %, 5 %, 10 %, 10 %
of the budget). `medium` sees data that arrives in hourly batches, `sparse` nightly uploads: every window is
at least four times the arrival lag it is made for, so that no window looks at a stretch that cannot have
arrived yet.
"""

from __future__ import annotations

from labelmon.model import DAY, HOUR, Alerting, BurnTier, Profile

DENSE = Profile(
    name="dense",
    page=(BurnTier(burn=14.4, long=HOUR, short=300), BurnTier(burn=6.0, long=6 * HOUR, short=1800)),
    ticket=(BurnTier(burn=3.0, long=DAY, short=2 * HOUR), BurnTier(burn=1.0, long=3 * DAY, short=6 * HOUR)),
)
MEDIUM = Profile(
    name="medium",
    page=(BurnTier(burn=6.0, long=12 * HOUR, short=4 * HOUR),),
    ticket=(BurnTier(burn=3.0, long=DAY, short=4 * HOUR), BurnTier(burn=1.0, long=3 * DAY, short=12 * HOUR)),
)
SPARSE = Profile(
    name="sparse",
    page=(BurnTier(burn=4.0, long=4 * DAY, short=4 * DAY),),
    ticket=(BurnTier(burn=1.0, long=14 * DAY, short=4 * DAY),),
)

DEFAULT_ALERTING = Alerting(profiles=(DENSE, MEDIUM, SPARSE))

# Share of the period's budget, long and short window: chapter 5, multiwindow, multi-burn-rate alerts.
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
    return Profile(name="workbook", page=page, ticket=ticket)
