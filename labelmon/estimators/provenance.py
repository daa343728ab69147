"""Completeness of fields: a census of what is there."""

from __future__ import annotations

from collections.abc import Iterable

from labelmon.check import Estimator, Moment
from labelmon.counts import Counts
from labelmon.estimators.breakdown import census, unknown
from labelmon.model import Estimate

# What an optional role reads as where no column plays it: neither a value nor missing.
UNMAPPED = "(no column)"


def completeness(good: str, fields: Iterable[str]) -> Estimator:
    """An estimator of `provenance`, column `good` over rows, and `missing_field` by field.

    Columns `has_<field>` and `no_<field>` count rows with and without a value; a field with neither is not mapped,
    and nothing is said about it. Where no field is mapped there is no provenance to speak of.
    """
    known = tuple(fields)

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        del moment
        n = counts.rows
        if n == 0:
            return (unknown("provenance", "no labels"),)
        missing = {field: counts.total(f"no_{field}") or 0.0 for field in known}
        mapped = [field for field in known if missing[field] or counts.total(f"has_{field}")]
        if not mapped:
            return (unknown("provenance", f"no field is mapped; known: {', '.join(known)}", n),)
        return (
            census("provenance", (counts.total(good) or 0.0) / n, n),
            *(census("missing_field", missing[field] / n, n, {"field": field}) for field in mapped),
        )

    return estimate


def commented(column: str) -> Estimator:
    """An estimator of `commented`: column `column` over rows, a census."""

    def estimate(counts: Counts, moment: Moment) -> tuple[Estimate, ...]:
        del moment
        n = counts.rows
        return (census("commented", (counts.total(column) or 0.0) / n, n) if n else unknown("commented", "no labels"),)

    return estimate
