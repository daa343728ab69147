"""Whether an error budget alert's tier holds: what the generated rules say, over counts instead of series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from labelmon.alerting.rules import MOSTLY_BAD, evidence_needed, material_burn, recent_windows, tiers_of
from labelmon.model import CusumRatio, Instrument, Severity, SloStatus, WindowCount
from labelmon.profiles import Alerting, BurnTier, Mode, Profile


@dataclass(frozen=True, kw_only=True)
class Burning:
    """What of an alert holds: its tiers, the e-CUSUMs that have decided, and the burn rate it would show."""

    tiers: tuple[BurnTier, ...]
    cusums: tuple[CusumRatio, ...]
    burn_rate: float


def burning(status: SloStatus, severity: Severity, alerting: Alerting) -> Burning | None:
    """What the alert of `severity` on an objective says; None while it is quiet.

    Rules.burn_rule writes the same as PromQL.
    """
    profile = next((p for p in alerting.profiles if p.name == status.profile), None)
    if profile is None:
        return None
    walks = alerting.mode is Mode.EVIDENCE
    alone = walks and severity is Severity.PAGE and status.instrument is Instrument.CUSUM
    tiers = () if alone else burning_tiers(profile, severity, status.windows, alerting)
    recent = recent_windows(alerting, severity) if tiers_of(profile, severity) else ()
    least = material_burn(alerting, severity)
    still = [w for w in status.windows if w.window in recent and _material(w, least)]
    decided = tuple(
        c for c in (status.cusums if still and walks else ()) if c.burn in alerting.burns(severity) and c.ratio > 1
    )
    if not tiers and not decided:
        return None
    longs = [w for w in status.windows if w.window in {tier.long for tier in tiers}]
    rates = [w.burn_rate for w in (*longs, *(still if decided else ())) if w.burn_rate is not None]
    return Burning(tiers=tiers, cusums=decided, burn_rate=max(rates))


def burning_tiers(
    profile: Profile, severity: Severity, windows: Iterable[WindowCount], alerting: Alerting
) -> tuple[BurnTier, ...]:
    """The tiers of `profile` that hold over `windows`: material, proven and still happening.

    A window that is not counted holds nothing. In plain mode a tier holds when both of its windows burn above it.
    """
    counted = {window.window: window for window in windows}
    found = []
    for tier in tiers_of(profile, severity):
        long, short = counted.get(tier.long), counted.get(tier.short)
        if long is not None and short is not None and alerting.mode is Mode.PLAIN:
            found += [tier] if _above(long, tier.burn) and _above(short, tier.burn) else []
            continue
        if long is None or short is None or long.evidence_nats is None:
            continue
        proven = long.evidence_nats > evidence_needed(alerting, severity)
        still = short.events == 0 or _material(short, tier.burn)
        if _material(long, tier.burn) and proven and still:
            found.append(tier)
    return tuple(found)


def _material(window: WindowCount, burn: float) -> bool:
    return _above(window, burn) or (window.error_ratio is not None and window.error_ratio > MOSTLY_BAD)


def _above(window: WindowCount, burn: float) -> bool:
    return window.burn_rate is not None and window.burn_rate > burn
