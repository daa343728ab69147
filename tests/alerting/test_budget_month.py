"""A month of a store that fails, rests, fills late and changes its mind: the exported budget is the exact count's."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.alerting.simulated import DAY, HOUR, MINUTE, NOW, Site
from tests.world import iso

OBJECTIVE, PERIOD, DAYS = 0.95, 30 * DAY, 31
STEP = 360  # minutes
MIDNIGHT = NOW - NOW % DAY
AWAY = ((102, 108), (342, 348), (570, 582))  # hours without the store


class Journal:
    """What the store is told, written down a second time: instant of each audit, whether it is right, when seen."""

    def __init__(self, here: Site) -> None:
        self.here = here
        self.rows: dict[str, list[float]] = {}  # item -> [at, right, seen]

    def add(self, at: float, *, right: bool, seen: float) -> None:
        self.rows[f"j{len(self.rows)}"] = [at, right, seen]

    def between(self, start: float, now: float) -> list[str]:
        """The items that were audited from `start` on, as far as they are in the store."""
        return [item for item, (at, _, seen) in self.rows.items() if start < at and seen <= now]

    def appear(self, before: float, now: float) -> None:
        """Writes what became visible in (before, now]."""
        self.write(
            "INSERT INTO audits VALUES (?, 'x', ?, ?)",
            [
                (item, "x" if right else "y", iso(at))
                for item, (at, right, seen) in self.rows.items()
                if before < seen <= now
            ],
        )

    def relabel(self, item: str) -> None:
        """The label turns out right or wrong, whichever it was not."""
        row = self.rows[item]
        row[1] = not row[1]
        self.write("UPDATE audits SET truth = ? WHERE item = ?", [("x" if row[1] else "y", item)])

    def write(self, sql: str, values: list[tuple[object, ...]]) -> None:
        self.here.db.execute("BEGIN")
        self.here.db.executemany(sql, values)
        self.here.db.execute("COMMIT")

    def left(self, now: float) -> float:
        """1 - bad / (all x budget) over the period that ends two whole minutes ago, begun on a full hour."""
        end = (now - 2 * MINUTE) // MINUTE * MINUTE
        start = (end - PERIOD) // HOUR * HOUR
        inside = [right for at, right, seen in self.rows.values() if start <= at < end and seen <= now]
        bad = sum(not right for right in inside)
        assert bad > 0
        return 1 - bad / (len(inside) * (1 - OBJECTIVE))


def exported(here: Site) -> float | None:
    """The gauge as the last scrape saw it, of this minute."""
    (series,) = (s for s in here.scraped if s[0] == "labelmon_slo_error_budget_remaining_ratio")
    return here.scraped[series].get(here.minute)


@pytest.mark.e2e
def test_the_budget_of_a_month_is_counted_exactly(tmp_path: Path) -> None:
    """Sampled every six hours: whatever the ledger misses in between it must count later."""
    rng = random.Random(11)
    here = Site(folder=tmp_path, step=STEP, began=MIDNIGHT)
    here.configure("a", OBJECTIVE)
    journal = Journal(here)
    for hour in range(-5 * 24, DAYS * 24):
        if hour % 24 < 6 or hour // 24 in (12, 13):  # nights, and two days that nobody works
            continue
        for _ in range(rng.randrange(4, 12)):
            at = MIDNIGHT + hour * HOUR + rng.randrange(HOUR)
            late = 4 * DAY if rng.random() < 0.002 else rng.choice([0, 0, 0, 0, 30, 3 * HOUR, 20 * HOUR])
            journal.add(at, right=rng.random() > 0.03, seen=at + late)
    hidden, looked, told, written = tmp_path / "away.db", [], 0, 0.0
    here.start("a")
    for cycle in range(DAYS * DAY // (STEP * MINUTE)):
        hour = cycle * STEP // 60
        gone = any(start <= hour < end for start, end in AWAY)
        if gone and not hidden.exists():
            here.store.rename(hidden)
        if not gone and hidden.exists():
            hidden.rename(here.store)
        if not gone:
            journal.appear(written, here.now + STEP * MINUTE)
            written = here.now + STEP * MINUTE
            if cycle % 4 == 3:  # some verdicts of the last two weeks are revised
                for item in rng.sample(journal.between(here.now - 14 * DAY, here.now), 3):
                    journal.relabel(item)
        if cycle in (61, 93):  # the process ends, and begins again
            here.stop("a")
            here.start("a")
        here.run(STEP)

        run, got = here.daemons["a"].results["d"], exported(here)
        told += got is not None
        if run.at == here.daemons["a"].samplers["d"].tracks["label_accuracy"].state.reconciled:
            assert got == pytest.approx(journal.left(here.now), abs=1e-12), hour
            looked.append(got)
    here.close()

    assert len(looked) >= DAYS - 2
    assert len({round(left, 6) for left in looked}) > DAYS - 6
    assert told == cycle + 1 - 4  # without the store the last numbers grow too old within minutes, and are gone
