"""Pipeline stall: have items stopped arriving, or is it only night?"""

from __future__ import annotations

from labelmon.check import Check, Column, Event, GaugeSlo, Panel, Runbook, Statistic, Threshold
from labelmon.counts import Op
from labelmon.estimators.silence import FORMULA, SOURCE, silence
from labelmon.model import DAY, Cause, Severity

CHECK = Check(
    name="pipeline_stall",
    seed_ref="stalled pipeline",
    title="Intake",
    help="How rarely a healthy intake is silent for as long as it is now.",
    formula=FORMULA,
    source=SOURCE,
    gotcha=(
        "Nights, weekends and gaps between bulk uploads are silent too: what counts is not how long, but how many "
        "arrivals were due by the hour of the week. Holidays are nobody's to learn: declare them in `calendar:`."
    ),
    relation="items",
    time=Event(instant="arrived_at"),
    history=True,
    sharp=True,
    keys=("priority",),
    counts={
        "oldest": Column(lambda row: row.arrived_at, Op.MIN),
        "newest": Column(lambda row: row.arrived_at, Op.MAX),
    },
    estimate=silence("oldest", "newest"),
    statistics=(
        Statistic(
            name="return_period_seconds",
            metric="return_period_seconds",
            help="Time from one silence as long as this one to the next in a healthy stream.",
        ),
        Statistic(
            name="missed_arrivals",
            metric="missed_arrivals",
            interval=True,
            help="Items that were due since the last one arrived.",
        ),
        Statistic(
            name="last_arrival_age_seconds",
            metric="last_arrival_timestamp_seconds",
            age=True,
            help="When the last item arrived: silent since.",
        ),
    ),
    slo=GaugeSlo(
        statistic="return_period_seconds",
        at_most=30.0 * 365 * DAY,
        thresholds=(
            Threshold(
                severity=Severity.PAGE,
                statistic="return_period_seconds",
                # The return period has been waited for already: a hold would only come on top.
                hold=0,
                meaning="nothing arrives although items are due: by chance that happens once in so long a time",
            ),
        ),
    ),
    severities=(Severity.PAGE,),
    cause=Cause.STALL,
    runbook=Runbook(
        meaning="Items have stopped arriving at a time when they were due: the intake is down or cut off.",
        first_looks=(
            "Since when? The last arrival is on the dashboard: what was released, rotated or switched off just then?",
            "Do the sources still send? Ask the first hop for its newest item, and follow it until it is lost.",
            "Is it closed today? A holiday that `calendar:` does not name looks like an outage.",
        ),
        mitigate=(
            "Bring the intake back, and have the sources send again what was lost.",
            "If it is a holiday, add it to the dataset's calendar and reload.",
        ),
        over_when="Items arrive again; the alert resolves with the first of them.",
    ),
    panel=Panel(
        title="Intake: how rare is the silence",
        description="Time between two silences as long as the present one in a healthy stream, against the limit.",
    ),
)
