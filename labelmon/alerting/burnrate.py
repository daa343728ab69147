"""What each kind of alert asks of the exported metrics, as PromQL trees without owners.

A tier of a burn-rate alert is "material and proven and still happening" (Google's SRE workbook, chapter 5, with
a test of evidence in place of a least number of events).
"""

from __future__ import annotations

from math import log

from labelmon import naming
from labelmon.alerting.promql import (
    Aggregate,
    Binary,
    Call,
    Expr,
    Match,
    Selector,
    both,
    compare,
    either,
)
from labelmon.check import Check, GaugeSlo, Threshold
from labelmon.durations import format_duration
from labelmon.model import Alerting, BurnTier, Severity

OUTAGE_RATIO = 0.9  # nearly every event is bad: an outage, whatever the objective allows
_SAME_SLO = Match(on=naming.SLO_LABELS)
_ANY_WINDOW = Match(ignoring=(naming.WINDOW,))


def evidence_nats(alerting: Alerting) -> float:
    """The evidence a burn needs before anybody is told: ln(1/alpha), to four digits."""
    return round(log(1 / alerting.alpha), 4)


def burning(check: Check, severity: Severity, alerting: Alerting) -> Expr:
    """Burn rates of `check` that deserve `severity`, one branch per profile and tier; the worst replica's."""
    branches: list[Expr] = []
    for profile in alerting.profiles:
        tiers = profile.page if severity is Severity.PAGE else profile.ticket
        if not tiers:
            continue
        lines = [
            # A tier is dead where burn x budget >= 1 (14.4 at any objective below 93.06 %): nothing can be that
            # bad. So the first page tier asks for min(burn, 0.9 / budget), which is "or 90 % of events are bad".
            _tier(check, tier, evidence_nats(alerting), outage=severity is Severity.PAGE and number == 0)
            for number, tier in enumerate(tiers)
        ]
        branches.append(both(either(lines), _judged_by(check, profile.name), _SAME_SLO))
    return _worst("max", either(branches))


def any_bad(check: Check, alerting: Alerting) -> Expr:
    """The error ratio of a `none_bad` objective that is above 0 in the longest window it is counted in."""
    ratio = _window(check, naming.SLI_ERROR_RATIO, any_bad_window(alerting))
    return _worst("max", both(compare(ratio, ">", 0), _judged_by(check, naming.NONE_BAD), _SAME_SLO))


def any_bad_window(alerting: Alerting) -> int:
    """The longest window in which `none_bad` objectives are counted: those of the first profile."""
    return alerting.profiles[0].windows[-1]


def past_objective(check: Check, slo: GaugeSlo, threshold: Threshold) -> Expr:
    """Values of the threshold's statistic that are past the objective, with enough rows behind them."""
    statistic = check.statistic(threshold.statistic)
    gauge = Selector(metric=naming.gauge(check, statistic))
    # Ages are exported as the instant they count from, so that they keep growing between samples.
    value = Binary("-", Call("time"), gauge) if statistic.age else gauge
    is_upper = slo.at_most is not None
    past: Expr = compare(value, ">" if is_upper else "<", Selector(metric=naming.objective_gauge(check)))
    if threshold.at_least:
        past = both(past, compare(Selector(metric=naming.observations(check)), ">=", threshold.at_least))
    worst = "max" if is_upper else "min"
    return Aggregate(operator=worst, by=(naming.DATASET, naming.SCOPE), expr=past)


def owner() -> Expr:
    """Who owns each dataset, once per dataset, with the value 1.

    While a new config rolls out, replicas disagree. topk keeps the join one to one, and between equals it takes
    whichever series it meets first, so the labels of an alert could flap: the time of the last reload breaks the
    tie, and the newest config wins. A replica that does not export that time still counts, last.
    """
    info = Selector(metric=naming.DATASET_INFO)
    replica = ("job", "instance")
    loaded = Aggregate(operator="max", by=replica, expr=Selector(metric=naming.CONFIG_RELOAD_TIME))
    ranked = Binary("*", info, loaded, Match(on=replica, group_left=()))
    owners = Aggregate(operator="max", by=naming.DATASET_INFO_LABELS, expr=Binary("or", ranked, info))
    newest = Aggregate(operator="topk", by=(naming.DATASET,), parameter=1, expr=owners)
    return Aggregate(operator="group", by=naming.DATASET_INFO_LABELS, expr=newest)


def owned(expr: Expr) -> Expr:
    """`expr` with the labels of the dataset's owner."""
    match = Match(on=(naming.DATASET,), group_left=naming.OWNER_LABELS)
    return Binary("*", expr, Selector(metric=naming.DATASET_OWNER), match)


def gone() -> Expr:
    """1 while no replica of labelmon is seen."""
    return Call("absent", (Selector(metric=naming.BUILD_INFO),))


def store_stale(alerting: Alerting) -> Expr:
    """Seconds since a store last answered any replica, above the limit; 0 if it never did and should have."""
    by_store = (naming.STORE,)

    def newest(metric: str, offset: int = 0) -> Aggregate:
        return Aggregate(operator="max", by=by_store, expr=Selector(metric=metric, offset=offset))

    age = Binary("-", Call("time"), newest(naming.STORE_LAST_SUCCESS))
    down = both(
        compare(newest(naming.STORE_UP), "==", 0),
        compare(newest(naming.STORE_UP, alerting.stale_after), "==", 0),
    )
    never = Binary("unless", down, newest(naming.STORE_LAST_SUCCESS))
    return either((compare(age, ">", alerting.stale_after), never))


def _tier(check: Check, tier: BurnTier, nats: float, *, outage: bool) -> Expr:
    material = _material(check, tier.burn, tier.long, outage=outage)
    proven = compare(_window(check, naming.SLO_EVIDENCE, tier.long), ">", nats)
    if tier.long == tier.short:
        return both(material, proven)
    # A quiet short window says nothing about recovery: a sparse stream keeps its last verdict.
    still = either((
        _material(check, tier.burn, tier.short, outage=outage),
        compare(_window(check, naming.SLI_EVENTS, tier.short), "==", 0),
    ))
    return both(both(material, proven), still, _ANY_WINDOW)


def _material(check: Check, burn: float, window: int, *, outage: bool) -> Expr:
    rate = _window(check, naming.SLO_BURN_RATE, window)
    fast = compare(rate, ">", burn)
    if not outage:
        return fast
    ratio = _window(check, naming.SLI_ERROR_RATIO, window)
    return either((fast, both(rate, compare(ratio, ">=", OUTAGE_RATIO))))


def _judged_by(check: Check, profile: str) -> Selector:
    return Selector(metric=naming.SLO_INFO, matchers=((naming.SLI, check.name), (naming.PROFILE, profile)))


def _window(check: Check, metric: str, window: int) -> Selector:
    matchers = ((naming.SLI, check.name), (naming.WINDOW, format_duration(window)))
    return Selector(metric=metric, matchers=matchers)


def _worst(operator: str, expr: Expr) -> Aggregate:
    return Aggregate(operator=operator, by=naming.SLO_LABELS, expr=expr)
