"""When each dataset is due: a heap with jitter, slots per store. Pure bookkeeping; the daemon owns the threads."""

from __future__ import annotations

import heapq
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from labelmon.model import Dataset


@dataclass(frozen=True, kw_only=True)
class Job:
    """A dataset's standing order: every `interval` seconds, one slot in each of `stores`."""

    name: str
    interval: float
    stores: frozenset[str]


@dataclass(kw_only=True)
class Schedule:
    """Due times of jobs. A job runs once at a time and only while each of its stores has a free slot.

    A job that finds no slot stays due without holding up the jobs of other stores. A job that overran does not
    catch up: its next run is the next beat of its own grid.
    """

    slots: Mapping[str, int]
    rng: random.Random
    jobs: dict[str, Job] = field(default_factory=dict)
    heap: list[tuple[float, str]] = field(default_factory=list)
    running: dict[str, Job] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    beats: dict[str, float] = field(default_factory=dict)

    def set_jobs(self, jobs: Mapping[str, Job], now: float) -> None:
        """The jobs from now on. New ones start within a tenth of their interval; changed ones keep their beat."""
        for name in set(self.jobs) - set(jobs):
            self.beats.pop(name, None)
        for name, job in jobs.items():
            if name not in self.jobs:
                self._push(name, now + self.rng.uniform(0, min(job.interval, 10.0) / 10))
        self.jobs = dict(jobs)
        self.heap = [(due, name) for due, name in self.heap if name in jobs]
        heapq.heapify(self.heap)

    def take(self, now: float) -> list[Job]:
        """The jobs that may start now; each takes its slots until `done`."""
        started, blocked = [], []
        while self.heap and self.heap[0][0] <= now:
            due, name = heapq.heappop(self.heap)
            job = self.jobs.get(name)
            if job is None or name in self.running:
                continue
            if any(self.used.get(store, 0) >= self.slots.get(store, 1) for store in job.stores):
                blocked.append((due, name))
                continue
            for store in job.stores:
                self.used[store] = self.used.get(store, 0) + 1
            self.running[name] = job
            started.append(job)
        for entry in blocked:
            heapq.heappush(self.heap, entry)
        return started

    def done(self, name: str, now: float) -> None:
        """The job is through: its slots are free and its next beat is set, with a little jitter."""
        job = self.running.pop(name)
        for store in job.stores:
            self.used[store] -= 1
        current = self.jobs.get(name)
        if current is None:
            return
        beat = self.beats.get(name, now)
        behind = max(0.0, now - beat)
        beat += current.interval * (1 + behind // current.interval)
        self._push(name, beat + self.rng.uniform(0, current.interval / 20), beat)

    def wait(self, now: float, most: float) -> float:
        """Seconds until something is due, at most `most`; blocked jobs wait for a `done`."""
        free = [due for due, name in self.heap if due > now]
        return max(0.0, min([most, *(due - now for due in free)]))

    def _push(self, name: str, due: float, beat: float | None = None) -> None:
        self.beats[name] = due if beat is None else beat
        heapq.heappush(self.heap, (due, name))


def max_age(dataset: Dataset) -> float:
    """How long a dataset's numbers may be shown without a new cycle: five intervals, at least 10 s."""
    return max(10.0, 5 * dataset.interval)
