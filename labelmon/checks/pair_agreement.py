"""M2 for boxes and transcripts: do labels of the same item look alike, by a score that the store computes?"""

from __future__ import annotations

from labelmon.check import Check, Column, Event, GaugeSlo, Panel, Part, Runbook, Statistic, Threshold
from labelmon.estimators.pairs import scores_by_people, scores_of_pairs
from labelmon.model import DAY, Cause, Severity

ALIKE = {"alike": Column(lambda row: row.right)}

CHECK = Check(
    name="pair_agreement",
    seed_ref="M2",
    title="Agreement of scored pairs",
    help="Share of pairs of labels of the same item whose score (IoU, WER ...) is good enough, and the mean score.",
    formula=(
        "pairs whose score meets the limit of `comparison` / pairs with a score; 95 % interval by a jackknife over 20 "
        "folds of items, since pairs of one item go together, for the share in Wilson's form"
    ),
    source="P. S. Kott (2001), JOS 17:521; E. B. Wilson (1927), JASA 22:209",
    gotcha=(
        "Ten ratings of one item make 45 pairs, and one bad rating spoils nine of them: the interval counts items, not "
        "pairs. Boxes that nobody drew have no pair at all: let the store give them a score of 0."
    ),
    relation="pairs",
    time=Event(instant="compared_at"),
    keys=("fold",),
    where=lambda row: row.comparable,
    counts=ALIKE | {"score": Column(lambda row: row.score)},
    estimate=scores_of_pairs,
    parts=(Part(name="people", keys=("annotator", "second_annotator"), counts=ALIKE, estimate=scores_by_people),),
    statistics=(
        Statistic(name="alike_share", metric="alike_ratio", interval=True, help="Share of pairs that are alike."),
        Statistic(name="mean_score", metric="mean_score", interval=True, help="Mean score of pairs."),
        Statistic(name="pair_alike_share", help="Share of the pairs of two annotators that are alike."),
    ),
    slo=GaugeSlo(
        statistic="alike_share",
        at_least=0.8,
        slice_width=7 * DAY,  # few pairs are compared in a day
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="alike_share",
                at_least=50,
                proven=True,
                meaning="even the upper end of the share of alike pairs is below the objective",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="Annotators draw or write different things for the same item: a label depends on who made it.",
        first_looks=(
            "Which two annotators are apart? One against all is a person, everybody is the guideline.",
            "Is the mean score low as well, or do few pairs fail and the rest agree closely?",
            "Did the score's own code, its threshold or the tool change just before?",
        ),
        mitigate=(
            "Show the pair that is apart some examples, and let them say what to include.",
            "Say in the guideline where a box ends, or how to write what was not heard.",
        ),
        over_when="The interval of the share reaches the objective again; the ticket closes by itself.",
    ),
    panel=Panel(
        title="Agreement of scored pairs",
        description="Share of pairs of labels whose score is good enough, with its 95 % interval.",
    ),
)
