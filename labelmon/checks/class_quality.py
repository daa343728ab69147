"""Class quality: precision, recall and F1 of predictions against labels, by class."""

from __future__ import annotations

from labelmon.check import Check, Column, Event, EventSlo, Panel, Part, Runbook, Statistic
from labelmon.estimators.classes import class_quality
from labelmon.estimators.confusion import weighted_classes
from labelmon.model import Cause, Severity
from labelmon.sampling import UNMAPPED, drawn, weighed

CHECK = Check(
    name="class_quality",
    seed_ref="per-class quality",
    title="Predictions that labels confirm",
    help="Precision, recall and F1 of each class, and the error rate, of predictions against labels that came later.",
    formula=(
        "each label against the item's last prediction before it: precision = hits / predicted, recall = hits / "
        "labelled with Wilson's 95 % intervals, F1 = 2 hits / (predicted + labelled), its ends by Wilson on hits / "
        "touched rows. Audited ones: each audit against the item's last prediction before it, by its weight"
    ),
    source=(
        "E. B. Wilson (1927), JASA 22:209; K. Takahashi et al. (2022), Applied Intelligence 52:4961 for F1; "
        "C.-E. Sarndal et al. (1992), Model Assisted Survey Sampling, 5.8"
    ),
    gotcha=(
        "Labels are the yardstick, wrong ones included, and which predictions are labelled is rarely chance: where "
        "most are of what the model finds, its recall looks far too good. Audits of known weights tell the truth."
    ),
    relation="labels",
    time=Event(instant="labeled_at"),
    partner="predictions",
    keys=("label", "partner_predicted"),
    where=lambda row: row.label.is_not(None) & row.partner_predicted.is_not(None),
    counts={"good": Column(lambda row: row.label == row.partner_predicted)},
    optional=UNMAPPED,
    estimate=class_quality("good"),
    parts=(
        Part(
            name="audited",
            relation="audits",
            time=Event(instant="audited_at"),
            keys=("stratum", "truth", "partner_predicted"),
            where=lambda row: drawn(row) & row.partner_predicted.is_not(None),
            counts=weighed(lambda row: row.truth == row.partner_predicted),
            partner="predictions",
            estimate=weighted_classes(
                said="partner_predicted", true="truth", precision="audited_precision", recall="audited_recall"
            ),
        ),
    ),
    statistics=(
        Statistic(name="confirmed", metric="ratio", interval=True, help="Share of labels that confirm the prediction."),
        Statistic(name="precision", metric="precision_ratio", interval=True, help="Precision of one class."),
        Statistic(name="recall", metric="recall_ratio", interval=True, help="Recall of one class."),
        Statistic(name="f1", metric="f1_ratio", interval=True, help="F1 of one class."),
        Statistic(
            name="audited_precision",
            metric="audited_precision_ratio",
            interval=True,
            help="Precision of one class over all predictions, from weighted audits.",
        ),
        Statistic(
            name="audited_recall",
            metric="audited_recall_ratio",
            interval=True,
            help="Recall of one class over all predictions, from weighted audits.",
        ),
        Statistic(name="confusion", help="Labels of one class whose item was predicted as another."),
    ),
    slo=EventSlo(good="good", target=0.8),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="Labels confirm fewer predictions than agreed: the model or the labels have got worse.",
        first_looks=(
            "Did label accuracy fall too? Then the labels are the first suspect, not the model.",
            "Which class lost, precision or recall? The confusion says for which other class it is taken.",
            "Did predictions drift, or did a new model version start just before?",
        ),
        mitigate=(
            "Roll back the model version if it started there.",
            "Send the confused pair of classes to re-annotation, and retrain with it.",
        ),
        over_when="New labels confirm predictions again; the ticket closes when its short window says so.",
    ),
    panel=Panel(
        title="Predictions that labels confirm",
        description="Share of labels that confirm the prediction they followed, with its 95 % interval.",
        statistics=("confirmed",),
    ),
)
