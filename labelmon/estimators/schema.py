"""What labels say that the schema does not know, and which class they may have meant."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from labelmon.check import Estimator, Moment
from labelmon.counts import ROWS, Counts
from labelmon.model import Estimate

MOST_SHOWN = 20


def offenders(statistic: str) -> Estimator:
    """An estimator over the counts by `offending`: how often each value came, with the class it looks like."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        frame = counts.project(("offending",)).frame.sort_values([ROWS, "offending"], ascending=[False, True])
        found = []
        for value, rows in frame[["offending", ROWS]].head(MOST_SHOWN).itertuples(index=False, name=None):
            meant = meant_class(str(value), moment.classes)
            labels = {"value": str(value), **({"looks_like": meant} if meant else {})}
            found.append(Estimate(statistic=statistic, value=rows, low=rows, high=rows, n=rows, labels=labels))
        return tuple(found)

    return estimate


def meant_class(value: str, classes: Iterable[str]) -> str:
    """The declared class that `value` spells otherwise: in case, spaces, or compatible characters; '' if none.

    Examples
    --------
    >>> meant_class(" None", ["none", "poc"])
    'none'
    >>> meant_class("maybe", ["yes", "no"])
    ''
    """
    plain = _plain(value)
    return next((name for name in classes if _plain(name) == plain), "")


def _plain(text: str) -> str:
    """Compatibility characters unified (NFKC), case folded, spaces, hyphens and underscores left out."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in folded if not letter.isspace() and letter not in "-_")
