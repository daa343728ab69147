"""The on-call dashboard: what fires, each SLI against its objective, burn by window, labelmon's own health."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import ascii_uppercase
from typing import Any

from labelmon import naming
from labelmon.check import Check, EventSlo, GaugeSlo, Statistic
from labelmon.dashboards import sdk
from labelmon.model import Urls

_UNITS = {"ratio": "percentunit", "seconds": "s", "items": "short"}
_WHO = "{{dataset}} {{scope}}"


def oncall_dashboard(catalogue: Sequence[Check], urls: Urls) -> str:
    """The dashboard as JSON text."""
    built = (
        sdk.dashboard("Label quality: on call", naming.ONCALL_UID, "What fires, how fast it burns, and whether labelmon itself is well.")
        .with_variable(sdk.source_variable())
        .with_variable(sdk.variable("job", "Job", f"label_values({naming.BUILD_INFO}, job)"))
        .with_variable(sdk.variable("dataset", "Dataset", f'label_values({naming.DATASET_INFO}{{job=~"$job"}}, dataset)'))
        .link(sdk.web_link("Runbooks", urls.runbooks))
        .link(sdk.web_link("labelmon", f"{urls.labelmon}/api/v1/status"))
        .annotation(sdk.alerts_annotation())
        .with_row(sdk.row("Now"))
        .with_panel(
            sdk.rows(
                "Firing alerts", "Every alert of labelmon that fires, with its owner. Runbooks are in the head of the page.",
                "nothing fires", 'ALERTS{alertstate="firing", sli!=""}',
            )
        )
    )
    built = built.with_row(sdk.row("Indicators"))
    for check in catalogue:
        built = built.with_panel(_check_panel(check, urls))
    built = built.with_row(sdk.row("Error budgets"))
    for panel in _budget_panels():
        built = built.with_panel(panel)
    built = built.with_row(sdk.row("labelmon itself"))
    for panel in _health_panels():
        built = built.with_panel(panel)
    return sdk.encode(built.build())


def _check_panel(check: Check, urls: Urls) -> Any:
    names = check.panel.statistics or (check.main.name,)
    statistics = [check.statistic(name) for name in names]
    samples = f"{urls.labelmon}/samples?dataset=${{__field.labels.dataset:percentencode}}&sli={check.name}&from=${{__from}}&to=${{__to}}"
    unit = _UNITS.get(statistics[0].metric.rsplit("_", 1)[-1], "short")
    panel = sdk.lines(check.panel.title, check.panel.description, unit, "not measured", samples=samples)
    for ref, (expr, legend) in zip(ascii_uppercase, _check_queries(check, statistics), strict=False):
        panel = panel.with_target(sdk.query(expr, ref, legend))
    return panel


def _check_queries(check: Check, statistics: Sequence[Statistic]) -> Iterator[tuple[str, str]]:
    by = "dataset, scope"
    for statistic in statistics:
        name = statistic.name.removesuffix("_seconds").replace("_", " ")
        value = f"{naming.gauge(check, statistic)}{{{sdk.SELECT}}}"
        yield f"max by ({by}) ({f'time() - {value}' if statistic.age else value})", f"{_WHO} {name}"
        if statistic.interval:
            for twin, end in ((naming.gauge_lower, "low"), (naming.gauge_upper, "high")):
                yield f"max by ({by}) ({twin(check, statistic)}{{{sdk.SELECT}}})", f"{_WHO} {end}"
    if isinstance(check.slo, EventSlo):
        yield f'max by ({by}) ({naming.SLO_OBJECTIVE}{{{sdk.SELECT}, sli="{check.name}"}})', f"{_WHO} objective"
    elif isinstance(check.slo, GaugeSlo):
        yield f"max by ({by}) ({naming.objective_gauge(check)}{{{sdk.SELECT}}})", f"{_WHO} objective"


def _budget_panels() -> Iterator[Any]:
    by, who = "dataset, sli, scope", "{{dataset}} {{sli}} {{scope}}"
    windowed, who_window = f"{by}, window", f"{who} {{{{window}}}}"
    yield sdk.lines(
        "Error budget left", "1 is a full budget, below 0 it is overspent.", "percentunit", "no events"
    ).with_target(sdk.query(f"min by ({by}) ({naming.SLO_BUDGET_REMAINING}{{{sdk.SELECT}}})", "A", who))
    yield sdk.lines(
        "Burn rate by window", "Error ratio over budget; 1 just uses the budget up.", "short", "no events"
    ).with_target(sdk.query(f"max by ({windowed}) ({naming.SLO_BURN_RATE}{{{sdk.SELECT}}})", "A", who_window))
    yield sdk.lines(
        "Evidence by window", "Nats that the error exceeds the budget; alerts ask for 6.9.", "short", "no events"
    ).with_target(sdk.query(f"max by ({windowed}) ({naming.SLO_EVIDENCE}{{{sdk.SELECT}}})", "A", who_window))
    yield sdk.lines(
        "Error ratio by window", "Bad events over events, by event time.", "percentunit", "no events"
    ).with_target(sdk.query(f"max by ({windowed}) ({naming.SLI_ERROR_RATIO}{{{sdk.SELECT}}})", "A", who_window))
    yield sdk.lines(
        "Events by window", "How many events stand behind the burn rates.", "short", "no events"
    ).with_target(sdk.query(f"max by ({windowed}) ({naming.SLI_EVENTS}{{{sdk.SELECT}}})", "A", who_window))


def _health_panels() -> Iterator[Any]:
    yield sdk.lines(
        "Stores", "1 while a store answers.", "short", "no store was asked yet"
    ).with_target(sdk.query(f'min by (store) ({naming.STORE_UP}{{job=~"$job"}})', "A", "{{store}}"))
    yield sdk.lines(
        "Age of the last success", "Seconds since a check last succeeded.", "s", "no check has succeeded"
    ).with_target(
        sdk.query(f"max by (dataset, sli) (time() - {naming.CHECK_LAST_SUCCESS}{{{sdk.SELECT}}})", "A", "{{dataset}} {{sli}}")
    )
    yield sdk.lines(
        "Failed cycles by reason", "Failures a second; /api/v1/status has the message.", "ops", "no failures"
    ).with_target(
        sdk.query(
            f"sum by (dataset, sli, reason) (rate({naming.CHECK_FAILURES}_total{{{sdk.SELECT}}}[$__rate_interval]))", "A",
            "{{dataset}} {{sli}} {{reason}}",
        )
    )
    yield sdk.lines(
        "Share of the window with history", "Below 1 the ledger knows only part of the objective's window.",
        "percentunit", "no objective",
    ).with_target(
        sdk.query(f"min by (dataset, sli, scope) ({naming.SLO_HISTORY}{{{sdk.SELECT}}})", "A", "{{dataset}} {{sli}} {{scope}}")
    )
