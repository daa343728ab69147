"""The real daemon over a fleet: stores are sampled for real, once each a beat; datasets of a store share its board."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from labelmon import naming
from labelmon.alerting.tiers import burning
from labelmon.check import Check, EventSlo, GaugeSlo, Threshold
from labelmon.config import Config
from labelmon.daemon import Daemon
from labelmon.exporter import Snapshot
from labelmon.measure import Board
from labelmon.model import Dataset, Measurement, SloStatus, State
from labelmon.profiles import Alerting
from labelmon.sampler import CycleResult, DatasetSampler

Alert = tuple[str, str, str, str, str]  # name, severity, dataset, sli, scope


@dataclass(kw_only=True)
class World:
    """One store, sampled by one real sampler whoever asks; `held` are the alerts that ever held on it."""

    sampler: DatasetSampler
    alerting: Alerting
    lock: threading.Lock = field(default_factory=threading.Lock)
    result: CycleResult | None = None
    held: set[Alert] = field(default_factory=set)

    def cycle(self, now: float) -> CycleResult:
        with self.lock:
            if self.result is None or now - self.result.at >= self.sampler.dataset.interval / 2:
                self.result = self.sampler.cycle(now)
                self.held |= set(holding(self.result, self.sampler.catalogue, self.alerting))
            return self.result


@dataclass(kw_only=True)
class Replay:
    """What the daemon needs of a sampler: the board of its store's world, under the dataset's own name."""

    dataset: Dataset
    world: World
    tracks: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.targets = self.world.sampler.targets

    def cycle(self, now: float) -> CycleResult:
        found = self.world.cycle(now)
        name = self.dataset.name
        board = Board(
            measurements=tuple(replace(m, dataset=name) for m in found.board.measurements),
            slos=tuple(replace(s, dataset=name) for s in found.board.slos),
        )
        return replace(found, dataset=self.dataset, at=now, board=board)


@dataclass(kw_only=True)
class Fleet(Daemon):
    """The daemon with its config, schedule, workers, self-metrics and publisher; only sampling is shared."""

    worlds: dict[str, World] = field(default_factory=dict)
    publish_seconds: float = 0.0  # the longest so far

    def start(self) -> None:
        super().start()
        publish = self.publisher.publish

        def timed() -> Snapshot:
            began = time.monotonic()
            snapshot = publish()
            self.publish_seconds = max(self.publish_seconds, time.monotonic() - began)
            return snapshot

        self.publisher.publish = timed  # type: ignore[method-assign]

    def _sampler(self, config: Config, dataset: Dataset) -> DatasetSampler:
        if dataset.store not in self.worlds:
            sampler = super()._sampler(config, dataset)
            self.worlds[dataset.store] = World(sampler=sampler, alerting=config.alerting)
        return Replay(dataset=dataset, world=self.worlds[dataset.store])  # type: ignore[return-value]

    def alerts(self) -> set[Alert]:
        """Every alert that ought to have fired so far, by the daemon's own numbers."""
        return {
            (alert, severity, dataset.name, sli, scope)
            for dataset in self.config.datasets.values()
            for alert, severity, _, sli, scope in self.worlds[dataset.store].held
        }


def holding(result: CycleResult, catalogue: Iterable[Check], alerting: Alerting) -> Iterable[Alert]:
    """The alerts that hold on a result, without a word of PromQL."""
    checks = {check.name: check for check in catalogue}
    for status in result.board.slos:
        check = checks[status.check]
        if isinstance(check.slo, EventSlo):
            name, severities = naming.burn_alert(check), [s for s in check.severities if burning(status, s, alerting)]
        else:
            past = [t for t in check.slo.thresholds if _past(status, check, t, result.board.measurements)]
            name, severities = naming.threshold_alert(check), [t.severity for t in past]
        for severity in severities:
            yield name, severity.value, status.dataset, check.name, status.scope_label


def _past(status: SloStatus, check: Check, threshold: Threshold, measurements: Iterable[Measurement]) -> bool:
    mine = {
        m.estimate.statistic: m.estimate
        for m in measurements
        if m.check == check.name and dict(m.labels) == dict(status.scope) and not m.estimate.labels
    }
    found, main = mine.get(threshold.statistic), mine.get(check.main.name)
    if found is None or found.state is not State.OK or status.objective.value is None:
        return False
    assert isinstance(check.slo, GaugeSlo)
    rises = check.slo.at_most is not None
    value = (found.low if rises else found.high) if threshold.proven else found.value
    if value is None or (value <= status.objective.value if rises else value >= status.objective.value):
        return False
    if threshold.at_least and (main is None or main.n < threshold.at_least):
        return False
    if not threshold.p_below:
        return True
    adjusted = mine.get(check.adjusted.name)
    return adjusted is not None and adjusted.value is not None and adjusted.value < threshold.p_below
