"""Annotator behaviour: does somebody label another mix of classes, or at another pace, than the others?"""

from __future__ import annotations

from sqlalchemy import func

from labelmon.check import Check, Event, GaugeSlo, Panel, Part, Runbook, Statistic, Threshold
from labelmon.estimators.behaviour import annotators_apart, within_bounds
from labelmon.estimators.sources import AUTOMATIC
from labelmon.model import Cause, Severity

CHECK = Check(
    name="annotator_behaviour",
    seed_ref="F6",
    title="Annotator behaviour",
    help="Annotators whose mix of classes or time per label is far from that of peers, or from their own past.",
    formula=(
        "Freeman-Tukey chi-square of the own mix against the peers' mean mix, and of the newest week against the own "
        "earlier mix moved as peers moved, over 1 + spread x n of the peers, by F; log of the median time against "
        "median and MAD of the peers, by t; each leave-one-out, Benjamini-Hochberg at 0.8 % (time: 0.3 %)"
    ),
    source=(
        "M. F. Freeman, J. W. Tukey (1950), Ann. Math. Statist. 21:607; F. R. Hampel (1974), JASA 69:383; "
        "Y. Benjamini, Y. Hochberg (1995), J. R. Statist. Soc. B 57:289"
    ),
    gotcha=(
        "Honest people get different work and have days: a plain chi-square finds them all odd. How much peers "
        "differ, and moved in the same week, is what one is held against; a difference must also be a large one."
    ),
    relation="labels",
    time=Event(instant="labeled_at"),
    where=lambda row: (
        row.label.is_not(None) & row.annotator.is_not(None) & func.coalesce(row.label_source, "").not_in(AUTOMATIC)
    ),
    optional={"label_source": None},
    parts=(
        Part(name="mix", keys=("annotator", "label"), history=True, most=5000),
        Part(
            name="pace",
            keys=("annotator",),
            # An end before its start is a clock's error, not a fast hand.
            where=lambda row: (
                (row.labeled_at >= row.started_at)
                & row.label.is_not(None)
                & row.annotator.is_not(None)
                & func.coalesce(row.label_source, "").not_in(AUTOMATIC)
            ),
            counts=within_bounds(),
        ),
    ),
    combine=annotators_apart(mix="mix", pace="pace"),
    statistics=(
        Statistic(name="apart_annotators", metric="apart_annotators", help="Annotators whom any of the tests flags."),
        Statistic(name="odd_mix_annotators", metric="odd_mix_annotators", help="Annotators with a mix unlike peers'."),
        Statistic(
            name="odd_mix_p_value", help="Chance of so odd a mix of an honest peer, adjusted for all annotators."
        ),
        Statistic(name="odd_mix", help="1 where an annotator's mix is unlike that of peers."),
        Statistic(name="mix_distance", help="Share of one's labels that would have to change to have the peers' mix."),
        Statistic(
            name="changed_mix_annotators",
            metric="changed_mix_annotators",
            help="Annotators whose mix of the newest week is unlike their own past, beyond what peers show.",
        ),
        Statistic(name="changed_mix_p_value", help="Chance of such a change of an honest peer, adjusted."),
        Statistic(name="changed_mix", help="1 where an annotator's newest mix is unlike the own past."),
        Statistic(name="mix_change", help="Share of the newest labels that would have to change to be as before."),
        Statistic(name="fast_annotators", metric="fast_annotators", help="Annotators far faster than their peers."),
        Statistic(name="fast_p_value", help="Chance of so fast an honest peer, adjusted for all annotators."),
        Statistic(name="fast", help="1 where an annotator is far faster than peers."),
        Statistic(name="slow_annotators", metric="slow_annotators", help="Annotators far slower than their peers."),
        Statistic(name="slow_p_value", help="Chance of so slow an honest peer, adjusted for all annotators."),
        Statistic(name="slow", help="1 where an annotator is far slower than peers."),
        Statistic(name="seconds_per_label", interval=True, help="Median time from start to label of one annotator."),
    ),
    slo=GaugeSlo(
        statistic="apart_annotators",
        at_most=0.0,
        thresholds=(
            Threshold(
                severity=Severity.TICKET,
                statistic="apart_annotators",
                meaning="annotators label another mix, or at another pace, than their peers or their own past",
            ),
        ),
    ),
    severities=(Severity.TICKET,),
    cause=Cause.QUALITY,
    runbook=Runbook(
        meaning="Somebody labels unlike the others: clicks through, reads a class differently, or just has other work.",
        first_looks=(
            "Who, by pseudonym, and how: mix or pace? The dataset's page shows distances and seconds per label.",
            "Did this person get other work: another batch, language or queue? Then nothing is wrong.",
            "Do audits of the same person find errors (annotator_anomaly)? If there are none, have some drawn.",
        ),
        mitigate=("Talk first: most of the time it is other work or another tool.", "Audit a sample of the labels."),
        over_when="The person's newer labels are like those of peers, or the other work is known.",
    ),
    panel=Panel(
        title="Annotator behaviour",
        description="Annotators with an odd or a changed mix of classes, and far faster or slower than their peers.",
        statistics=("odd_mix_annotators", "changed_mix_annotators", "fast_annotators", "slow_annotators"),
    ),
)
