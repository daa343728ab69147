"""Whether audits reach everything that is labelled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labelmon.check import Moment
from labelmon.counts import OTHER, ROWS, Counts
from labelmon.estimators.breakdown import census, unknown
from labelmon.model import Estimate

FEWEST = 50  # labels before a class or an annotator without audits is worth a word
MOST_SHOWN = 20


def unaudited(tables: Mapping[str, Counts], moment: Moment) -> tuple[Estimate, ...]:
    """Classes, annotators and strata without an audit in the window, and the labels of each that has none.

    Parts `labelled` and `audited` are by label, `labelled_by` and `audited_of` by annotator; strata are those of all
    audits there are (''), held against those of the window (`audited_strata`). What is not mapped is not said.
    """
    del moment
    return (
        *_never(tables, "labelled", "audited", "label", "unaudited_classes", "class"),
        *_never(tables, "labelled_by", "audited_of", "annotator", "unaudited_annotators", "annotator"),
        *_strata(tables.get(""), tables.get("audited_strata")),
    )


def _never(
    tables: Mapping[str, Counts], all_: str, some: str, key: str, statistic: str, name: str
) -> Iterator[Estimate]:
    labelled, audited = tables.get(all_), tables.get(some)
    if labelled is None or audited is None:
        return
    if labelled.rows == 0:
        yield unknown(statistic, "no labels in the window")
        return
    seen = {str(value) for value in audited.frame[key]}
    frame = labelled.project((key,)).frame.sort_values([ROWS, key], ascending=[False, True])
    open_ = [
        (str(value), float(rows))
        for value, rows in zip(frame[key], frame[ROWS], strict=True)
        if rows >= FEWEST and value not in {"", OTHER, *seen}
    ]
    yield census(statistic, len(open_), labelled.rows)
    for value, rows in open_[:MOST_SHOWN]:
        yield census("unaudited_labels", rows, rows, {name: value})


def _strata(known: Counts | None, audited: Counts | None) -> Iterator[Estimate]:
    if known is None or audited is None or "stratum" not in known.keys:
        return
    strata, seen = ({str(value) for value in side.frame["stratum"]} - {"", OTHER} for side in (known, audited))
    if strata:
        yield census("unaudited_strata", len(strata - seen), known.rows)
