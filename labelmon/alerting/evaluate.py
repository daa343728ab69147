"""Whether an alert would fire, evaluation by evaluation: what Prometheus makes of the generated rules.

The rules' conditions are asked of counts and samples in memory; `for`, `keep_firing_for` and what follows from them
are Prometheus' own. Tests hold both against promtool.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from labelmon import naming
from labelmon.alerting.rules import (
    Rule,
    any_bad_rule,
    any_bad_window,
    burn_rule,
    hysteresis,
    threshold_metric,
    threshold_rule,
)
from labelmon.alerting.tiers import burning
from labelmon.check import Check, EventSlo, GaugeSlo, Threshold
from labelmon.durations import format_duration
from labelmon.exporter import Sample
from labelmon.model import ObjectiveKind, Severity, SloStatus, State, Urls
from labelmon.profiles import Alerting


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one evaluation sees of a dataset: its objectives, and its gauges' values by metric and scope."""

    at: float
    statuses: tuple[SloStatus, ...]
    values: Mapping[str, Mapping[str, tuple[float, ...]]]

    def largest(self, metric: str, scope: str) -> float | None:
        """`max by (dataset, scope)`; None without a value."""
        return max(self.values.get(metric, {}).get(scope, ()), default=None)

    def oldest(self, metric: str, scope: str) -> float | None:
        """`max by (dataset, scope) (time() - ...)`, in seconds."""
        instant = min(self.values.get(metric, {}).get(scope, ()), default=None)
        return None if instant is None else self.at - instant


# The scopes of a dataset where an alert's expression holds; it is told where the alert fires already.
Holds = Callable[[Seen, Collection[str]], set[str]]


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A generated rule, and its expression as a function."""

    rule: Rule
    holds: Holds


@dataclass(kw_only=True)
class Episode:
    """One firing of an alert, seconds since 1970; `end` is None while it lasts."""

    scope: str
    start: float
    end: float | None = None


@dataclass(kw_only=True)
class Watch:
    """An alert of one dataset from evaluation to evaluation, as Prometheus keeps it: pending, firing, resolved."""

    alert: Alert
    began: dict[str, float] = field(default_factory=dict)
    quiet: dict[str, float] = field(default_factory=dict)
    firing: dict[str, Episode] = field(default_factory=dict)
    episodes: list[Episode] = field(default_factory=list)

    def evaluate(self, seen: Seen) -> None:
        """One evaluation; they come in order of time.

        Where evaluations are far apart an episode begins and ends when Prometheus, which looks more often, would have
        said so had nothing changed in between: `for` after the first that held, `keep_firing_for` after the first that
        did not.
        """
        rule = self.alert.rule
        holding = self.alert.holds(seen, self.firing.keys())
        for scope in holding:
            self.began.setdefault(scope, seen.at)
            self.quiet.pop(scope, None)
        for scope in sorted(self.began.keys() - holding):
            if scope in self.firing:
                ends = self.quiet.setdefault(scope, seen.at) + rule.keep_firing
                if seen.at < ends:
                    continue
                self.firing.pop(scope).end = ends
            del self.began[scope]
            self.quiet.pop(scope, None)
        for scope in sorted(holding - self.firing.keys()):
            fires = self.began[scope] + rule.hold
            if seen.at >= fires:
                self.firing[scope] = Episode(scope=scope, start=fires)
                self.episodes.append(self.firing[scope])


def seen_at(at: float, statuses: Iterable[SloStatus], samples: Iterable[Sample]) -> Seen:
    """What an evaluation at `at` sees of one dataset's `statuses` and `samples`."""
    values: dict[str, dict[str, tuple[float, ...]]] = {}
    for sample in samples:
        by_scope = values.setdefault(sample.name, {})
        scope = sample.labels.get(naming.SCOPE, "")
        by_scope[scope] = (*by_scope.get(scope, ()), sample.value)
    return Seen(at=at, statuses=tuple(statuses), values=values)


def alerts_of(check: Check, alerting: Alerting, urls: Urls) -> list[Alert]:
    """Every alert of a check, in the order of `all_rules`."""
    slo = check.slo
    if isinstance(slo, EventSlo):
        return [
            *(
                Alert(rule=burn_rule(check, severity, alerting, urls), holds=partial(_burns, check, severity, alerting))
                for severity in check.severities
            ),
            Alert(rule=any_bad_rule(check, alerting, urls), holds=partial(_any_bad, check, alerting)),
        ]
    return [
        Alert(
            rule=threshold_rule(check, threshold, alerting, urls), holds=partial(_past, check, slo, threshold, alerting)
        )
        for threshold in slo.thresholds
    ]


def _burns(check: Check, severity: Severity, alerting: Alerting, seen: Seen, firing: Collection[str]) -> set[str]:
    del firing
    return {status.scope_label for status in _judged(check, seen) if burning(status, severity, alerting)}


def _any_bad(check: Check, alerting: Alerting, seen: Seen, firing: Collection[str]) -> set[str]:
    del firing
    longest = any_bad_window(alerting)
    return {
        status.scope_label
        for status in _judged(check, seen)
        if status.profile == naming.NONE_BAD and status.objective.kind is ObjectiveKind.NONE_BAD
        for counted in status.windows
        if format_duration(counted.window) == longest and (counted.error_ratio or 0.0) > 0
    }


def _judged(check: Check, seen: Seen) -> list[SloStatus]:
    return [s for s in seen.statuses if s.check == check.name and s.state is not State.ERROR]


def _past(
    check: Check, slo: GaugeSlo, threshold: Threshold, alerting: Alerting, seen: Seen, firing: Collection[str]
) -> set[str]:
    metric = threshold_metric(check, threshold)
    value_of = seen.oldest if check.statistic(threshold.statistic).age else seen.largest
    factor, offset = hysteresis(check, alerting.threshold_margin)
    found = set()
    for scope in seen.values.get(metric, {}):
        value, limit = value_of(metric, scope), seen.largest(naming.objective_gauge(check), scope)
        if value is None or limit is None:
            continue
        if threshold.at_least and (seen.largest(naming.observations(check), scope) or 0.0) < threshold.at_least:
            continue
        begins = _beyond(slo, value, limit)
        if begins and threshold.p_below:
            by_chance = seen.largest(naming.gauge(check, check.adjusted), scope)
            begins = by_chance is not None and by_chance < threshold.p_below
        # What fires goes on until the gauge is back by the margin, as the rule asks ALERTS.
        lasts = alerting.threshold_margin and scope in firing and _beyond(slo, value, limit * factor + offset)
        if begins or lasts:
            found.add(scope)
    return found


def _beyond(slo: GaugeSlo, value: float, limit: float) -> bool:
    return value > limit if slo.at_most is not None else value < limit
