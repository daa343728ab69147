"""Label freshness: how many labels are past their time to live?"""

from __future__ import annotations

from labelmon.check import Check, Column, GaugeSlo, Panel, Runbook, Snapshot, Statistic, Threshold
from labelmon.counts import Op
from labelmon.estimators.freshness import freshness
from labelmon.model import Cause, Severity

CHECK = Check(
    name="label_freshness",
    seed_ref="TTL",
    title="Label freshness",
    help="Share of labels that have not expired, and how long the oldest expired one has been kept.",
    formula="labels whose expires_at is still to come, or is not set / labels, as of now: a census",
    source="counted, not estimated",
    gotcha=(
        "A label without an expiry counts as fresh: a share of 1 may mean that nobody sets one. How many carry one "
        "stands beside it."
    ),
    relation="labels",
    time=Snapshot(since="labeled_at"),
    keys=("label_source",),
    where=lambda row: row.label.is_not(None),
    counts={
        "fresh": Column(lambda row: row.expires_at.is_(None) | (row.expires_at > row.at_ms)),
        "dated": Column(lambda row: row.expires_at.is_not(None)),
        "oldest": Column(lambda row: row.expires_at, Op.MIN),
    },
    estimate=freshness("fresh", "dated", "oldest"),
    statistics=(
        Statistic(name="fresh", metric="ratio", help="Share of labels that have not expired."),
        Statistic(name="dated", metric="dated_ratio", help="Share of labels that carry an expiry."),
        Statistic(name="expired_labels", metric="expired_labels", help="Labels that are kept past their expiry."),
        Statistic(
            name="oldest_expired_age_seconds",
            metric="oldest_expiry_timestamp_seconds",
            age=True,
            help="When the label that is longest past its expiry expired.",
        ),
    ),
    slo=GaugeSlo(
        statistic="fresh",
        at_least=0.95,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="fresh",
                at_least=20,
                meaning="too many labels are past their time to live",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.STALE,
    runbook=Runbook(
        meaning="Labels are older than they were meant to be used: models train on a world that has passed.",
        first_looks=(
            "Which source do the expired labels come from? One source points at its job.",
            "Did relabeling stop (see the backlog) or did the time to live change?",
            "Are expired labels also kept longer than retention allows? Look at the oldest expiry.",
        ),
        mitigate=(
            "Send expired items to re-annotation, those that models use most first.",
            "Delete what retention no longer allows to be kept.",
        ),
        over_when="The share of fresh labels is back above the objective.",
    ),
    panel=Panel(
        title="Label freshness",
        description="Share of labels that have not expired, as of now.",
    ),
)
