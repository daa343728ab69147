"""One cycle of one dataset: due buckets -> counts -> ledger -> measurements. The clock is a parameter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from labelmon.buckets import bucket_width
from labelmon.cells import Cell, cells_of, local_days, nothing
from labelmon.check import Check
from labelmon.counts import Counts
from labelmon.errors import StoreError
from labelmon.families import Families
from labelmon.ledger import Change, Ledger, SeriesState
from labelmon.measure import Board, measure
from labelmon.model import DAY, HOUR, Dataset, Objective
from labelmon.point import Memo, Point
from labelmon.profiles import Alerting
from labelmon.pseudonyms import Pseudonyms
from labelmon.reading import describe, earliest_row, read_counts, targets_of
from labelmon.recount import (
    Outcome,
    Pace,
    Reach,
    compacted,
    difference,
    floor_to,
    pace_of,
    reach_due,
    recount_from,
    settle_cells,
    spans,
)
from labelmon.slices import Slices
from labelmon.stores import Reader, Series, Span, Store
from labelmon.timeline import Timeline, timeline

SEASONS = 30 * DAY


@dataclass(kw_only=True)
class Track:
    """What a worker knows of one series between cycles."""

    series: Series
    state: SeriesState
    line: Timeline
    just_started: bool = True
    failure: str = ""
    reason: str = ""
    corrected: float = 0.0
    sampled_at: float | None = None
    memo: Memo = field(default_factory=dict)
    slices: dict[str, Slices] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CheckRun:
    """How a check fared in a cycle: `reason` is '' for success, else a short machine-readable cause."""

    check: str
    reason: str = ""
    message: str = ""
    corrected: float = 0.0
    held: bool = False
    history_start: int | None = None


@dataclass(frozen=True, kw_only=True)
class CycleResult:
    """Everything a cycle found out; an immutable value for exporter, pages and tests."""

    dataset: Dataset
    at: float
    window_end: int
    board: Board
    runs: tuple[CheckRun, ...]
    off: Mapping[str, str]
    stores: Mapping[str, str]  # store name -> '' or why it failed


@dataclass(kw_only=True)
class DatasetSampler:
    """Samples one dataset. Not shared between threads: a dataset has one job at a time."""

    dataset: Dataset
    stores: Mapping[str, Store]
    ledger: Ledger
    pseudonyms: Pseudonyms
    alerting: Alerting
    catalogue: Sequence[Check]
    max_age: float = 0.0
    families: Families = field(default_factory=Families)
    tracks: dict[str, Track] = field(default_factory=dict)
    types: dict[str, dict[str, str]] = field(default_factory=dict)
    late: dict[str, StoreError] = field(default_factory=dict)  # checks that ran into the timeout of their store

    def __post_init__(self) -> None:
        self.bucket = bucket_width(self.alerting.shortest_window)
        self.targets, self.off = targets_of(self.dataset, self.catalogue)
        windows = [t.objective.window for t in self.targets if t.objective.window is not None]
        windows += [w for profile in self.alerting.profiles for w in profile.windows]
        windows += [SEASONS for t in self.targets if t.check.sharp]  # learns from hours, which days would swallow
        self.pace: Pace = pace_of(self.dataset, self.bucket, windows)

    def pace_for(self, series: Series) -> Pace:
        """The pace of a series: the dataset's, on larger buckets where the series has its own."""
        if series.grain is None:
            return self.pace
        width = max(series.grain, self.pace.bucket)
        return replace(self.pace, bucket=width, coarse=max(width, self.pace.coarse))

    def cycle(self, now: float, *, since: int | None = None) -> CycleResult:
        """Count what is due as of `now`, store it, measure. A failing series fails alone.

        `since` counts from there whatever is due (a backfill).

        Raises
        ------
        LedgerError : if the state store fails; nothing of the cycle is kept then.
        """
        changes: list[tuple[Track, Change, list[Cell], int]] = []
        health = dict.fromkeys(sorted({r.store for t in self.targets for r in t.series.relations}), "")
        by_store: dict[str, list[Series]] = {}
        for series in {t.series.name: t.series for t in self.targets}.values():
            by_store.setdefault(series.relation.store, []).append(series)
        for store, members in by_store.items():
            self.late.clear()
            try:
                with self.stores[store].snapshot() as reader:
                    for series in members:
                        self._count_one(reader, series, now, since, changes)
            except StoreError as error:
                health[store] = str(error)
                for series in members:
                    self._fail(series, error)
        self.ledger.commit(change for _, change, _, _ in changes)
        for track, change, cells, start in changes:
            track.state, track.just_started = change.state, False
            track.line.replace(start, cells)
            track.failure, track.reason = "", ""
            track.sampled_at = now
        for store in health:  # a store whose every series failed is down, whatever each said
            failures = [self.tracks[s.name].failure for s in by_store.get(store, []) if s.name in self.tracks]
            if failures and all(failures):
                health[store] = failures[0]
        return self._result(now, health)

    def _count_one(
        self,
        reader: Reader,
        series: Series,
        now: float,
        since: int | None,
        changes: list[tuple[Track, Change, list[Cell], int]],
    ) -> None:
        track = self._track(series)
        rests = series.grain is not None and not track.just_started and not track.failure and since is None
        if rests and track.state.hot is not None and now - track.state.hot < min(HOUR, self.pace.recount_interval):
            return
        if series.check.name in self.late:
            self._fail(series, self.late[series.check.name])
            return
        try:
            types = describe(reader, series, self.types)
            if series.is_snapshot:
                changes.append(self._sample(reader, track, types, now))
            else:
                changes.append(self._recount(reader, track, types, now, since))
        except StoreError as error:
            self.types.clear()  # the schema may have changed: look again next time
            self._fail(series, error)
            if error.reason == "timeout":
                self.late[series.check.name] = error
            # One slow statement is its check's trouble; a store that is slow twice would hold up everybody.
            if error.reason in {"unreachable", "locked"} or len(self.late) > 1:
                raise

    def _recount(
        self, reader: Reader, track: Track, types: dict[str, dict[str, str]], now: float, since: int | None
    ) -> tuple[Track, Change, list[Cell], int]:
        series, state, pace = track.series, track.state, self.pace_for(track.series)
        reach = Reach.ALL if since is not None else reach_due(state, now, pace, just_started=track.just_started)
        at_ms = int(now * 1000)

        def earliest() -> int | None:
            return earliest_row(reader, series, types, at_ms)

        border = state.coarse_before or 0
        daily = state.daily_before or 0
        if reach is not Reach.HOT:
            border = max(border, pace.coarse_before(now))
        if reach is Reach.ALL:
            daily = max(daily, min(pace.daily_before(now), border))
        start = since if since is not None else recount_from(reach, state, now, pace)
        began: float | None = None
        if start is None:
            found = earliest()
            # An item may settle as soon as its first label; only what protects old cells waits for `settle`.
            began = now if found is None else found - series.settle
            start = floor_to(began, pace.coarse)
        if start < daily:  # a local day is counted whole or not at all
            start, _ = local_days(pace.timezone)(start)
        start = floor_to(start, pace.coarse if start < border else pace.bucket)
        # Compaction needs the old cells from the old border on, even where nothing is counted again.
        load_from = min(start, state.coarse_before or start, state.daily_before or start)
        ops = series.ops
        old_all = track.line.cells(load_from if reach is not Reach.HOT else start)
        before = [cell for cell in old_all if cell.start < start]
        old = [cell for cell in old_all if cell.start >= start]
        if reach is not Reach.HOT:
            old = compacted(old, list(ops.values()), pace, border, daily, snapshot=False)
        fresh: list[Cell] = []
        for low, high, width in spans(start, now, pace, border):
            counts = self._read(
                reader, series, types, Span(start_ms=low * 1000, end_ms=high * 1000, width=width), at_ms
            )
            fresh += cells_of(counts, width, None if state.full is None else state.hot)
        if reach is not Reach.HOT:
            fresh = compacted(fresh, list(ops.values()), pace, border, daily, snapshot=False)
        aged = state.full - pace.lateness if reach is Reach.ALL and state.full is not None else None
        outcome: Outcome = settle_cells(
            old,
            fresh,
            ops=ops,
            joined=series.labels is not None,
            protected_until=earliest,
            old_before=aged,
            was_held=state.held_since is not None,
        )
        older = compacted(before, list(ops.values()), pace, border, daily, snapshot=False)
        cells = [*older, *outcome.cells] if reach is not Reach.HOT else outcome.cells
        drop, put = difference(old_all, cells)
        edge = load_from if reach is not Reach.HOT else start
        history = state.history_start if began is None else floor_to(began, pace.bucket)
        older_starts = [c.start for c in cells if history is None or c.start + c.width <= history]
        history = min([h for h in (history, *older_starts) if h is not None], default=start)
        track.corrected += outcome.corrected
        moved = replace(
            state,
            hot=now,
            coarse_before=border or None,
            daily_before=daily or None,
            history_start=history,
            full=state.full if reach is Reach.HOT else now,
            reconciled=now if reach is Reach.ALL else state.reconciled,
            held_since=(now if outcome.held else None) if reach is Reach.ALL else state.held_since,
        )
        return track, Change(state=moved, drop=drop, put=put), cells, edge

    def _sample(
        self, reader: Reader, track: Track, types: dict[str, dict[str, str]], now: float
    ) -> tuple[Track, Change, list[Cell], int]:
        series, state = track.series, track.state
        start = floor_to(now, self.bucket)
        span = Span(start_ms=0, end_ms=int(now * 1000) + 1, width=None, whole=True)
        counts = self._read(reader, series, types, span, int(now * 1000))
        lag = None if series.untimed else now - start - self.bucket
        # A state of nothing is a state too: without a cell the sample before it would stand.
        seen = cells_of(counts, self.bucket) or [nothing(len(series.keys), list(series.ops.values()))]
        fresh = [replace(cell, start=start, width=self.bucket, lag=lag) for cell in seen]
        border = state.coarse_before or 0
        target = self.pace.coarse_before(now)
        daily = state.daily_before or 0
        if target > border:
            border, daily = target, max(daily, min(target, self.pace.daily_before(now)))
            edge = state.daily_before or 0
        else:
            edge = start
        old = track.line.cells(edge)
        kept = [cell for cell in old if cell.start < start]
        ops = list(series.ops.values())
        cells = [*compacted(kept, ops, self.pace, border, daily, snapshot=True), *fresh]
        drop, put = difference(old, cells)
        moved = replace(
            state,
            hot=now,
            full=now,
            coarse_before=border or None,
            daily_before=daily or None,
            history_start=state.history_start if state.history_start is not None else start,
        )
        return track, Change(state=moved, drop=drop, put=put), cells, edge

    def _read(self, reader: Reader, series: Series, types: dict[str, dict[str, str]], span: Span, at_ms: int) -> Counts:
        return read_counts(reader, series, types, span, at_ms, self.pseudonyms)

    def _track(self, series: Series) -> Track:
        track = self.tracks.get(series.name)
        if track is None:
            state = self.ledger.state(self.dataset.name, series.name, series.definition, list(series.ops))
            # Local days are out of every window's reach, but for an objective over all there ever was.
            mine = [t for t in self.targets if t.series.name == series.name]
            whole = series.check.history or any(t.objective.window is None for t in mine)
            cells = self.ledger.cells(state.id, 0 if whole else state.daily_before or 0)
            track = Track(series=series, state=state, line=timeline(series.keys, series.ops, cells))
            self.tracks[series.name] = track
        return track

    def _fail(self, series: Series, error: StoreError) -> None:
        track = self._track(series)
        track.failure, track.reason = str(error), error.reason

    def _result(self, now: float, health: Mapping[str, str]) -> CycleResult:
        points = []
        for target in self.targets:
            track = self.tracks.get(target.series.name)
            if track is None:
                continue
            remembered = dict(track.state.profiles).get(_scope_text(target.objective), "")
            point = Point(
                check=target.check,
                objective=target.objective,
                line=track.line,
                history=track.state.history_start,
                failure=track.failure,
                sampled_at=track.sampled_at,
                judged_by=remembered,
                series=target.series,
                pace=self.pace_for(target.series),
                keys_scope=target.keys_scope,
                narrowed=target.narrowed,
                memo=track.memo,
                slices=track.slices,
                recounted=None if track.series.is_snapshot else track.state.full,
            )
            points.append((track, point))
        board = measure(self.dataset, [p for _, p in points], now, self.alerting)
        self._remember(points, board)
        self.families.note(self.dataset.name, board.measurements, self.catalogue)
        adjusted = self.families.adjusted(board.measurements, self.catalogue)
        board = replace(board, measurements=(*board.measurements, *adjusted))
        runs = []
        for check in {t.check.name: t.check for t in self.targets}.values():
            mine = [
                self.tracks[t.series.name] for t in self.targets if t.check is check and t.series.name in self.tracks
            ]
            bad = next((t for t in mine if t.failure), None)
            starts = [t.state.history_start for t in mine if t.state.history_start is not None]
            runs.append(
                CheckRun(
                    check=check.name,
                    reason=bad.reason if bad else "",
                    message=bad.failure if bad else "",
                    corrected=sum(t.corrected for t in mine if not t.series.part),
                    held=any(t.state.held_since for t in mine),
                    history_start=min(starts, default=None),
                )
            )
        return CycleResult(
            dataset=self.dataset,
            at=now,
            window_end=self.pace.window_end(now),
            board=board,
            runs=tuple(runs),
            off=self.off,
            stores=health,
        )

    def _remember(self, points: Iterable[tuple[Track, Point]], board: Board) -> None:
        """Keeps each scope's profile and instrument with its series, so that hysteresis outlives a restart."""
        for track, point in points:
            if point.series.part:
                continue
            status = next(
                (s for s in board.slos if s.check == point.check.name and s.objective is point.objective),
                None,
            )
            if status is None or not status.profile:
                continue
            profiles = {**dict(track.state.profiles), _scope_text(point.objective): status.judged_by}
            if tuple(sorted(profiles.items())) != track.state.profiles:
                track.state = replace(track.state, profiles=tuple(sorted(profiles.items())))


def _scope_text(objective: Objective) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted(objective.scope.items()))
