"""What a cycle found out, as Prometheus samples. A state that is not `ok` leaves its value out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from labelmon import naming
from labelmon.check import Check, GaugeSlo
from labelmon.durations import format_duration
from labelmon.exporter import Sample
from labelmon.model import Measurement, ObjectiveKind, SloStatus, State
from labelmon.roles import PERSON_ROLES
from labelmon.sampler import CycleResult

# Estimates told apart by these are for `once`, the API and pages: a person, and how a sample was drawn.
INTERNAL = PERSON_ROLES | {"stratum", "purpose", "model_version"}
HISTORY = "Share of the objective's window that the ledger has history for; of a gauge, that could be judged."
BUDGET = "Share of the error budget that is left, of a gauge in bad time slices; negative when overspent."


def samples_of(result: CycleResult, catalogue: Mapping[str, Check]) -> Iterator[Sample]:
    """Every sample of a dataset's cycle, self-metrics left out."""
    dataset = result.dataset
    yield _gauge(
        naming.DATASET_INFO,
        "Who owns a dataset, and where it lives.",
        {
            naming.DATASET: dataset.name,
            naming.PIPELINE: dataset.pipeline,
            naming.STORE: dataset.store,
            naming.TEAM: dataset.owner.team,
            naming.TIER: dataset.tier.value,
        },
        1,
    )
    yield _gauge(
        naming.DATASET_SAMPLED,
        "When the dataset was last sampled.",
        {naming.DATASET: dataset.name},
        result.at,
    )
    for measurement in result.board.measurements:
        yield from measured_samples(measurement, catalogue[measurement.check], result.at)
    for status in result.board.slos:
        yield from slo_samples(status, catalogue[status.check])


def measured_samples(measurement: Measurement, check: Check, at: float) -> Iterator[Sample]:
    """The gauges of one measurement: value, interval ends, observations."""
    estimate = measurement.estimate
    labels = {naming.DATASET: measurement.dataset, naming.SCOPE: _scope(measurement.labels)}
    statistic = check.statistic(estimate.statistic)
    if not statistic.metric or INTERNAL & set(estimate.labels):
        return
    if statistic is check.main and not estimate.labels and estimate.state is not State.ERROR:
        yield _gauge(naming.observations(check), f"Observations behind the gauges of {check.name}.", labels, estimate.n)
    if estimate.value is None or estimate.state is not State.OK:
        return
    labels |= estimate.labels
    value = at - estimate.value if statistic.age else estimate.value
    yield _gauge(naming.gauge(check, statistic), statistic.help, labels, value)
    if statistic.interval and estimate.low is not None and estimate.high is not None:
        lower, upper = naming.gauge_lower(check, statistic), naming.gauge_upper(check, statistic)
        yield _gauge(lower, f"Lower end of the 95 % interval: {statistic.help}", labels, estimate.low)
        yield _gauge(upper, f"Upper end of the 95 % interval: {statistic.help}", labels, estimate.high)


def slo_samples(status: SloStatus, check: Check) -> Iterator[Sample]:
    """The samples of one objective: budget, windows, profile."""
    labels = {naming.DATASET: status.dataset, naming.SLI: status.check, naming.SCOPE: status.scope_label}
    objective = status.objective
    if isinstance(check.slo, GaugeSlo):
        if objective.value is not None:
            yield _gauge(
                naming.objective_gauge(check),
                f"Objective of {check.name}, in base units.",
                {key: labels[key] for key in (naming.DATASET, naming.SCOPE)},
                objective.value,
            )
        if status.budget_remaining is not None:
            yield _gauge(naming.SLO_HISTORY, HISTORY, labels, status.history)
            yield _gauge(naming.SLO_BUDGET_REMAINING, BUDGET, labels, status.budget_remaining)
        return
    target = 1.0 if objective.kind is ObjectiveKind.NONE_BAD else objective.value
    if target is not None:
        yield _gauge(naming.SLO_OBJECTIVE, "Share of events that must be good.", labels, target)
    if status.state is State.ERROR:
        return
    design = "How many events tell as much as one that was drawn by itself; evidence counts events over it."
    for name, text, value in (
        (naming.SLO_HISTORY, HISTORY, status.history),
        (naming.SLO_BUDGET_REMAINING, BUDGET, status.budget_remaining),
        (naming.SLI_DESIGN_EFFECT, design, status.design_effect),
    ):
        if value is not None:
            yield _gauge(name, text, labels, value)
    if status.profile:
        yield _gauge(
            naming.SLO_INFO,
            "The window profile that judges an objective, and the instrument that may page on it.",
            {**labels, naming.PROFILE: status.profile, naming.INSTRUMENT: status.instrument or ""},
            1,
        )
    cusum = "The e-CUSUM that looks for so many budgets, over its threshold; above 1 it has decided."
    for walked in status.cusums:
        yield _gauge(naming.SLO_CUSUM, cusum, {**labels, naming.BURN: f"{walked.burn:g}"}, walked.ratio)
    yield from _window_samples(status, labels)


def _window_samples(status: SloStatus, labels: Mapping[str, str]) -> Iterator[Sample]:
    for counted in status.windows:
        windowed = {**labels, naming.WINDOW: format_duration(counted.window)}
        yield _gauge(naming.SLI_EVENTS, "Events in the window, by event time.", windowed, counted.events)
        for name, text, value in (
            (naming.SLI_ERROR_RATIO, "Bad events over events in the window.", counted.error_ratio),
            (naming.SLO_BURN_RATE, "Error ratio in the window over the error budget.", counted.burn_rate),
            (naming.SLO_EVIDENCE, "Evidence that the error ratio exceeds the budget.", counted.evidence_nats),
        ):
            if value is not None:
                yield _gauge(name, text, windowed, value)


def as_json(result: CycleResult) -> dict[str, object]:
    """A dataset's part of /api/v1/status."""
    return {
        "dataset": result.dataset.name,
        "at": iso(result.at),
        "window_end": iso(result.window_end),
        "stores": {name: reason or "ok" for name, reason in result.stores.items()},
        "checks": {
            **{
                run.check: {
                    "state": "error" if run.reason else "ok",
                    "reason": run.reason,
                    "message": run.message,
                    "reconcile_held": run.held,
                    "history_start": iso(run.history_start) if run.history_start is not None else None,
                }
                for run in result.runs
            },
            **{name: {"state": "off", "reason": reason, "message": ""} for name, reason in result.off.items()},
        },
        "measurements": [measurement_json(m) for m in result.board.measurements],
        "slos": [slo_json(s) for s in result.board.slos],
    }


def measurement_json(measurement: Measurement) -> dict[str, object]:
    """One measurement as `once --format json` prints it."""
    e = measurement.estimate
    return {
        "dataset": measurement.dataset,
        "check": measurement.check,
        "statistic": e.statistic,
        "window": measurement.window,
        "labels": {**measurement.labels, **e.labels},
        "value": e.value,
        "low": e.low,
        "high": e.high,
        "n": e.n,
        "state": e.state.value,
        "reason": e.reason,
    }


def slo_json(status: SloStatus) -> dict[str, object]:
    """One objective as `once --format json` prints it, with its alert windows where there are any."""
    objective = status.objective
    found: dict[str, object] = {
        "dataset": status.dataset,
        "check": status.check,
        "scope": dict(status.scope),
        "objective": {objective.kind.value: True if objective.value is None else objective.value},
        "window": "all" if objective.window is None else format_duration(objective.window),
        "events": status.events,
        "errors": status.errors,
        "budget_remaining": status.budget_remaining,
        "state": status.state.value,
        "reason": status.reason,
    }
    if objective.kind in {ObjectiveKind.AT_MOST, ObjectiveKind.AT_LEAST} and status.budget_remaining is not None:
        found |= {"history": status.history, "bad_slices": objective.bad_slices}
    if status.design_effect is not None:
        found["design_effect"] = status.design_effect
    if status.profile:
        found |= {
            "history": status.history,
            "profile": status.profile,
            "instrument": status.instrument,
            "expected_bad": status.expected_bad,
            "cusum": [{"burn": c.burn, "error_ratio": c.alternative, "ratio": c.ratio} for c in status.cusums],
            "windows": [
                {
                    "window": format_duration(w.window),
                    "events": w.events,
                    "errors": w.errors,
                    "burn_rate": w.burn_rate,
                    "evidence_nats": w.evidence_nats,
                }
                for w in status.windows
            ],
        }
    return found


def iso(instant: float) -> str:
    """RFC 3339, UTC, to the millisecond."""
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _scope(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _gauge(name: str, text: str, labels: Mapping[str, str], value: float) -> Sample:
    return Sample(name=name, help=text, labels=labels, value=float(value))
