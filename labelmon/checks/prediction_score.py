"""Prediction scores: is a model right as often as it claims, by the labels that came later?"""

from __future__ import annotations

from sqlalchemy import and_, case, literal

from labelmon.check import Check, Column, Event, GaugeSlo, Panel, Part, Runbook, Statistic, Threshold, by_first
from labelmon.estimators.breakdown import share_by
from labelmon.estimators.confidence import gap_of
from labelmon.estimators.survey import tallies
from labelmon.model import Cause, Severity
from labelmon.sampling import is_chance

NO_CHANCE = {
    "missing": lambda row: row.partner_score.is_(None),
    "below_zero": lambda row: row.partner_score < 0,
    "above_one": lambda row: row.partner_score > 1,
}
RIGHT = {"good_weight": Column(lambda row: row.label == row.partner_predicted)}
SCORED = RIGHT | {
    "weight": Column(lambda row: literal(1.0)),  # noqa: ARG005  every label counts alike
    "weight_squared": Column(lambda row: literal(1.0)),  # noqa: ARG005
    "good_weight_squared": RIGHT["good_weight"],
    "surely": Column(lambda row: row.partner_score),
    "sure_once": Column(lambda row: row.partner_score),
    "sure_squared": Column(lambda row: row.partner_score * row.partner_score),
    "sure_and_right": Column(lambda row: case((row.label == row.partner_predicted, row.partner_score), else_=0.0)),
}

CHECK = Check(
    name="prediction_score",
    seed_ref="per-class quality",
    title="Scores of predictions",
    help="Mean score of predictions minus the share of them that later labels confirm, and both by model version.",
    formula=(
        "mean score - confirmed / labels, of each label and the item's last prediction before it; 95 % interval by "
        "Wilson's score on labels x p (1 - p) / variance of the difference"
    ),
    source="E. B. Wilson (1927), JASA 22:209; calibration: A. P. Dawid (1982), JASA 77:605",
    gotcha=(
        "Items that a model is unsure of are labelled first: their scores say nothing of others. A score above 1 or "
        "below 0 is no chance; it is left out, and counted."
    ),
    relation="labels",
    time=Event(instant="labeled_at"),
    partner="predictions",
    where=lambda row: and_(row.label.is_not(None), row.partner_predicted.is_not(None), is_chance(row.partner_score)),
    counts=SCORED,
    estimate=gap_of("score_gap", "labels of items with a scored prediction"),
    parts=(
        Part(
            name="models",
            keys=("partner_model_version",),
            where=lambda row: and_(row.label.is_not(None), row.partner_predicted.is_not(None)),
            counts={"confirmed": RIGHT["good_weight"]},
            estimate=share_by("confirmed", "model_confirmed", "labels"),
        ),
        Part(
            name="excluded",
            where=lambda row: row.label.is_not(None) & row.partner_predicted.is_not(None),
            counts=by_first(NO_CHANCE),
            estimate=tallies("excluded_scores", "reason"),
        ),
    ),
    statistics=(
        Statistic(name="score_gap", metric="gap_ratio", interval=True, help="Mean score minus the share confirmed."),
        Statistic(name="excluded_scores", metric="excluded_labels", help="Labels whose prediction's score is none."),
        Statistic(name="model_confirmed", help="Share of a model version's predictions that labels confirm."),
    ),
    slo=GaugeSlo(
        statistic="score_gap",
        at_most=0.1,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="score_gap",
                at_least=100,
                proven=True,
                meaning="a model is right less often than its scores claim",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="Scores are too high: whatever is decided by them, automatic labels first, errs more than planned.",
        first_looks=(
            "Did a new model version start? Compare the share that labels confirm by version.",
            "Did label accuracy fall? Then the labels are the first suspect, not the scores.",
            "Are only unsure items labelled? Then a random sample must answer.",
        ),
        mitigate=(
            "Raise the score above which labels are made automatically.",
            "Calibrate the model anew on recent, randomly drawn labels.",
        ),
        over_when="The gap of newer labels is below the objective again.",
    ),
    panel=Panel(
        title="Scores of predictions",
        description="Mean score minus the share that labels confirm, with its 95 % interval; above 0 is too sure.",
    ),
)
