"""How often the generated alerts would have fired over the ledger's past, for how long, and when."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from labelmon import naming
from labelmon.alerting.annotations import Blanks, links
from labelmon.alerting.evaluate import Alert, Watch, alerts_of, seen_at
from labelmon.check import Check, EventSlo
from labelmon.config import Config
from labelmon.durations import format_duration
from labelmon.errors import UsageError
from labelmon.exporter import Sample
from labelmon.families import Families
from labelmon.ledger import read_ledger
from labelmon.measure import Board
from labelmon.model import DAY, ObjectiveKind, Severity, Urls, scope_label
from labelmon.replay import Replay, multiple, replay_of
from labelmon.report import picked
from labelmon.samples import iso, measured_samples

PERIOD = 30 * DAY
CAVEATS = (
    "late rows, relabels and deletes are in the ledger already: the past looks tidier here than it was",
    "an episode is one alert from firing to resolved; grouping and inhibition may have told of several at once",
    "when labelmon or a store was down is not in the ledger: LabelmonGone and LabelStoreStale are not replayed",
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one alert did on one dataset and scope: `episodes` are (start, end), seconds since 1970, in order."""

    check: str
    alert: str
    severity: Severity
    scope: str
    episodes: tuple[tuple[float, float], ...]
    ongoing: bool
    links: dict[str, str]

    @property
    def total(self) -> float:
        """Seconds of firing."""
        return sum(end - start for start, end in self.episodes)

    @property
    def longest(self) -> float:
        """Seconds of the longest episode."""
        return max((end - start for start, end in self.episodes), default=0.0)


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """One dataset's replay of [`since`, `until`]; `looks` are (from, seconds between looks), in order of time."""

    dataset: str
    since: float
    until: float
    looks: tuple[tuple[float, int], ...]
    outcomes: tuple[Outcome, ...]
    missing: dict[str, str]
    off: dict[str, str]
    notes: tuple[str, ...]

    @property
    def pages(self) -> int:
        """The most pages that began within any 30 days: a shorter past is not stretched."""
        starts = [s for o in self.outcomes if o.severity is Severity.PAGE for s, _ in o.episodes]
        return max((sum(first <= s < first + PERIOD for s in starts) for first in starts), default=0)


@dataclass(kw_only=True)
class _Run:
    """One dataset under replay."""

    replay: Replay
    checks: tuple[Check, ...]
    watches: list[Watch]
    since: float
    step: float
    looks: list[tuple[float, int]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.replay.dataset.name

    def look(self, at: float, families: Families) -> None:
        """One evaluation of every alert."""
        board, samples = self.replay.look(at)
        seen = seen_at(at, board.slos, [*samples, *self._adjusted(board, at, families)])
        for watch in self.watches:
            watch.evaluate(seen)
        grain = self.replay.grain(at)
        every = grain if grain == DAY else multiple(grain, self.step)
        if not self.looks or self.looks[-1][1] != every:
            self.looks.append((at, every))

    def _adjusted(self, board: Board, at: float, families: Families) -> Iterator[Sample]:
        testing = [check for check in self.checks if any(s.adjusts for s in check.statistics)]
        if not testing:
            return
        families.note(self.name, board.measurements, testing)
        by_name = {check.name: check for check in testing}
        for measurement in families.adjusted(board.measurements, testing):
            yield from measured_samples(measurement, by_name[measurement.check], at)


def backtest(
    config: Config, catalogue: Sequence[Check], span: tuple[float, float], only: str | None, step: float, now: float
) -> list[Backtest]:
    """Every dataset (or `only` one) over `span`, looked at every `step` seconds, or as the cells allow.

    The ledger is only read. Datasets advance together, since p-values are adjusted for all that are tested beside.

    Raises
    ------
    UsageError : for an unknown dataset, a span that is none or lies in the future, or one without any history.
    LedgerError : if the ledger cannot be read.
    """
    datasets = picked(config, only)
    since, until = span[0], min(span[1], now)
    if since >= now:
        raise UsageError(f"--since: need an instant in the past, got {iso(since)}")
    if until <= since:
        raise UsageError(f"--until: need an instant after --since, {iso(since)}, got {iso(until)}")
    ledger = read_ledger(config.ledger_url)
    try:
        runs = [_run(replay_of(d, catalogue, ledger, config.alerting), config, since, step) for d in datasets]
    finally:
        ledger.engine.dispose()
    reaches = {run.name: run.replay.reach for run in runs}
    if not any(reach is not None and reach < until for reach in reaches.values()):
        said = (f"{name} since {iso(r)}" if r is not None else f"nothing of {name}" for name, r in reaches.items())
        raise UsageError(
            f"--since: the ledger has no history before {iso(until)}; it holds {', '.join(said)}. "
            "labelmon backfill counts it from the stores"
        )
    families = Families()
    moments = [[(at, i) for at in run.replay.moments(run.since, until, step)] for i, run in enumerate(runs)]
    for at, index in heapq.merge(*moments):
        runs[index].look(at, families)
    alone = only is not None and len(config.datasets) > 1
    return [_told(run, (since, until), config.urls, alone=alone) for run in runs]


def _run(replay: Replay, config: Config, since: float, step: float) -> _Run:
    checks = tuple({target.check.name: target.check for target in replay.targets}.values())
    return _Run(
        replay=replay,
        checks=checks,
        watches=[Watch(alert=alert) for check in checks for alert in alerts_of(check, config.alerting, config.urls)],
        since=max(since, replay.reach or since),
        step=step,
    )


def _told(run: _Run, span: tuple[float, float], urls: Urls, *, alone: bool) -> Backtest:
    since, until = span
    replay = run.replay
    notes = []
    if replay.reach is not None and replay.reach > since:
        notes.append(f"the ledger reaches back to {iso(replay.reach)}: replayed from there")
    for check in run.checks:
        names = dict.fromkeys(t.series.name for t in replay.targets if t.check is check)
        mine = [replay.pasts[name] for name in names if name in replay.pasts]
        starts = [p.state.history_start for p in mine if not p.series.part and p.state.history_start is not None]
        if starts and min(starts) > run.since:
            notes.append(f"{check.name}: known since {iso(min(starts))} only")
        parts = sorted(p.series.part for p in mine if p.series.part)
        if parts:
            notes.append(f"{check.name}: {', '.join(parts)} are kept by the day, and count when their day is over")
    tested = [check.name for check in run.checks if any(s.adjusts for s in check.statistics)]
    if alone and tested:
        notes.append(f"{', '.join(tested)}: p-values are not adjusted for the datasets that --dataset leaves out")
    return Backtest(
        dataset=run.name,
        since=run.since,
        until=until,
        looks=tuple(run.looks),
        outcomes=tuple(o for watch in run.watches for o in _outcomes(run, watch, until, urls)),
        missing=dict(sorted(replay.missing.items())),
        off=dict(sorted(replay.off.items())),
        notes=tuple(notes),
    )


def _outcomes(run: _Run, watch: Watch, until: float, urls: Urls) -> Iterator[Outcome]:
    rule = watch.alert.rule
    assert rule.check is not None  # noqa: S101  `alerts_of` makes those of checks alone
    for scope in _scopes(run, watch.alert):
        mine = [episode for episode in watch.episodes if episode.scope == scope]
        blanks = Blanks(
            dataset=run.name, scoped="", dataset_query=quote_plus(run.name), scope_query=quote_plus(scope), value=""
        )
        yield Outcome(
            check=rule.check.name,
            alert=rule.alert,
            severity=rule.severity,
            scope=scope,
            episodes=tuple((e.start, until if e.end is None else min(e.end, until)) for e in mine),
            ongoing=any(episode.end is None for episode in mine),
            links=links(rule.check, rule.alert, urls, blanks),
        )


def _scopes(run: _Run, alert: Alert) -> list[str]:
    """The scopes of the objectives that an alert is about, as far as they were replayed."""
    check = alert.rule.check
    assert check is not None  # noqa: S101
    found = []
    for target in run.replay.targets:
        if target.check is not check or target.series.part or target.series.name not in run.replay.pasts:
            continue
        allows_none = target.objective.kind is ObjectiveKind.NONE_BAD
        if not isinstance(check.slo, EventSlo) or allows_none == (alert.rule.alert == naming.any_bad_alert(check)):
            found.append(scope_label(target.objective.scope))
    return list(dict.fromkeys(found))


def as_json(found: Sequence[Backtest]) -> str:
    """The answer of `backtest --format json`."""
    said = {
        "caveats": list(CAVEATS),
        "datasets": [
            {
                "dataset": b.dataset,
                "since": iso(b.since),
                "until": iso(b.until),
                "looks": [{"from": iso(at), "every": format_duration(every)} for at, every in b.looks],
                "pages_in_30d": b.pages,
                "alerts": [
                    {
                        "check": o.check,
                        "alert": o.alert,
                        "severity": o.severity.value,
                        "scope": o.scope,
                        "fired": len(o.episodes),
                        "total_seconds": o.total,
                        "longest_seconds": o.longest,
                        "ongoing": o.ongoing,
                        "episodes": [{"start": iso(start), "end": iso(end)} for start, end in o.episodes],
                        **o.links,
                    }
                    for o in b.outcomes
                ],
                "not_replayed": b.missing,
                "off": b.off,
                "notes": list(b.notes),
            }
            for b in found
        ],
    }
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"


def as_table(found: Sequence[Backtest]) -> str:
    """For people: what fired, then what stayed quiet, what was not replayed and why."""
    rows = [("DATASET", "ALERT", "SEVERITY", "SCOPE", "FIRED", "TOTAL", "LONGEST", "FIRST", "LAST")]
    fired = [(b, o) for b in found for o in b.outcomes if o.episodes]
    rows += [
        (
            b.dataset,
            o.alert,
            o.severity.value,
            o.scope,
            str(len(o.episodes)),
            format_duration(round(o.total)),
            format_duration(round(o.longest)),
            iso(o.episodes[0][0]),
            iso(o.episodes[-1][0]) + (" (still firing)" if o.ongoing else ""),
        )
        for b, o in fired
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for b, o in fired:
        lines += ["", f"{b.dataset} {o.alert} {o.severity.value}{f' {o.scope}' if o.scope else ''}"]
        lines += [f"  {key.removesuffix('_url')}: {url}" for key, url in o.links.items()]
    for b in found:
        quiet = sum(not o.episodes for o in b.outcomes)
        looks = "; ".join(f"every {format_duration(every)} from {iso(at)}" for at, every in b.looks)
        lines += [
            "",
            f"{b.dataset}: {iso(b.since)} to {iso(b.until)}, looked at {looks or 'never'}",
            f"  {b.pages} pages within 30 days at most; {quiet} of {len(b.outcomes)} alerts stayed quiet",
            *(f"  note: {note}" for note in b.notes),
            *(f"  not replayed: {name}: {why}" for name, why in b.missing.items()),
            *([f"  off, as labelmon explain --dataset {b.dataset} says why: {', '.join(b.off)}"] if b.off else []),
        ]
    return "\n".join([*lines, "", *(f"note: {caveat}" for caveat in CAVEATS)]) + "\n"
