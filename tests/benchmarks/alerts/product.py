"""The product itself on one simulated run, minute by minute: slow, and what the quick arithmetic is held to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from labelmon.cells import Cell
from labelmon.checks import validator_pass
from labelmon.counts import ROWS, Counts, Op
from labelmon.exporter import Sample
from labelmon.measure import measure
from labelmon.model import Dataset, Objective, ObjectiveKind, Owner, Relation, SloStatus, Tier
from labelmon.point import Point
from labelmon.profiles import DEFAULT_ALERTING
from labelmon.samples import slo_samples
from labelmon.stores import Series
from labelmon.timeline import Timeline, timeline
from tests.benchmarks.alerts.judge import BEGIN, MINUTE, PACE, VISIBILITY
from tests.benchmarks.alerts.streams import Stream

# Any check whose events are one row each, good or bad.
CHECK = replace(validator_pass.CHECK, estimate=lambda _counts, _moment: ())
RELATION = Relation(name=CHECK.relation, store="s", columns={}, table="validations")


class Sums(Timeline):
    """A ledger without the tables that estimates are made of: what is estimated beside does not matter here."""

    def counts(self, start: int, end: int) -> Counts:
        del start, end
        return Counts.of(self.keys, self.ops, [])


def looked_at(minute: int) -> int:
    """When the windows that end with `minute` are looked at, in seconds since 1970."""
    return BEGIN + (minute + 1) * MINUTE + VISIBILITY


def statuses(stream: Stream, run: int, objective: float, minutes: Iterable[int]) -> Iterator[SloStatus]:
    """What the daemon would say of a run at the evaluations that see `minutes` as the last."""
    asked = Objective(kind=ObjectiveKind.TARGET, value=objective)
    dataset = Dataset(
        name=f"run-{run}",
        pipeline="simulated",
        owner=Owner(),
        tier=Tier.STANDARD,
        relations={RELATION.name: RELATION},
        objectives={CHECK.name: (asked,)},
    )
    series = Series(dataset=dataset.name, check=CHECK, relation=RELATION, labels=None, keys=CHECK.keys)
    counted = zip(stream.events[:, run].tolist(), stream.errors[:, run].tolist(), strict=True)
    cells = [
        Cell(start=BEGIN + i * MINUTE, width=MINUTE, keys=("any",), values=(float(n), float(n - k)), lag=0.0)
        for i, (n, k) in enumerate(counted)
        if n
    ]
    whole = timeline(CHECK.keys, {ROWS: Op.SUM, "good": Op.SUM}, cells)
    judged_by = ""
    for minute in minutes:
        now = looked_at(minute)
        point = Point(
            check=CHECK,
            objective=asked,
            line=_until(whole, now),
            history=BEGIN,
            series=series,
            failure="",
            sampled_at=float(now),
            judged_by=judged_by,
            pace=PACE,
        )
        (status,) = measure(dataset, [point], float(now), DEFAULT_ALERTING).slos
        judged_by = status.judged_by
        yield status


def exported(status: SloStatus) -> Iterator[Sample]:
    """The series of a status, as Prometheus scrapes them."""
    yield from slo_samples(status, CHECK)


def _until(line: Timeline, now: int) -> Timeline:
    """The ledger before what has not happened yet."""
    end = int(np.searchsorted(line.starts, now))
    return Sums(
        keys=line.keys,
        ops=line.ops,
        starts=line.starts[:end],
        widths=line.widths[:end],
        codes=line.codes[:end],
        values=line.values[:end],
        lags=line.lags[:end],
        combos=line.combos,
    )
