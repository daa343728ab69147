"""Every objective as an OpenSLO v1 document, for tools that read those: a DataSource, Services and SLOs.

Specification: https://github.com/OpenSLO/OpenSLO (v1). What it cannot say is said in `Exported.notes`.

Objectives over events become a ratioMetric of two gauges: the events, and the good ones, of the shortest window that
labelmon judges the objective by at the time. A tool that adds up a gauge's samples over its time window counts each
event once per sample that it is in, all events equally often; so the ratio of the sums is the share of good events,
blurred by that window at both ends. It does not see what labelmon corrects later (late rows, recounts): the query in
the description asks labelmon for its own figure. Gauge objectives become a thresholdMetric.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from labelmon import naming
from labelmon.alerting.promql import Age, Expr, Join, MaxBy, Metric
from labelmon.alerting.yamlfile import Block, dump_all, printable
from labelmon.check import Check, EventSlo, GaugeSlo
from labelmon.config import Config
from labelmon.durations import format_duration
from labelmon.model import Dataset, Objective, ObjectiveKind, scope_label
from labelmon.profiles import Alerting
from labelmon.reading import targets_of

OPENSLO_FILE = "openslo/labelmon.yaml"
DATA_SOURCE = "prometheus"
# A target must be below 1 (OpenSLO v1, Objectives). One bad event in a million is more than this allows.
NEARLY_ALL = 0.999999
_MOST_NAME = 63
_MOST_DESCRIPTION = 1050
_LABEL_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The documents, and what they could not say."""

    text: str
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Slo:
    """One objective that can be measured."""

    dataset: Dataset
    check: Check
    objective: Objective

    @property
    def scope(self) -> str:
        """The `scope` label of its series."""
        return scope_label(self.objective.scope)

    @property
    def identity(self) -> tuple[str, str, str]:
        """What its name is made of."""
        return self.dataset.name, self.check.name.replace("_", "-"), self.scope

    @property
    def words(self) -> str:
        """What a reader calls it."""
        return " ".join(filter(None, (self.dataset.name, self.check.name, self.scope)))


@dataclass(frozen=True)
class _Good(Expr):
    """Events times the share of them that is good."""

    events: Metric
    error_ratio: Metric

    def lines(self) -> list[str]:
        return [f"{self.events} * (1 - {self.error_ratio})"]


def openslo(config: Config, catalogue: Sequence[Check], prometheus_url: str) -> Exported:
    """Every objective of `config` that can be measured."""
    slos: list[Slo] = []
    unsaid: dict[str, list[str]] = {}
    for dataset in config.datasets.values():
        targets, off = targets_of(dataset, catalogue)
        slos += [
            Slo(dataset=dataset, check=target.check, objective=target.objective)
            for target in targets
            if not target.series.part
        ]
        for check, why in off.items():
            if dataset.objectives.get(check):
                unsaid.setdefault(f"Left out, {why}", []).append(f"{dataset.name} {check}")
    for slo in slos:
        for what in _unsaid(slo):
            unsaid.setdefault(what, []).append(slo.words)
    notes = tuple(printable(f"{what}: {'; '.join(whose)}.") for what, whose in unsaid.items())
    names = rfc1123_names(slo.identity for slo in slos)
    services = rfc1123_names([(name,) for name in sorted({slo.dataset.name for slo in slos})])
    documents = [
        _data_source(prometheus_url),
        *(_service(config.datasets[identity[0]], name) for identity, name in services.items()),
        *(_slo(slo, names[slo.identity], services[slo.dataset.name,], config) for slo in slos),
    ]
    return Exported(text=dump_all(documents, notes), notes=notes)


def rfc1123_names(identities: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """A name of at most 63 of a-z, 0-9 and - for each identity.

    Where that loses something, or two would share a name, part of the identity's SHA-256 ends it.
    """
    known = list(dict.fromkeys(identities))
    plain = {identity: "-".join(filter(None, identity)) for identity in known}
    shared = Counter(map(_slug, plain.values()))
    found = {}
    for identity, text in plain.items():
        slug = _slug(text)
        if slug != text or len(slug) > _MOST_NAME or shared[slug] > 1:
            digest = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:8]
            slug = f"{slug[: _MOST_NAME - 9].rstrip('-')}-{digest}".lstrip("-")
        found[identity] = slug
    return found


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _document(kind: str, metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "openslo/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _data_source(url: str) -> dict[str, Any]:
    spec = {
        "description": "The Prometheus that scrapes labelmon.",
        "type": "Prometheus",
        "connectionDetails": {"url": url},
    }
    return _document("DataSource", {"name": DATA_SOURCE}, spec)


def _service(dataset: Dataset, name: str) -> dict[str, Any]:
    metadata = {"name": name, "displayName": dataset.name, **_labels(dataset)}
    return _document("Service", metadata, {"description": f"Labels of {dataset.name}, pipeline {dataset.pipeline}."})


def _slo(slo: Slo, name: str, service: str, config: Config) -> dict[str, Any]:
    over_events = isinstance(slo.check.slo, EventSlo)
    indicator = _ratio_metric(slo, config.alerting) if over_events else _threshold_metric(slo)
    spec: dict[str, Any] = {
        "description": _description(slo, config.urls.runbooks),
        "service": service,
        "indicator": {"metadata": {"name": name, "displayName": slo.check.title}, "spec": indicator},
    }
    if slo.objective.window is not None:
        spec["timeWindow"] = [{"duration": shorthand(slo.objective.window), "isRolling": True}]
    spec |= {"budgetingMethod": "Occurrences", "objectives": [_objective(slo)]}
    # The published JSON Schema takes no URL in an annotation: the description has it whole.
    annotations = {"runbook": naming.runbook(_alert(slo))}
    metadata = {"name": name, "displayName": slo.words, **_labels(slo.dataset), "annotations": annotations}
    return _document("SLO", metadata, spec)


def _alert(slo: Slo) -> str:
    if isinstance(slo.check.slo, GaugeSlo):
        return naming.threshold_alert(slo.check)
    none_bad = slo.objective.kind is ObjectiveKind.NONE_BAD
    return naming.any_bad_alert(slo.check) if none_bad else naming.burn_alert(slo.check)


def _labels(dataset: Dataset) -> dict[str, Any]:
    given = {
        naming.DATASET: dataset.name,
        naming.PIPELINE: dataset.pipeline,
        naming.TEAM: dataset.owner.team,
        naming.TIER: dataset.tier.value,
    }
    return {"labels": {key: value for key, value in given.items() if _LABEL_VALUE.fullmatch(value)}}


def _objective(slo: Slo) -> dict[str, Any]:
    kind, value = slo.objective.kind, slo.objective.value
    if kind is ObjectiveKind.TARGET:
        return {"displayName": "good events", "target": value}
    if kind is ObjectiveKind.NONE_BAD:
        return {"displayName": "nothing bad", "target": NEARLY_ALL}
    op = "lte" if kind is ObjectiveKind.AT_MOST else "gte"
    return {"displayName": f"{kind.value} {value:g}", "op": op, "value": value, "target": NEARLY_ALL}


def _description(slo: Slo, runbooks: str) -> str:
    said = [slo.check.help]
    if runbooks:
        said.append(f"Runbook: {runbooks}/{naming.runbook(_alert(slo))}")
    match slo.objective.kind:
        case ObjectiveKind.TARGET:
            said.append("The samples are gauges over a window: add them up, do not average their ratio.")
            left = MaxBy(naming.SLO_LABELS, _of(slo, naming.SLO_BUDGET_REMAINING))
            said.append(f"What labelmon has left of the error budget: {left}")
        case ObjectiveKind.NONE_BAD:
            said.append(f"Nothing may be bad; a target must be below 1, so it is {NEARLY_ALL}.")
        case _:
            said.append(f"Holds at all times; a target must be below 1, so it is {NEARLY_ALL} of the samples.")
    while len(" ".join(said)) > _MOST_DESCRIPTION:
        said.pop()
    return " ".join(said)


def _ratio_metric(slo: Slo, alerting: Alerting) -> dict[str, Any]:
    good, total = [], []
    for profile, window in _shortest_windows(slo.objective, alerting):
        events = _of(slo, naming.SLI_EVENTS, (naming.WINDOW, window))
        errors = _of(slo, naming.SLI_ERROR_RATIO, (naming.WINDOW, window))
        judged = _of(slo, naming.SLO_INFO, (naming.PROFILE, profile))
        good.append(Join("and", (_Good(events, errors), judged), ignoring=(naming.WINDOW, naming.PROFILE)))
        total.append(Join("and", (events, judged), ignoring=(naming.WINDOW, naming.PROFILE)))
    return {"ratioMetric": {"counter": False, "good": _source(_worst(good)), "total": _source(_worst(total))}}


def _shortest_windows(objective: Objective, alerting: Alerting) -> list[tuple[str, str]]:
    """Profile and its shortest window: an objective is judged, and counted, by one of them at a time."""
    if objective.kind is ObjectiveKind.NONE_BAD:
        return [(naming.NONE_BAD, format_duration(alerting.profiles[0].windows[0]))]
    return [(profile.name, format_duration(profile.windows[0])) for profile in alerting.profiles]


def _worst(parts: Sequence[Expr]) -> Expr:
    return MaxBy(naming.SLO_LABELS, parts[0] if len(parts) == 1 else Join("or", tuple(parts)))


def _threshold_metric(slo: Slo) -> dict[str, Any]:
    assert isinstance(slo.check.slo, GaugeSlo)  # noqa: S101  callers dispatch on the kind of objective
    statistic = slo.check.statistic(slo.check.slo.statistic)
    given = ((naming.DATASET, slo.dataset.name), (naming.SCOPE, slo.scope))
    metric = Metric(naming.gauge(slo.check, statistic), given)
    value = MaxBy((naming.DATASET, naming.SCOPE), Age(metric) if statistic.age else metric)
    return {"thresholdMetric": _source(value)}


def _of(slo: Slo, metric: str, *more: tuple[str, str]) -> Metric:
    mine = ((naming.DATASET, slo.dataset.name), (naming.SLI, slo.check.name), (naming.SCOPE, slo.scope))
    return Metric(metric, (*mine, *more))


def _source(query: Expr) -> dict[str, Any]:
    spec = {"query": Block(f"{query}\n")}
    return {"metricSource": {"metricSourceRef": DATA_SOURCE, "type": "Prometheus", "spec": spec}}


def shorthand(seconds: int) -> str:
    """A duration as OpenSLO writes it: one number and one unit, rounded up to whole minutes.

    Examples
    --------
    >>> shorthand(28 * 86400), shorthand(5400), shorthand(90)
    ('28d', '90m', '2m')
    """
    whole = -(-seconds // 60) * 60
    return next(f"{whole // width}{unit}" for unit, width in _UNITS if whole % width == 0)


def _unsaid(slo: Slo) -> Iterator[str]:
    window = slo.objective.window
    if window is None:
        yield "Over all there is, so exported without the timeWindow that a tool may ask for"
    elif window % 60:
        yield f"A window of {format_duration(window)}, exported as {shorthand(window)}"
    if slo.objective.kind is ObjectiveKind.NONE_BAD:
        yield f"Nothing may be bad, exported with the target {NEARLY_ALL}: OpenSLO has none of 1"
    elif isinstance(slo.check.slo, GaugeSlo):
        yield f"A gauge without an error budget, exported with the target {NEARLY_ALL} of its samples"
