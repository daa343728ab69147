"""The ledger: bucketed counts and their watermarks in a state store (SQLite by default, or PostgreSQL).

A rollup, not a log: all of it but snapshots and purged history can be counted again from the label stores.
Watermarks move only in the transaction that stores the counts they speak of.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    insert,
    inspect,
    make_url,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from labelmon.cells import Cell
from labelmon.errors import LedgerError
from labelmon.stores.postgres import CONNECTING, SCHEMES, postgres_url

# Any number, as long as all labelmons agree on it: whoever holds it may change the schema.
_MIGRATING = 0x6C6D6F6E
_STATEMENT_SECONDS = 60

_METADATA = MetaData()
_META = Table("labelmon_meta", _METADATA, Column("key", String(64), primary_key=True), Column("value", Text))
_SERIES = Table(
    "labelmon_series",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("dataset", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("definition", String(32), nullable=False),
    Column("columns", Text, nullable=False),
    Column("hot", Float),
    Column("full", Float),
    Column("reconciled", Float),
    Column("history_start", BigInteger),
    Column("coarse_before", BigInteger),
    Column("daily_before", BigInteger),
    Column("held_since", Float),
    Column("profiles", Text, nullable=False, server_default="{}"),
    UniqueConstraint("dataset", "name", "definition"),
)
_CELLS = Table(
    "labelmon_cells",
    _METADATA,
    Column("series", Integer, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("keys", Text, nullable=False),
    Column("vals", Text, nullable=False),
    Column("lag", Float),
    PrimaryKeyConstraint("series", "start", "keys").ddl_if(dialect="sqlite"),
)
# An index entry of PostgreSQL holds 2.7 kB, and a class's name may be longer.
Index("labelmon_cells_key", _CELLS.c.series, _CELLS.c.start, func.md5(_CELLS.c["keys"]), unique=True).ddl_if(
    dialect="postgresql"
)


def _create_tables(connection: Connection) -> None:
    _METADATA.create_all(connection)


# Step n brings a ledger from version n to n + 1; a released step is never edited.
MIGRATIONS = (_create_tables,)


@dataclass(frozen=True, kw_only=True)
class SeriesState:
    """The watermarks of a series: all instants in seconds, None before the first count.

    `hot` and `full` as DESIGN.md section 5 has them; `history_start` is where counts begin to be known;
    cells before `coarse_before` are hours, before `daily_before` local days; `held_since` is when a reconcile
    that would have cut old buckets by more than half was held back. `profiles` remembers the window profile
    of each scope.
    """

    id: int
    hot: float | None = None
    full: float | None = None
    reconciled: float | None = None
    history_start: int | None = None
    coarse_before: int | None = None
    daily_before: int | None = None
    held_since: float | None = None
    profiles: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one recount writes: the cells to drop and to put, and the watermarks that go with them."""

    state: SeriesState
    drop: Sequence[Cell] = ()
    put: Sequence[Cell] = ()


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The open state store. Safe to use from several threads."""

    engine: Engine = field(repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def state(self, dataset: str, name: str, definition: str, columns: Sequence[str]) -> SeriesState:
        """The watermarks of a series; a definition seen for the first time starts with none."""
        where = (_SERIES.c.dataset == dataset, _SERIES.c.name == name, _SERIES.c.definition == definition)
        with self._transaction() as connection:
            row = connection.execute(select(_SERIES).where(*where)).mappings().first()
            if row is None:  # another process may be at the same point: whoever comes second takes the first's
                connection.execute(
                    _inserting(connection, _SERIES)
                    .values(dataset=dataset, name=name, definition=definition, columns=json.dumps(list(columns)))
                    .on_conflict_do_nothing()
                )
                row = connection.execute(select(_SERIES).where(*where)).mappings().one()
        return _state(row)

    def known(self, dataset: str, name: str, definition: str) -> SeriesState | None:
        """The watermarks of a series, or None where nothing was ever counted; writes nothing."""
        where = (_SERIES.c.dataset == dataset, _SERIES.c.name == name, _SERIES.c.definition == definition)
        with self._transaction() as connection:
            row = connection.execute(select(_SERIES).where(*where)).mappings().first()
        return None if row is None or row["hot"] is None else _state(row)

    def cells(self, series: int, start: int = 0) -> list[Cell]:
        """The cells of a series from `start` on, in order of time."""
        query = (
            select(_CELLS.c.start, _CELLS.c.width, _CELLS.c["keys"], _CELLS.c.vals, _CELLS.c.lag)
            .where(_CELLS.c.series == series, _CELLS.c.start >= start)
            .order_by(_CELLS.c.start)
        )
        with self._transaction() as connection:
            rows = connection.execute(query).all()
        return [
            Cell(
                start=start,
                width=width,
                keys=tuple(json.loads(keys)),
                values=tuple(json.loads(vals)),
                lag=lag,
            )
            for start, width, keys, vals, lag in rows
        ]

    def commit(self, changes: Iterable[Change]) -> None:
        """All changes of a cycle in one transaction, watermarks included.

        Raises
        ------
        LedgerError : if the state store cannot be written; then nothing of the cycle is.
        """
        with self._transaction() as connection:
            for change in changes:
                _apply(connection, change)

    def forget(self, series: int, before: int) -> None:
        """Drop the cells of a series that end before an instant: the ledger's own retention."""
        with self._transaction() as connection:
            connection.execute(
                delete(_CELLS).where(_CELLS.c.series == series, _CELLS.c.start + _CELLS.c.width <= before)
            )

    def forget_datasets(self, kept: Iterable[str]) -> None:
        """Drop all counts of datasets that are no longer configured."""
        names = list(kept)
        with self._transaction() as connection:
            gone = connection.execute(select(_SERIES.c.id).where(_SERIES.c.dataset.not_in(names))).scalars().all()
            connection.execute(delete(_CELLS).where(_CELLS.c.series.in_(gone)))
            connection.execute(delete(_SERIES).where(_SERIES.c.id.in_(gone)))

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self.lock, self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise LedgerError(
                f"ledger: {type(getattr(error, 'orig', None) or error).__name__}: {_said(error)}"
            ) from error


def open_ledger(url: str) -> Ledger:
    """The ledger at a SQLite or PostgreSQL URL, brought to the current schema version.

    A SQLite file is made with mode 0600. A lost connection to a server fails one transaction, not the next.

    Raises
    ------
    LedgerError : if it cannot be opened, or was written by a newer labelmon.
    """
    parsed = make_url(url)
    if parsed.drivername in SCHEMES:
        return _opened(_postgres(url))
    path = Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" and parsed.database else None
    if path and not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        except OSError as error:
            raise LedgerError(f"ledger: {path}: cannot be created ({error.strerror}); set ledger.url") from error
    engine = create_engine(url, connect_args={"timeout": 30} if path else {})
    if path:
        event.listen(engine, "connect", _sqlite_pragmas)
    return _opened(engine)


def read_ledger(url: str) -> Ledger:
    """The ledger at `url` to be read only: whoever writes it makes it, and brings it to the current version.

    Raises
    ------
    LedgerError : if there is none, or it is of another version.
    """
    parsed = make_url(url)
    server = parsed.drivername in SCHEMES
    if not server and not Path(parsed.database or "").is_file():
        raise LedgerError(f"ledger: {parsed.database} does not exist yet; run labelmon backfill, or the daemon")
    engine = _postgres(url) if server else create_engine(url, connect_args={"timeout": 30})
    event.listen(engine, "begin", _read_only)
    ledger = Ledger(engine=engine)
    with ledger._transaction() as connection:  # noqa: SLF001
        version = _version(connection)
    if version != len(MIGRATIONS):
        engine.dispose()
        raise LedgerError(
            f"ledger: schema version {version} is not this labelmon's {len(MIGRATIONS)}; "
            "only the daemon and labelmon backfill bring a ledger up to date"
        )
    return ledger


def _read_only(connection: Connection) -> None:
    server = connection.dialect.name == "postgresql"
    connection.exec_driver_sql("SET TRANSACTION READ ONLY" if server else "PRAGMA query_only = ON")


def _opened(engine: Engine) -> Ledger:
    ledger = Ledger(engine=engine)
    try:
        with ledger._transaction() as connection:  # noqa: SLF001
            _migrate(connection)
    except LedgerError:
        engine.dispose()
        raise
    return ledger


def _postgres(url: str) -> Engine:
    # One connection, as `Ledger.lock` lets one transaction run at a time; nothing is prepared on the server, as
    # poolers in transaction mode would lose it.
    engine = create_engine(
        postgres_url(url),
        connect_args={**CONNECTING, "prepare_threshold": None},
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,
    )
    event.listen(engine, "begin", _limit)
    return engine


def _limit(connection: Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{_STATEMENT_SECONDS}s'")


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    # WAL: readers of the pages never block the writer; NORMAL is safe against kill -9 in WAL mode.
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise LedgerError(
            f"ledger: schema version {version} is newer than this labelmon's {len(MIGRATIONS)}; "
            "upgrade labelmon or name another ledger.url"
        )
    for step in MIGRATIONS[version:]:
        step(connection)
    if version < len(MIGRATIONS):
        connection.execute(delete(_META).where(_META.c.key == "schema_version"))
        connection.execute(insert(_META).values(key="schema_version", value=str(len(MIGRATIONS))))


def _version(connection: Connection) -> int:
    if not inspect(connection).has_table(_META.name):
        return 0
    return int(connection.execute(select(_META.c.value).where(_META.c.key == "schema_version")).scalar() or 0)


def _apply(connection: Connection, change: Change) -> None:
    state = change.state
    if change.drop:
        connection.execute(
            delete(_CELLS).where(
                _CELLS.c.series == state.id,
                _CELLS.c.start == bindparam("at"),
                _CELLS.c["keys"] == bindparam("of"),
            ),
            [{"at": cell.start, "of": json.dumps(cell.keys)} for cell in change.drop],
        )
    if change.put:
        put = _inserting(connection, _CELLS)
        # Another process on the same ledger may have stored a bucket that this one has yet to see.
        keys = _CELLS.c["keys"]
        key = [_CELLS.c.series, _CELLS.c.start, func.md5(keys) if connection.dialect.name == "postgresql" else keys]
        values = {name: put.excluded[name] for name in ("width", "vals", "lag")}
        connection.execute(
            put.on_conflict_do_update(index_elements=key, set_=values),
            [
                {
                    "series": state.id,
                    "start": cell.start,
                    "width": cell.width,
                    "keys": json.dumps(cell.keys),
                    "vals": json.dumps(cell.values),
                    "lag": cell.lag,
                }
                for cell in change.put
            ],
        )
    connection.execute(
        update(_SERIES)
        .where(_SERIES.c.id == state.id)
        .values(
            hot=state.hot,
            full=state.full,
            reconciled=state.reconciled,
            history_start=state.history_start,
            coarse_before=state.coarse_before,
            daily_before=state.daily_before,
            held_since=state.held_since,
            profiles=json.dumps(dict(state.profiles)),
        )
    )


def _inserting(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what to do about a row that is there already."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def _state(row: Any) -> SeriesState:
    names = (
        "id",
        "hot",
        "full",
        "reconciled",
        "history_start",
        "coarse_before",
        "daily_before",
        "held_since",
    )
    state = SeriesState(**{name: row[name] for name in names})
    return replace(state, profiles=tuple(sorted(json.loads(row["profiles"] or "{}").items())))


def _said(error: SQLAlchemyError) -> str:
    origin = getattr(error, "orig", None)
    return str(origin).splitlines()[0] if origin is not None else "no answer"
