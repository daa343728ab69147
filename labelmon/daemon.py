"""The daemon: one job per dataset on a heap, a worker pool, signals, reload. It never exits by itself."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from labelmon.alerting.rules import all_rules
from labelmon.alerting.runbooks import runbook_pages
from labelmon.check import Check
from labelmon.config import Config, load
from labelmon.errors import ConfigError, LabelmonError, UsageError
from labelmon.exporter import MOST_SERIES, Fragment, Publisher
from labelmon.families import Families
from labelmon.gate import HTTP_CODES, gated, judge, judge_stage, share_of
from labelmon.ledger import Ledger, open_ledger
from labelmon.model import DAY, Dataset
from labelmon.pseudonyms import Pseudonyms, load_pseudonyms
from labelmon.sampler import CycleResult, DatasetSampler
from labelmon.samples import as_json, iso, samples_of
from labelmon.schedule import Job, Schedule, max_age
from labelmon.selfmetrics import SelfMetrics
from labelmon.stages import Staged, count_stages, has_stages, stage_checks
from labelmon.stores import Store, open_store

log = logging.getLogger("labelmon.daemon")

MOST_WORKERS = 16
SELF_SOURCE = "\x00self"
IDLE_WAIT = 0.5


@dataclass(kw_only=True)
class Daemon:
    """Everything that runs: `start`, then `reload` and `stop` as signals say."""

    path: Path
    catalogue: Sequence[Check]
    clock: Callable[[], float] = time.time
    publisher: Publisher = field(init=False)
    config: Config = field(init=False)
    ledger: Ledger = field(init=False)
    pseudonyms: Pseudonyms = field(init=False)
    selfmetrics: SelfMetrics = field(default_factory=SelfMetrics)
    results: dict[str, CycleResult] = field(default_factory=dict)
    samplers: dict[str, DatasetSampler] = field(default_factory=dict)
    stagers: dict[str, DatasetSampler] = field(default_factory=dict)  # of datasets whose labels tell their rollout
    staged: dict[str, Staged] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    wake: threading.Event = field(default_factory=threading.Event)
    lock: threading.RLock = field(default_factory=threading.RLock)
    reload_error: str = ""

    def start(self) -> None:
        """Loads the config, opens the ledger and starts to sample.

        Raises
        ------
        ConfigError, LedgerError : nothing was started.
        """
        self.config = load(self.path)
        self.ledger = open_ledger(self.config.ledger_url)
        self.pseudonyms = load_pseudonyms(self.config.pseudonym_keys, self.config.path.resolve().parent)
        self.publisher = Publisher(clock=self.clock)
        self.families = Families()
        self.schedule = Schedule(slots={}, rng=random.Random())  # noqa: S311  jitter, not secrecy
        self.selfmetrics.note_reload(self.clock(), ok=True)
        self._adopt(self.config)
        self.pool = ThreadPoolExecutor(self._workers(), thread_name_prefix="sample")
        self._publish_self()
        self.threads = [
            threading.Thread(target=self.publisher.run, name="publish", daemon=True),
            threading.Thread(target=self._schedule_loop, name="schedule", daemon=True),
        ]
        for thread in self.threads:
            thread.start()
        for notice in self.config.notices:
            log.info("%s", notice)
        log.info("watching %d datasets in %d stores", len(self.config.datasets), len(self.config.stores))

    def reload(self) -> str:
        """Takes up the config file again; '' when it worked, else why not (the old config stays in force)."""
        with self.lock:
            try:
                config = load(self.path)
                if config.ledger_url != self.config.ledger_url:
                    raise LabelmonError("ledger.url changed: restart labelmon to move the ledger")  # noqa: TRY301
                pseudonyms = load_pseudonyms(config.pseudonym_keys, config.path.resolve().parent)
            except LabelmonError as error:
                count = len(error.problems) if isinstance(error, ConfigError) else 1
                log.error("reload refused, the old config stays: %d problem(s): %s", count, error)  # noqa: TRY400
                self.reload_error = str(error)
                self.selfmetrics.note_reload(self.clock(), ok=False)
                self._publish_self()
                return self.reload_error
            self.config, self.pseudonyms, self.reload_error = config, pseudonyms, ""
            self.selfmetrics.note_reload(self.clock(), ok=True)
            self._adopt(config)
            self._publish_self()
        self.wake.set()
        log.info("config reloaded: %d datasets", len(config.datasets))
        return ""

    def stop(self) -> None:
        """Lets running cycles finish, then ends."""
        log.info("stopping: waiting for running cycles")
        self.stopping.set()
        self.wake.set()
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.publisher.stop()
        for thread in self.threads:
            thread.join(timeout=5)
        self.ledger.engine.dispose()
        log.info("stopped")

    @property
    def ready(self) -> bool:
        """Config loaded and a first snapshot out."""
        return self.publisher.snapshot is not None

    def status(self) -> dict[str, object]:
        """The body of /api/v1/status."""
        with self.lock:
            results = [self.results[name] for name in sorted(self.results)]
            waiting = sorted(set(self.config.datasets) - set(self.results))
        return {
            "at": iso(self.clock()),
            "config": {
                "file": self.path.name,
                "reload_error": self.reload_error,
                "notices": list(self.config.notices),
            },
            "datasets": [as_json(result) for result in results],
            "not_sampled_yet": waiting,
        }

    def gate(
        self, dataset: str, slo: str | None, stage: str | None = None, budget: str | None = None
    ) -> tuple[int, dict[str, object]]:
        """Status code and body of /api/v1/gate/{dataset}; numbers that are too old say nothing."""
        with self.lock:
            watched, result = self.config.datasets.get(dataset), self.results.get(dataset)
            alerting, staged = self.config.alerting, self.staged.get(dataset)
        if watched is None:
            return 404, {"error": f"unknown dataset {dataset!r}", "known": sorted(self.config.datasets)}
        try:
            if stage is not None or budget is not None:
                return self._stage_gate(watched, slo, stage or "", budget or "", staged)
            asked = {check.name for check in gated(self.catalogue, slo)}
        except UsageError as error:
            return 400, {"error": str(error).removeprefix("--")}
        fresh = result is not None and self.clock() - result.at <= max_age(watched)
        statuses = [s for s in result.board.slos if s.check in asked] if result is not None and fresh else []
        found = judge(dataset, statuses, alerting)
        body = found.as_json() | {"at": iso(result.at) if result is not None else None}
        return HTTP_CODES[found.verdict], body

    def _stage_gate(
        self, watched: Dataset, slo: str | None, stage: str, budget: str, staged: Staged | None
    ) -> tuple[int, dict[str, object]]:
        """As `gate`, of one rollout stage.

        Raises
        ------
        UsageError : for a question that makes no sense.
        """
        if not stage or not budget:
            raise UsageError("stage and budget go together: which stage, and the share of the budget it may spend")
        share, alerting = share_of(budget), self.config.alerting
        asked = [check.name for check in gated(self.catalogue, slo, by_stage=True)]
        if not has_stages(watched):
            raise UsageError(f"stage: the labels of {watched.name} map no role rollout")
        fresh = staged is not None and self.clock() - staged.at <= max_age(watched)
        if staged is None or not fresh:
            found = judge_stage(watched.name, stage, share, [], alerting)
        elif stage not in staged.stages and not staged.failed:
            return 404, {"error": f"no label of {watched.name} is of stage {stage!r}", "known": list(staged.stages)}
        else:
            statuses = staged.statuses(stage, share, alerting, asked)
            found = judge_stage(watched.name, stage, share, statuses, alerting)
        return HTTP_CODES[found.verdict], found.as_json() | {"at": iso(staged.at) if staged is not None else None}

    def runbooks(self) -> dict[str, str]:
        """The runbook of every alert by file name, as Markdown, with the windows of the current config."""
        rules = all_rules(self.catalogue, self.config.alerting, self.config.urls)
        return {Path(name).name: text for name, text in runbook_pages(rules).items()}

    def _adopt(self, config: Config) -> None:
        """Samplers and jobs for a config; counts of datasets that did not change stay in memory."""
        with self.lock:
            self.stores: dict[str, Store] = {name: open_store(spec) for name, spec in config.stores.items()}
            for gone in set(self.samplers) - set(config.datasets):
                del self.samplers[gone]
                self.results.pop(gone, None)
                self.staged.pop(gone, None)
                self.publisher.drop(gone)
                self.publisher.drop(f"{SELF_SOURCE}{gone}")
            for name, dataset in config.datasets.items():
                self.samplers[name] = self._sampler(config, dataset)
            self.stagers = {
                name: replace(
                    sampler, catalogue=stage_checks(self.catalogue), families=Families(), tracks={}, types={}, late={}
                )
                for name, sampler in self.samplers.items()
                if has_stages(sampler.dataset)
            }
            self.schedule.slots = {name: spec.max_concurrency for name, spec in config.stores.items()}
            jobs = {
                name: Job(
                    name=name,
                    interval=dataset.interval,
                    stores=frozenset(relation.store for relation in dataset.relations.values()),
                )
                for name, dataset in config.datasets.items()
            }
            self.schedule.set_jobs(jobs, self.clock())
            self.selfmetrics.keep(config.datasets, config.stores)
            self.families.forget(config.datasets)

    def _sampler(self, config: Config, dataset: Dataset) -> DatasetSampler:
        return DatasetSampler(
            dataset=dataset,
            stores=self.stores,
            ledger=self.ledger,
            pseudonyms=self.pseudonyms,
            alerting=config.alerting,
            catalogue=self.catalogue,
            families=self.families,
        )

    def _workers(self) -> int:
        # One more than all stores together may use: no store can take the last worker.
        return min(MOST_WORKERS, 1 + sum(spec.max_concurrency for spec in self.config.stores.values()))

    def _schedule_loop(self) -> None:
        pruned = self.clock()
        while not self.stopping.is_set():
            now = self.clock()
            with self.lock:
                due = self.schedule.take(now)
                pause = self.schedule.wait(now, IDLE_WAIT)
            for job in due:
                self.pool.submit(self._run, job.name)
            if now - pruned > DAY:
                pruned = now
                self.pool.submit(self._prune)
            self.wake.wait(pause)
            self.wake.clear()

    def _run(self, name: str) -> None:
        with self.lock:
            sampler = self.samplers.get(name)
        try:
            if sampler is not None and not self.stopping.is_set():
                self._cycle(name, sampler)
        finally:
            with self.lock:
                self.schedule.done(name, self.clock())
            self.wake.set()

    def _cycle(self, name: str, sampler: DatasetSampler) -> None:
        try:
            result = sampler.cycle(self.clock())
            stager = self.stagers.get(name)
            staged = count_stages(stager, result.at) if stager is not None and stager.targets else None
        except LabelmonError as error:
            log.error("dataset %s: %s", name, error)  # noqa: TRY400  an expected failure needs no trace
            self._crashed(name, sampler, "ledger")
            return
        except Exception:
            # A bug in one dataset's cycle must not end the daemon; it is counted, and logged with its place.
            log.exception("dataset %s: the cycle failed unexpectedly", name)
            self._crashed(name, sampler, "internal")
            return
        for store, problem in result.stores.items():
            if problem and self.selfmetrics.store_up.get(store, True):
                log.warning("%s", problem)
        self.selfmetrics.note(result)
        with self.lock:
            if self.samplers.get(name) is not sampler:
                return  # reloaded in the meantime: the new sampler speaks
            self.results[name] = result
            if staged is not None:
                self.staged[name] = staged
        samples = list(samples_of(result, {check.name: check for check in self.catalogue}))
        self.selfmetrics.note_dropped(name, max(0, len(samples) - MOST_SERIES))
        failed = any(run.reason for run in result.runs)
        counted = [track.sampled_at for track in sampler.tracks.values() if track.sampled_at is not None]
        expires = result.at + max_age(sampler.dataset)
        if failed and all(run.reason for run in result.runs) and counted:
            expires = max(counted) + max_age(sampler.dataset)  # nothing new is known: old numbers age on
        self.publisher.put(name, Fragment(samples=tuple(samples[:MOST_SERIES]), expires_at=expires))
        self._publish_self(name)

    def _crashed(self, name: str, sampler: DatasetSampler, reason: str) -> None:
        self.selfmetrics.note_crash(name, {t.check.name for t in sampler.targets}, reason)
        for counting in (sampler, self.stagers.get(name)):
            if counting is not None:
                counting.tracks.clear()  # what the ledger holds is the truth, not what the dead cycle left in memory
        self._publish_self(name)

    def _publish_self(self, dataset: str = "") -> None:
        """Shows what is said of the process, and of one dataset: the others' part has not changed."""
        forever = float("inf")
        self.publisher.put(SELF_SOURCE, Fragment(samples=self.selfmetrics.samples(), expires_at=forever))
        with self.lock:
            if dataset in self.samplers:
                part = Fragment(samples=self.selfmetrics.samples_of(dataset), expires_at=forever)
                self.publisher.put(f"{SELF_SOURCE}{dataset}", part)

    def _prune(self) -> None:
        before = int(self.clock()) - self.config.ledger_retention
        try:
            for sampler in [*self.samplers.values(), *self.stagers.values()]:
                for track in list(sampler.tracks.values()):
                    self.ledger.forget(track.state.id, before)
        except LabelmonError as error:
            log.error("ledger retention: %s", error)  # noqa: TRY400
