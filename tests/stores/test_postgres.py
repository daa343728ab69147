"""PostgreSQL as a label store: what a snapshot is, whom it reads as, and what its errors tell and keep to themselves."""

from __future__ import annotations

import os
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings
from sqlalchemy import column, func, select, table, text

from labelmon.errors import StoreError
from labelmon.model import Relation, StoreSpec
from labelmon.stores import Reader, open_store
from tests.postgres import LOCKED, OWNER, PASSWORD, READER, Cluster


def spec(url: str, timeout: float = 20.0) -> StoreSpec:
    return StoreSpec(name="w", url=url, statement_timeout=timeout)


def failure(found: StoreSpec, sql: str = "SELECT 1") -> StoreError:
    with pytest.raises(StoreError) as failed, open_store(found).snapshot() as reader:
        reader.fetch(text(sql))
    return failed.value


@pytest.fixture(scope="module")
def schema(postgres: Cluster) -> str:
    name = postgres.schema()
    with postgres.connect(name) as db:
        db.execute("CREATE TABLE audits (item text, label text, at timestamptz)")
        db.execute("INSERT INTO audits VALUES ('secret-patient', 'x', now())")
        db.execute("CREATE VIEW seen AS SELECT item, label, at::date AS day, 1.5::numeric(6,2) AS weight FROM audits")
        db.execute("CREATE TABLE hidden (item text)")
        db.execute(f"REVOKE ALL ON hidden FROM {READER}")
    return name


def test_a_snapshot_is_one_read_only_transaction_of_one_moment(postgres: Cluster, schema: str) -> None:
    shown = ("transaction_isolation", "transaction_read_only", "TimeZone", "statement_timeout", "application_name")
    with open_store(spec(postgres.url(schema=schema), 7)).snapshot() as reader:
        settings_ = [reader.fetch(text(f"SHOW {name}"))[0][0] for name in shown]
        before = reader.fetch(text("SELECT count(*) FROM audits"))
        with postgres.connect(schema) as db:
            db.execute("INSERT INTO audits VALUES ('b', 'y', now())")
        after = reader.fetch(text("SELECT count(*) FROM audits"))

    assert settings_ == ["repeatable read", "on", "UTC", "7s", "labelmon"]
    assert before == after


def test_a_failed_statement_spoils_neither_the_snapshot_nor_the_next_one(postgres: Cluster, schema: str) -> None:
    with open_store(spec(postgres.url(schema=schema))).snapshot() as reader:
        before = reader.fetch(text("SELECT count(*) FROM audits"))
        with postgres.connect(schema) as db:
            db.execute("INSERT INTO audits VALUES ('c', 'y', now())")
        for sql in ("SELECT nothing FROM audits", "SELECT 1 / 0", "SELECT * FROM hidden"):
            with pytest.raises(StoreError):
                reader.fetch(text(sql))

        assert reader.fetch(text("SELECT count(*) FROM audits")) == before
        assert reader.fetch(text("SHOW TimeZone")) == [("UTC",)]


@pytest.mark.parametrize(
    ("relation", "kinds"),
    [
        (Relation(name="audits", store="w", columns={}, table="audits"), ["text", "text", "timestamptz"]),
        (Relation(name="audits", store="w", columns={}, table="seen"), ["text", "text", "date", "numeric(6,2)"]),
        (
            Relation(name="audits", store="w", columns={}, query="SELECT item, count(*) AS n FROM audits GROUP BY 1;"),
            ["text", "int8"],
        ),
    ],
)
def test_tables_views_and_queries_have_types(
    postgres: Cluster, schema: str, relation: Relation, kinds: list[str]
) -> None:
    with open_store(spec(postgres.url(schema=schema))).snapshot() as reader:
        found = reader.columns(relation)

    assert list(found.values()) == kinds


def as_ms(reader: Reader, expression: str, *, near: tuple[int, int] | None = None) -> int | None:
    """What the dialect makes of one SQL expression; None too where `near` leaves it out."""
    source = text(f"SELECT {expression} AS v").columns(column("v")).subquery("source")
    (kind,) = reader.columns(Relation(name="x", store="w", columns={}, query=f"SELECT {expression} AS v")).values()
    query = select(reader.dialect.epoch_ms(source.c.v, kind))
    if near:
        query = query.where(reader.dialect.near(source.c.v, kind, *near))
    rows = reader.fetch(query)
    return rows[0][0] if rows else None


@pytest.mark.parametrize(
    ("expression", "ms"),
    [
        ("timestamptz '2026-09-21 14:00:00.123999+00'", 123),
        ("timestamptz '2026-09-21 16:00:00.123+02'", 123),
        ("timestamp(3) '2026-09-21 14:00:00.123'", 123),
        ("date '2026-09-21'", -14 * 3_600_000),
        ("timestamptz 'infinity'", None),
        ("timestamptz '-infinity'", None),
        ("1789999200", 0),
        ("1789999200::bigint", 0),
        ("1789999200.123::float8", 123),
        ("1789999200.123::numeric(14,3)", 123),
        ("'NaN'::float8", None),
        ("'infinity'::float8", None),
        ("'NaN'::numeric", None),
        ("'2026-09-21T14:00:00.123Z'::text", 123),
        ("'2026-09-21 16:00:00.123 +0200'::varchar(40)", 123),
        ("'2026-09-21T14:00'::char(40)", 0),
        ("'2026-09-21'::text", -14 * 3_600_000),
        ("'2024-02-29'::text", (19782 - 20717) * 86_400_000 - 14 * 3_600_000),
        ("'2023-02-29'::text", None),
        ("'2026-02-30'::text", None),
        ("'2026-13-01'::text", None),
        ("'0000-01-01'::text", None),
        ("'2026-09-21T24:00:00Z'::text", None),
        ("'2026-09-21T14:00:00+99:00'::text", None),
        ("'now'::text", None),
        ("'infinity'::text", None),
        ("'yesterday'::text", None),
        ("''::text", None),
        ("NULL::timestamptz", None),
        ("true", None),
    ],
)
def test_what_is_an_instant_and_what_is_none(postgres: Cluster, expression: str, ms: int | None) -> None:
    noon = 1_789_999_200_000
    with open_store(spec(postgres.url())).snapshot() as reader:
        found = as_ms(reader, expression)
        narrow = as_ms(reader, expression, near=(found, found + 1)) if found is not None else None

    assert found == (None if ms is None else noon + ms)
    assert narrow == found


@settings(max_examples=120)
@given(
    st.from_regex(
        r"[0-9]{4}-(0[0-9]|1[0-9])-(0[0-9]|[123][0-9])([T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,12})?)?"
        r" ?(Z|z|[+-][0-9]{2}(:?[0-9]{2})?)?)?",
        fullmatch=True,
    )
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
)
@example("2000-02-29")
@example("1900-02-29")
@example("٢٠٢٦-٠٩-٢١")
def test_no_text_makes_a_statement_fail(postgres: Cluster, written: str) -> None:
    with shared(postgres).snapshot() as reader:
        quoted = "'" + written.replace("'", "''").replace(":", "' || chr(58) || '") + "'"
        found = as_ms(reader, f"({quoted})::text")

    try:
        moment = datetime.fromisoformat(written.replace(" ", "T", 1).replace(" ", ""))
    except ValueError:
        return
    if found is not None:
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        assert abs(found - moment.timestamp() * 1000) <= 1


_STORES: dict[int, object] = {}


def shared(postgres: Cluster):
    return _STORES.setdefault(postgres.port, open_store(spec(postgres.url())))


@pytest.mark.parametrize(
    ("expression", "written"),
    [
        ("7", "7"),
        ("7.50::numeric(8,4)", "7.5"),
        ("7.00::numeric(8,4)", "7"),
        ("0.1::float8", "0.1"),
        ("'01'::text", "01"),
        ("'x'::char(5)", "x"),
        ("true", "true"),
    ],
)
def test_text_is_in_its_shortest_form(postgres: Cluster, expression: str, written: str) -> None:
    with open_store(spec(postgres.url())).snapshot() as reader:
        source = text(f"SELECT {expression} AS v").columns(column("v")).subquery("source")
        (kind,) = reader.columns(Relation(name="x", store="w", columns={}, query=f"SELECT {expression} AS v")).values()

        assert reader.fetch(select(reader.dialect.text(source.c.v, kind))) == [(written,)]


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date", "int4", "int8", "float8", "numeric", "text"])
def test_a_time_range_uses_the_index(postgres: Cluster, kind: str) -> None:
    schema = postgres.schema()
    made = {
        "text": "to_char(timestamp '2026-01-01' + n * interval '1 hour', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
        **dict.fromkeys(("int4", "int8", "float8", "numeric"), f"(1767225600 + n * 3600)::{kind}"),
    }.get(kind, f"(timestamp '2026-01-01' + n * interval '1 hour')::{kind}")
    with postgres.connect(schema) as db:
        db.execute(f"CREATE TABLE t AS SELECT {made} AS at FROM generate_series(1, 20000) n")
        db.execute("CREATE INDEX ON t (at)")
        db.execute("ANALYZE t")
    with open_store(spec(postgres.url(schema=schema))).snapshot() as reader:
        source = table("t", column("at"))
        start = 1_767_225_600_000 + 5000 * 3_600_000
        query = (
            select(func.count())
            .select_from(source)
            .where(reader.dialect.near(source.c.at, kind, start, start + 3_600_000))
        )
        sql = query.compile(reader.connection, compile_kwargs={"literal_binds": True})
        plan = "\n".join(line for (line,) in reader.connection.exec_driver_sql(f"EXPLAIN {sql}"))

    assert "Index" in plan, plan
    assert "Seq Scan" not in plan


def test_a_superuser_is_refused(postgres: Cluster) -> None:
    refused = failure(spec(postgres.url(OWNER)))

    assert (refused.reason, refused.retryable) == ("unsafe_role", False)
    assert "store w: the url's role is a superuser" in str(refused)
    assert "GRANT SELECT ON the tables TO labelmon" in str(refused)


@pytest.mark.parametrize("power", ["pg_read_server_files", "pg_write_server_files", "pg_execute_server_program"])
@pytest.mark.parametrize("how", ["INHERIT", "NOINHERIT"])
def test_a_role_that_reaches_the_servers_files_is_refused(postgres: Cluster, power: str, how: str) -> None:
    role, between = f"r{next(postgres.numbers)}", f"g{next(postgres.numbers)}"
    with postgres.connect() as db:
        db.execute(f"CREATE ROLE {between} NOLOGIN IN ROLE {power}")
        db.execute(f"CREATE ROLE {role} LOGIN {how} IN ROLE {between}")

    refused = failure(spec(postgres.url(role)))

    assert (refused.reason, refused.retryable) == ("unsafe_role", False)
    assert f"the url's role is a member of {power}, which" in str(refused)


def test_a_role_that_may_become_a_superuser_is_refused(postgres: Cluster) -> None:
    role = f"r{next(postgres.numbers)}"
    with postgres.connect() as db:
        db.execute(f"CREATE ROLE {role} LOGIN NOINHERIT IN ROLE {OWNER}")

    assert failure(spec(postgres.url(role))).reason == "unsafe_role"


def test_nothing_is_written_even_where_the_role_could(postgres: Cluster, schema: str) -> None:
    with postgres.connect(schema) as db:
        db.execute(f"GRANT ALL ON audits TO {READER}")

    refused = failure(spec(postgres.url(schema=schema)), "DELETE FROM audits")

    assert refused.reason == "forbidden"
    assert not refused.retryable


def test_a_query_cannot_close_its_parenthesis_and_write(postgres: Cluster, schema: str) -> None:
    query = "SELECT 1) AS source LIMIT 0; COMMIT; CREATE TEMP TABLE t AS SELECT 1; SELECT * FROM (SELECT 1"
    with pytest.raises(StoreError) as failed, open_store(spec(postgres.url(schema=schema))).snapshot() as reader:
        reader.columns(Relation(name="x", store="w", columns={}, query=query))

    assert failed.value.reason == "query_error"


@pytest.mark.parametrize(
    ("sql", "reason", "said"),
    [
        ("SELECT * FROM hidden", "permission_denied", "store w: permission denied: permission denied for table hidden"),
        ("SELECT * FROM nowhere", "missing_table", 'store w: missing table: relation "nowhere" does not exist'),
        ("SELECT nothing FROM audits", "missing_column", 'store w: missing column: column "nothing" does not exist'),
        (
            "SELECT label = 1 FROM audits",
            "query_error",
            "store w: query error: operator does not exist: text = integer",
        ),
        ("SELECT item::int FROM audits", "query_error", "store w: query error (InvalidTextRepresentation)"),
        ("SELECT 'secret-patient' FROM audits audits audits", "query_error", "store w: query error (SyntaxError)"),
    ],
)
def test_an_error_says_what_is_wrong_and_no_labels_text(
    postgres: Cluster, schema: str, sql: str, reason: str, said: str
) -> None:
    failed = failure(spec(postgres.url(schema=schema)), sql)

    assert (failed.reason, str(failed)) == (reason, said)


def test_the_server_keeps_the_statement_timeout_and_the_client_only_after_it(postgres: Cluster) -> None:
    began = time.monotonic()
    failed = failure(spec(postgres.url(), 0.3), "SELECT pg_sleep(30)")

    assert str(failed) == "store w: a statement ran into statement_timeout (0.3 s)"
    assert failed.reason == "timeout"
    assert time.monotonic() - began < 2


def test_a_server_that_ignores_its_timeout_is_cancelled(postgres: Cluster) -> None:
    began = time.monotonic()
    with open_store(spec(postgres.url(), 0.3)).snapshot() as reader:
        reader.connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        with pytest.raises(StoreError) as failed:
            reader.fetch(text("SELECT pg_sleep(30)"))

    assert failed.value.reason == "timeout"
    assert 2 < time.monotonic() - began < 6


def test_a_network_that_goes_silent_does_not_hold_the_client(postgres: Cluster) -> None:
    with Silence(postgres.port) as between:
        found = postgres.url().replace(str(postgres.port), str(between.port))
        began = time.monotonic()
        with open_store(spec(found, 0.3)).snapshot() as reader:
            between.silent.set()
            with pytest.raises(StoreError) as failed:
                reader.fetch(text("SELECT 1"))

    assert failed.value.reason == "timeout"
    assert time.monotonic() - began < 12


class Silence:
    """Forwards one connection's bytes until told to swallow them."""

    def __init__(self, target: int) -> None:
        self.silent = threading.Event()
        self.sockets: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.target = self.listener.getsockname()[1], target

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(client)
            if self.silent.is_set():
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            self.sockets.append(server)
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                if not self.silent.is_set():
                    other.sendall(data)
        except OSError:
            pass

    def __exit__(self, *_: object) -> None:
        for one in (self.listener, *self.sockets):
            one.close()


def test_a_wrong_password_is_refused_and_never_shown(postgres: Cluster) -> None:
    right = postgres.url(LOCKED, password=PASSWORD)
    refused = failure(spec(right.replace(PASSWORD, "letmein9")))
    none = failure(spec(postgres.url(LOCKED)))
    with open_store(spec(right)).snapshot() as reader:
        assert reader.fetch(text("SELECT 1")) == [(1,)]

    assert refused.reason == none.reason == "permission_denied"
    assert str(refused) == ("store w: permission denied: the server refuses the url's role, its password or this host")
    assert "letmein9" not in repr(open_store(spec(right.replace(PASSWORD, "letmein9"))).engine)


def test_a_server_that_is_not_there_is_unreachable(postgres: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nobody = failure(spec(f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/x"))
    no_database = failure(spec(postgres.url(database="nowhere")))

    assert (nobody.reason, nobody.retryable) == ("unreachable", True)
    assert str(nobody) == "store w: unreachable (OperationalError)"
    assert no_database.reason == "unreachable"
    assert str(no_database) == "store w: unreachable: the server has no such database or role"


def test_a_server_that_ends_the_connection_is_unreachable(postgres: Cluster) -> None:
    with open_store(spec(postgres.url())).snapshot() as reader:
        ((pid,),) = reader.fetch(text("SELECT pg_backend_pid()"))
        with postgres.connect() as db:
            db.execute("SELECT pg_terminate_backend(%s)", (pid,))
        with pytest.raises(StoreError) as failed:
            reader.fetch(text("SELECT 1"))

    assert failed.value.reason == "unreachable"


def test_what_was_read_stays_read_when_the_connection_ends_after_it(postgres: Cluster) -> None:
    with open_store(spec(postgres.url())).snapshot() as reader:
        ((pid,),) = reader.fetch(text("SELECT pg_backend_pid()"))
        with postgres.connect() as db:
            ended = db.execute("SELECT pg_terminate_backend(%s)", (pid,)).fetchone()

    assert ended == (True,)  # and closing the reader did not fail for it


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_way_to_write_the_url_uses_psycopg(postgres: Cluster, scheme: str) -> None:
    with open_store(spec(postgres.url().replace("postgresql", scheme))).snapshot() as reader:
        assert reader.fetch(text("SELECT current_user")) == [(READER,)]


def test_the_cluster_does_not_run_as_root(postgres: Cluster) -> None:
    pid = int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0])

    assert Path(f"/proc/{pid}").stat().st_uid != 0 or os.getuid() != 0
