"""The grid: null cells, where every alert is false, and delay cells, where a fault begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log

import numpy as np

from labelmon.model import Severity
from labelmon.profiles import DEFAULT_ALERTING
from tests.benchmarks.alerts import judge
from tests.benchmarks.alerts.episodes import NEVER, episodes, firing, first, keep_steps
from tests.benchmarks.alerts.judge import Judge
from tests.benchmarks.alerts.streams import DESIGN_EFFECT, batches, independent, switched

HOUR, DAY = 60, 24 * 60  # minutes
WARM_UP, MONTH, HEALTHY = 3 * DAY, 30 * DAY, 3 * DAY
HORIZONS = {2: 14 * DAY, 6: 10 * DAY, 20: 4 * DAY}  # how long a fault may go unseen, by its burn rate
REPAIR = HOUR  # from the alert to the end of the fault
AT_ONCE = 8_000_000  # minutes of all runs together that are held in memory
KEEP = {
    severity: keep_steps(DEFAULT_ALERTING.burn_keep_firing(severity), DEFAULT_ALERTING.evaluation_interval)
    for severity in Severity
}
OBJECTIVES, RATES, NULLS, BURNS = (0.95, 0.99), (5, 20, 100, 1000), (0.5, 1.0), (2, 6, 20)
CLUSTERED_RATES = (20, 100, 1000)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Audits an hour, the objective, and the true error as a multiple of the budget."""

    objective: float
    per_hour: int
    burn: float
    clustered: bool = False

    @property
    def budget(self) -> float:
        """The share of audits that may be wrong."""
        return judge.budget_of(self.objective)

    @property
    def error(self) -> float:
        """The true share of wrong audits; no burn rate makes it more than all of them."""
        return min(1.0, self.burn * self.budget)

    @property
    def name(self) -> str:
        """As the figures call it: `99 %, 5 an hour, 6x`."""
        return f"{self.objective:.0%}, {self.per_hour} an hour{' in batches' * self.clustered}, {self.burn:g}x".replace(
            "%", " %", 1
        )

    def judges(self) -> Mapping[str, Judge]:
        """The product's rules and the workbook's."""
        effect = DESIGN_EFFECT if self.clustered else 1.0
        return {
            "labelmon": lambda stream: judge.judged(stream, self.objective, effect),
            "plain": lambda stream: judge.plain(stream, self.objective),
        }


def null_cells() -> list[Cell]:
    """Where nothing is wrong."""
    grid = [Cell(objective=o, per_hour=r, burn=b) for o in OBJECTIVES for r in RATES for b in NULLS]
    return grid + [Cell(objective=o, per_hour=r, burn=1.0, clustered=True) for o in OBJECTIVES for r in CLUSTERED_RATES]


def delay_cells() -> list[Cell]:
    """Where something is."""
    return [Cell(objective=o, per_hour=r, burn=b) for o in OBJECTIVES for r in RATES for b in BURNS]


def false_alerts(rng: np.random.Generator, cell: Cell, months: int) -> dict[str, float]:
    """False pages and tickets per 30 days, with the upper end of a one-sided 95 % Poisson interval.

    Counted from the fourth day of a dataset on, 30 days each.
    """
    draw = batches if cell.clustered else independent
    counted: dict[str, list[np.ndarray]] = {}
    for runs in _blocks(months, WARM_UP + MONTH):
        stream = draw(rng, (WARM_UP + MONTH, runs), cell.per_hour, cell.error)
        for rule, ask in cell.judges().items():
            verdict = ask(stream)
            for severity in Severity:
                found = episodes(getattr(verdict, severity.value), KEEP[severity], WARM_UP)
                counted.setdefault(f"{rule}_{severity.value}s", []).append(found)
    figures: dict[str, float] = {"months": months}
    for name, found in counted.items():
        each = np.concatenate(found)
        figures[name] = round(int(each.sum()) / months, 4)
        figures[f"{name}_upper"] = round(poisson_upper(int(each.sum())) / months, 4)
        figures[f"{name}_months"] = round(float((each > 0).mean()), 4)
    return figures


def delays(rng: np.random.Generator, cell: Cell, runs: int) -> dict[str, float | None]:
    """Hours from the fault's first minute to the alert, and from its end to the alert's.

    The fault begins at a random minute of the fourth day and lasts until an hour after the alert that is looked
    at: the page, or the ticket of a fault too slow to page.
    """
    severity = Severity.TICKET if cell.burn < min(DEFAULT_ALERTING.page_burns) else Severity.PAGE
    minutes = HEALTHY + DAY + HORIZONS[int(cell.burn)]
    hours: dict[str, list[np.ndarray]] = {}
    for block in _blocks(runs, minutes):
        shape = (minutes, block)
        healthy = independent(rng, shape, cell.per_hour, cell.budget / 2)
        faulty = independent(rng, shape, cell.per_hour, cell.error)
        begins = HEALTHY + rng.integers(0, DAY, block)
        for rule, ask in cell.judges().items():
            verdict = ask(switched(healthy, faulty, begins, np.full(block, minutes)))
            for level in Severity:
                seen = first(getattr(verdict, level.value), begins)
                hours.setdefault(f"{rule}_{level.value}", []).append(_hours(seen - begins, seen < NEVER))
                if level is severity:
                    told = seen
            # What came before an alert is the same whatever comes after: the fault can end where it was seen.
            ends = np.minimum(told + REPAIR, minutes)
            mended = ask(switched(healthy, faulty, begins, ends))
            quiet = first(~firing(getattr(mended, severity.value), KEEP[severity]), np.minimum(ends, minutes - 1))
            hours.setdefault(f"{rule}_reset", []).append(_hours(quiet - ends, (quiet < NEVER) & (ends < minutes)))
    figures: dict[str, float | None] = {"runs": runs}
    for name, found in hours.items():
        each = np.concatenate(found)
        if name.endswith("reset"):
            each = each[~np.isnan(each)]
        figures |= _summary(name, each)
    figures["lorden"] = round(lorden_hours(cell.budget, cell.error, cell.per_hour), 2)
    return figures


def lorden_hours(budget: float, error: float, per_hour: float, false_per_month: float = 0.1) -> float:
    """What no rule can beat on average: ln(events between false alerts) / KL(error || budget), in hours.

    References
    ----------
    G. Lorden (1971), Ann. Math. Statist. 42:1897.
    """
    between = per_hour * 24 * 30 / false_per_month
    good = (1 - error) * log((1 - error) / (1 - budget)) if error < 1 else 0.0
    return log(between) / (error * log(error / budget) + good) / per_hour


def poisson_upper(count: int) -> float:
    """The upper end of the one-sided 95 % interval of a Poisson mean."""
    from scipy.stats import chi2

    return float(chi2.ppf(0.95, 2 * (count + 1)) / 2)


def _hours(minutes: np.ndarray, seen: np.ndarray) -> np.ndarray:
    # An evaluation sees the minute it is named by when that has ended and become visible.
    late = judge.MINUTE + judge.VISIBILITY
    return np.where(seen, minutes / 60 + late / 3600, np.nan)


def _summary(name: str, hours: np.ndarray) -> dict[str, float | None]:
    """Median and 90th percentile; runs without an alert are later than any, None where it would be one of those."""
    found: dict[str, float | None] = {
        f"{name}_seen": round(float((~np.isnan(hours)).mean()), 4) if len(hours) else None
    }
    ordered = np.sort(np.where(np.isnan(hours), np.inf, hours))
    for label, share in (("median", 0.5), ("p90", 0.9)):
        value = ordered[min(len(ordered) - 1, int(share * len(ordered)))] if len(ordered) else np.inf
        found[f"{name}_{label}"] = round(float(value), 2) if np.isfinite(value) else None
    return found


def _blocks(runs: int, minutes: int) -> Iterator[int]:
    size = max(1, AT_ONCE // minutes)
    for begun in range(0, runs, size):
        yield min(size, runs - begun)
