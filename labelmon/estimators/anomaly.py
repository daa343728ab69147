"""Annotators who err more than their peers: a beta-binomial of honest skill, so that an honest one is left in peace."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from labelmon.check import Combiner, Moment
from labelmon.counts import OTHER, ROWS, Counts
from labelmon.estimators.apart import (
    FEWEST_PEERS,
    Index,
    Tail,
    by_person,
    flagged_by_any,
    newest_week,
    stand_apart,
    too_few,
    verdicts,
)
from labelmon.estimators.breakdown import census, share, unknown
from labelmon.estimators.own_past import FEWEST_EARLIER, FEWEST_NEWEST, Record, worsened
from labelmon.estimators.skill import fit_skill
from labelmon.model import Estimate, State

Array = NDArray[np.float64]
FEWEST_AUDITS = 20
FALSE_DISCOVERY, OF_GROUPS = 0.028, 0.0065
# People differ with heavier tails than a beta distribution: at .025 intervals hold 94.2 % where rates are gamma.
EDGE = 0.0225
TESTS = ("flagged_annotators", "gold_failing_annotators", "worsened_annotators")
FLAGS = ("flagged", "gold_failing", "worsened")


def judge(errors: Array, audits: Array) -> tuple[list[float], list[bool]]:
    """Each annotator's p-value among peers, adjusted for all of them, and whether it is flagged; see `stand_apart`."""

    def against(rest: Index) -> Tail:
        skill = fit_skill(errors[rest], audits[rest])
        return lambda i: skill.upper_tail(errors[i], audits[i])

    order = np.argsort(-errors / audits, kind="stable")
    return stand_apart(len(audits), against, limits=(FALSE_DISCOVERY, OF_GROUPS), worst=lambda _: order)


def annotators_at_fault(*, part: str, wrong: str, gold: str = "") -> Combiner:
    """A combiner over the part's counts by `annotator`: how many are judged and flagged, and each one's figures.

    `error_rate` is the mean of the posterior of the annotator's error rate given peers and own audits, with its 95 %
    credible interval; of who is flagged the share of the own audits with Wilson's. With a part for `gold` audits, and
    counts by `bucket`, people are also held against peers on gold alone, and against their own past.
    """

    def combine(tables: Mapping[str, Counts], moment: Moment) -> tuple[Estimate, ...]:
        counts = tables.get(part)
        found = [*_among_peers(counts, wrong)]
        if gold:
            found += _on_gold(tables.get(gold), wrong)
            found += _against_past(counts, wrong, moment)
            found.append(flagged_by_any("apart_annotators", TESTS, found, FLAGS))
        return tuple(found)

    return combine


def _among_peers(counts: Counts | None, wrong: str) -> tuple[Estimate, ...]:
    frame = None if counts is None else counts.project(("annotator",)).frame
    if frame is not None:
        frame = frame[~frame["annotator"].isin(["", OTHER]) & (frame[ROWS] >= FEWEST_AUDITS)]
    if frame is None or len(frame) < FEWEST_PEERS + 1:
        known = 0 if frame is None else len(frame)
        reason = f"{known} annotators with {FEWEST_AUDITS} audits or more; need {FEWEST_PEERS + 1} to compare"
        return unknown("flagged_annotators", reason), census("judged_annotators", 0.0, known)
    errors, audits = frame[wrong].to_numpy(float), frame[ROWS].to_numpy(float)
    p_values, flags = judge(errors, audits)
    people = [
        one
        for index, name in enumerate(frame["annotator"])
        for one in _person(str(name), index, errors, audits, p_values[index], flagged=flags[index])
    ]
    n = float(audits.sum())
    return (
        census("flagged_annotators", float(sum(flags)), n),
        census("judged_annotators", float(len(flags)), n),
        *people,
    )


def _on_gold(counts: Counts | None, wrong: str) -> list[Estimate]:
    """Errors on audits of items whose truth is known beforehand, each annotator's among those of the peers."""
    if counts is None:
        return [unknown("gold_failing_annotators", "no column says which audits are gold")]
    people = by_person(counts.frame, (ROWS, wrong))
    people = people[people[ROWS] >= FEWEST_AUDITS]
    if few := too_few("gold_failing_annotators", len(people), f"{FEWEST_AUDITS} gold audits or more"):
        return [few]
    p_values, flags = judge(people[wrong].to_numpy(float), people[ROWS].to_numpy(float))
    return verdicts("gold_failing_annotators", "gold_p_value", "gold_failing", people[ROWS], p_values, flags)


def _against_past(counts: Counts | None, wrong: str, moment: Moment) -> list[Estimate]:
    """Errors of the newest week, each annotator's against the own earlier ones in the window."""
    needed = f"{FEWEST_NEWEST} audits in the newest week and {FEWEST_EARLIER} before it"
    if counts is None or counts.frame.empty:
        return [unknown("worsened_annotators", f"0 annotators with {needed}; need {FEWEST_PEERS + 1} to compare")]
    newest = newest_week(counts, moment.at)
    now, before = (by_person(counts.frame[rows], (ROWS, wrong)) for rows in (newest, ~newest))
    both = now[now[ROWS] >= FEWEST_NEWEST].index.intersection(before[before[ROWS] >= FEWEST_EARLIER].index)
    now, before = now.loc[both], before.loc[both]
    if few := too_few("worsened_annotators", len(both), needed):
        return [few]
    record = Record(
        errors=before[wrong].to_numpy(float),
        audits=before[ROWS].to_numpy(float),
        new_errors=now[wrong].to_numpy(float),
        new_audits=now[ROWS].to_numpy(float),
    )
    return verdicts("worsened_annotators", "own_past_p_value", "worsened", now[ROWS], *worsened(record))


def _person(
    name: str, index: int, errors: Array, audits: Array, p_value: float, *, flagged: bool
) -> tuple[Estimate, ...]:
    if flagged:  # not one of the peers: the own audits alone
        own = share("error_rate", float(errors[index]), float(audits[index]), labels={"annotator": name})
        return own, *_verdict(name, float(audits[index]), p_value, flagged=True)
    others = np.arange(len(audits)) != index
    n = float(audits[index])
    skill = fit_skill(errors[others], audits[others]).given(float(errors[index]), n)
    low, high = (skill.quantile(share) for share in (EDGE, 1 - EDGE))
    labels = {"annotator": name}
    return (
        Estimate(statistic="error_rate", value=skill.mean, low=low, high=high, n=n, labels=labels, state=State.OK),
        *_verdict(name, n, p_value, flagged=False),
    )


def _verdict(name: str, n: float, p_value: float, *, flagged: bool) -> tuple[Estimate, Estimate]:
    labels = {"annotator": name}
    return (
        Estimate(statistic="peer_p_value", value=p_value, n=n, labels=labels),
        Estimate(statistic="flagged", value=float(flagged), n=n, labels=labels),
    )
