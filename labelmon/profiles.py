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
