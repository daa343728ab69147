"""What a page says: what broke, how badly, over which windows, the first look, and where to go.

The texts have blanks. In a rule file these are Prometheus templates; the generated tests fill them with what
Prometheus must have made of the templates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from labelmon import naming
from labelmon.check import Check, Threshold
from labelmon.model import Severity, Urls

# Selects the series of the alert's own objective; %q quotes as PromQL does.
_MINE = "{dataset=%q, sli=%q, scope=%q}"
_ARGS = "$labels.dataset $labels.sli $labels.scope"


@dataclass(frozen=True, kw_only=True)
class Blanks:
    """The parts of an annotation that depend on the alert; `scoped` is ` (scope)` or nothing."""

    dataset: str
    scoped: str
    dataset_query: str
    scope_query: str
    value: str
    windows: str = ""
    events: str = ""
    decided: str = ""
    left: str = ""
    bad: str = ""


def burn_blanks(burns: tuple[float, ...]) -> Blanks:
    """Templates of an error budget alert: the value is the burn rate, the rest is looked up.

    `burns` name the e-CUSUMs of its severity.
    """
    of_window = "{dataset=%q, sli=%q, scope=%q, window=%q}"
    bad = f"max({naming.SLI_ERROR_RATIO}{of_window} * {naming.SLI_EVENTS}{of_window})"
    names = "|".join(f"{burn:g}" for burn in burns)
    walks = f'{naming.SLO_CUSUM}{{dataset=%q, sli=%q, scope=%q, burn=~"{names}"}}'
    return replace(
        gauge_blanks('{{ $value | printf "%.1f" }}'),
        windows=(
            f"{{{{ range query (printf `max by (window) ({naming.SLI_ERROR_RATIO}{_MINE})` {_ARGS})"
            " | sortByLabel `window` }}{{ .Labels.window }} {{ .Value | humanizePercentage }} ("
            f"{{{{ with query (printf `{bad}` {_ARGS} .Labels.window {_ARGS} .Labels.window) }}}}"
            "{{ . | first | value | printf `%.0f` }}{{ end }} of "
            f"{{{{ with query (printf `max({naming.SLI_EVENTS}{of_window})` {_ARGS} .Labels.window) }}}}"
            "{{ . | first | value | printf `%.0f` }}{{ end }}"
            f"{{{{ with query (printf `max({naming.SLO_EVIDENCE}{of_window})` {_ARGS} .Labels.window) }}}}"
            ", {{ . | first | value | printf `%.1f` }} nats of evidence{{ end }}); {{ end }}"
        ),
        decided=(
            f"{{{{ range query (printf `max by (burn) ({walks}) > 1` {_ARGS}) | sortByLabel `burn` }}}}"
            " The e-CUSUM for {{ .Labels.burn }} budgets has decided.{{ end }}"
        ),
        left=(
            f"{{{{ with query (printf `min({naming.SLO_BUDGET_REMAINING}{_MINE})` {_ARGS}) }}}}"
            " Budget left: {{ . | first | value | humanizePercentage }}.{{ end }}"
        ),
    )


def gauge_blanks(value: str) -> Blanks:
    """Templates of an alert whose value reads by itself."""
    return Blanks(
        dataset="{{ $labels.dataset }}",
        scoped="{{ with $labels.scope }} ({{ . }}){{ end }}",
        dataset_query="{{ $labels.dataset | urlquery }}",
        scope_query="{{ $labels.scope | urlquery }}",
        value=value,
    )


def any_bad_blanks(window: str) -> Blanks:
    """Templates of an alert on anything bad in `window`: the value is the ratio, the counts are looked up."""
    selected = f"{_MINE[:-1]}, window=`{window}`}}".replace("`", '"')
    events, ratio = f"{naming.SLI_EVENTS}{selected}", f"{naming.SLI_ERROR_RATIO}{selected}"
    # Weighted events may make a bad one less than half a one: something bad is never told as 0.
    count = f"{{{{ with query (printf `clamp_min(round(max({ratio} * {events})), 1)` {_ARGS} {_ARGS}) }}}}"
    return replace(
        gauge_blanks("{{ $value | humanizePercentage }}"),
        bad=f"{count}{{{{ . | first | value | printf `%.0f` }}}}{{{{ end }}}}",
        events=(
            f"{{{{ with query (printf `max({events})` {_ARGS}) }}}}"
            "{{ . | first | value | printf `%.0f` }}{{ end }}"
        ),
    )


def burn_annotations(check: Check, severity: Severity, urls: Urls, blanks: Blanks) -> dict[str, str]:
    """Of an error budget alert."""
    pace = "fast" if severity is Severity.PAGE else "steadily"
    return {
        "summary": (
            f"{blanks.dataset}{blanks.scoped}: {check.title.lower()} burns its error budget {pace}, "
            f"{blanks.value} times the rate that would just use it up"
        ),
        "description": (
            f"{check.runbook.meaning} Errors by window: {blanks.windows}a burn of 1 just uses up the budget."
            f"{blanks.decided}{blanks.left} First look: {check.runbook.first_looks[0]}"
        ),
        **links(check, naming.burn_alert(check), urls, blanks),
    }


def any_bad_annotations(check: Check, window: str, urls: Urls, blanks: Blanks) -> dict[str, str]:
    """Of an objective that allows nothing bad."""
    return {
        "summary": (
            f"{blanks.dataset}{blanks.scoped}: {check.title.lower()} allows nothing bad, and {blanks.bad} of "
            f"{blanks.events} events of the last {window} are ({blanks.value})"
        ),
        "description": _told(check),
        **links(check, naming.any_bad_alert(check), urls, blanks),
    }


def threshold_annotations(
    check: Check, threshold: Threshold, urls: Urls, blanks: Blanks, margin: float
) -> dict[str, str]:
    """Of a gauge past its objective, that fires until it is back by the share `margin`."""
    until = f" It fires until the value is back by a margin of {margin * 100:g} %." if margin else ""
    return {
        "summary": f"{blanks.dataset}{blanks.scoped}: {check.title.lower()}: {threshold.meaning} ({blanks.value})",
        "description": f"{_told(check)}{until}",
        **links(check, naming.threshold_alert(check), urls, blanks),
    }


def links(check: Check, alert: str, urls: Urls, blanks: Blanks) -> dict[str, str]:
    """runbook_url, dashboard_url and samples_url of an alert on a dataset."""
    return {
        "runbook_url": f"{urls.runbooks}/{naming.runbook(alert)}",
        "dashboard_url": f"{urls.grafana}/d/{naming.ONCALL_UID}?var-dataset={blanks.dataset_query}",
        "samples_url": (
            f"{urls.labelmon}/samples?dataset={blanks.dataset_query}&sli={check.name}&scope={blanks.scope_query}"
        ),
    }


def self_links(alert: str, urls: Urls) -> dict[str, str]:
    """Links of an alert about labelmon itself or a store."""
    return {
        "runbook_url": f"{urls.runbooks}/{naming.runbook(alert)}",
        "dashboard_url": f"{urls.grafana}/d/{naming.ONCALL_UID}",
    }


def _told(check: Check) -> str:
    return f"{check.runbook.meaning} First look: {check.runbook.first_looks[0]}"
