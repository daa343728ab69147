"""M2 for numbers: do people who measure the same item come to the same number?"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Double, Integer, case, cast

from labelmon.check import Check, Column, GaugeSlo, Item, Panel, Row, Runbook, Statistic, Threshold
from labelmon.estimators.numbers import number_agreement
from labelmon.model import DAY, Cause, Severity


def _ratings(row: Row) -> ColumnElement[float]:
    """How many ratings the pair's item has."""
    return cast(cast(row.ratings, Integer), Double)


CHECK = Check(
    name="number_agreement",
    seed_ref="M2",
    title="Agreement of numbers",
    help="Agreement of annotators who gave the same items numbers, where the dataset compares labels as numbers.",
    formula=(
        "Krippendorff's alpha with the interval metric, and the mean over items of the share of pairs of numbers "
        "within the tolerance of `comparison`, over settled items with two ratings or more; of an annotator's repeats "
        "on an item the last counts; 95 % interval by a jackknife over 20 folds of items"
    ),
    source="K. Krippendorff (2011), Computing Krippendorff's alpha-reliability; P. S. Kott (2001), JOS 17:521",
    gotcha=(
        "Numbers of a narrow range agree within any tolerance by chance: alpha, which asks how far apart numbers of "
        "different items are, stands beside the share. One far outlier makes alpha look good or bad by itself."
    ),
    relation="labels",
    time=Item(pairs=True),
    keys=("fold",),
    counts={
        "rated": Column(lambda row: 2.0 / (_ratings(row) - 1)),
        "total": Column(lambda row: (row.label_number + row.other_number) / (_ratings(row) - 1)),
        "squares": Column(
            lambda row: (
                (row.label_number * row.label_number + row.other_number * row.other_number) / (_ratings(row) - 1)
            )
        ),
        "apart": Column(
            lambda row: (
                (row.label_number - row.other_number)
                * (row.label_number - row.other_number)
                * 2.0
                / (_ratings(row) - 1)
            )
        ),
        "items": Column(lambda row: 2.0 / (_ratings(row) * (_ratings(row) - 1))),
        "alike": Column(lambda row: case((row.alike, 2.0 / (_ratings(row) * (_ratings(row) - 1))), else_=0.0)),
    },
    estimate=number_agreement,
    statistics=(
        Statistic(
            name="krippendorff_alpha_interval",
            metric="krippendorff_alpha_interval_ratio",
            interval=True,
            help="Krippendorff's alpha with the interval metric.",
        ),
        Statistic(
            name="percent_agreement",
            metric="percent_agreement_ratio",
            interval=True,
            help="Mean over items of the share of pairs of numbers within the tolerance.",
        ),
    ),
    slo=GaugeSlo(
        statistic="krippendorff_alpha_interval",
        at_least=0.8,
        slice_width=7 * DAY,  # few items are rated twice in a day
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="krippendorff_alpha_interval",
                at_least=50,
                proven=True,
                meaning="even the upper end of alpha's interval is below the objective",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="Annotators measure the same thing and come to different numbers: a label depends on who made it.",
        first_looks=(
            "Do pairs agree within the tolerance all the same? Then few items are far off: look at these.",
            "Is somebody always above or below the others? Another unit or another starting point looks like that.",
            "Did the tool, its zoom or its rounding change just before?",
        ),
        mitigate=(
            "Say in the guideline what is measured from where to where, and in which unit.",
            "Add a third number to items that are far apart, and take the median.",
        ),
        over_when="Alpha's interval reaches the objective again; the ticket closes by itself.",
    ),
    panel=Panel(
        title="Agreement of numbers",
        description="Krippendorff's alpha with the interval metric over the objective's window, against the objective.",
    ),
)
