"""M2 annotator agreement: do people who label the same item say the same?"""

from __future__ import annotations

from labelmon.check import Check, Column, GaugeSlo, Item, Panel, Part, Runbook, Statistic, Threshold
from labelmon.estimators.agreement import agreement
from labelmon.estimators.kappa import pairwise_kappa
from labelmon.model import DAY, Cause, Severity

SAME = {"same": Column(lambda row: row.label == row.other_label)}

CHECK = Check(
    name="annotator_agreement",
    seed_ref="M2",
    title="Annotator agreement",
    help="Chance-corrected agreement of annotators who labelled the same items.",
    formula=(
        "Krippendorff's alpha (nominal; ordinal beside it where `scale: ordinal`), Fleiss' kappa, Gwet's AC1, percent "
        "agreement over settled items with two ratings or more; Cohen's kappa by pair and pooled; of an annotator's "
        "repeats on an item the last counts; 95 % interval by a jackknife over 20 folds of items"
    ),
    source=(
        "K. Krippendorff (2011), Computing Krippendorff's alpha-reliability; J. L. Fleiss (1971), Psychol. Bull. "
        "76:378; K. L. Gwet (2008), BJMSP 61:29; J. Cohen (1960), EPM 20:37; H. De Vries et al. (2008), Field Methods "
        "20:272 for pooled kappa"
    ),
    gotcha=(
        "Kappa paradox: where one class prevails, alpha and kappa are low although people agree. AC1 and the agreement "
        "by class stand beside it, and `prevalence_paradox` says when AC1 is more than 0.2 above alpha."
    ),
    relation="labels",
    time=Item(pairs=True),
    keys=("fold", "ratings", "label", "other_label"),
    counts=SAME,
    estimate=agreement,
    parts=(
        Part(
            name="pairs",
            keys=("fold", "annotator", "other_annotator", "label", "other_label"),
            counts=SAME,
            estimate=pairwise_kappa,
        ),
    ),
    statistics=(
        Statistic(
            name="krippendorff_alpha", metric="krippendorff_alpha_ratio", interval=True, help="Krippendorff's alpha."
        ),
        Statistic(
            name="krippendorff_alpha_ordinal",
            metric="krippendorff_alpha_ordinal_ratio",
            interval=True,
            help="Krippendorff's alpha with the ordinal metric.",
        ),
        Statistic(name="fleiss_kappa", metric="fleiss_kappa_ratio", interval=True, help="Fleiss' kappa."),
        Statistic(name="gwet_ac1", metric="gwet_ac1_ratio", interval=True, help="Gwet's AC1."),
        Statistic(
            name="percent_agreement",
            metric="percent_agreement_ratio",
            interval=True,
            help="Mean over items of the share of pairs of ratings that agree.",
        ),
        Statistic(name="percent_agreement_pooled", help="Share of all pairs of ratings that agree."),
        Statistic(name="cohen_kappa", metric="cohen_kappa_ratio", interval=True, help="Cohen's kappa over pairs."),
        Statistic(name="cohen_kappa_linear", help="Cohen's kappa with linear weights."),
        Statistic(name="cohen_kappa_quadratic", help="Cohen's kappa with quadratic weights."),
        Statistic(name="class_agreement", metric="class_agreement_ratio", help="Specific agreement on one class."),
        Statistic(
            name="prevalence_paradox",
            metric="prevalence_paradox",
            help="1 where a prevailing class rather than disagreement makes alpha low.",
        ),
    ),
    slo=GaugeSlo(
        statistic="krippendorff_alpha",
        at_least=0.8,
        slice_width=7 * DAY,  # few items are rated twice in a day
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="krippendorff_alpha",
                at_least=50,
                proven=True,
                meaning="even the upper end of alpha's interval is below the objective",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    meant_for="tasks whose guideline is agreed",
    runbook=Runbook(
        meaning="Annotators read the guideline differently: labels depend on who made them.",
        first_looks=(
            "Is AC1 high while alpha is low? Then one class prevails, and the guideline may be fine.",
            "Which class has the lowest agreement, and which other class is it taken for?",
            "Is it one annotator against all, or everybody against everybody? Look at kappa by pair.",
        ),
        mitigate=(
            "Clarify the guideline on the confused classes, with examples, and have the pair talk it through.",
            "Add a third rating to items of the confused classes until agreement is back.",
            "Retrain or rest the annotator who stands apart.",
        ),
        over_when="Alpha's interval reaches the objective again; the ticket closes by itself.",
    ),
    panel=Panel(
        title="Annotator agreement",
        description="Krippendorff's alpha and Gwet's AC1 over the objective's window, against the objective.",
        statistics=("krippendorff_alpha", "gwet_ac1"),
    ),
)
