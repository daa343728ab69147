"""Engines that can only read: one snapshot transaction at a time, under a timeout, errors without secrets."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Executable, make_url
from sqlalchemy.exc import SQLAlchemyError

from labelmon.errors import StoreError
from labelmon.model import Relation, StoreSpec
from labelmon.stores.dialects import Dialect
from labelmon.stores.drivers import Driver, store_error
from labelmon.stores.duck import Duck
from labelmon.stores.postgres import SCHEMES, Postgres
from labelmon.stores.sqlite import Sqlite


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One snapshot of a store: everything read through it belongs to one moment."""

    store: str
    driver: Driver = field(repr=False)
    connection: Connection = field(repr=False)
    timeout: float

    @property
    def dialect(self) -> Dialect:
        """What the statements need to know of the engine."""
        return self.driver.dialect

    def columns(self, relation: Relation) -> dict[str, str]:
        """Column name to engine type of a relation's table or query, in order.

        Raises
        ------
        StoreError : `missing_table`, `query_error`, `permission_denied`.
        """
        with self._guarded():
            return self.driver.columns(self.connection, relation)

    def fetch(self, statement: Executable) -> Sequence[tuple[Any, ...]]:
        """All rows of a (small, grouped) result.

        Raises
        ------
        StoreError : whatever went wrong, as a reason; `timeout` past the statement timeout.
        """
        with self._guarded():
            return [tuple(row) for row in self.connection.execute(statement)]

    @contextmanager
    def _guarded(self, *, starting: bool = False) -> Iterator[None]:
        """Interrupts the statement at its timeout and turns driver errors into StoreError."""
        expired, finished = threading.Event(), threading.Event()
        raw = self.connection.connection.driver_connection

        def interrupt() -> None:
            expired.set()
            self.driver.interrupt(raw, finished)

        timer = threading.Timer(self.timeout + self.driver.grace, interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield
        except SQLAlchemyError as error:
            failed = store_error(self.store, self.driver, error)
            if not starting:
                with suppress(SQLAlchemyError):  # the connection itself is gone: the next statement says so
                    self.driver.recover(self.connection)
            if expired.is_set() or failed.reason == "timeout":
                raise StoreError(
                    f"store {self.store}: a statement ran into statement_timeout ({self.timeout:g} s)",
                    reason="timeout",
                ) from None
            raise failed from None
        finally:
            timer.cancel()
            finished.set()


@dataclass(frozen=True, kw_only=True)
class Store:
    """A label store; `snapshot` opens it, reads and closes it again."""

    spec: StoreSpec
    driver: Driver = field(repr=False)
    engine: Engine = field(repr=False)

    @property
    def dialect(self) -> Dialect:
        """What the statements need to know of the engine."""
        return self.driver.dialect

    @contextmanager
    def snapshot(self) -> Iterator[Reader]:
        """One read-only transaction on a connection of its own.

        Raises
        ------
        StoreError : `unreachable` if the store cannot be opened; see `Reader` for the rest.
        """
        try:
            connection = self.engine.connect()
        except SQLAlchemyError as error:
            raise store_error(self.spec.name, self.driver, error, default="unreachable") from None
        except OSError as error:  # duckdb raises its own IOError before SQLAlchemy can wrap it
            raise StoreError(
                f"store {self.spec.name}: cannot be opened ({type(error).__name__})", reason="unreachable"
            ) from None
        with connection:
            reader = Reader(
                store=self.spec.name,
                driver=self.driver,
                connection=connection,
                timeout=self.spec.statement_timeout,
            )
            with reader._guarded(starting=True):  # noqa: SLF001
                self.driver.prepare(connection)
            yield reader
            with suppress(SQLAlchemyError):  # what was read is read, even if the connection is lost now
                connection.rollback()


def open_store(spec: StoreSpec) -> Store:
    """The store of a spec; nothing is connected yet.

    Raises
    ------
    StoreError : `unsupported` for a URL of another engine.
    """
    driver = _driver(spec)
    return Store(spec=spec, driver=driver, engine=driver.engine())


def _driver(spec: StoreSpec) -> Driver:
    if spec.files:
        return Duck(spec)
    url = make_url(spec.url)
    if url.drivername in SCHEMES:
        return Postgres(spec, url)
    match url.get_backend_name():
        case "sqlite":
            return Sqlite(spec, url.database or "")
        case "duckdb":
            return Duck(spec, url.database or "")
        case backend:
            raise StoreError(
                f"store {spec.name}: need a sqlite, duckdb or postgresql url or files, got {backend}",
                reason="unsupported",
                retryable=False,
            )
