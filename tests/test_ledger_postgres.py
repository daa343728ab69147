"""A ledger on PostgreSQL: several processes, lost connections, long names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labelmon.cells import Cell
from labelmon.errors import LedgerError
from labelmon.ledger import Change, Ledger, open_ledger, read_ledger
from tests.postgres import KEEPER, LOCKED, OWNER, PASSWORD, Cluster
from tests.world import HOUR, NOW, World


@pytest.fixture
def schema(postgres: Cluster) -> str:
    return postgres.schema()


@pytest.fixture
def opened(postgres: Cluster, schema: str) -> Iterator[list[Ledger]]:
    found: list[Ledger] = []
    yield found
    for ledger in found:
        ledger.engine.dispose()


def at_once(count: int, work) -> list[BaseException]:
    """Runs `work(n)` in so many threads that all start together, and returns what they raised."""
    gate, failed = threading.Barrier(count), []

    def run(n: int) -> None:
        gate.wait()
        try:
            work(n)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def test_processes_that_start_together_make_the_tables_once(
    postgres: Cluster, schema: str, opened: list[Ledger]
) -> None:
    failed = at_once(6, lambda _: opened.append(open_ledger(postgres.url(KEEPER, schema))))

    assert failed == []
    with postgres.connect(schema) as db:
        assert db.execute("SELECT count(*) FROM labelmon_meta").fetchone() == (1,)


def test_a_series_that_two_processes_meet_at_once_is_one(postgres: Cluster, schema: str, opened: list[Ledger]) -> None:
    opened += [open_ledger(postgres.url(KEEPER, schema)) for _ in range(4)]
    ids: list[list[int]] = [[] for _ in range(20)]

    def meet(n: int) -> None:
        for series, found in enumerate(ids):
            found.append(opened[n].state("d", f"s{series}", "x", ["rows"]).id)

    assert at_once(4, meet) == []
    assert [len(set(found)) for found in ids] == [1] * 20


def test_a_ledger_that_is_read_only_reads(postgres: Cluster, schema: str, opened: list[Ledger]) -> None:
    with pytest.raises(LedgerError, match="schema version 0"):
        read_ledger(postgres.url(KEEPER, schema))
    opened.append(open_ledger(postgres.url(KEEPER, schema)))
    opened[0].commit([Change(state=replace(opened[0].state("d", "n", "h", ["rows"]), hot=1.0))])
    opened.append(read_ledger(postgres.url(KEEPER, schema)))

    known = opened[1].known("d", "n", "h")

    assert known is not None
    assert known.hot == 1.0
    assert opened[1].known("d", "other", "h") is None
    with pytest.raises(LedgerError, match="read-only transaction"):
        opened[1].forget(known.id, NOW)


def test_two_processes_may_store_the_same_bucket(postgres: Cluster, schema: str, opened: list[Ledger]) -> None:
    opened += [open_ledger(postgres.url(KEEPER, schema)) for _ in range(2)]
    states = [ledger.state("d", "s", "x", ["rows"]) for ledger in opened]
    for n, (ledger, state) in enumerate(zip(opened, states, strict=True)):
        ledger.commit([Change(state=state, put=[Cell(start=60, width=60, keys=("x",), values=(n,), lag=None)])])

    (cell,) = opened[0].cells(states[0].id)

    assert cell.values == (1,)


def test_a_class_may_have_a_long_name_and_any_character(postgres: Cluster, schema: str, opened: list[Ledger]) -> None:
    opened.append(open_ledger(postgres.url(KEEPER, schema)))
    names = ["".join(chr(0x4E00 + (n * n * 7 + k) % 20000) for n in range(5000)) for k in range(2)] + ["\0%s'\\"]
    state = opened[0].state("d", "s", "x", ["rows"])
    cells = [Cell(start=2**33, width=60, keys=(name,), values=(1,), lag=None) for name in names]

    opened[0].commit([Change(state=state, put=cells)])
    stored = opened[0].cells(state.id)
    opened[0].commit([Change(state=state, drop=cells[:2])])

    assert {cell.keys for cell in stored} == {(name,) for name in names}
    assert [cell.keys for cell in opened[0].cells(state.id)] == [(names[2],)]


@pytest.mark.parametrize("when", ["between", "within"])
def test_a_lost_connection_fails_one_cycle_at_most(
    postgres: Cluster, schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    world = World(tmp_path)
    world.ledger.engine.dispose()
    world.ledger = open_ledger(postgres.url(KEEPER, schema))
    world.audits(NOW - 5 * HOUR, NOW - 200, 60)
    sampler = world.sampler()
    before = sampler.cycle(NOW)
    with postgres.connect() as db:
        rows = db.execute(
            "SELECT sum((vals::json->>0)::float) FROM labelmon_cells".replace("labelmon", f"{schema}.labelmon")
        )
        stored = rows.fetchone()
    world.audits(NOW - 100, NOW + 3000, 60, right=False)

    def cut() -> None:
        with postgres.connect() as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND pid <> pg_backend_pid()",
                (KEEPER,),
            )

    if when == "within":
        honest = __import__("labelmon.ledger").ledger._apply

        def cutting(connection, change) -> None:
            cut()
            monkeypatch.undo()
            honest(connection, change)

        monkeypatch.setattr("labelmon.ledger._apply", cutting)
        with pytest.raises(LedgerError, match=r"^ledger: (AdminShutdown|OperationalError): "):
            sampler.cycle(NOW + HOUR)
        with postgres.connect() as db:
            query = f"SELECT sum((vals::json->>0)::float) FROM {schema}.labelmon_cells"
            assert db.execute(query).fetchone() == stored  # nothing of the failed cycle
    else:
        cut()
    after = sampler.cycle(NOW + HOUR)
    fresh = world.sampler().cycle(NOW + HOUR)
    world.close()

    (one, other, first) = (
        next(s for s in result.board.slos if s.check == "label_accuracy") for result in (after, fresh, before)
    )
    assert (one.events, one.errors) == (other.events, other.errors)
    assert one.errors > 0 == first.errors


def test_a_server_that_refuses_us_is_a_ledger_error_without_the_password(postgres: Cluster) -> None:
    for url in (
        postgres.url(LOCKED, password="letmein9"),
        postgres.url(KEEPER, database="nowhere"),
        f"postgresql://u:{PASSWORD}@127.0.0.1:1/x",
    ):
        with pytest.raises(LedgerError, match=r"^ledger: OperationalError: ") as failed:
            open_ledger(url)

        assert "letmein9" not in str(failed.value)
        assert PASSWORD not in str(failed.value)


def test_a_role_that_may_not_create_is_told(postgres: Cluster, schema: str) -> None:
    with pytest.raises(LedgerError, match="InsufficientPrivilege: permission denied for schema"):
        open_ledger(postgres.url("reader", schema))


def test_the_ledgers_statements_end(postgres: Cluster, schema: str, opened: list[Ledger]) -> None:
    opened.append(open_ledger(postgres.url(OWNER, schema)))
    with opened[0].engine.begin() as connection:
        shown = [
            connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("statement_timeout", "application_name")
        ]

    assert shown == ["1min", "labelmon"]
