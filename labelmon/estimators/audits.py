"""Whether audits reach everything that is labelled."""

from __future__ import annotations

from collections.abc import Mapping

from labelmon.check import Moment
from labelmon.counts import OTHER, ROWS, Counts
from labelmon.estimators.breakdown import census, unknown
from labelmon.model import Estimate

FEWEST = 50  # labels before a class without audits is worth a word
MOST_SHOWN = 20


def unaudited(tables: Mapping[str, Counts], moment: Moment) -> tuple[Estimate, ...]:
    """`unaudited_classes` and, for each, `unaudited_labels`: of parts `labelled` and `audited`, by label."""
    del moment
    labelled, audited = tables.get("labelled"), tables.get("audited")
    if labelled is None or audited is None:
        return ()
    if labelled.rows == 0:
        return (unknown("unaudited_classes", "no labels in the window"),)
    seen = {str(value) for value in audited.frame["label"]}
    frame = labelled.project(("label",)).frame.sort_values([ROWS, "label"], ascending=[False, True])
    open_ = [
        (str(value), float(rows))
        for value, rows in zip(frame["label"], frame[ROWS], strict=True)
        if rows >= FEWEST and value not in seen and value != OTHER
    ]
    return (
        census("unaudited_classes", len(open_), labelled.rows),
        *(census("unaudited_labels", rows, rows, {"class": value}) for value, rows in open_[:MOST_SHOWN]),
    )
