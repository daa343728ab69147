"""Measurements become an immutable exposition: rendered in the background, served as cached bytes.

A scrape renders nothing. Every dataset contributes a fragment that knows when it expires, so a hung worker or
a vanished dataset cannot leave a frozen number behind; an unknown value is absent, never 0 or NaN.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest as render_text
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as render_openmetrics
from prometheus_client.registry import Collector

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
MOST_SERIES = 20_000  # of one dataset; what is above is dropped and counted


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One series of one scrape. Labels that are '' are left out."""

    name: str
    help: str
    labels: Mapping[str, str]
    value: float
    counter: bool = False


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """What one source contributes until `expires_at` (seconds since 1970)."""

    samples: tuple[Sample, ...]
    expires_at: float


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One exposition, in every form a scraper may ask for."""

    at: float
    text: bytes
    text_gzip: bytes
    openmetrics: bytes
    openmetrics_gzip: bytes

    def body(self, accept: str, accept_encoding: str) -> tuple[bytes, str, str]:
        """(bytes, content type, content encoding) for a request's Accept and Accept-Encoding headers."""
        wants_openmetrics = "application/openmetrics-text" in accept
        wants_gzip = "gzip" in accept_encoding
        plain, packed = (self.openmetrics, self.openmetrics_gzip) if wants_openmetrics else (self.text, self.text_gzip)
        kind = OPENMETRICS_TYPE if wants_openmetrics else TEXT_TYPE
        return (packed, kind, "gzip") if wants_gzip else (plain, kind, "")


class _Samples(Collector):
    """Samples as prometheus-client sees them."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._families: dict[str, Metric] = {}
        seen: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
        for sample in samples:
            labels = {key: value for key, value in sorted(sample.labels.items()) if value != ""}
            identity = (sample.name, tuple(labels.items()))
            if identity in seen:
                continue
            seen.add(identity)
            family = self._families.get(sample.name)
            if family is None:
                kind = CounterMetricFamily if sample.counter else GaugeMetricFamily
                family = self._families[sample.name] = kind(sample.name, sample.help)
            family.add_sample(f"{sample.name}_total" if sample.counter else sample.name, labels, sample.value)

    def collect(self) -> Iterator[Metric]:
        for name in sorted(self._families):
            yield self._families[name]


def expose(samples: Iterable[Sample], at: float, *, process: bool = True) -> Snapshot:
    """Samples rendered once, in the text format and in OpenMetrics, plain and gzipped."""
    registry = CollectorRegistry()
    registry.register(_Samples(samples))
    if process:
        ProcessCollector(registry=registry)
    text, openmetrics = render_text(registry), render_openmetrics(registry)  # type: ignore[no-untyped-call]
    return Snapshot(
        at=at,
        text=text,
        text_gzip=gzip.compress(text, 1),
        openmetrics=openmetrics,
        openmetrics_gzip=gzip.compress(openmetrics, 1),
    )


@dataclass(kw_only=True)
class Publisher:
    """Collects fragments and publishes one snapshot at most every `pause` seconds, from its own thread."""

    clock: Callable[[], float]
    pause: float = 1.0
    fragments: dict[str, Fragment] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    changed: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)

    def put(self, source: str, fragment: Fragment) -> None:
        """`source`'s fragment, in place of its last one."""
        with self.lock:
            self.fragments[source] = fragment
        self.changed.set()

    def drop(self, source: str) -> None:
        """`source` has nothing to say any more."""
        with self.lock:
            self.fragments.pop(source, None)
        self.changed.set()

    def publish(self) -> Snapshot:
        """Renders what has not expired, and makes it the current snapshot."""
        now = self.clock()
        with self.lock:
            self.fragments = {s: f for s, f in self.fragments.items() if f.expires_at > now}
            samples = [sample for source in sorted(self.fragments) for sample in self.fragments[source].samples]
        self.snapshot = expose(samples, now)
        return self.snapshot

    def run(self) -> None:
        """Publishes after changes and expiries until `stop`; the body of a thread."""
        while not self.stopping.is_set():
            self.changed.wait(self._until_next_expiry())
            self.changed.clear()
            if self.stopping.is_set():
                return
            self.publish()
            self.stopping.wait(self.pause)

    def stop(self) -> None:
        """Ends `run`."""
        self.stopping.set()
        self.changed.set()

    def _until_next_expiry(self) -> float:
        with self.lock:
            next_expiry = min((f.expires_at for f in self.fragments.values()), default=self.clock() + 60)
        return max(0.05, min(60.0, next_expiry - self.clock()))
