"""What alerts are made of, and their default windows as data, by profile.

Burn factors are those of Google's SRE workbook for a 30 d period: factor = share of the budget x period / long window.
`dense` is the workbook's own table (2 %, 5 %, 10 %, 10 % of the budget). `medium` sees data that arrives in hourly
batches, `sparse` nightly uploads: every window is at least four times the arrival lag it is made for, so that no window
looks at a stretch that cannot have arrived yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from labelmon.model import DAY, HOUR, Severity


class Mode(StrEnum):
    """How burn is judged: by evidence, or plainly as in Google's SRE workbook, to compare with."""

    EVIDENCE = "evidence"
    PLAIN = "plain"


@dataclass(frozen=True, kw_only=True)
class BurnTier:
    """One line of a burn-rate alert: burning `burn` budgets over `long`, and still burning over `short`."""

    burn: float
    long: int
    short: int


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The windows that suit a dataset of a certain event rate and arrival lag.

    Profiles are listed from the quickest to the slowest.
    """

    name: str
    page: tuple[BurnTier, ...]
    ticket: tuple[BurnTier, ...]

    @property
    def tiers(self) -> tuple[BurnTier, ...]:
        """Page tiers, then ticket tiers."""
        return (*self.page, *self.ticket)

    @property
    def longest_page(self) -> int:
        """The longest window of its pages, or of its tickets where it has no page, in seconds."""
        return max(tier.long for tier in self.page or self.tiers)

    @property
    def windows(self) -> tuple[int, ...]:
        """Every window of the profile in seconds, ascending, once each."""
        return tuple(sorted({w for tier in self.tiers for w in (tier.long, tier.short)}))


@dataclass(frozen=True, kw_only=True)
class Alerting:
    """Everything the generated rules depend on; none of it names a dataset."""

    profiles: tuple[Profile, ...]
    mode: Mode = Mode.EVIDENCE
    period: int = 30 * DAY  # what factors are shares of, and no window is longer than
    alpha: float = 0.001  # chance that evidence lies, per look: ln(1/alpha) = 6.9 nats
    page_alpha: float = 0.0001  # the same for a page, which wakes: 9.2 nats
    page_burns: tuple[float, ...] = (6.0, 14.4)  # what the e-CUSUMs of a page look for, in budgets
    ticket_burns: tuple[float, ...] = (2.0, 3.0)
    keep_firing: int = 600
    # A fault that comes back every hour is one trouble: whoever was woken by it need not be woken again.
    page_keep_firing: int = 5400  # of an error budget's page; keep_firing for all others
    threshold_hold: int = 300  # a gauge must be past its objective this long
    threshold_margin: float = 0.1  # and back by this share of it before its alert goes quiet; 0: just back
    stale_after: int = 600  # a store that has not answered for so long is an outage
    gone_after: int = 300
    evaluation_interval: int = 60
    page_group_wait: int = 15
    page_group_interval: int = 60
    ticket_group_wait: int = 300
    ticket_group_interval: int = 900
    repeat_interval: int = 14_400

    def alpha_of(self, severity: Severity) -> float:
        """The chance that evidence lies, per look, which an alert of `severity` accepts."""
        return self.page_alpha if severity is Severity.PAGE else self.alpha

    def burn_keep_firing(self, severity: Severity) -> int:
        """How long an error budget alert of `severity` fires after it last held, in seconds."""
        return self.page_keep_firing if severity is Severity.PAGE else self.keep_firing

    def burns(self, severity: Severity) -> tuple[float, ...]:
        """What the e-CUSUMs of `severity` look for, in budgets."""
        return self.page_burns if severity is Severity.PAGE else self.ticket_burns

    @property
    def shortest_window(self) -> int:
        """The shortest window of any profile, in seconds."""
        return min(w for profile in self.profiles for w in profile.windows)


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
