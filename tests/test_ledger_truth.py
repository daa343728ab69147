"""What the ledger promises: late rows, relabels, deletes and purges change what they belong to, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from labelmon.errors import LedgerError
from labelmon.ledger import open_ledger
from labelmon.model import DAY, HOUR, SloStatus
from labelmon.sampler import CycleResult, DatasetSampler
from tests.postgres import KEEPER, Cluster
from tests.world import NOW, World, dataset, relation, target

MINUTE = 60


@dataclass
class Ledgers:
    """Ledgers of one engine, by name, that begin empty."""

    folder: Path
    postgres: Cluster | None
    schemas: dict[str, str] = field(default_factory=dict)

    def url(self, name: str = "ledger") -> str:
        if self.postgres is None:
            return f"sqlite:///{self.folder}/{name}.db"
        if name not in self.schemas:
            self.schemas[name] = self.postgres.schema()
        return self.postgres.url(KEEPER, self.schemas[name])

    def lose(self, name: str = "ledger") -> None:
        if self.postgres is not None:
            with self.postgres.connect() as db:
                db.execute(f"DROP SCHEMA {self.schemas.pop(name)} CASCADE")
        for file in self.folder.glob(f"{name}.db*"):
            file.unlink()


@pytest.fixture(params=["sqlite", "postgresql"])
def ledgers(request: pytest.FixtureRequest, tmp_path: Path) -> Ledgers:
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    return Ledgers(folder=tmp_path, postgres=server)


@pytest.fixture
def world(tmp_path: Path, ledgers: Ledgers) -> Iterator[World]:
    made = World(tmp_path)
    made.ledger.engine.dispose()
    made.ledger = open_ledger(ledgers.url())
    yield made
    made.close()


def accuracy(result: CycleResult) -> SloStatus:
    return next(s for s in result.board.slos if s.check == "label_accuracy")


def latency(result: CycleResult) -> SloStatus:
    return next(s for s in result.board.slos if s.check == "label_latency")


def window(status: SloStatus, seconds: int) -> tuple[float, float]:
    found = next(w for w in status.windows if w.window == seconds)
    return found.events, found.errors


def counted(sampler: DatasetSampler, start: float, end: float) -> tuple[float, float]:
    """(events, errors) of label_accuracy that the ledger has in [start, end)."""
    inside = [counts for bucket, counts in buckets(sampler).items() if start <= bucket < end]
    return sum(rows for rows, _ in inside), sum(rows - good for rows, good in inside)


def buckets(sampler: DatasetSampler, name: str = "label_accuracy") -> dict[int, tuple[float, float]]:
    """Start -> (rows, good), as the ledger file has it."""
    state = sampler.tracks[name].state
    return {c.start: (c.values[0], c.values[1]) for c in sampler.ledger.cells(state.id)}


def test_first_start_on_a_full_store_has_windows_and_budget_at_once(world: World) -> None:
    world.audits(NOW - 20 * DAY, NOW - HOUR, 600)
    world.audits(NOW - HOUR, NOW - 150, 30, right=False)

    status = accuracy(world.sampler().cycle(NOW))

    events = 20 * DAY // 600 - 6
    assert status.errors == 115
    assert status.events == events + 115
    assert window(status, HOUR) == (115, 115)  # [NOW - 3720, NOW - 120)
    assert window(status, 300) == (9, 9)  # [NOW - 420, NOW - 120): -420 ... -180 every 30 s
    assert status.budget_remaining == pytest.approx(1 - 115 / ((events + 115) * 0.05))
    assert status.history == pytest.approx(20 / 30, abs=0.01)


def test_a_lost_ledger_is_counted_again_from_the_stores(world: World, ledgers: Ledgers) -> None:
    world.audits(NOW - 10 * DAY, NOW - 200, 900)
    before = accuracy(world.sampler().cycle(NOW))
    world.ledger.engine.dispose()
    ledgers.lose()
    world.ledger = open_ledger(ledgers.url())

    after = accuracy(world.sampler().cycle(NOW))

    assert after == before
    assert after.events == (10 * DAY - 200) // 900 + 1


def test_late_rows_change_the_window_they_belong_to(world: World) -> None:
    world.audits(NOW - 2 * DAY, NOW - 200, 60)
    sampler = world.sampler()
    first = accuracy(sampler.cycle(NOW))
    world.audits(NOW - 5 * HOUR, NOW - 5 * HOUR + 600, 60, right=False)  # ten rows, five hours late

    sampler.cycle(NOW + 60)
    hot = counted(sampler, NOW - 6 * HOUR, NOW - 4 * HOUR)
    full = accuracy(sampler.cycle(NOW + HOUR + 1))

    assert hot == (120, 0)  # the hot tail does not look so far back
    assert counted(sampler, NOW - 6 * HOUR, NOW - 4 * HOUR) == (130, 10)
    assert full.events == first.events + 10


def test_rows_later_than_lateness_arrive_with_the_reconcile(world: World) -> None:
    world.audits(NOW - 10 * DAY, NOW - 200, 600)
    sampler = world.sampler()
    first = accuracy(sampler.cycle(NOW))
    world.audits(NOW - 5 * DAY, NOW - 5 * DAY + 600, 60, right=False)

    full = accuracy(sampler.cycle(NOW + 2 * HOUR))
    reconciled = sampler.cycle(NOW + DAY + 1)

    assert full.errors == 0
    assert accuracy(reconciled).errors == 10
    assert accuracy(reconciled).events == first.events + 10
    assert next(r for r in reconciled.runs if r.check == "label_accuracy").corrected == 10


def test_relabel_and_back(world: World) -> None:
    world.audits(NOW - 3 * HOUR, NOW - 200, 60)
    sampler = world.sampler()
    healthy = accuracy(sampler.cycle(NOW))
    world.run("UPDATE audits SET label = 'z' WHERE audited_at < ?", "2026-09-21T12:00:00Z")
    changed = world.db.execute("SELECT count(*) FROM audits WHERE label = 'z'").fetchone()[0]

    wrong = accuracy(sampler.cycle(NOW + HOUR + 1))
    world.run("UPDATE audits SET label = 'x'")
    back = accuracy(sampler.cycle(NOW + 2 * HOUR + 2))

    assert (healthy.errors, wrong.errors, back.errors) == (0, changed, 0)
    assert changed > 50
    assert wrong.events == back.events == healthy.events


def test_deleted_rows_leave_the_window(world: World) -> None:
    world.audits(NOW - 30 * HOUR, NOW - 200, 60)
    world.audits(NOW - 2 * HOUR, NOW - HOUR, 60, right=False)
    sampler = world.sampler()
    first = accuracy(sampler.cycle(NOW))
    world.run("DELETE FROM audits WHERE truth = 'y'")

    after = accuracy(sampler.cycle(NOW + HOUR + 1))

    assert (first.errors, after.errors) == (60, 0)
    assert counted(sampler, NOW - 6 * HOUR, NOW)[1] == 0


def test_a_purge_by_retention_keeps_history(world: World) -> None:
    world.audits(NOW - 20 * DAY, NOW - 200, 600)
    world.audits(NOW - 15 * DAY, NOW - 14 * DAY, 600, right=False)
    sampler = world.sampler()
    before = accuracy(sampler.cycle(NOW))
    world.run("DELETE FROM audits WHERE audited_at < ?", "2026-09-14T00:00:00Z")  # a week stays

    after = accuracy(sampler.cycle(NOW + DAY + 1))
    restarted = accuracy(world.sampler().cycle(NOW + DAY + 100))

    assert before.errors == 144
    assert after.errors == restarted.errors == 144
    assert after.events == restarted.events >= before.events


def test_a_purge_that_leaves_one_row_keeps_history(world: World) -> None:
    world.audits(NOW - 9 * DAY, NOW - 200, 600)
    sampler = world.sampler()
    before = accuracy(sampler.cycle(NOW))
    world.run("DELETE FROM audits WHERE audited_at < (SELECT max(audited_at) FROM audits)")

    after = accuracy(sampler.cycle(NOW + DAY + 1))
    again = accuracy(sampler.cycle(NOW + 2 * DAY + 2))

    assert after.events == again.events == before.events


def test_an_emptied_relation_lowers_nothing(world: World) -> None:
    world.audits(NOW - 9 * DAY, NOW - 200, 600)
    sampler = world.sampler()
    before = accuracy(sampler.cycle(NOW))
    world.run("DELETE FROM audits")

    after = accuracy(sampler.cycle(NOW + DAY + 1))

    assert after.events == before.events


def test_purged_labels_do_not_make_old_items_late(world: World) -> None:
    for n in range(200):
        at = NOW - 4 * DAY + n * 900
        world.item(f"i{n}", at)
        world.label(f"i{n}", at + 60)
    sampler = world.sampler()
    before = latency(sampler.cycle(NOW))
    world.run("DELETE FROM annotations WHERE labeled_at < ?", "2026-09-19T00:00:00Z")  # the items stay

    after = latency(sampler.cycle(NOW + DAY + 1))

    assert (before.events, before.errors) == (200, 0)
    assert (after.events, after.errors) == (200, 0)


def test_a_reconcile_that_cuts_by_half_waits_for_a_second(world: World) -> None:
    world.audits(NOW - 20 * DAY, NOW - 200, 600)
    sampler = world.sampler()
    before = accuracy(sampler.cycle(NOW))
    # Not a purge: the first day stays, so no row before it hides behind retention.
    world.run("DELETE FROM audits WHERE audited_at BETWEEN ? AND ?", "2026-09-02T00:00:00Z", "2026-09-18T00:00:00Z")

    held = sampler.cycle(NOW + DAY + 1)
    confirmed = sampler.cycle(NOW + 2 * DAY + 2)

    assert accuracy(held).events == before.events
    assert next(r for r in held.runs if r.check == "label_accuracy").held
    assert accuracy(confirmed).events < before.events / 2
    assert not next(r for r in confirmed.runs if r.check == "label_accuracy").held


def test_a_bulk_upload_of_old_bad_audits_cannot_page(world: World) -> None:
    world.audits(NOW - 20 * DAY, NOW - 200, 120)
    sampler = world.sampler()
    for hour in range(24):
        now = NOW + hour * HOUR
        sampler.cycle(now)
        world.audits(now - 200, now + HOUR - 200, 120)
    world.audits(NOW - 8 * DAY, NOW - 7 * DAY, 30, right=False)

    status = accuracy(sampler.cycle(NOW + DAY + 1))

    assert status.profile == "dense"
    assert status.errors == 2880
    assert all(w.errors == 0 for w in status.windows)
    assert all(c.ratio < 1 for c in status.cusums)


def test_nightly_uploads_are_judged_by_windows_that_can_see_them(world: World) -> None:
    """Audits of the whole day become visible at two in the morning."""
    sampler = world.sampler()
    midnight = NOW - NOW % DAY - 10 * DAY
    for day in range(9):
        loaded = midnight + day * DAY + 2 * HOUR
        world.audits(loaded - DAY, loaded, 600, right=day < 7)
        for hours in (0.1, 4, 8, 12, 16, 20):
            result = sampler.cycle(loaded + hours * HOUR)

    status = accuracy(result)

    assert status.profile == "sparse"
    assert min(w.window for w in status.windows) >= 4 * 18 * HOUR
    assert all(w.events > 0 for w in status.windows)
    assert all(w.burn_rate > 4 for w in status.windows if w.window == 4 * DAY)


def test_a_first_start_between_nightly_uploads_does_not_trust_short_windows(world: World) -> None:
    world.audits(NOW - 20 * DAY, NOW - 14 * HOUR, 120)

    status = accuracy(world.sampler().cycle(NOW))

    assert status.profile == "sparse"


def test_a_changed_definition_is_counted_apart(world: World) -> None:
    world.run("ALTER TABLE audits ADD COLUMN task TEXT")
    world.db.executemany(
        "INSERT INTO audits VALUES (?, 'x', 'x', ?, ?)",
        [(str(n), f"2026-09-{10 + n % 10:02}T10:00:00Z", "chest" if n % 2 else "hand") for n in range(200)],
    )
    all_tasks = accuracy(world.sampler().cycle(NOW))
    narrowed = dataset()
    audits = replace(narrowed.relations["audits"], where={"task": ("chest",)})
    narrowed = replace(narrowed, relations={**narrowed.relations, "audits": audits})

    chest = accuracy(world.sampler(narrowed).cycle(NOW + 60))
    again = accuracy(world.sampler().cycle(NOW + 120))

    assert (all_tasks.events, chest.events, again.events) == (200, 100, 200)


def test_two_replicas_with_ledgers_of_their_own_agree(world: World, ledgers: Ledgers) -> None:
    world.audits(NOW - 5 * DAY, NOW - 200, 600)
    first, second = world.sampler(), world.sampler()
    second.ledger = open_ledger(ledgers.url("other"))
    first.cycle(NOW - 3 * HOUR)
    world.audits(NOW - 3 * HOUR, NOW - 2 * HOUR, 60, right=False)

    one, other = first.cycle(NOW), second.cycle(NOW)
    second.ledger.engine.dispose()

    mine, theirs = accuracy(one), accuracy(other)
    assert (mine.events, mine.errors, mine.budget_remaining) == (
        theirs.events,
        theirs.errors,
        theirs.budget_remaining,
    )
    shared = {w.window for w in mine.windows} & {w.window for w in theirs.windows}
    assert {w for w in mine.windows if w.window in shared} == {w for w in theirs.windows if w.window in shared}
    assert 259200 in shared


def test_compaction_keeps_every_count(world: World) -> None:
    world.audits(NOW - 80 * DAY, NOW - 200, 3000)
    world.audits(NOW - 3 * DAY, NOW - 2 * DAY, 60, right=False)
    sampler = world.sampler()
    sampler.cycle(NOW)
    for day in range(1, 5):
        sampler.cycle(NOW + day * DAY + day)

    cells = buckets(sampler)
    widths = {c.width for c in sampler.ledger.cells(sampler.tracks["label_accuracy"].state.id)}

    total = world.db.execute("SELECT count(*), sum(label = truth) FROM audits").fetchone()
    assert (sum(r for r, _ in cells.values()), sum(g for _, g in cells.values())) == total
    assert widths == {HOUR, DAY}  # all is older than lateness by now


def test_local_days_follow_the_clock_change(world: World) -> None:
    """Berlin, 2026-03-29: a day of 23 hours."""
    world.audits(1_774_569_600, 1_774_569_600 + 6 * DAY, 1800)  # 2026-03-27 on, half-hourly
    sampler = world.sampler(dataset(timezone="Europe/Berlin"))
    sampler.cycle(1_774_569_600 + 60 * DAY)

    cells = sampler.ledger.cells(sampler.tracks["label_accuracy"].state.id)

    assert {c.width // HOUR for c in cells} == {23, 24}
    short = next(c for c in cells if c.width == 23 * HOUR)
    assert (short.start, short.values[0]) == (1_774_738_800, 46)  # 2026-03-29T00:00+01:00


def test_downtime_longer_than_lateness_loses_nothing(world: World) -> None:
    watched = dataset(lateness=HOUR)
    world.audits(NOW - 3 * DAY, NOW - 200, 60)
    sampler = world.sampler(watched)
    sampler.cycle(NOW)
    # While nobody watches, rows of just before the stop and of the whole absence appear.
    world.audits(NOW - 1800, NOW + 10 * HOUR, 60, right=False)

    status = accuracy(world.sampler(watched).cycle(NOW + 10 * HOUR + 200))

    assert status.errors == 630


def test_future_rows_wait_for_their_time(world: World) -> None:
    world.audits(NOW - 5 * HOUR, NOW - 200, 60)
    world.audits(NOW + HOUR, NOW + 2 * HOUR, 60, right=False)
    sampler = world.sampler()
    now = accuracy(sampler.cycle(NOW))
    cells = buckets(sampler)

    later = accuracy(sampler.cycle(NOW + 3 * HOUR))

    assert max(cells) < NOW
    assert (now.errors, later.errors) == (0, 60)


def test_backfill_reaches_further_back_and_adds_nothing_twice(world: World) -> None:
    world.audits(NOW - 70 * DAY, NOW - 200, 3600)
    world.run("CREATE VIEW recent AS SELECT * FROM audits WHERE audited_at > '2026-09-01'")
    sampler = world.sampler()
    sampler.cycle(NOW)
    before = sum(rows for rows, _ in buckets(sampler).values())

    sampler.cycle(NOW + 60, since=NOW - 40 * DAY - 12345)
    after = sum(rows for rows, _ in buckets(sampler).values())

    assert before == after == 70 * 24


def test_a_failing_relation_fails_alone_and_says_why(world: World) -> None:
    world.audits(NOW - 5 * HOUR, NOW - 200, 60)
    world.item("a", NOW - 3 * HOUR)
    broken = dataset()
    items = relation("items", "items", "item", "arrived_at", priority="urgency")
    sampler = world.sampler(replace(broken, relations={**broken.relations, "items": items}))

    result = sampler.cycle(NOW)

    reasons = {run.check: run.reason for run in result.runs}
    assert reasons == {
        "label_accuracy": "",
        "label_latency": "missing_column",
        "label_backlog": "missing_column",
    }
    message = next(run.message for run in result.runs if run.check == "label_latency")
    assert "no column urgency; there are: arrived_at, item, priority" in message
    assert accuracy(result).events > 0
    assert result.stores == {"s": ""}


def test_a_store_that_dies_keeps_its_counts_and_comes_back(world: World, tmp_path: Path) -> None:
    world.audits(NOW - 5 * HOUR, NOW - 200, 60)
    sampler = world.sampler()
    before = accuracy(sampler.cycle(NOW))
    world.path.rename(tmp_path / "away.db")

    down = sampler.cycle(NOW + 60)
    (tmp_path / "away.db").rename(world.path)
    up = sampler.cycle(NOW + 120)

    assert all(run.reason == "unreachable" for run in down.runs)
    assert "unreachable" in down.stores["s"]
    assert accuracy(down).events == before.events
    assert up.stores == {"s": ""}
    assert not any(run.reason for run in up.runs)


def test_profiles_survive_a_restart(world: World) -> None:
    world.audits(NOW - 20 * DAY, NOW - 200, 120)
    sampler = world.sampler()
    sampler.cycle(NOW)
    sampler.cycle(NOW + 60)

    again = world.sampler()
    again.cycle(NOW + 120)

    assert dict(again.tracks["label_accuracy"].state.profiles) == {"": "dense both"}


def test_a_newer_ledger_is_refused(world: World, ledgers: Ledgers) -> None:
    with world.ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE labelmon_meta SET value = '99'")

    with pytest.raises(LedgerError, match="schema version 99 is newer than this labelmon's 1; upgrade labelmon"):
        open_ledger(ledgers.url())


def test_migrations_run_once_and_in_order(ledgers: Ledgers, monkeypatch: pytest.MonkeyPatch) -> None:
    from labelmon import ledger

    url = ledgers.url("old")
    open_ledger(url).engine.dispose()
    ran: list[int] = []
    monkeypatch.setattr(ledger, "MIGRATIONS", (*ledger.MIGRATIONS, lambda _: ran.append(2), lambda _: ran.append(3)))

    for _ in range(2):
        open_ledger(url).engine.dispose()

    assert ran == [2, 3]


def test_the_ledger_file_is_private(tmp_path: Path) -> None:
    open_ledger(f"sqlite:///{tmp_path}/l.db").engine.dispose()

    assert (tmp_path / "l.db").stat().st_mode & 0o777 == 0o600


def test_a_tighter_objective_changes_the_budget_not_the_counts(world: World) -> None:
    world.audits(NOW - 5 * DAY, NOW - 200, 60)
    loose = accuracy(world.sampler().cycle(NOW))
    watched = dataset()
    tight = replace(watched, objectives={**watched.objectives, "label_accuracy": (target(0.99),)})

    status = accuracy(world.sampler(tight).cycle(NOW + 1))

    assert status.events == loose.events


def test_an_objective_over_all_time_survives_a_restart(world: World) -> None:
    world.audits(NOW - 200 * DAY, NOW - 200, 7200)
    everything = dataset(objectives={"label_accuracy": (target(0.95, window=None),)})
    first = accuracy(world.sampler(everything).cycle(NOW))

    again = accuracy(world.sampler(everything).cycle(NOW + 60))

    assert first.events == again.events == 200 * 12
    assert first.history == again.history == 1.0


def test_an_empty_store_is_insufficient_never_zero_or_one(world: World) -> None:
    result = world.sampler().cycle(NOW)

    values = {m.estimate.statistic: (m.estimate.value, m.estimate.state.value) for m in result.board.measurements}
    assert values["accuracy"] == (None, "insufficient")
    assert values["within_ratio"] == (None, "insufficient")
    assert values["backlog_items"] == (0.0, "ok")
    assert values["oldest_age_seconds"] == (None, "not_computable")
    assert accuracy(result).budget_remaining is None
    assert all(run.reason == "" for run in result.runs)


def test_a_stream_that_picks_up_is_judged_at_once(world: World) -> None:
    """Four audits a day for weeks, then one every ten seconds: the quick windows have power now."""
    world.audits(NOW - 25 * DAY, NOW - HOUR, 6 * HOUR)
    slow = accuracy(world.sampler().cycle(NOW - HOUR))
    world.audits(NOW - HOUR, NOW - 121, 10)
    sampler = world.sampler()
    for minute in range(3):
        quick = accuracy(sampler.cycle(NOW + minute * 60))

    assert slow.profile == "sparse"
    assert quick.profile == "dense"
