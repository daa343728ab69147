"""The alert rules: static, over windows the daemon has counted. They say what is worth a page, never whose.

An error budget alert is material AND proven AND still happening: over the long window the burn rate is above
the tier's factor (or four events in five are bad, where a factor times the budget could never be reached), the
evidence that the error exceeds the budget convinces, and the short window agrees or has seen nothing. Or an e-CUSUM has
decided, and over a window that is not long past it burns as fast as one looks for; where bad events are few, pages come
from it alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log

from labelmon import naming
from labelmon.alerting.annotations import (
    any_bad_annotations,
    any_bad_blanks,
    burn_annotations,
    burn_blanks,
    gauge_blanks,
    self_links,
    threshold_annotations,
)
from labelmon.alerting.plain import plain_tier
from labelmon.alerting.promql import Absent, Age, Compare, Expr, Join, MaxBy, Metric, Scaled, WithOwner
from labelmon.buckets import bucket_width
from labelmon.check import Check, EventSlo, GaugeSlo, Threshold
from labelmon.durations import format_duration
from labelmon.model import DAY, Instrument, Severity, Urls
from labelmon.profiles import Alerting, BurnTier, Mode, Profile

# A tier whose factor x budget reaches 1 cannot fire: at 90 % x14.4 stands for 144 % errors. Where most events
# are bad no factor is asked.
MOSTLY_BAD = 0.8


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One alert: its expression as a tree, and all Prometheus needs beside it. Durations in seconds."""

    alert: str
    severity: Severity
    expr: Expr
    labels: tuple[tuple[str, str], ...]
    annotations: dict[str, str]
    hold: int = 0
    keep_firing: int = 0
    check: Check | None = None


def all_rules(catalogue: Iterable[Check], alerting: Alerting, urls: Urls) -> list[Rule]:
    """Every rule, ordered by check and severity; their number depends on the catalogue alone."""
    found: list[Rule] = []
    for check in catalogue:
        if isinstance(check.slo, EventSlo):
            judged = [s for s in check.severities if any(tiers_of(profile, s) for profile in alerting.profiles)]
            found += [burn_rule(check, severity, alerting, urls) for severity in judged]
            found.append(any_bad_rule(check, alerting, urls))
        else:
            found += [threshold_rule(check, threshold, alerting, urls) for threshold in check.slo.thresholds]
    return [*found, gone_rule(alerting, urls), stale_rule(alerting, urls), dataset_stale_rule(alerting, urls)]


def evidence_needed(alerting: Alerting, severity: Severity) -> float:
    """Nats that convince: ln(1/alpha), 6.9 for one in a thousand."""
    return round(log(1 / alerting.alpha_of(severity)), 4)


def tiers_of(profile: Profile, severity: Severity) -> tuple[BurnTier, ...]:
    """The tiers of a profile for a severity."""
    return profile.page if severity is Severity.PAGE else profile.ticket


def recent_windows(alerting: Alerting, severity: Severity) -> tuple[int, ...]:
    """Windows of at most a day, in seconds, by which an e-CUSUM's alert is still happening; ascending.

    A profile without any gives its shortest. Its level falls only as good events come in; a window forgets by itself.
    """
    found = set()
    for profile in alerting.profiles:
        windows = {w for tier in tiers_of(profile, severity) for w in (tier.long, tier.short)}
        found |= {w for w in windows if w <= max(DAY, min(windows))}
    return tuple(sorted(found))


def material_burn(alerting: Alerting, severity: Severity) -> float:
    """The burn rate that a recent window must be above while an e-CUSUM has decided: the least that one looks for.

    An e-CUSUM decides for what is nearer, the budget or its burn: at volume it tells 3.3 budgets from 1 in minutes,
    and counts them as 6. Only what burns like 6 is worth waking somebody.
    """
    return min(alerting.burns(severity))


def burn_rule(check: Check, severity: Severity, alerting: Alerting, urls: Urls) -> Rule:
    """The error budget alert of an event check: tiers joined by `or`, each profile for whom it suits."""
    profiles: list[Expr] = []
    for profile in alerting.profiles:
        tiers = tuple(_tier(check, tier, alerting, severity) for tier in tiers_of(profile, severity))
        if not tiers:
            continue
        # An objective of few bad events is paged by its e-CUSUM alone; windows may still open a ticket on it.
        alone = ((naming.INSTRUMENT, Instrument.CUSUM.value),) if _walks(alerting) and severity is Severity.PAGE else ()
        matchers = ((naming.SLI, check.name), (naming.PROFILE, profile.name))
        suits = Metric(naming.SLO_INFO, matchers, none_of=alone)
        burning = tiers[0] if len(tiers) == 1 else Join("or", tiers)
        profiles.append(Join("and", (burning, suits), ignoring=(naming.WINDOW, *_JUDGED)))
    if _walks(alerting):
        profiles.append(_decided(check, severity, alerting))
    worst = MaxBy(naming.SLO_LABELS, profiles[0] if len(profiles) == 1 else Join("or", tuple(profiles)))
    return Rule(
        alert=naming.burn_alert(check),
        severity=severity,
        expr=_owned(worst),
        labels=((naming.SEVERITY, severity.value),),
        keep_firing=alerting.burn_keep_firing(severity),
        check=check,
        annotations=burn_annotations(check, severity, urls, burn_blanks(alerting.burns(severity))),
    )


_JUDGED = (naming.PROFILE, naming.INSTRUMENT)


def _walks(alerting: Alerting) -> bool:
    return alerting.mode is Mode.EVIDENCE


def _decided(check: Check, severity: Severity, alerting: Alerting) -> Expr:
    """An e-CUSUM above its threshold, and a recent window that burns as much; whichever profile it is."""
    mine = ((naming.SLI, check.name),)
    windows = tuple(format_duration(window) for window in recent_windows(alerting, severity))
    burns = tuple(f"{burn:g}" for burn in alerting.burns(severity))
    names = tuple(profile.name for profile in alerting.profiles if tiers_of(profile, severity))
    recent = ((naming.WINDOW, windows),)
    burn_rate = Metric(naming.SLO_BURN_RATE, mine, recent)
    bad = (
        Compare(burn_rate, ">", material_burn(alerting, severity)),
        Compare(Metric(naming.SLI_ERROR_RATIO, mine, recent), ">", MOSTLY_BAD),
    )
    # The burn rate leads, as in a tier: it is the alert's value.
    return Join(
        "and",
        (
            Join("and", (burn_rate, Join("or", bad))),
            Compare(Metric(naming.SLO_CUSUM, mine, ((naming.BURN, burns),)), ">", 1),
            Metric(naming.SLO_INFO, mine, ((naming.PROFILE, names),)),
        ),
        ignoring=(naming.WINDOW, naming.BURN, *_JUDGED),
    )


def _tier(check: Check, tier: BurnTier, alerting: Alerting, severity: Severity) -> Expr:
    if not _walks(alerting):
        return plain_tier(check, tier)

    def over(metric: str, window: int) -> Metric:
        return Metric(metric, ((naming.SLI, check.name), (naming.WINDOW, format_duration(window))))

    def bad(window: int) -> tuple[Expr, ...]:
        return (
            Compare(over(naming.SLO_BURN_RATE, window), ">", tier.burn),
            Compare(over(naming.SLI_ERROR_RATIO, window), ">", MOSTLY_BAD),
        )

    # The burn rate leads, so that it is the alert's value whichever condition held.
    material_and_proven = Join(
        "and",
        (
            over(naming.SLO_BURN_RATE, tier.long),
            Join("or", bad(tier.long)),
            Compare(over(naming.SLO_EVIDENCE, tier.long), ">", evidence_needed(alerting, severity)),
        ),
    )
    if tier.short == tier.long:
        return material_and_proven
    unseen = Compare(over(naming.SLI_EVENTS, tier.short), "==", 0)
    still = Join("or", (*bad(tier.short), unseen))
    return Join("and", (material_and_proven, still), ignoring=(naming.WINDOW,))


def any_bad_window(alerting: Alerting) -> str:
    """The window that `none_bad` objectives are judged by: the longest of the quickest profile."""
    return format_duration(alerting.profiles[0].windows[-1])


def any_bad_rule(check: Check, alerting: Alerting, urls: Urls) -> Rule:
    """The alert of objectives that allow nothing bad: any bad event in the longest window."""
    window = any_bad_window(alerting)
    bad = Compare(Metric(naming.SLI_ERROR_RATIO, ((naming.SLI, check.name), (naming.WINDOW, window))), ">", 0)
    info = Metric(naming.SLO_INFO, ((naming.SLI, check.name), (naming.PROFILE, naming.NONE_BAD)))
    worst = MaxBy(naming.SLO_LABELS, Join("and", (bad, info), ignoring=(naming.WINDOW, naming.PROFILE)))
    return Rule(
        alert=naming.any_bad_alert(check),
        severity=Severity.TICKET,
        expr=_owned(worst),
        labels=((naming.SEVERITY, Severity.TICKET.value),),
        keep_firing=alerting.keep_firing,
        check=check,
        annotations=any_bad_annotations(check, window, urls, any_bad_blanks(window)),
    )


def threshold_rule(check: Check, threshold: Threshold, alerting: Alerting, urls: Urls) -> Rule:
    """The alert of a gauge that is past its objective, with enough behind it to matter."""
    slo = check.slo
    assert isinstance(slo, GaugeSlo)  # noqa: S101  callers dispatch on the kind of objective
    by = (naming.DATASET, naming.SCOPE)
    statistic = check.statistic(threshold.statistic)
    metric = Metric(threshold_metric(check, threshold))
    value_template = "{{ $value | humanizeDuration }}" if statistic.in_seconds else '{{ $value | printf "%.4g" }}'
    value = MaxBy(by, Age(metric) if statistic.age else metric)
    limit, past = MaxBy(by, Metric(naming.objective_gauge(check))), ">" if slo.at_most is not None else "<"
    expr: Expr = Compare(value, past, limit)
    if threshold.p_below:
        by_chance = MaxBy(by, Metric(naming.gauge(check, check.adjusted)))
        expr = Join("and", (expr, Compare(by_chance, "<", threshold.p_below)))
    if alerting.threshold_margin:
        # What began to fire goes on until the gauge is back by the margin. Chance was ruled out when it began; how
        # much is behind it is asked all the while.
        back = Scaled(limit, *hysteresis(check, alerting.threshold_margin))
        firing = MaxBy(by, Metric(naming.ALERTS, _firing(check, threshold)))
        expr = Join("or", (expr, Join("and", (Compare(value, past, back), firing))))
    if threshold.at_least:
        behind = Compare(MaxBy(by, Metric(naming.observations(check))), ">=", threshold.at_least)
        expr = Join("and", (expr, behind))
    return Rule(
        alert=naming.threshold_alert(check),
        severity=threshold.severity,
        expr=_owned(expr),
        labels=((naming.SEVERITY, threshold.severity.value), (naming.SLI, check.name)),
        hold=alerting.threshold_hold if threshold.hold is None else threshold.hold,
        keep_firing=alerting.keep_firing,
        check=check,
        annotations=threshold_annotations(
            check, threshold, urls, gauge_blanks(value_template), alerting.threshold_margin
        ),
    )


def hysteresis(check: Check, margin: float) -> tuple[float, float]:
    """(factor, offset) that turn the objective of a gauge into where its alert goes quiet: limit x factor + offset.

    A tenth less of what must stay below. Of a ratio that must stay above it is a tenth less of what lacks to 1:
    110 % of 0.95 could never be reached. For limits that it would move outwards (below 0, ratios above 1) the
    objective itself is the border still, as the rule joins both by `or`.
    """
    slo = check.slo
    assert isinstance(slo, GaugeSlo)  # noqa: S101  callers dispatch on the kind of objective
    if slo.at_most is not None:
        return round(1 - margin, 10), 0.0
    if naming.objective_gauge(check).endswith("_ratio"):
        return round(1 - margin, 10), margin
    return round(1 + margin, 10), 0.0


def _firing(check: Check, threshold: Threshold) -> tuple[tuple[str, str], ...]:
    return (
        (naming.ALERT_NAME, naming.threshold_alert(check)),
        (naming.ALERT_STATE, "firing"),
        (naming.SEVERITY, threshold.severity.value),  # page and ticket of a check share the name
    )


def threshold_metric(check: Check, threshold: Threshold) -> str:
    """The gauge a threshold looks at: the estimate, or the end of its interval nearest to the objective."""
    slo, statistic = check.slo, check.statistic(threshold.statistic)
    if not threshold.proven:
        return naming.gauge(check, statistic)
    rises = isinstance(slo, GaugeSlo) and slo.at_most is not None
    return naming.gauge_lower(check, statistic) if rises else naming.gauge_upper(check, statistic)


def gone_rule(alerting: Alerting, urls: Urls) -> Rule:
    """Nobody watches: no replica of labelmon is scraped."""
    return Rule(
        alert=naming.ALERT_GONE,
        severity=Severity.PAGE,
        expr=Absent(Metric(naming.BUILD_INFO)),
        labels=((naming.SEVERITY, Severity.PAGE.value), (naming.SLI, "labelmon")),
        hold=alerting.gone_after,
        annotations={
            "summary": "labelmon is gone: no replica is scraped, nothing watches the labels",
            "description": (
                "Every other alert of labelmon is blind while this one fires. "
                "First look: is the process up, and does Prometheus reach it?"
            ),
            **self_links(naming.ALERT_GONE, urls),
        },
    )


def stale_rule(alerting: Alerting, urls: Urls) -> Rule:
    """A label store has not answered for too long, or never has."""
    by = (naming.STORE,)
    stale = Compare(MaxBy(by, Age(Metric(naming.STORE_LAST_SUCCESS))), ">", alerting.stale_after)
    down = Compare(MaxBy(by, Metric(naming.STORE_UP)), "==", 0)
    never = Join("unless", (down, MaxBy(by, Metric(naming.STORE_LAST_SUCCESS))))
    return Rule(
        alert=naming.ALERT_STORE_STALE,
        severity=Severity.PAGE,
        expr=Join("or", (stale, never)),
        labels=((naming.SEVERITY, Severity.PAGE.value), (naming.SLI, "store")),
        hold=alerting.threshold_hold,
        keep_firing=alerting.keep_firing,
        annotations={
            "summary": "Label store {{ $labels.store }} does not answer: its datasets are not measured",
            "description": (
                "All datasets of the store show their last numbers until these expire. First look: is the store up, "
                "and did its password or schema change? /api/v1/status says what it answered."
            ),
            **self_links(naming.ALERT_STORE_STALE, urls),
        },
    )


def dataset_stale_rule(alerting: Alerting, urls: Urls) -> Rule:
    """A check of a dataset has not succeeded for too long, or never has, although the dataset's store answers.

    What the store's own alert tells is not told again for each of its datasets. A replica that succeeds is enough.
    """
    by = (naming.DATASET, naming.SLI)
    last, limit = Metric(naming.CHECK_LAST_SUCCESS), stale_limit(alerting)
    failed = MaxBy(by, Metric(f"{naming.CHECK_FAILURES}_total"))
    stale = Compare(Age(MaxBy(by, last)), ">", limit)
    never = Join("unless", (failed, MaxBy(by, last)))
    store = (naming.STORE,)
    silent = Compare(MaxBy(store, Age(Metric(naming.STORE_LAST_SUCCESS))), ">", alerting.stale_after)
    down = Compare(MaxBy(store, Metric(naming.STORE_UP)), "==", 0)
    owned = _owned(MaxBy((naming.DATASET,), Join("or", (stale, never))))
    failing = (
        f"max by (sli) ({naming.CHECK_FAILURES}_total{{dataset=%q}}) unless "
        f"max by (sli) (time() - {naming.CHECK_LAST_SUCCESS}{{dataset=%q}}) <= {limit}"
    )
    return Rule(
        alert=naming.ALERT_DATASET_STALE,
        severity=Severity.TICKET,
        expr=Join("unless", (owned, Join("or", (silent, down))), on=store),
        labels=((naming.SEVERITY, Severity.TICKET.value), (naming.SLI, "dataset")),
        hold=alerting.stale_after,
        keep_firing=alerting.keep_firing,
        annotations={
            "summary": "{{ $labels.dataset }}: not all of it is measured, although its store answers",
            "description": (
                "No alert can fire on what is not measured. Failing: {{ range query "
                f"(printf `{failing}` $labels.dataset $labels.dataset) | sortByLabel `sli` }}}}"
                "{{ .Labels.sli }} {{ end }}- First look: /api/v1/status says what the store answered to these checks."
            ),
            "runbook_url": f"{urls.runbooks}/{naming.runbook(naming.ALERT_DATASET_STALE)}",
            "dashboard_url": f"{urls.grafana}/d/{naming.ONCALL_UID}?var-dataset={{{{ $labels.dataset | urlquery }}}}",
        },
    )


def stale_limit(alerting: Alerting) -> int:
    """Seconds without a success after which a check is stale: as for a store, and never less than four samples."""
    return max(alerting.stale_after, 4 * bucket_width(alerting.shortest_window))


def _owned(expr: Expr) -> Expr:
    return WithOwner(expr, naming.DATASET_INFO, naming.CONFIG_RELOAD_TIME, naming.OWNER_LABELS)
