"""Measurements become an immutable exposition: rendered in the background, served as cached bytes.

A scrape renders nothing. Every dataset contributes a fragment that knows when it expires, so a hung worker or
a vanished dataset cannot leave a frozen number behind; an unknown value is absent, never 0 or NaN. A fragment is
rendered once, when it is put; a snapshot joins what is rendered already, so that it costs little whoever changed.
"""

from __future__ import annotations

import gzip
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest as render_text
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as render_openmetrics
from prometheus_client.registry import Collector

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
END = b"# EOF\n"
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
    """What one source contributes until `expires_at` (seconds since 1970). No two sources share a series."""

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
    return _snapshot(at, *_rendered(registry))


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A fragment as text: family to its (head, samples), in the text format and in OpenMetrics."""

    text: Mapping[str, tuple[bytes, bytes]]
    openmetrics: Mapping[str, tuple[bytes, bytes]]
    expires_at: float


def rendered(fragment: Fragment) -> Rendered:
    """A fragment as prometheus-client renders it, cut into families."""
    collector = _Samples(fragment.samples)
    registry = CollectorRegistry()
    registry.register(collector)
    names = [family.name for family in collector.collect()]
    text, openmetrics = (_by_family(names, whole) for whole in _rendered(registry))
    return Rendered(text=text, openmetrics=openmetrics, expires_at=fragment.expires_at)


def joined(parts: Sequence[Rendered], at: float, *, process: bool = True) -> Snapshot:
    """The exposition of all `parts` together: byte by byte what `expose` makes of all their samples, in this order."""
    registry = CollectorRegistry()
    if process:
        ProcessCollector(registry=registry)
    text, openmetrics = _rendered(registry)
    return _snapshot(at, _join([p.text for p in parts], text), _join([p.openmetrics for p in parts], openmetrics))


def _by_family(names: Sequence[str], whole: bytes) -> dict[str, tuple[bytes, bytes]]:
    found = {}
    # Text in labels has its line breaks escaped: only a family begins a line like this.
    blocks = re.split(rb"(?m)^(?=# HELP )", whole.removesuffix(END))[1:]
    for name, block in zip(names, blocks, strict=True):
        help_line, type_line, samples = block.split(b"\n", 2)
        found[name] = (b"%b\n%b\n" % (help_line, type_line), samples)
    return found


def _join(parts: Sequence[Mapping[str, tuple[bytes, bytes]]], tail: bytes) -> bytes:
    families: dict[str, list[bytes]] = {}
    for part in parts:
        for name, (head, samples) in part.items():
            families.setdefault(name, [head]).append(samples)
    return b"".join([*(piece for name in sorted(families) for piece in families[name]), tail])


def _rendered(registry: CollectorRegistry) -> tuple[bytes, bytes]:
    return render_text(registry), render_openmetrics(registry)  # type: ignore[no-untyped-call]


def _snapshot(at: float, text: bytes, openmetrics: bytes) -> Snapshot:
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
    process: bool = True  # whether this process' own metrics are part of it
    fragments: dict[str, Rendered] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    changed: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)

    def put(self, source: str, fragment: Fragment) -> None:
        """`source`'s fragment, in place of its last one. It is rendered here, in the thread that made it."""
        made = rendered(fragment)
        with self.lock:
            self.fragments[source] = made
        self.changed.set()

    def drop(self, source: str) -> None:
        """`source` has nothing to say any more."""
        with self.lock:
            self.fragments.pop(source, None)
        self.changed.set()

    def publish(self) -> Snapshot:
        """Joins what has not expired, and makes it the current snapshot."""
        now = self.clock()
        with self.lock:
            self.fragments = {s: f for s, f in self.fragments.items() if f.expires_at > now}
            parts = [self.fragments[source] for source in sorted(self.fragments)]
        self.snapshot = joined(parts, now, process=self.process)
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
