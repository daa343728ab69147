"""A user may call a table as labelmon might call a step of a statement."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import labelmon
from labelmon.checks import catalogue
from labelmon.once import measure_once
from labelmon.pseudonyms import Pseudonyms
from labelmon.stores import open_store
from tests.test_every_check import AT, busy, in_duckdb, in_sqlite, ruled, watched

STEPS = sorted(
    {
        name
        for path in Path(labelmon.__file__).parent.rglob("*.py")
        for name in re.findall(r'\.cte\("(\w+)"', path.read_text())
    }
)


def test_every_step_has_a_name_that_no_table_has() -> None:
    assert len(STEPS) > 10
    assert [name for name in STEPS if not name.startswith("lm_")] == []


@pytest.mark.parametrize("engine", [in_sqlite, in_duckdb], ids=["sqlite", "duckdb"])
def test_tables_called_like_steps_are_read(tmp_path: Path, engine) -> None:
    spec = engine(tmp_path, busy(1, 60))
    store = open_store(spec)
    names = {"labels": "ratings", "audits": "known", "items": "firsts", "versions": "names"}
    renamed = spec.url.split("///")[1]
    rename(renamed, names, is_sqlite=engine is in_sqlite)

    for dataset in (watched(), ruled()):
        relations = {name: replace(r, table=names.get(name, name)) for name, r in dataset.relations.items()}
        reading = measure_once(
            replace(dataset, relations=relations), {"s": store}, catalogue(), AT, Pseudonyms(keys=(b"k" * 32,))
        )

        assert reading.failures == ()


def rename(path: str, names: dict[str, str], *, is_sqlite: bool) -> None:
    if is_sqlite:
        import sqlite3

        db = sqlite3.connect(path)
        for old, new in names.items():
            db.execute(f"ALTER TABLE {old} RENAME TO {new}")
        db.commit()
    else:
        import duckdb

        db = duckdb.connect(path)
        for old, new in names.items():
            db.execute(f"ALTER TABLE {old} RENAME TO {new}")
    db.close()
