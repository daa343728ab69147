"""`labelmon explain`: what a check means, whether it runs on a dataset, and the statements it runs there."""

from __future__ import annotations

import time
from collections.abc import Iterator

from labelmon.alerting.power import judged_text
from labelmon.check import Check, EventSlo
from labelmon.checks import catalogue
from labelmon.config import Config
from labelmon.docs import explain_text
from labelmon.errors import StoreError, UsageError
from labelmon.ledger import open_ledger
from labelmon.model import Dataset
from labelmon.once import measure_once, span_of
from labelmon.pseudonyms import load_pseudonyms
from labelmon.reading import describe, targets_of
from labelmon.roles import PERSON_ROLES
from labelmon.sampler import DatasetSampler
from labelmon.stores import open_store, statement


def explain(name: str | None, config: Config | None, only: str | None, *, plan: bool) -> str:
    """Everything about one check, or a line on each; with a config also how it fares on its datasets.

    Raises
    ------
    UsageError : for an unknown check or dataset.
    """
    checks = {check.name: check for check in catalogue()}
    if name is None:
        lines = [f"{check.name}: {check.help}" for check in checks.values()]
        chosen = list(checks.values())
    elif name in checks:
        lines, chosen = [explain_text(checks[name]).rstrip("\n")], [checks[name]]
    else:
        raise UsageError(f"unknown check {name!r}; known: {', '.join(checks)}")
    if config is not None:
        if only is not None and only not in config.datasets:
            raise UsageError(f"--dataset: unknown dataset {only!r}; known: {', '.join(config.datasets)}")
        for dataset in [config.datasets[only]] if only else config.datasets.values():
            lines += ["", f"on dataset {dataset.name}:", *_fares(config, dataset, chosen, plan=plan)]
            lines += _judged(config, dataset, chosen) if only else []
    return "\n".join(lines) + "\n"


def _judged(config: Config, dataset: Dataset, checks: list[Check]) -> Iterator[str]:
    """What pages on each objective of events, as a daemon that starts now would choose."""
    sampler = DatasetSampler(
        dataset=dataset,
        stores={name: open_store(spec) for name, spec in config.stores.items()},
        ledger=open_ledger("sqlite://"),
        pseudonyms=load_pseudonyms(config.pseudonym_keys),
        alerting=config.alerting,
        catalogue=[check for check in checks if isinstance(check.slo, EventSlo)],
    )
    for status in sampler.cycle(time.time()).board.slos:
        scope = f" {status.scope_label}" if status.scope else ""
        yield f"  {status.check}{scope}: {judged_text(status, config.alerting)}"


def _fares(config: Config, dataset: Dataset, checks: list[Check], *, plan: bool) -> Iterator[str]:
    stores = {name: open_store(spec) for name, spec in config.stores.items()}
    reading = measure_once(dataset, stores, checks, time.time(), load_pseudonyms(config.pseudonym_keys))
    for check in checks:
        if check.name in reading.off:
            yield f"  {check.name} is off: {reading.off[check.name]}"
        for measurement in reading.measurements:
            if measurement.check == check.name and not PERSON_ROLES & set(measurement.estimate.labels):
                e = measurement.estimate
                scope = "".join(f" {k}={v}" for k, v in sorted({**measurement.labels, **e.labels}.items()))
                value = "no value" if e.value is None else f"{e.value:.6g}"
                yield f"  {check.name}{scope}: {e.statistic} {value}, n {e.n:g}, {e.state.value}" + (
                    f" ({e.reason})" if e.reason else ""
                )
    if plan:
        targets, _ = targets_of(dataset, checks)
        for target in targets:
            store = stores[target.series.relation.store]
            try:
                with store.snapshot() as reader:
                    at = time.time()
                    types = describe(reader, target.series, {})
                    select = statement(
                        target.series, reader.dialect, types, span_of(target, at, dataset.timezone), int(at * 1000)
                    )
                    sql = select.compile(reader.connection, compile_kwargs={"literal_binds": True})
                    yield f"  -- {target.series.name}"
                    yield from (f"  {line}" for line in str(sql).splitlines())
            except StoreError as error:
                yield f"  -- {target.series.name}: {error}"
