"""Every machine-visible name: metrics, labels, alerts, dashboard uids, runbook paths. Nothing else spells them."""

from __future__ import annotations

from labelmon.check import Check, Statistic
from labelmon.model import Severity

PREFIX = "labelmon"
JOB = "labelmon"

# Label names.
DATASET = "dataset"
SLI = "sli"
SCOPE = "scope"
WINDOW = "window"
PROFILE = "profile"
INSTRUMENT = "instrument"
BURN = "burn"
PIPELINE = "pipeline"
STORE = "store"
TEAM = "team"
TIER = "tier"
SEVERITY = "severity"
REASON = "reason"
SLO_LABELS = (DATASET, SLI, SCOPE)
DATASET_INFO_LABELS = (DATASET, PIPELINE, STORE, TEAM, TIER)
OWNER_LABELS = (PIPELINE, STORE, TEAM, TIER)
ALERT_LABELS = (SEVERITY, *SLO_LABELS, *OWNER_LABELS)  # of every alert about a dataset

# Per SLO and window {dataset, sli, scope, window}.
SLI_EVENTS = "labelmon_sli_events"
SLI_ERROR_RATIO = "labelmon_sli_error_ratio"
SLO_BURN_RATE = "labelmon_slo_burn_rate"
SLO_EVIDENCE = "labelmon_slo_evidence_nats"
# Per SLO {dataset, sli, scope}.
SLO_OBJECTIVE = "labelmon_slo_objective_ratio"
SLO_BUDGET_REMAINING = "labelmon_slo_error_budget_remaining_ratio"
SLO_HISTORY = "labelmon_slo_history_ratio"
SLI_DESIGN_EFFECT = "labelmon_sli_design_effect_ratio"
SLO_CUSUM = "labelmon_slo_cusum_ratio"  # + burn
SLO_INFO = "labelmon_slo_info"  # + profile, instrument
# Per dataset.
DATASET_INFO = "labelmon_dataset_info"
DATASET_SAMPLED = "labelmon_dataset_sampled_timestamp_seconds"
# Per store.
STORE_UP = "labelmon_store_up"
STORE_LAST_SUCCESS = "labelmon_store_last_success_timestamp_seconds"
# Self-metrics {dataset, sli} unless said otherwise.
CHECK_RUNS = "labelmon_check_runs"  # counter: exposed with _total
CHECK_FAILURES = "labelmon_check_failures"  # counter, + reason
CHECK_LAST_SUCCESS = "labelmon_check_last_success_timestamp_seconds"
CHECK_COMPUTABLE = "labelmon_check_computable"
LEDGER_HISTORY_START = "labelmon_ledger_history_start_timestamp_seconds"
LEDGER_CORRECTIONS = "labelmon_ledger_corrected_rows"  # counter
LEDGER_HELD = "labelmon_ledger_reconcile_held"
CONFIG_RELOAD_OK = "labelmon_config_last_reload_successful"
CONFIG_RELOAD_TIME = "labelmon_config_last_reload_success_timestamp_seconds"
SERIES_DROPPED = "labelmon_series_dropped"
BUILD_INFO = "labelmon_build_info"

THRESHOLD_ONLY = "threshold-only"
NONE_BAD = "none-bad"

# Prometheus' own: a series of 1 for every alert that is pending or firing.
ALERTS = "ALERTS"
ALERT_NAME = "alertname"
ALERT_STATE = "alertstate"

# Recorded by Prometheus: one owner per dataset, whatever the replicas say.
DATASET_OWNER = "labelmon:dataset_owner"

ALERT_GONE = "LabelmonGone"
ALERT_STORE_STALE = "LabelStoreStale"
ALERT_DATASET_STALE = "LabelDatasetStale"
ONCALL_UID = "labelmon-oncall"


def camel(name: str) -> str:
    """`label_accuracy` as `LabelAccuracy`."""
    return "".join(part.capitalize() for part in name.split("_"))


def gauge(check: Check, statistic: Statistic) -> str:
    """The metric of a statistic: `labelmon_label_accuracy_ratio`."""
    return f"{PREFIX}_{check.name}_{statistic.metric}"


def gauge_lower(check: Check, statistic: Statistic) -> str:
    """The lower end of its 95 % interval: `labelmon_label_accuracy_lower_ratio`."""
    return f"{PREFIX}_{check.name}_{_twin(statistic, 'lower')}"


def gauge_upper(check: Check, statistic: Statistic) -> str:
    """The upper end of its 95 % interval: `labelmon_label_accuracy_upper_ratio`."""
    return f"{PREFIX}_{check.name}_{_twin(statistic, 'upper')}"


def observations(check: Check) -> str:
    """How many observations stand behind a check's gauges."""
    return f"{PREFIX}_{check.name}_observations"


def objective_gauge(check: Check) -> str:
    """The objective of a gauge check in base units: `labelmon_label_backlog_objective_seconds`."""
    unit = check.statistic(check.slo.statistic).metric.rsplit("_", 1)[-1]  # type: ignore[union-attr]
    return f"{PREFIX}_{check.name}_objective_{unit}"


def burn_alert(check: Check) -> str:
    """The burn-rate alert of an event check (its severities share the name)."""
    return f"{camel(check.name)}BudgetBurn"


def any_bad_alert(check: Check) -> str:
    """The alert of a `none_bad` objective."""
    return f"{camel(check.name)}AnyBad"


def threshold_alert(check: Check) -> str:
    """The threshold alert of a gauge check (its severities share the name)."""
    return f"{camel(check.name)}Threshold"


def runbook(alert: str) -> str:
    """The file of an alert's runbook below rules/runbooks and below `urls.runbooks`."""
    return f"{alert}.md"


def receiver(team: str, severity: Severity) -> str:
    """The Alertmanager receiver of a team for a severity."""
    return f"{team}-{severity.value}"


def _twin(statistic: Statistic, end: str) -> str:
    head, _, unit = statistic.metric.rpartition("_")
    return f"{head}_{end}_{unit}" if head else f"{end}_{unit}"
