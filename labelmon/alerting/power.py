"""What can alert on an objective, in words: the tiers its budget leaves dead, and the instrument that judges it."""

from __future__ import annotations

from labelmon import naming
from labelmon.alerting.rules import MOSTLY_BAD, tiers_of
from labelmon.durations import format_duration
from labelmon.estimators.cusum import alternative
from labelmon.model import Instrument, Severity, SloStatus
from labelmon.profiles import Alerting, Mode


def dead_tiers(budget: float, alerting: Alerting) -> list[str]:
    """Each burn rate that no error ratio can reach at `budget`, in (0, 1), and what stands for it."""
    found = []
    for severity in Severity:
        windows: dict[float, list[int]] = {burn: [] for burn in _walks(alerting, severity)}
        for tier in (tier for profile in alerting.profiles for tier in tiers_of(profile, severity)):
            windows.setdefault(tier.burn, []).append(tier.long)
        for burn, longs in sorted(windows.items(), reverse=True):
            if burn * budget >= 1:
                said = f"{severity.value} x{burn:g} would be {burn * budget:.0%} errors, which nothing reaches: "
                found.append(said + _stands_for(burn, budget, longs, alerting, severity))
    return found


def _stands_for(burn: float, budget: float, longs: list[int], alerting: Alerting, severity: Severity) -> str:
    if alerting.mode is Mode.PLAIN:
        return "it is dead, and in plain mode nothing stands for it"
    parts = []
    if longs:
        over = ", ".join(format_duration(long) for long in sorted(set(longs)))
        parts.append(f"over {over} errors above {MOSTLY_BAD:.0%} stand for it")
    if burn in _walks(alerting, severity):
        parts.append(f"its e-CUSUM looks for {alternative(budget, burn):.1%} errors")
    return "; ".join(parts)


def _walks(alerting: Alerting, severity: Severity) -> tuple[float, ...]:
    return alerting.burns(severity) if alerting.mode is Mode.EVIDENCE else ()


def judged_text(status: SloStatus, alerting: Alerting) -> str:
    """What pages on an objective of events, and why that."""
    if status.profile == naming.NONE_BAD:
        return "one bad event opens a ticket: none may be"
    profile = next((p for p in alerting.profiles if p.name == status.profile), None)
    if profile is None:
        return status.reason or "nothing has judged it yet"
    if status.instrument is None or status.expected_bad is None:
        return f"windows of {profile.name} page by the plain rule of the workbook"
    longest = format_duration(profile.longest_page)
    said = f"at the budget {longest}, its longest page window, holds {status.expected_bad:.2g} bad events"
    if status.instrument is Instrument.BOTH:
        return f"windows of {profile.name} page, and its e-CUSUM: {said}"
    return f"the e-CUSUM alone pages (profile {profile.name}): {said}, too few for windows"
