"""Confidence of automatic labels: are machines as often right as they say?"""

from __future__ import annotations

from sqlalchemy import case, not_

from labelmon.check import Check, Column, Event, GaugeSlo, Panel, Part, Runbook, Statistic, Threshold, by_first
from labelmon.estimators.confidence import confidences, errors_by_stage, gap_of
from labelmon.estimators.sources import AUTOMATIC
from labelmon.model import DAY, Cause, Severity
from labelmon.sampling import UNMAPPED, drawn, is_chance, weighed

UNSURE = 0.5
NO_CHANCE = {
    "missing": lambda row: row.confidence.is_(None),
    "below_zero": lambda row: row.confidence < 0,
    "above_one": lambda row: row.confidence > 1,
}
SURE = {
    "surely": Column(lambda row: row.weight * row.partner_confidence),
    "sure_squared": Column(lambda row: row.weight * row.weight * row.partner_confidence * row.partner_confidence),
    "sure_and_right": Column(
        lambda row: case((row.right, row.weight * row.weight * row.partner_confidence), else_=0.0)
    ),
    "sure_once": Column(lambda row: row.weight * row.weight * row.partner_confidence),
}

CHECK = Check(
    name="auto_confidence",
    seed_ref="auto-labeling",
    title="Confidence of automatic labels",
    help="Mean confidence of audited automatic labels minus the share of them that is right, and the unsure share.",
    formula=(
        "sum of w x confidence / sum of w - sum of w over the right / sum of w, over audits whose item's last label "
        "before them is automatic; 95 % interval by Wilson's score on audits x p (1 - p) / variance of the difference"
    ),
    source="E. B. Wilson (1927), JASA 22:209; calibration: A. P. Dawid (1982), JASA 77:605",
    gotcha=(
        "A machine that is always sure looks best by its own account: confidence is a claim, audits are the answer. A "
        "confidence that is missing, below 0 or above 1 is no chance: it is left out and counted by reason."
    ),
    relation="audits",
    time=Event(instant="audited_at"),
    partner="labels",
    keys=("stratum",),
    where=lambda row: drawn(row) & row.partner_label_source.in_(AUTOMATIC) & is_chance(row.partner_confidence),
    optional=UNMAPPED,
    counts=weighed(lambda row: row.right) | SURE,
    estimate=gap_of("confidence_gap", "audits of automatic labels with a confidence"),
    parts=(
        Part(
            name="labels",
            relation="labels",
            time=Event(instant="labeled_at"),
            where=lambda row: row.label.is_not(None) & row.label_source.in_(AUTOMATIC),
            counts={
                "known": Column(lambda row: is_chance(row.confidence)),
                "sum": Column(lambda row: case((is_chance(row.confidence), row.confidence), else_=0.0)),
                "unsure": Column(lambda row: (row.confidence >= 0) & (row.confidence < UNSURE)),
            }
            | by_first(NO_CHANCE),
            estimate=confidences,
        ),
        Part(
            name="stages",
            time=Event(instant="audited_at"),
            keys=("stratum", "partner_rollout"),
            where=lambda row: drawn(row) & row.partner_label_source.in_(AUTOMATIC),
            counts=weighed(lambda row: not_(row.right)),
            estimate=errors_by_stage,
        ),
    ),
    statistics=(
        Statistic(name="confidence_gap", metric="gap_ratio", interval=True, help="Mean confidence minus share right."),
        Statistic(name="mean_confidence", metric="mean_ratio", help="Mean confidence of all automatic labels."),
        Statistic(name="unsure_share", metric="unsure_ratio", help="Share of them whose confidence is below one half."),
        Statistic(name="rollout_error", help="Audited error of automatic labels of one rollout stage."),
        Statistic(name="excluded_confidences", metric="excluded_labels", help="Labels left out of these, by reason."),
    ),
    slo=GaugeSlo(
        statistic="confidence_gap",
        at_most=0.05,
        slice_width=7 * DAY,  # few automatic labels are audited in a day
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="confidence_gap",
                at_least=50,
                proven=True,
                meaning="automatic labels are less often right than they claim",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="Automatic labels claim more than they hold: a threshold on confidence lets wrong labels through.",
        first_looks=(
            "Did the model change? Its confidence must be calibrated again with each version.",
            "Which rollout stage is wrong more often than the others?",
            "Did the data move away from what the model was trained on (label_drift, prediction_drift)?",
        ),
        mitigate=("Raise the confidence threshold.", "Calibrate the model on audits that were drawn at random."),
        over_when="Mean confidence and audited accuracy of new labels are within the objective of each other.",
    ),
    panel=Panel(
        title="Confidence gap", description="Mean confidence of automatic labels minus their audited accuracy."
    ),
)
