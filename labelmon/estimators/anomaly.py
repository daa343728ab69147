"""Annotators who err more than their peers: a beta-binomial of honest skill, so that an honest one is left in peace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelmon.check import Combiner, Moment
from labelmon.counts import OTHER, ROWS, Counts
from labelmon.estimators.breakdown import census, share, unknown
from labelmon.estimators.multiplicity import benjamini_hochberg
from labelmon.model import Estimate, State

Array = NDArray[np.float64]
FEWEST_AUDITS = 20
FEWEST_PEERS = 4
FALSE_DISCOVERY = 0.01
# Where peers are few their spread is hardly known: it is mixed with a usual one, worth so many annotators.
USUAL_SPREAD, USUAL_WEIGHT = 0.01, 4.0


@dataclass(frozen=True, kw_only=True)
class Skill:
    """Beta distribution of error rates: mean and intra-annotator correlation rho, each in (0, 1)."""

    mean: float
    rho: float

    @property
    def shape(self) -> tuple[float, float]:
        """(a, b) of the beta distribution."""
        size = 1 / self.rho - 1
        return self.mean * size, (1 - self.mean) * size


def fit_skill(errors: Array, audits: Array) -> Skill:
    """Moments of a beta-binomial over annotators: arrays of shape (annotators,), audits > 0.

    The spread is that of the rates beyond binomial chance, never below 0, mixed with a usual one.

    References
    ----------
    J. C. Kleinman (1973), JASA 68:46, with weights equal to the number of audits.
    """
    total = float(audits.sum())
    # Half an error and half a correct label of everybody's keep the mean off 0 and 1.
    mean = (float(errors.sum()) + 0.5) / (total + 1)
    weights = audits / total
    seen = float((weights * (errors / audits - mean) ** 2).sum())
    chance = mean * (1 - mean) * float((weights * (1 - weights) / audits).sum())
    whole = mean * (1 - mean) * float((weights * (1 - weights) * (1 - 1 / audits)).sum())
    rho = min(0.5, max(0.0, (seen - chance) / whole)) if whole > 0 else 0.0
    peers = max(0.0, len(audits) - 1)
    return Skill(mean=mean, rho=(rho * peers + USUAL_SPREAD * USUAL_WEIGHT) / (peers + USUAL_WEIGHT))


def upper_tail(errors: float, audits: float, skill: Skill) -> float:
    """P(X >= errors) of a beta-binomial with `audits` trials and that skill."""
    from scipy.special import betaln, gammaln  # noqa: PLC0415  heavy, and only here

    a, b = skill.shape
    k = np.arange(round(errors), round(audits) + 1)
    n = round(audits)
    choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return min(1.0, float(np.exp(choose + betaln(a + k, b + n - k) - betaln(a, b)).sum()))


def judge(errors: Array, audits: Array) -> tuple[list[float], list[bool]]:
    """Each annotator's p-value among peers, adjusted for all of them, and whether it is flagged.

    Everybody is held against the others. So that two bad annotators do not hide each other, the worst few, a quarter
    at most, are also taken out together and held against the rest: the largest such group whose every member stands
    apart is flagged.
    """
    everybody = np.arange(len(audits))
    alone = [
        upper_tail(errors[i], audits[i], fit_skill(errors[everybody != i], audits[everybody != i])) for i in everybody
    ]
    worst = np.argsort(-errors / audits, kind="stable")
    for size in range(len(audits) // 4, 0, -1):
        suspects, rest = worst[:size], worst[size:]
        if len(rest) < FEWEST_PEERS:
            continue
        skill = fit_skill(errors[rest], audits[rest])
        raw = list(alone)
        for i in suspects:
            raw[i] = upper_tail(errors[i], audits[i], skill)
        adjusted = benjamini_hochberg(raw)
        if all(adjusted[i] < FALSE_DISCOVERY for i in suspects):
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
    from scipy.special import betaincinv  # noqa: PLC0415  heavy, and only here

    if flagged:  # not one of the peers: the own audits alone
        own = share("error_rate", float(errors[index]), float(audits[index]), labels={"annotator": name})
        return own, *_verdict(name, float(audits[index]), p_value, flagged=True)
    others = np.arange(len(audits)) != index
    a, b = fit_skill(errors[others], audits[others]).shape
    k, n = float(errors[index]), float(audits[index])
    a, b = a + k, b + n - k
    labels = {"annotator": name}
    low, high = (float(betaincinv(a, b, q)) for q in (0.025, 0.975))
    return (
        Estimate(statistic="error_rate", value=a / (a + b), low=low, high=high, n=n, labels=labels, state=State.OK),
        *_verdict(name, n, p_value, flagged=False),
    )


def _verdict(name: str, n: float, p_value: float, *, flagged: bool) -> tuple[Estimate, Estimate]:
    labels = {"annotator": name}
    return (
        Estimate(statistic="peer_p_value", value=p_value, n=n, labels=labels),
        Estimate(statistic="flagged", value=float(flagged), n=n, labels=labels),
    )
