"""What a page says: what broke, how badly, since which window, the first look, and where to go."""

from __future__ import annotations

from labelmon import naming
from labelmon.check import Check, Threshold
from labelmon.model import Severity, Urls

# Selects the series of the alert's own objective; %q quotes as PromQL does.
_MINE = '{dataset=%q, sli=%q, scope=%q}'
_ARGS = "$labels.dataset $labels.sli $labels.scope"
_SCOPED = "{{ $labels.dataset }}{{ with $labels.scope }} ({{ . }}){{ end }}"


def links(check: Check, alert: str, urls: Urls) -> dict[str, str]:
    """runbook_url, dashboard_url and samples_url of an alert on a dataset."""
    found = {"runbook_url": f"{urls.runbooks}/{naming.runbook(alert)}"}
    if urls.grafana:
        found["dashboard_url"] = f"{urls.grafana}/d/{naming.ONCALL_UID}?var-dataset={{{{ $labels.dataset | urlquery }}}}"
    if urls.labelmon:
        found["samples_url"] = (
            f"{urls.labelmon}/samples?dataset={{{{ $labels.dataset | urlquery }}}}&sli={check.name}"
            "&scope={{ $labels.scope | urlquery }}"
        )
    return found


def burn_annotations(check: Check, severity: Severity, urls: Urls) -> dict[str, str]:
    """The value is the burn rate; error ratios and events by window and the budget are looked up."""
    urgency = "fast" if severity is Severity.PAGE else "steadily"
    windows = (
        f"{{{{ range query (printf `sort_desc(max by (window) ({naming.SLI_ERROR_RATIO}{_MINE}))` {_ARGS}) }}}}"
        "{{ .Labels.window }} {{ .Value | humanizePercentage }}; {{ end }}"
    )
    events = (
        f"{{{{ with query (printf `max({naming.SLI_EVENTS}{_MINE})` {_ARGS}) }}}}"
        "{{ . | first | value | printf `%.0f` }}{{ end }}"
    )
    left = (
        f"{{{{ with query (printf `min({naming.SLO_BUDGET_REMAINING}{_MINE})` {_ARGS}) }}}}"
        " Budget left: {{ . | first | value | humanizePercentage }}.{{ end }}"
    )
    return {
        "summary": (
            f"{_SCOPED}: {check.title.lower()} burns its error budget {urgency}, "
            '{{ $value | printf "%.1f" }} times the rate that would just use it up'
        ),
        "description": (
            f"{check.runbook.meaning} Errors by window: {windows}at most {events} events in a window.{left} "
            f"First look: {check.runbook.first_looks[0]}"
        ),
        **links(check, naming.burn_alert(check), urls),
    }


def threshold_annotations(check: Check, threshold: Threshold, urls: Urls) -> dict[str, str]:
    """The value is the statistic itself, an age or a number."""
    statistic = check.statistic(threshold.statistic)
    value = "{{ $value | humanizeDuration }}" if statistic.age else '{{ $value | printf "%.4g" }}'
    return {
        "summary": f"{_SCOPED}: {check.title.lower()}: {threshold.meaning} ({value})",
        "description": f"{check.runbook.meaning} First look: {check.runbook.first_looks[0]}",
        **links(check, naming.threshold_alert(check), urls),
    }


def fixed_annotations(check: Check, alert: str, summary: str, urls: Urls) -> dict[str, str]:
    """Annotations around a given summary."""
    return {
        "summary": summary,
        "description": f"{check.runbook.meaning} First look: {check.runbook.first_looks[0]}",
        **links(check, alert, urls),
    }
