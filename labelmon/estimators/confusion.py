"""Precision and recall by class from weighted audits: a confusion table whose cells speak for all labels."""

from __future__ import annotations

from labelmon.check import Estimator, Moment
from labelmon.counts import OTHER, Counts
from labelmon.estimators.breakdown import FEWEST, MOST_GROUPS
from labelmon.estimators.survey import WEIGHT, weighted_share
from labelmon.model import Estimate, State


def weighted_classes(*, said: str, true: str, precision: str = "precision", recall: str = "recall") -> Estimator:
    """An estimator over weighted counts by `said` and `true`: precision and recall of each class, heaviest first.

    Precision is Hajek's share of the good over the audits that were said to be of the class, recall over those that
    are; each has Wilson's interval on audits / design effect of its own audits. A class of '' or `other` is none, and
    fewer than 20 audits are insufficient. Without weights recall is that of the sample: audits of what a model finds
    interesting make it look far too good.

    References
    ----------
    J. Hajek (1971), in Foundations of Statistical Inference; C.-E. Sarndal et al. (1992), 5.8, for shares of domains.
    """

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        del moment
        sides = ((precision, said), (recall, true))
        heavy: dict[str, float] = {}
        for _, key in sides:
            for name, weight in counts.frame.groupby(key)[WEIGHT].sum().items():
                heavy[str(name)] = max(heavy.get(str(name), 0.0), float(weight))
        classes = sorted(heavy.keys() - {"", OTHER}, key=lambda name: (-heavy[name], name))[:MOST_GROUPS]
        return tuple(
            _share_of(counts.where(**{key: name}), counts, statistic, {"class": name})
            for name in classes
            for statistic, key in sides
        )

    return estimate


def _share_of(inside: Counts, whole: Counts, statistic: str, labels: dict[str, str]) -> Estimate:
    n = inside.rows
    if n == 0:
        return Estimate(statistic=statistic, value=None, state=State.INSUFFICIENT, reason="no audits", labels=labels)
    few = n < FEWEST
    reason = f"{n:g} audits; need {FEWEST}" if few else ""
    return weighted_share(inside, statistic, State.INSUFFICIENT if few else State.OK, reason, labels, whole=whole)
