"""Whether an error budget alert's tier holds: what the generated rules say, over counts instead of series."""

from __future__ import annotations

from collections.abc import Iterable

from labelmon.alerting.rules import MOSTLY_BAD, evidence_needed, tiers_of
from labelmon.model import Alerting, BurnTier, Profile, Severity, WindowCount


def burning_tiers(
    profile: Profile, severity: Severity, windows: Iterable[WindowCount], alerting: Alerting
) -> tuple[BurnTier, ...]:
    """The tiers of `profile` that hold over `windows`: material, proven and still happening.

    A window that is not counted holds nothing. Rules.burn_rule writes the same as PromQL.
    """
    counted = {window.window: window for window in windows}
    found = []
    for tier in tiers_of(profile, severity):
        long, short = counted.get(tier.long), counted.get(tier.short)
        if long is None or short is None or long.evidence_nats is None:
            continue
        proven = long.evidence_nats > evidence_needed(alerting)
        still = short.events == 0 or _material(short, tier)
        if _material(long, tier) and proven and still:
            found.append(tier)
    return tuple(found)


def _material(window: WindowCount, tier: BurnTier) -> bool:
    if window.burn_rate is None or window.error_ratio is None:
        return False
    return window.burn_rate > tier.burn or window.error_ratio > MOSTLY_BAD
