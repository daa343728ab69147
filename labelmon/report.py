"""`once`, `gate` and `backfill` for people and programs: read, print, push."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import requests

from labelmon.check import Check
from labelmon.checks import catalogue
from labelmon.config import Config
from labelmon.errors import LabelmonError, UsageError
from labelmon.exporter import Sample, expose
from labelmon.families import Families
from labelmon.gate import Gate, gated, judge, judge_stage
from labelmon.ledger import open_ledger
from labelmon.model import Dataset, Measurement, State
from labelmon.once import Reading, measure_once
from labelmon.pseudonyms import load_pseudonyms
from labelmon.roles import PERSON_ROLES
from labelmon.sampler import DatasetSampler
from labelmon.samples import iso, measured_samples, measurement_json, slo_json, slo_samples
from labelmon.stages import count_stages, has_stages, stage_checks
from labelmon.stores import open_store


def read_all(config: Config, at: float, only: str | None) -> list[Reading]:
    """Every dataset (or `only` one) measured as of `at`."""
    stores = {name: open_store(spec) for name, spec in config.stores.items()}
    pseudonyms = load_pseudonyms(config.pseudonym_keys)
    checks, families = catalogue(), Families()
    readings = [measure_once(dataset, stores, checks, at, pseudonyms) for dataset in picked(config, only)]
    for reading in readings:
        families.note(reading.dataset.name, reading.measurements, checks)
    return [
        replace(reading, measurements=(*reading.measurements, *families.adjusted(reading.measurements, checks)))
        for reading in readings
    ]


def render(readings: Sequence[Reading], at: float, form: str) -> str:
    """`readings` as a table, JSON or OpenMetrics."""
    if form == "json":
        said = {
            "at": iso(at),
            "measurements": [measurement_json(m) for r in readings for m in r.measurements],
            "slos": [slo_json(s) for r in readings for s in r.slos],
        }
        return json.dumps(said, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if form == "openmetrics":
        return expose(_samples(readings, at), at, process=False).openmetrics.decode()
    return "".join(_table(readings, at))


def push(readings: Sequence[Reading], at: float, url: str) -> None:
    """The gauges to a Pushgateway, under job labelmon; what an earlier push left is replaced.

    Raises
    ------
    LabelmonError : if the gateway does not take them.
    """
    body = expose(_samples(readings, at), at, process=False).text
    try:
        answer = requests.put(
            f"{url.rstrip('/')}/metrics/job/labelmon",
            data=body,
            timeout=10,
            headers={"Content-Type": "text/plain; version=0.0.4"},
        )
    except requests.RequestException as error:
        raise LabelmonError(f"--push-to: no answer from the Pushgateway ({type(error).__name__})") from None
    if not answer.ok:
        raise LabelmonError(f"--push-to: the Pushgateway answered {answer.status_code}: {answer.text.strip()[:200]}")


def gate(config: Config, dataset: str, slo: str | None, now: float) -> Gate:
    """The verdict on a dataset as of `now`, counted from its stores; the ledger is neither read nor written.

    Raises
    ------
    UsageError : for an unknown dataset, or a check without an error budget.
    """
    sampler = _counter(config, dataset, gated(catalogue(), slo))
    result = sampler.cycle(now)
    if slo is not None and slo in result.off:
        raise UsageError(f"--slo: {slo} is off on {dataset}: {result.off[slo]}")
    return judge(dataset, result.board.slos, config.alerting)


def stage_gate(config: Config, dataset: str, slo: str | None, stage: str, share: float, now: float) -> Gate:
    """The verdict on a stage of a rollout that may spend `share` of the error budget, counted as `gate` does.

    Raises
    ------
    UsageError : for an unknown dataset or stage, or a check that is not known by stage.
    """
    asked = gated(catalogue(), slo, by_stage=True)
    sampler = _counter(config, dataset, stage_checks(asked))
    if not has_stages(sampler.dataset):
        raise UsageError(f"--stage: the labels of {dataset} map no role rollout, which names a label's stage")
    if slo is not None and slo in sampler.off:
        raise UsageError(f"--slo: {slo} is off on {dataset}, or by stage: {sampler.off[slo]}")
    found = count_stages(sampler, now).statuses(stage, share, config.alerting, [check.name for check in asked])
    return judge_stage(dataset, stage, share, found, config.alerting)


def _counter(config: Config, dataset: str, checks: Sequence[Check]) -> DatasetSampler:
    (watched,) = picked(config, dataset)
    return DatasetSampler(
        dataset=watched,
        stores={name: open_store(spec) for name, spec in config.stores.items()},
        ledger=open_ledger("sqlite://"),
        pseudonyms=load_pseudonyms(config.pseudonym_keys),
        alerting=config.alerting,
        catalogue=checks,
    )


def backfill(config: Config, since: float, only: str | None, now: float) -> str:
    """Counts [since, now] into the ledger; says what it did.

    Raises
    ------
    LabelmonError : if a store fails.
    """
    if since >= now:
        raise UsageError(f"--since: need an instant in the past, got {iso(since)}")
    stores = {name: open_store(spec) for name, spec in config.stores.items()}
    ledger = open_ledger(config.ledger_url)
    pseudonyms = load_pseudonyms(config.pseudonym_keys, config.path.resolve().parent)
    lines = []
    for dataset in picked(config, only):
        sampler = DatasetSampler(
            dataset=dataset,
            stores=stores,
            ledger=ledger,
            pseudonyms=pseudonyms,
            alerting=config.alerting,
            catalogue=catalogue(),
        )
        result = sampler.cycle(now, since=int(since))
        failed = [run.message for run in result.runs if run.reason]
        if failed:
            raise LabelmonError(failed[0])
        for name, track in sorted(sampler.tracks.items()):
            start = track.state.history_start
            lines.append(f"{dataset.name} {name}: {len(track.line.starts)} cells since {iso(start or now)}")
    return "\n".join(lines)


def picked(config: Config, only: str | None) -> list[Dataset]:
    """All datasets, or `only` one.

    Raises
    ------
    UsageError : if it is unknown; says which there are.
    """
    if only is None:
        return list(config.datasets.values())
    if only not in config.datasets:
        raise UsageError(f"--dataset: unknown dataset {only!r}; known: {', '.join(sorted(config.datasets))}")
    return [config.datasets[only]]


def _samples(readings: Sequence[Reading], at: float) -> Iterator[Sample]:
    checks: dict[str, Check] = {check.name: check for check in catalogue()}
    for reading in readings:
        for measurement in reading.measurements:
            yield from measured_samples(measurement, checks[measurement.check], at)
        for status in reading.slos:
            yield from slo_samples(status, checks[status.check])


def _table(readings: Sequence[Reading], at: float) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [("DATASET", "CHECK", "SCOPE", "STATISTIC", "VALUE", "95 % INTERVAL", "N", "STATE")]
    for reading in readings:
        rows += [_row(m) for m in reading.measurements if not PERSON_ROLES & set(m.estimate.labels)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    yield f"as of {iso(at)}\n"
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() + "\n"
    for reading in readings:
        by_person = sum(bool(PERSON_ROLES & set(m.estimate.labels)) for m in reading.measurements)
        if by_person:
            yield f"{reading.dataset.name}: {by_person} figures by annotator or pair are in --format json\n"
        for name, reason in reading.off.items():
            yield f"{reading.dataset.name}: {name} is off: {reason}\n"


def _row(measurement: Measurement) -> tuple[str, ...]:
    e = measurement.estimate
    scope = ",".join(f"{k}={v}" for k, v in sorted({**measurement.labels, **e.labels}.items()))
    state = e.state.value if e.state is State.OK else f"{e.state.value}: {e.reason}"
    census = e.low == e.high
    interval = "" if e.low is None or e.high is None or census else f"{e.low:.4f} .. {e.high:.4f}"
    value = "" if e.value is None else f"{e.value:.6g}"
    return (measurement.dataset, measurement.check, scope, e.statistic, value, interval, f"{e.n:g}", state)
