"""One measurement as of an instant, straight from the stores: rows after it do not exist, no ledger is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labelmon.cells import coarse_width
from labelmon.check import Check, EventSlo
from labelmon.counts import BUCKET, Counts
from labelmon.errors import StoreError
from labelmon.estimators.burn import budget_remaining
from labelmon.estimators.proportion import sufficiency
from labelmon.measure import DesignEffects
from labelmon.model import DAY, Dataset, Estimate, Measurement, SloStatus, State
from labelmon.point import combined, estimates
from labelmon.pseudonyms import Pseudonyms
from labelmon.reading import Target, describe, read_counts, targets_of
from labelmon.stores import Span, Store


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
    made: dict[int, list[Measurement]] = {}
    slos: dict[int, SloStatus] = {}
    failures: list[str] = []
    tables: dict[tuple[str, int], dict[str, Counts]] = {}
    effects = DesignEffects()
    # Parts first: what they say of the design of a sample goes into the estimate of the whole.
    for place, target in sorted(enumerate(targets), key=lambda found: not found[1].series.part):
        check, objective = target.check, target.objective
        try:
            counts = _read(stores[target.series.relation.store], target, at, pseudonyms, dataset.timezone)
        except StoreError as error:
            failures.append(str(error))
            if not target.series.part:
                found, status = _failed(dataset, target, error)
                made[place], slos[place] = [found], status
            continue
        effect, lag = effects.of(check, objective), dataset.visibility or 0.0
        made[place] = estimates(dataset, target.series, objective, counts, at, effect, lag)
        effects.note(check, objective, made[place])
        if target.narrowed:
            tables.setdefault((check.name, id(objective)), {})[target.series.part] = counts
        if not target.series.part:
            slos[place] = _status(dataset, target, counts, effects.of(check, objective))
    together = [
        found
        for target in targets
        if not target.series.part
        for known in (tables.get((target.check.name, id(target.objective)), {}),)
        for found in combined(dataset, target.check, target.objective, known, at)
    ]
    return Reading(
        dataset=dataset,
        measurements=(*(m for _, found in sorted(made.items()) for m in found), *together),
        slos=tuple(status for _, status in sorted(slos.items())),
        off=off,
        failures=tuple(dict.fromkeys(failures)),
    )


def span_of(target: Target, at: float, timezone: str = "UTC") -> Span:
    """The objective's window that ends at `at` (which is in it), as a single bucket; all buckets of a history."""
    at_ms = int(at * 1000)
    series, window = target.series, target.objective.window
    if series.check.history and not series.part:
        return Span(start_ms=0, end_ms=at_ms + 1, width=coarse_width(timezone))
    whole = window is None or series.is_snapshot
    start = 0 if window is None or series.is_snapshot else at_ms + 1 - window * 1000
    width = DAY if series.by_bucket else None
    return Span(start_ms=start, end_ms=at_ms + 1, width=width, whole=whole)


def _read(store: Store, target: Target, at: float, pseudonyms: Pseudonyms, timezone: str) -> Counts:
    """The counts behind an objective, ready for its estimator."""
    series = target.series
    with store.snapshot() as reader:
        types = describe(reader, series, {})
        counts = read_counts(reader, series, types, span_of(target, at, timezone), int(at * 1000), pseudonyms)
    counts = counts.where(**target.keys_scope)
    if series.by_bucket:
        return counts.in_seconds()
    return counts.project([key for key in counts.keys if key != BUCKET])


def _status(dataset: Dataset, target: Target, counts: Counts, design_effect: float | None) -> SloStatus:
    objective = target.objective
    budget = objective.budget or 0.0
    events, errors, state, reason = counts.rows, 0.0, State.OK, ""
    if isinstance(target.check.slo, EventSlo):
        errors = target.check.slo.errors(lambda column: counts.total(column) or 0.0)
        state, reason = sufficiency(events / (design_effect or 1.0), budget)
    return SloStatus(
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
        design_effect=design_effect,
    )


def _failed(dataset: Dataset, target: Target, error: StoreError) -> tuple[Measurement, SloStatus]:
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
    return measurement, status
