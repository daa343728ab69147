"""One measurement as of an instant, straight from the stores: rows after it do not exist, no ledger is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labelmon.check import Check, EventSlo
from labelmon.counts import BUCKET
from labelmon.errors import StoreError
from labelmon.estimators.burn import budget_remaining
from labelmon.estimators.proportion import sufficiency
from labelmon.measure import estimates
from labelmon.model import Dataset, Estimate, Measurement, SloStatus, State
from labelmon.pseudonyms import Pseudonyms
from labelmon.reading import Target, describe, read_counts, targets_of
from labelmon.stores import Span, Store
from labelmon.stores.statements import YEAR_2000_MS


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What `once` found on a dataset; `off` says why checks did not run."""

    dataset: Dataset
    measurements: tuple[Measurement, ...]
    slos: tuple[SloStatus, ...]
    off: Mapping[str, str]
    failures: tuple[str, ...]


def measure_once(
    dataset: Dataset,
    stores: Mapping[str, Store],
    catalogue: Sequence[Check],
    at: float,
    pseudonyms: Pseudonyms,
) -> Reading:
    """Every objective of `dataset` over its window that ends at `at`; a failing store fails its checks alone."""
    targets, off = targets_of(dataset, catalogue)
    measurements: list[Measurement] = []
    slos: list[SloStatus] = []
    failures: list[str] = []
    for target in targets:
        try:
            found, status = _measure(dataset, stores[target.series.relation.store], target, at, pseudonyms)
        except StoreError as error:
            failures.append(str(error))
            found, status = _failed(dataset, target, error)
        measurements += found
        slos.append(status)
    return Reading(
        dataset=dataset,
        measurements=tuple(measurements),
        slos=tuple(slos),
        off=off,
        failures=tuple(dict.fromkeys(failures)),
    )


def span_of(target: Target, at: float) -> Span:
    """The objective's window that ends at `at` (which is in it), as a single bucket."""
    at_ms = int(at * 1000)
    window = target.objective.window
    start = YEAR_2000_MS if window is None or target.series.is_snapshot else at_ms + 1 - window * 1000
    return Span(start_ms=start, end_ms=at_ms + 1, width=None)


def _measure(
    dataset: Dataset, store: Store, target: Target, at: float, pseudonyms: Pseudonyms
) -> tuple[list[Measurement], SloStatus]:
    series, objective = target.series, target.objective
    with store.snapshot() as reader:
        types = describe(reader, series, {})
        counts = read_counts(reader, series, types, span_of(target, at), int(at * 1000), pseudonyms)
    counts = counts.where(**{k: v for k, v in objective.scope.items() if k in series.keys})
    counts = counts.project([key for key in counts.keys if key != BUCKET])
    found = estimates(dataset, target.check, objective, counts, at)
    budget = objective.budget or 0.0
    events, errors, state, reason = counts.rows, 0.0, State.OK, ""
    if isinstance(target.check.slo, EventSlo):
        errors = events - (counts.total(target.check.slo.good) or 0.0)
        state, reason = sufficiency(events, budget)
    status = SloStatus(
        dataset=dataset.name,
        check=target.check.name,
        scope=objective.scope,
        objective=objective,
        events=events,
        errors=errors,
        budget_remaining=budget_remaining(events, errors, budget),
        history=1.0,
        state=state,
        reason=reason,
    )
    return found, status


def _failed(dataset: Dataset, target: Target, error: StoreError) -> tuple[list[Measurement], SloStatus]:
    estimate = Estimate(
        statistic=target.check.main.name, value=None, state=State.ERROR, reason=f"{error.reason}: {error}"
    )
    scope = target.objective.scope
    measurement = Measurement(dataset=dataset.name, check=target.check.name, estimate=estimate, labels=dict(scope))
    status = SloStatus(
        dataset=dataset.name,
        check=target.check.name,
        scope=scope,
        objective=target.objective,
        events=0.0,
        errors=0.0,
        budget_remaining=None,
        history=0.0,
        state=State.ERROR,
        reason=error.reason,
    )
    return [measurement], status
