"""What labelmon says about itself: runs, failures, last successes, stores, reloads."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from labelmon import __version__, naming
from labelmon.exporter import Sample
from labelmon.sampler import CycleResult

DROPPED = "Series left out because a dataset has too many."


@dataclass(kw_only=True)
class SelfMetrics:
    """Counters of this process and the last word on each check and store; all under one lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    checks: dict[str, dict[str, None]] = field(default_factory=dict)  # of each dataset, as an ordered set
    runs: dict[tuple[str, str], int] = field(default_factory=dict)
    failures: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)  # by reason
    successes: dict[tuple[str, str], float] = field(default_factory=dict)
    computable: dict[tuple[str, str], bool] = field(default_factory=dict)
    corrected: dict[tuple[str, str], float] = field(default_factory=dict)
    held: dict[tuple[str, str], bool] = field(default_factory=dict)
    history: dict[tuple[str, str], int] = field(default_factory=dict)
    store_up: dict[str, bool] = field(default_factory=dict)
    store_success: dict[str, float] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    reload_ok: bool = True
    reload_at: float = 0.0

    def note(self, result: CycleResult) -> None:
        """A cycle came back."""
        name = result.dataset.name
        with self.lock:
            for run in result.runs:
                slot = self._slot(name, run.check)
                self.runs[slot] = self.runs.get(slot, 0) + 1
                if run.reason:
                    self._failed(slot, run.reason)
                else:
                    self.successes[slot] = result.at
                self.computable[slot] = not run.reason
                self.corrected[slot] = run.corrected
                self.held[slot] = run.held
                if run.history_start is not None:
                    self.history[slot] = run.history_start
            for check in result.off:
                slot = self._slot(name, check)
                self.computable[slot] = False
                # Its last success would look older and older, for as long as nobody wants it.
                self.successes.pop(slot, None)
                self.failures.pop(slot, None)
            for store, problem in result.stores.items():
                self.store_up[store] = not problem
                if not problem:
                    self.store_success[store] = max(result.at, self.store_success.get(store, 0.0))

    def note_crash(self, dataset: str, checks: Iterable[str], reason: str) -> None:
        """A cycle died of something no check can explain (the ledger, a bug)."""
        with self.lock:
            for check in checks:
                slot = self._slot(dataset, check)
                self.runs[slot] = self.runs.get(slot, 0) + 1
                self._failed(slot, reason)

    def note_reload(self, at: float, *, ok: bool) -> None:
        """The config was loaded, or was refused."""
        with self.lock:
            self.reload_ok = ok
            if ok:
                self.reload_at = at

    def note_dropped(self, dataset: str, count: int) -> None:
        """So many series of a dataset did not fit."""
        with self.lock:
            self.dropped[dataset] = count

    def keep(self, datasets: Iterable[str], stores: Iterable[str]) -> None:
        """Forgets everything about datasets and stores that are no longer configured."""
        known, there = set(datasets), set(stores)
        with self.lock:
            tables: tuple[dict[Any, Any], ...] = (
                self.runs,
                self.failures,
                self.successes,
                self.computable,
                self.corrected,
                self.held,
                self.history,
            )
            for table in tables:
                for slot in [slot for slot in table if slot[0] not in known]:
                    del table[slot]
            per_store: tuple[dict[str, Any], ...] = (self.store_up, self.store_success)
            for by_store in per_store:
                for store in set(by_store) - there:
                    del by_store[store]
            per_dataset: tuple[dict[str, Any], ...] = (self.dropped, self.checks)
            for by_dataset in per_dataset:
                for dataset in set(by_dataset) - known:
                    del by_dataset[dataset]

    def samples(self) -> tuple[Sample, ...]:
        """What is said of the process and its stores, as samples."""
        with self.lock:
            return tuple(self._samples())

    def samples_of(self, dataset: str) -> tuple[Sample, ...]:
        """What is said of one dataset, as samples; so that what one cycle changes can be shown by itself."""
        with self.lock:
            return tuple(self._samples_of(dataset))

    def _slot(self, dataset: str, check: str) -> tuple[str, str]:
        self.checks.setdefault(dataset, {})[check] = None
        return dataset, check

    def _failed(self, slot: tuple[str, str], reason: str) -> None:
        counts = self.failures.setdefault(slot, {})
        counts[reason] = counts.get(reason, 0) + 1

    def _samples(self) -> Iterator[Sample]:
        yield _one(naming.BUILD_INFO, "Which labelmon this is.", {"version": __version__}, 1)
        yield _one(
            naming.CONFIG_RELOAD_OK,
            "Whether the last attempt to load the config succeeded.",
            {},
            self.reload_ok,
        )
        yield _one(naming.CONFIG_RELOAD_TIME, "When the config was last loaded.", {}, self.reload_at)
        for store, up in self.store_up.items():
            yield _one(naming.STORE_UP, "Whether a store answered in the last cycle.", {naming.STORE: store}, up)
        for store, at in self.store_success.items():
            yield _one(naming.STORE_LAST_SUCCESS, "When a store last answered.", {naming.STORE: store}, at)
        if not self.dropped:
            yield _one(naming.SERIES_DROPPED, DROPPED, {}, 0)

    def _samples_of(self, dataset: str) -> Iterator[Sample]:
        slots = [(dataset, check) for check in self.checks.get(dataset, ())]
        per_check: tuple[tuple[str, str, Mapping[tuple[str, str], float], bool], ...] = (
            (naming.CHECK_RUNS, "Cycles of a check, failed ones included.", self.runs, True),
            (naming.CHECK_LAST_SUCCESS, "When a check last succeeded.", self.successes, False),
            (
                naming.CHECK_COMPUTABLE,
                "1 while a check runs; 0 where roles are missing or it fails.",
                self.computable,
                False,
            ),
            (
                naming.LEDGER_CORRECTIONS,
                "Rows of closed buckets that a reconcile corrected.",
                self.corrected,
                True,
            ),
            (
                naming.LEDGER_HELD,
                "1 while a reconcile that would cut old buckets by half waits for a second one.",
                self.held,
                False,
            ),
            (naming.LEDGER_HISTORY_START, "From when on counts are known.", self.history, False),
        )
        for name, text, table, counter in per_check:
            for slot in slots:
                if slot in table:
                    labels = {naming.DATASET: dataset, naming.SLI: slot[1]}
                    yield _one(name, text, labels, table[slot], counter=counter)
        for slot in slots:
            for reason, count in self.failures.get(slot, {}).items():
                labels = {naming.DATASET: dataset, naming.SLI: slot[1], naming.REASON: reason}
                yield _one(naming.CHECK_FAILURES, "Failed cycles of a check, by reason.", labels, count, counter=True)
        if dataset in self.dropped:
            yield _one(naming.SERIES_DROPPED, DROPPED, {naming.DATASET: dataset}, self.dropped[dataset])


def _one(name: str, text: str, labels: Mapping[str, str], value: float, *, counter: bool = False) -> Sample:
    return Sample(name=name, help=text, labels=labels, value=float(value), counter=counter)
