"""Dataset versions: what changed between two, and how far one is from what a model sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from labelmon.check import Combiner, Moment
from labelmon.counts import BUCKET, ROWS, Counts
from labelmon.estimators.breakdown import census, unknown
from labelmon.estimators.drift import TRAILING, Mixes, divergences
from labelmon.estimators.multiplicity import benjamini_hochberg
from labelmon.model import DAY, Estimate, State

Array = NDArray[np.float64]
WEEK = 7
MOST_SHOWN = 50  # transitions


def version_delta(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
    """`changed_share` of the items that two versions share, what was added and removed, and each transition.

    Columns `shared`, `changed`, `added` and `removed` count items; keys `label` and `other_label` are those of the
    newer and the older version, `version` and `other_version` their names.
    """
    del moment
    if counts.rows == 0:
        return (unknown("changed_share", "no versions"),)
    shared, changed, added, removed = (counts.total(c) or 0.0 for c in ("shared", "changed", "added", "removed"))
    frame = counts.frame
    names = {key: str(frame[key].iloc[0]) for key in ("version", "other_version")}
    if not names["other_version"]:
        return (unknown("changed_share", "one version; need two to compare", counts.rows, State.NOT_COMPUTABLE),)
    beside = [census("shared_items", shared, counts.rows, names)]
    beside += [census("added_items", added, counts.rows), census("removed_items", removed, counts.rows)]
    if shared == 0:
        return (unknown("changed_share", "the two newest versions share no item", 0.0), *beside)
    moved = counts.project(("label", "other_label")).frame.sort_values(
        ["changed", "other_label", "label"], ascending=[False, True, True]
    )
    moved = moved[moved["changed"] > 0].head(MOST_SHOWN)
    transitions = [
        census("changed_items", float(rows), shared, {"class": str(old), "other_class": str(new)})
        for old, new, rows in zip(moved["other_label"], moved["label"], moved["changed"], strict=True)
    ]
    return (census("changed_share", changed / shared, shared), *beside, *transitions)


def version_skew(*, part: str) -> Combiner:
    """A combiner: the mix of labels in the newest version of each purpose against that of the predictions in `part`.

    The predictions are those of the last four weeks at most, by day; how much their weeks differ tells what is usual.
    The whole is the purpose with the largest excess. Its p-value is Simes' of no purpose being apart.
    """

    def combine(tables: Mapping[str, Counts], moment: Moment) -> tuple[Estimate, ...]:
        versions, served = tables[""], tables.get(part)
        name = "kl_excess_nats"
        if served is None:
            return _nothing("predictions are not mapped")
        if versions.rows == 0 or served.rows == 0:
            return _nothing("no versions" if versions.rows == 0 else "no predictions in the window")
        by_purpose = list(_mixes(versions, served, moment))
        found = {purpose: list(divergences(mixes, moment)) for purpose, mixes in by_purpose}
        told = [
            replace(e, labels={**e.labels, "purpose": purpose})
            for purpose, estimates in found.items()
            for e in estimates
            if purpose
        ]
        excesses = [e for estimates in found.values() for e in estimates if e.statistic == name]
        known = [e for e in excesses if e.value is not None]
        if not known:
            return (*_nothing(excesses[0].reason, State.NOT_COMPUTABLE), *told)
        worst = max(known, key=lambda e: e.value or 0.0)
        tests = [e for estimates in found.values() for e in estimates if e.statistic == "drift_p_value"]
        p_values = [e.value for e in tests if e.value is not None]
        simes = replace(tests[0], value=min(benjamini_hochberg(p_values)), n=worst.n, state=worst.state)
        return (worst, replace(simes, reason=worst.reason), *told)

    return combine


def _nothing(reason: str, state: State = State.INSUFFICIENT) -> tuple[Estimate, Estimate]:
    return unknown("kl_excess_nats", reason, state=state), unknown("drift_p_value", reason, state=state)


def _mixes(versions: Counts, served: Counts, moment: Moment) -> Iterator[tuple[str, Mixes]]:
    frame = served.frame
    seen = sorted(({*versions.frame["label"], *frame["predicted"]}) - set(moment.classes))
    classes = [*moment.classes, *seen]
    place = {name: index for index, name in enumerate(classes)}
    end = -(-int(moment.at) // DAY)  # the day that has begun is the last
    weeks = np.zeros((TRAILING, WEEK, len(classes)))
    for bucket, name, rows in zip(frame[BUCKET], frame["predicted"], frame[ROWS], strict=True):
        week, day = divmod(end - 1 - int(bucket) // DAY, WEEK)
        if 0 <= week < TRAILING:
            weeks[week, day, place[name]] += rows
    held = weeks[weeks.sum(axis=(1, 2)) > 0]
    purposes = sorted(set(versions.frame["purpose"])) if "purpose" in versions.keys else [""]
    for purpose in purposes:
        inside = versions.where(purpose=purpose) if "purpose" in versions.keys else versions
        mix = np.zeros(len(classes))
        for name, rows in zip(inside.frame["label"], inside.frame[ROWS], strict=True):
            mix[place[name]] += rows
        if mix.sum() > 0 and held.sum() > 0:
            yield str(purpose), Mixes(classes=classes, current=mix, periods=held)
