"""How long nothing has arrived, in arrivals that were due, and how rarely a healthy stream is silent for so long."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log1p, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelmon.check import Estimator, Moment
from labelmon.counts import BUCKET, ROWS, Counts
from labelmon.estimators.breakdown import census, unknown
from labelmon.estimators.seasons import BURST, PAST, PRIOR, WEEK_HOURS, Array, flat_rate, hours_of, placed, weekly_rates
from labelmon.model import DAY, HOUR, Estimate

YEAR = 365.25 * DAY
WEEKS = YEAR / (7 * DAY)
LONGEST = 1000 * YEAR
FEWEST_WEEKS = 2
FEWEST_ARRIVALS, FEWEST_GAPS, FEWEST_OPEN = 20, 8, 8
GAMMA_MEDIAN = 1.6783  # of Gamma(2, 1): a gap that a given moment falls into, in mean gaps
STALLED = 16.0  # mean gaps: a past silence so long was an outage or a holiday, and nothing is learnt from it
BLOCK = 5.0  # bursts
LEVEL_BLOCKS, LEVEL_PRIOR = 6, 4.0  # the pace of now is seen over so many of them, with so many bursts of doubt
SHAPES = (2.0, 50.0)
LEVEL_T = 2.08  # Student's, of 21 degrees of freedom: the days of four weeks less the means of their weekdays
NEAR_HOURS, SEEN, LONGER = 1, 3, 1.5
Table = dict[int, tuple[float, float, float]]

FORMULA = (
    "1 / (N P), P = (1 + x / s)^-s: x the arrivals due since the last one, by the hour of the local week over four "
    "weeks and the pace of the hours before, in bursts (the gaps of the past on the same scale); s how steady that "
    "pace is; N the bursts of a year"
)
SOURCE = (
    "E. N. Brown et al. (2002), Neural Comput. 14:325 (time rescaling); "
    "M. Greenwood, G. U. Yule (1920), J. R. Stat. Soc. 83:255 (gamma-Poisson mixture)"
)


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """Past silences from one hour with arrivals to the next: `due` in each, `before` and `after` it the hours' places.

    `weights` are how many arrivals were due around the full hours within, so that a gap counts as often as a moment
    falls into it. `ended` is the local hour of the day in which it did. All have the shape (gaps,).
    """

    due: Array
    weights: Array
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    ended: NDArray[np.int64]

    @property
    def burst(self) -> float:
        """The mean gap in arrivals due, out of the median: 1 where arrivals are independent, n where n come at once."""
        order = np.argsort(self.due)
        weight = np.cumsum(self.weights[order])
        if weight[-1] <= 0:
            return 1.0
        return max(1.0, float(self.due[order][np.searchsorted(weight, weight[-1] / 2)]) / GAMMA_MEDIAN)

    def stalled(self, burst: float) -> NDArray[np.bool_]:
        """The hours that lie wholly in a silence nobody would take for chance, shape (PAST,)."""
        found = np.zeros(PAST, dtype=bool)
        for place in np.flatnonzero(self.due > STALLED * burst):
            found[self.before[place] + 1 : self.after[place]] = True
        return found

    def usual(self, hour: int) -> float:
        """The arrivals due in the third longest silence that ended about this local hour; an outage or two are none."""
        near = (self.ended - hour + NEAR_HOURS) % 24 <= 2 * NEAR_HOURS
        longest = np.sort(self.due[near])[::-1]
        return float(longest[SEEN - 1]) if len(longest) >= SEEN else 0.0


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What is known of the arrivals before the silence.

    `weekly` how many arrive in a week; `burst` how many arrivals come at once; `shape` how steady the pace is;
    `pace` that of the last hours against the usual; `level_error` that of what is due in all hours alike, relative;
    `rates` the arrivals due in each hour of the local week, shape (168,), each learnt over `hourly_weeks`; infinite
    where they are learnt together.
    """

    weekly: float
    burst: float
    shape: float
    pace: float
    level_error: float
    hourly_weeks: float
    rates: Array
    gaps: Gaps

    @property
    def bursts_a_year(self) -> float:
        """How many gaps there are to be long."""
        return max(1.0, self.weekly * WEEKS / self.burst)

    def half_width(self, slots: NDArray[np.int64], shares: Array, missed: float) -> float:
        """Half of the 95 % interval of ln(missed): the arrivals due in `shares` of the hours of the week `slots`.

        Of what an hour is said to hold, its own count in n weeks weighs n / (n + 1), its share of the day's count the
        rest: (n / (n + 1))^2 of the variance is each hour's own, what is left of 1 all the day's.
        """
        if missed <= 0:
            return 0.0
        times = np.bincount(slots, weights=shares, minlength=WEEK_HOURS)
        own = (self.hourly_weeks / (self.hourly_weeks + PRIOR)) ** 2 if self.hourly_weeks < np.inf else 1.0
        each = float((times**2 * self.rates).sum())
        silent, days = ((x.reshape(7, 24)).sum(axis=1) for x in (times * self.rates, self.rates))
        by_day = float(np.divide(silent**2, days, out=np.zeros(7), where=days > 0).sum())
        counted = self.burst * (own * each + (1 - own) * by_day) / self.hourly_weeks
        return sqrt((LEVEL_T * self.level_error) ** 2 + 1.96**2 * counted / missed**2)

    def return_period(self, due: float) -> float:
        """Seconds from one silence of so many arrivals due to the next, on average."""
        nats = self.shape * log1p(self.pace * due / self.burst / self.shape)
        return min(LONGEST, YEAR / self.bursts_a_year * exp(min(nats, 100.0)))


@dataclass(frozen=True, kw_only=True)
class Past:
    """The hours up to that of the last arrival, and on: what came in each, and when first and last (seconds).

    `start` is that of the first hour; all arrays begin there. `counts`, `first` and `last` have the shape (PAST + 1,),
    the hour of the last arrival being their last; `slots` and `opened` go on until the moment.
    """

    start: int
    counts: Array
    first: Array
    last: Array
    slots: NDArray[np.int64]
    opened: Array
    known: NDArray[np.bool_]


def silence(oldest: str, newest: str) -> Estimator:
    """An estimator over counts by `bucket`: how rare the silence since the last arrival is.

    Columns `oldest` and `newest` are the minimum and the maximum of the instants of arrival (ms). What is older than
    `moment.lag` seconds before the moment should be there to be seen.
    """

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        table = _by_hour(counts, oldest, newest)
        if not table:
            return (unknown("return_period_seconds", "nothing has arrived yet"),)
        since = max(last for _, _, last in table.values())
        until = max(since, moment.at - moment.lag)
        age = census("last_arrival_age_seconds", moment.at - since, sum(n for n, _, _ in table.values()))
        past = _past(table, since, until, moment)
        arrived = float(past.counts.sum())
        learnt, reason = _learnt(past, moment)
        if learnt is None:
            return (unknown("return_period_seconds", reason, arrived), age)
        stream, due = learnt
        return (*_judged(stream, due, past, since, until, arrived), age)

    return estimate


def _judged(
    stream: Stream, due: Array, past: Past, since: float, until: float, arrived: float
) -> tuple[Estimate, Estimate]:
    """How rare the silence from `since` to `until` is, and what was due in it."""
    missed = _due(due, past.start, until) - _due(due, past.start, since)
    hours = past.start + np.arange(len(past.slots)) * HOUR
    shares = (np.clip(until - hours, 0, HOUR) - np.clip(since - hours, 0, HOUR)) / HOUR
    # Rates are counts, and counts are skewed: on the log scale they are less so.
    error = stream.half_width(past.slots, shares, missed)
    ends = [missed * exp(sign * error) for sign in (-1, 0, 1)]
    most = LONGEST
    if missed <= LONGER * stream.gaps.usual(int(past.slots[_hour(past.start, until)]) % 24):
        # Whatever the formula says, silences like it have been there every now and then at this time of day.
        most = PAST * HOUR / SEEN
    low, value, high = (min(most, stream.return_period(end)) for end in ends)
    return (
        Estimate(statistic="return_period_seconds", value=value, low=low, high=high, n=arrived),
        Estimate(statistic="missed_arrivals", value=ends[1], low=ends[0], high=ends[2], n=arrived),
    )


def _learnt(past: Past, moment: Moment) -> tuple[tuple[Stream, Array] | None, str]:
    """The stream and the arrivals due by the end of each hour, shape (hours + 1,); or why nothing is known of it."""
    arrived, weeks = past.counts[:-1], float(past.known.sum()) / WEEK_HOURS
    used = past.known & (past.opened[:PAST] > 0)
    flat = weeks < FEWEST_WEEKS and moment.calendar is not None
    if weeks < FEWEST_WEEKS and not flat:
        return None, f"{weeks:.1f} weeks of arrivals are known; need {FEWEST_WEEKS}, or a calendar"
    if flat and used.sum() < FEWEST_OPEN:
        return None, f"{used.sum()} open hours are known; need {FEWEST_OPEN}"
    if arrived[used].sum() < FEWEST_ARRIVALS:
        return None, f"{arrived[used].sum():g} arrivals in {weeks:.1f} weeks; need {FEWEST_ARRIVALS}"
    hourly = _hourly(past, used, flat=flat)
    due = np.concatenate([[0.0], np.cumsum(hourly)])
    gaps = _gaps(past, due, hourly)
    if len(gaps.due) < FEWEST_GAPS:
        return None, f"{len(gaps.due)} silences between arrivals are known; need {FEWEST_GAPS}"
    used = used & ~gaps.stalled(gaps.burst)  # and once more without the outages and holidays that this finds
    hourly = _hourly(past, used, flat=flat)
    due = np.concatenate([[0.0], np.cumsum(hourly)])
    gaps = _gaps(past, due, hourly)
    shape, pace, unrest = _steadiness(arrived, hourly, used, gaps.burst)
    # Hours that are learnt together err together; those that are learnt each by itself, each by itself.
    together = gaps.burst / max(1.0, float(arrived[used].sum())) if flat else 0.0
    rates = np.zeros(WEEK_HOURS)
    np.maximum.at(rates, past.slots, hourly)
    weekly = float(hourly[:PAST].sum()) / PAST * WEEK_HOURS
    stream = Stream(
        weekly=weekly,
        burst=gaps.burst,
        shape=shape,
        pace=pace,
        # As if a day had one pace: hours of a silence are learnt from as many days as there were weeks.
        level_error=sqrt(together + unrest / max(1.0, weeks)),
        hourly_weeks=np.inf if flat else float(used.sum()) / WEEK_HOURS,
        rates=rates,
        gaps=gaps,
    )
    return (stream, due), ""


def _hourly(past: Past, used: NDArray[np.bool_], *, flat: bool) -> Array:
    """Arrivals due in each hour; `flat` takes all that are open alike."""
    if flat:
        return flat_rate(past.counts[:-1][used], past.opened[:PAST][used]) * past.opened
    rates = weekly_rates(past.counts[:-1], past.slots[:PAST], used)
    return np.where(past.opened > 0, rates[past.slots], 0.0)


def _gaps(past: Past, due: Array, hourly: Array) -> Gaps:
    """The silences from one hour with arrivals to the next one."""
    there = np.flatnonzero(past.counts > 0)
    before, after = there[:-1], there[1:]
    lengths = _due(due, past.start, past.first[after]) - _due(due, past.start, past.last[before])
    # A boundary of two hours stands for the moments around it.
    around = np.concatenate([[0.0], np.cumsum((hourly[:PAST] + hourly[1 : PAST + 1]) / 2)])
    return Gaps(
        due=lengths,
        weights=around[after] - around[before],
        before=before,
        after=after,
        ended=past.slots[after] % 24,
    )


def _steadiness(arrived: Array, hourly: Array, used: NDArray[np.bool_], burst: float) -> tuple[float, float, float]:
    """(shape of the gamma mixture, pace of the last hours against the usual, at most 1, unrest).

    Unrest is the squared coefficient of variation of the pace against the usual, what chance explains left out.

    Each hour, or as many as make a few bursts, is foretold by what is usual and by the pace of those before it; what it
    misses by beyond chance is the mixture's: squares of the mean over excess of the squares.
    """
    open_hours = used & (hourly[:PAST] > 0)
    mean = hourly[:PAST][open_hours] / burst
    _, block = np.unique((np.cumsum(mean) - mean) // BLOCK, return_inverse=True)
    k, m = np.bincount(block, weights=arrived[open_hours] / burst), np.bincount(block, weights=mean)
    seen, usual = (np.concatenate([[0.0], np.cumsum(values)]) for values in (k, m))
    at = np.arange(len(k) + 1)
    low = np.maximum(0, at - LEVEL_BLOCKS)
    pace = (LEVEL_PRIOR + seen[at] - seen[low]) / (LEVEL_PRIOR + usual[at] - usual[low])
    foretold = pace[:-1] * m
    off = np.minimum(k, BURST * foretold + BURST) - foretold
    # An hour is part of what is usual: with four weeks it pulls that a quarter of the way to itself.
    excess = float((off**2 * 4 / 3 - foretold).sum())
    shape = float((foretold**2).sum()) / excess if excess > 0 else SHAPES[1]
    unrest = max(0.0, float(((k - m) ** 2 * 4 / 3 - m).sum()) / float((m**2).sum()))
    return float(np.clip(shape, *SHAPES)), min(1.0, float(pace[-1])), unrest


def _past(table: Table, since: float, until: float, moment: Moment) -> Past:
    hour = int(since) - int(since) % HOUR
    start = hour - PAST * HOUR
    ahead = min(PAST, _hour(hour, until))
    hours = hours_of(start, PAST + 1 + ahead, moment.timezone, moment.calendar)
    counts, first, last = (
        placed({at: values[index] for at, values in table.items()}, start, PAST + 1) for index in range(3)
    )
    # The hour in which the very first one came may have been cut.
    known = start + np.arange(PAST) * HOUR > min(table)
    return Past(start=start, counts=counts, first=first, last=last, slots=hours.slots, opened=hours.open, known=known)


def _by_hour(counts: Counts, oldest: str, newest: str) -> Table:
    """(arrivals, first and last instant in seconds) by the start of the hour, in order."""
    frame = counts.frame[counts.frame[ROWS] > 0]
    if frame.empty:
        return {}
    hours = frame[BUCKET].to_numpy(np.int64) // HOUR * HOUR
    grouped = frame.groupby(hours).agg({ROWS: "sum", oldest: "min", newest: "max"})
    return {
        int(at): (float(n), float(low) / 1000, float(high) / 1000) for at, n, low, high in grouped.itertuples(name=None)
    }


def _due(due: Array, start: int, at: Any) -> Any:
    """Arrivals due from `start` to the instants `at`, evenly within an hour."""
    edges = start + np.arange(len(due)) * HOUR
    return np.interp(at, edges, due)


def _hour(start: int, at: float) -> int:
    return int(at - start) // HOUR
