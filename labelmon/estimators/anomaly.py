"""Annotators who err more than their peers: a beta-binomial of honest skill, so that an honest one is left in peace."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from labelmon.check import Combiner, Moment
from labelmon.counts import OTHER, ROWS, Counts
from labelmon.estimators.breakdown import census, share, unknown
from labelmon.estimators.multiplicity import benjamini_hochberg
from labelmon.estimators.skill import fit_skill
from labelmon.model import Estimate, State

Array = NDArray[np.float64]
FEWEST_AUDITS = 20
FEWEST_PEERS = 4
FALSE_DISCOVERY, OF_GROUPS = 0.022, 0.005


def judge(errors: Array, audits: Array) -> tuple[list[float], list[bool]]:
    """Each annotator's p-value among peers, adjusted for all of them, and whether it is flagged.

    Everybody is held against the others. So that two bad annotators do not hide each other, the worst few, a quarter
    at most, are also taken out together and held against the rest: the largest such group whose every member stands
    apart is flagged.
    """
    everybody = np.arange(len(audits))
    alone = [
        fit_skill(errors[everybody != i], audits[everybody != i]).upper_tail(errors[i], audits[i]) for i in everybody
    ]
    worst = np.argsort(-errors / audits, kind="stable")
    for size in range(len(audits) // 4, 0, -1):
        suspects, rest = worst[:size], worst[size:]
        if len(rest) < FEWEST_PEERS:
            continue
        skill = fit_skill(errors[rest], audits[rest])
        raw = list(alone)
        for i in suspects:
            raw[i] = skill.upper_tail(errors[i], audits[i])
        adjusted = benjamini_hochberg(raw)
        if all(adjusted[i] < (OF_GROUPS if size > 1 else FALSE_DISCOVERY) for i in suspects):
            return adjusted, [bool(i in suspects) for i in everybody]
    return benjamini_hochberg(alone), [False] * len(audits)


def annotators_at_fault(*, part: str, wrong: str) -> Combiner:
    """A combiner over the part's counts by `annotator`: how many are judged and flagged, and each one's figures.

    `error_rate` is the mean of the posterior of the annotator's error rate given peers and own audits, with its 95 %
    credible interval; of who is flagged the share of the own audits with Wilson's.
    """

    def combine(tables: Mapping[str, Counts], moment: Moment) -> tuple[Estimate, ...]:
        del moment
        counts = tables.get(part)
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

    return combine


def _person(
    name: str, index: int, errors: Array, audits: Array, p_value: float, *, flagged: bool
) -> tuple[Estimate, ...]:
    if flagged:  # not one of the peers: the own audits alone
        own = share("error_rate", float(errors[index]), float(audits[index]), labels={"annotator": name})
        return own, *_verdict(name, float(audits[index]), p_value, flagged=True)
    others = np.arange(len(audits)) != index
    n = float(audits[index])
    skill = fit_skill(errors[others], audits[others]).given(float(errors[index]), n)
    low, high = (skill.quantile(share) for share in (0.025, 0.975))
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
