"""How long things take, from counts of what is done and what is pending by duration: Kaplan and Meier (1958)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labelmon.bins import SKEWED, edges
from labelmon.check import Estimator, Moment
from labelmon.counts import ROWS, Counts
from labelmon.estimators.breakdown import census, unknown
from labelmon.model import Estimate, State

if TYPE_CHECKING:
    import numpy as np

Z = 1.959963984540054  # the 97.5 % point of the normal distribution
FEWEST = 20
PERCENTILES = (0.5, 0.95, 0.99)


def delays(done: str, step: str, bin_: str, pending: str, skewed: str) -> Estimator:
    """An estimator of `p50_seconds`, `p95_seconds`, `p99_seconds`, and of each stage as `stage_p50_seconds` and so on.

    Column `done` counts the rows that came to their end; the others still last, and are censored at their duration.
    `step` and `bin_` are the keys that hold the stage ('' for the whole way) and the bin of the duration (see
    labelmon.bins). The statistic `pending` counts what still lasts, `skewed` what ended before it began.
    """

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:  # noqa: ARG001
        found: list[Estimate] = []
        for stage in sorted({"", *counts.frame[step]}):
            labels = {"stage": stage} if stage else {}
            frame = counts.frame[counts.frame[step] == stage]
            wrong = frame[bin_] == SKEWED
            timed = frame[~wrong]
            ended = dict(zip(timed[bin_], timed[done], strict=True))
            rows = dict(zip(timed[bin_], timed[ROWS], strict=True))
            total, finished = float(sum(rows.values())), float(sum(ended.values()))
            found += [_percentile(q, ended, rows, total, finished, labels) for q in PERCENTILES]
            found.append(census(pending, total - finished, total, labels))
            found.append(census(skewed, float(frame[ROWS][wrong].sum()), float(frame[ROWS].sum()), labels))
        return tuple(found)

    return estimate


def _percentile(
    q: float, ended: dict[str, float], rows: dict[str, float], total: float, finished: float, labels: dict[str, str]
) -> Estimate:
    name = f"{'stage_' if labels else ''}p{q * 100:g}_seconds"
    if total == 0:
        return replace(unknown(name, "nothing arrived"), labels=labels)
    if finished < FEWEST:
        return replace(unknown(name, f"{finished:g} of {total:g} items done; need {FEWEST}", total), labels=labels)
    names = sorted(rows)
    value, low, high = quantile(q, [ended[n] for n in names], [rows[n] - ended[n] for n in names], names)
    if value is None:
        reason = f"{total - finished:g} of {total:g} items still wait: the curve does not come to {q:.0%}"
        return Estimate(
            statistic=name, value=None, low=low, n=total, state=State.INSUFFICIENT, reason=reason, labels=labels
        )
    state, reason = State.OK, ""
    if high is None:
        state, reason = State.INSUFFICIENT, f"{finished:g} items done give the percentile no upper end"
    return Estimate(statistic=name, value=value, low=low, high=high, n=total, state=state, reason=reason, labels=labels)


def survival(done: list[float], pending: list[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kaplan and Meier's curve after each bin, and its 95 % band.

    Parameters
    ----------
    done, pending : items whose duration ended, or still lasts, in each bin; ascending, not both all 0

    Returns
    -------
    (share that lasts longer than each bin, lower and upper end of it), each in [0, 1]

    The band is Greenwood's variance on the scale of log(-log S) (Kalbfleisch and Prentice, 1980, section 1.4).
    In a bin, what ended did so before what still lasts is censored. Where all that were left end at once the variance
    is not defined: there the upper end is the one before, times the share that none in n excludes.
    """
    import numpy as np  # noqa: PLC0415  `labelmon --help` does without

    ended, censored = np.asarray(done, float), np.asarray(pending, float)
    leaving = ended + censored
    risk = leaving[::-1].cumsum()[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        curve = np.cumprod(np.where(risk > 0, 1 - ended / risk, 1.0))
        greenwood = np.cumsum(np.where(risk > 0, ended / (risk * (risk - ended)), 0.0))
        inner = (curve > 0) & (curve < 1)
        spread = np.exp(Z * np.sqrt(greenwood) / np.abs(np.log(curve)))
        low = np.where(inner, curve**spread, curve)
        high = np.where(inner, curve ** (1 / spread), curve)
    if (curve <= 0).any():
        last = int(np.argmax(curve <= 0))
        high[last:] = (high[last - 1] if last else 1.0) * (1 - 0.025 ** (1 / risk[last]))
        low[last:] = 0.0
    return curve, np.minimum.accumulate(low), np.minimum.accumulate(high)


def quantile(
    q: float, done: list[float], pending: list[float], names: list[str]
) -> tuple[float | None, float | None, float | None]:
    """The duration (s) that a share `q` does not exceed, with its 95 % interval; None where the curve ends before.

    The interval holds the durations at which the band of the curve holds 1 - q (Brookmeyer and Crowley, 1982,
    Biometrics 38:29). Within a bin all three are linear, and the interval is never narrower than the value's bin.
    """
    curve, low, high = survival(done, pending)
    ends = [edges(name) for name in names]
    value = _crossing(curve, 1 - q, ends)
    first, last = _crossing(low, 1 - q, ends), _crossing(high, 1 - q, ends)
    if value is None:
        return None, first, None
    begin, end = next((b, e) for b, e in ends if e is None or value <= e)
    first = min(begin, value if first is None else first)
    return value, first, None if last is None or end is None else max(last, end)


def _crossing(curve: np.ndarray, level: float, ends: list[tuple[float, float | None]]) -> float | None:
    """Where a falling curve, known at the bins' upper ends, comes down to `level`."""
    before = 1.0
    for after, (begin, end) in zip(curve.tolist(), ends, strict=True):
        if after <= level + 1e-12:
            share = (before - level) / (before - after) if before > after else 1.0
            return begin if end is None else begin + min(1.0, max(0.0, share)) * (end - begin)
        before = after
    return None
