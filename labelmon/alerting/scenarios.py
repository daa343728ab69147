"""What the windows and e-CUSUMs of a dataset may show: every tier of every profile, and every walk, at its borders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from labelmon import naming
from labelmon.alerting.rules import MOSTLY_BAD, evidence_needed, material_burn, recent_windows, tiers_of
from labelmon.durations import format_duration
from labelmon.estimators.proportion import evidence_nats
from labelmon.model import Instrument, Severity
from labelmon.profiles import Alerting, BurnTier, Mode, Profile


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
    """A dataset, what its windows and e-CUSUMs (by burn) show, and the profile and instrument that judge it."""

    name: str
    profile: str
    windows: Mapping[int, Seen]
    cusums: Mapping[float, float] = field(default_factory=dict)
    instrument: Instrument = Instrument.BOTH
    scope: str = ""


def scenarios(alerting: Alerting) -> list[Scenario]:
    """For every tier: burning, each condition just missed, another's profile or instrument, one bad audit of five.

    And for every e-CUSUM: decided, not yet, no longer burning.
    """
    found = []
    for profile in alerting.profiles:
        for severity in Severity:
            needed = evidence_needed(alerting, severity)
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
                        found.append(replace(found[-2], name=f"{label}-for-walks", instrument=Instrument.CUSUM))
            found += _decisions(profile, severity, alerting)
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


def _decisions(profile: Profile, severity: Severity, alerting: Alerting) -> Iterable[Scenario]:
    """What the e-CUSUMs of a severity may show, while no window proves anything."""
    recent = [window for window in profile.windows if window in recent_windows(alerting, severity)]
    if not recent or not tiers_of(profile, severity):
        return
    label = f"{profile.name}-{severity.value}-walk"
    least = material_burn(alerting, severity)
    warm, spent = replace(QUIET, burn=round(least * 1.1, 6), ratio=0.02), replace(QUIET, burn=least, ratio=MOSTLY_BAD)
    flood = replace(QUIET, burn=round(least * 0.6, 6), ratio=0.9)
    quiet = dict.fromkeys(profile.windows, QUIET)
    for burn, window in zip(alerting.burns(severity), (recent[0], recent[-1]), strict=False):
        walked = {b: 1.05 if b == burn else 0.2 for b in (*alerting.page_burns, *alerting.ticket_burns)}
        decided = Scenario(
            name=f"{label}-{burn:g}-decided",
            profile=profile.name,
            windows={**quiet, window: warm},
            cusums=walked,
            instrument=Instrument.CUSUM,
        )
        yield decided
        yield replace(decided, name=f"{label}-{burn:g}-mostly-bad", windows={**quiet, window: flood})
        yield replace(decided, name=f"{label}-{burn:g}-at-its-threshold", cusums={**walked, burn: 1.0})
        yield replace(decided, name=f"{label}-{burn:g}-beside-windows", instrument=Instrument.BOTH)
        yield replace(decided, name=f"{label}-{burn:g}-for-others", profile=OTHERS)
        over = {w: spent if w in recent else warm for w in profile.windows}
        yield replace(decided, name=f"{label}-{burn:g}-over", windows=over)
        unseen = dict.fromkeys(profile.windows, Seen(burn=None, ratio=None, evidence=None, events=0))
        yield replace(decided, name=f"{label}-{burn:g}-unseen", windows=unseen)


def fires(scenario: Scenario, severity: Severity, alerting: Alerting) -> float | None:
    """The burn rate that the alert of `severity` shows for a scenario; None while it is quiet."""
    profile = next((p for p in alerting.profiles if p.name == scenario.profile), None)
    tiers = tiers_of(profile, severity) if profile else ()
    plain, windows = alerting.mode is Mode.PLAIN, scenario.windows
    values = []
    for tier in tiers:
        long, short = windows.get(tier.long), windows.get(tier.short)
        if long is None or short is None or long.burn is None:
            continue
        if plain:
            holds = min(long.burn, short.burn or 0) > tier.burn
        else:
            proven = (long.evidence or 0) > evidence_needed(alerting, severity)
            still = tier.short == tier.long or _bad(short, tier.burn) or short.events == 0
            alone = severity is Severity.PAGE and scenario.instrument is Instrument.CUSUM
            holds = _bad(long, tier.burn) and proven and still and not alone
        if holds:
            values.append(long.burn)
    decided = any(scenario.cusums.get(burn, 0) > 1 for burn in alerting.burns(severity))
    if tiers and decided and not plain:
        recent = (seen for window, seen in windows.items() if window in recent_windows(alerting, severity))
        values += [s.burn for s in recent if s.burn is not None and _bad(s, material_burn(alerting, severity))]
    return max(values, default=None)


def _bad(seen: Seen, burn: float) -> bool:
    return (seen.burn or 0) > burn or (seen.ratio or 0) > MOSTLY_BAD
