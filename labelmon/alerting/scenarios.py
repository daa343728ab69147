"""What the windows of a dataset may show: every tier of every profile at its borders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from labelmon import naming
from labelmon.alerting.rules import MOSTLY_BAD, evidence_needed, tiers_of
from labelmon.durations import format_duration
from labelmon.estimators.proportion import evidence_nats
from labelmon.model import Alerting, BurnTier, Severity


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the daemon exports of one window; None leaves the series out."""

    burn: float | None
    ratio: float | None
    evidence: float | None
    events: float


OTHERS = naming.THRESHOLD_ONLY  # a profile whose objectives no window may judge
QUIET = Seen(burn=0.5, ratio=0.01, evidence=0.0, events=50)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A dataset, what its windows show, and the profile that judges it."""

    name: str
    profile: str
    windows: Mapping[int, Seen]
    scope: str = ""


def scenarios(alerting: Alerting) -> list[Scenario]:
    """For every tier: burning, each condition just missed, another's profile, one bad audit of five."""
    needed = evidence_needed(alerting)
    found = []
    for profile in alerting.profiles:
        for severity in Severity:
            for tier in tiers_of(profile, severity):
                for name, long, short in _variants(tier, needed):
                    windows = dict.fromkeys(profile.windows, QUIET)
                    if tier.short != tier.long:
                        windows[tier.short] = short
                    windows[tier.long] = long
                    label = f"{profile.name}-{severity.value}-{format_duration(tier.long)}-{name}"
                    found.append(Scenario(name=label, profile=profile.name, windows=windows))
                    if name == "burning":
                        found.append(Scenario(name=f"{label}-for-others", profile=OTHERS, windows=windows))
        found.append(Scenario(name=f"{profile.name}-no-data", profile=profile.name, windows={}))
    burning = next(s for s in found if s.name.endswith("burning"))
    return [*found, replace(burning, name="scoped", scope="priority=high,within=1h")]


def _variants(tier: BurnTier, needed: float) -> Iterable[tuple[str, Seen, Seen]]:
    below = round(tier.burn * 0.6, 6)
    hot = Seen(burn=round(tier.burn * 1.1, 6), ratio=0.3, evidence=round(needed * 1.1, 6), events=200)
    still = Seen(burn=round(tier.burn * 1.15, 6), ratio=0.4, evidence=9, events=20)
    flood = Seen(burn=below, ratio=0.9, evidence=30, events=200)
    yield "burning", hot, still
    yield "at-the-factor", replace(hot, burn=tier.burn), still
    yield "unproven", replace(hot, evidence=needed), still
    yield "over", hot, replace(still, burn=tier.burn, evidence=0)
    yield "unseen", hot, Seen(burn=None, ratio=None, evidence=None, events=0)
    yield "mostly-bad", flood, replace(flood, events=20)
    yield "not-mostly-bad", replace(flood, ratio=MOSTLY_BAD), flood
    yield "no-longer-mostly-bad", flood, replace(flood, ratio=MOSTLY_BAD)
    # One bad audit of five against 95 %: four budgets, and a fifth of a nat short of nothing.
    one = Seen(burn=4.0, ratio=0.2, evidence=evidence_nats(1, 5, 0.05), events=5)
    yield "one-bad-of-five", one, one


def fires(windows: Mapping[int, Seen], tiers: Sequence[BurnTier], needed: float) -> float | None:
    """The burn rate that an alert over `tiers` shows for these windows; None while it is quiet."""
    values = []
    for tier in tiers:
        long, short = windows.get(tier.long), windows.get(tier.short)
        if long is None or short is None or long.burn is None:
            continue
        material = _bad(long, tier)
        proven = (long.evidence or 0) > needed
        still = tier.short == tier.long or _bad(short, tier) or short.events == 0
        if material and proven and still:
            values.append(long.burn)
    return max(values, default=None)


def _bad(seen: Seen, tier: BurnTier) -> bool:
    return (seen.burn or 0) > tier.burn or (seen.ratio or 0) > MOSTLY_BAD
