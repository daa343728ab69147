"""The e-CUSUMs of an objective, walked over the cells of its ledger: one step a cell, in order of event time."""

from __future__ import annotations

from collections.abc import Mapping

from labelmon.check import EventSlo
from labelmon.estimators.cusum import cusums, levels
from labelmon.model import CusumRatio, Severity
from labelmon.profiles import Alerting
from labelmon.timeline import Timeline


def walked(
    line: Timeline,
    slo: EventSlo,
    span: tuple[int, int],
    scope: Mapping[str, str],
    *,
    budget: float,
    events_per_30d: float,
    effect: float,
    alerting: Alerting,
) -> tuple[CusumRatio, ...]:
    """Where the walks of all severities stand at the end of `span`, [start, end) in seconds; () without events.

    Nothing is remembered between cycles: late rows and corrections move the walk as they move windows. Within a cell
    nobody knows the order, so its errors and its good events are one step.

    Parameters
    ----------
    budget : share of events that may be bad, in (0, 1)
    events_per_30d : events, not divided by the design effect
    effect : design effect; below 1 it counts as 1, so that no single event weighs more than itself
    """
    cells = line.by_cell(*span, scope)
    errors, events = slo.errors_by_cell(cells)
    if not events.sum() > 0:
        return ()
    effect = max(1.0, effect)
    walks = [c for severity in Severity for c in cusums(budget, alerting.burns(severity), events_per_30d / effect)]
    return tuple(
        CusumRatio(burn=walk.burn, alternative=walk.alternative, ratio=level / walk.threshold)
        for walk, level in zip(walks, levels(errors / effect, events / effect, walks), strict=True)
    )
