"""A private PostgreSQL cluster in a temp folder, on a free port, gone with the tests that started it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.ports import free_port

OWNER, READER, KEEPER, LOCKED = "owner", "reader", "keeper", "locked"
PASSWORD = "hunter2"  # of LOCKED, the only role that is asked for one
ACCESS = f"""
local all all trust
host all {LOCKED} 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""
NEEDED = "not installed: postgresql (Debian: apt-get install postgresql)"


@dataclass
class Cluster:
    """A running server: `owner` is its superuser, `reader` may read what `grant` was called for, `keeper` creates."""

    folder: Path
    port: int
    numbers: Iterator[int] = field(default_factory=count)

    def url(self, role: str = READER, schema: str = "", password: str = "", database: str = "labels") -> str:
        secret = f":{password}" if password else ""
        path = f"?options=-csearch_path%3D{schema}" if schema else ""
        return f"postgresql://{role}{secret}@127.0.0.1:{self.port}/{database}{path}"

    def connect(self, schema: str = "") -> psycopg.Connection[Any]:
        """As the superuser; each statement commits."""
        options = f"-csearch_path={schema}" if schema else ""
        return psycopg.connect(
            f"postgresql://{OWNER}@127.0.0.1:{self.port}/labels", autocommit=True, options=options or None
        )

    def schema(self) -> str:
        """A new, empty schema that `reader` may look into and `keeper` may create in."""
        name = f"s{next(self.numbers)}"
        with self.connect() as db:
            db.execute(f"CREATE SCHEMA {name}")
            db.execute(f"GRANT USAGE ON SCHEMA {name} TO {READER}, {LOCKED}")
            db.execute(f"GRANT ALL ON SCHEMA {name} TO {KEEPER}")
            db.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {name} GRANT SELECT ON TABLES TO {READER}, {LOCKED}")
        return name


def binaries() -> Path | None:
    """Where Debian keeps the server's programs, of the newest version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    named = shutil.which("postgres")
    return Path(named).resolve().parent if named else None


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster of its own; skips the test where PostgreSQL is not installed."""
    programs = binaries()
    if programs is None:
        pytest.skip(NEEDED)
    folder = Path(tempfile.mkdtemp(prefix="labelmon-pg-"))
    person: dict[str, Any] = {}
    if os.getuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
        person = {"user": "postgres", "group": pwd.getpwnam("postgres").pw_gid, "extra_groups": []}
    process = None
    try:
        subprocess.run(
            [
                *(programs / "initdb", "-D", folder / "data", "-U", OWNER, "--auth=trust", "-E", "UTF8"),
                *("--locale=C.UTF-8", "--no-sync"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            **person,
        )
        (folder / "data" / "pg_hba.conf").write_text(ACCESS)
        port = free_port()
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(programs / "postgres", "-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", "-k", folder),
                    *("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"),
                    *("-c", "shared_buffers=32MB", "-c", "timezone=America/New_York"),
                ],
                stdout=log,
                stderr=log,
                cwd=folder,
                **person,
            )
        _set_up(process, port, folder / "server.log")
        yield Cluster(folder=folder, port=port)
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # fast shutdown: whoever is connected is cut off
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _set_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            db = psycopg.connect(f"postgresql://{OWNER}@127.0.0.1:{port}/postgres", autocommit=True)
            break
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"PostgreSQL did not start\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
    with db:
        db.execute("CREATE DATABASE labels")
        for role in (READER, KEEPER):
            db.execute(f"CREATE ROLE {role} LOGIN")
        db.execute(f"CREATE ROLE {LOCKED} LOGIN PASSWORD '{PASSWORD}'")
