"""Drift and schema on CISA's vulnrichment: what really happened there is found, and no week is infinite."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import isfinite
from pathlib import Path

import pytest

from labelmon.checks import check_named
from labelmon.config import load
from labelmon.model import State
from labelmon.once import measure_once
from labelmon.pseudonyms import Pseudonyms
from labelmon.stores import open_store
from tests.real_data import DATA, MISSING, ROOT, Measured, once

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)
ENVIRON = {"LABELMON_DATA": str(DATA)}


def offending(found: tuple[Measured, ...]) -> dict[str, tuple[float, str]]:
    """Rows and the class that it looks like, by offending value."""
    return {
        m["labels"]["value"]: (m["value"], m["labels"]["looks_like"])
        for m in found
        if m["statistic"] == "offending_labels"
    }


def test_the_case_drift_comes_back_in_week_43(tmp_path: Path) -> None:
    # ISO week 2024-W43 ends with 27 October; the instant itself belongs to the next week.
    found = offending(once("vulnrichment", "2024-10-27T23:59:59Z", "ssvc-exploitation-schema", tmp_path))

    assert sum(rows for rows, _ in found.values()) == 14
    assert {value.lower() for value in found} == {like for _, like in found.values()}


def test_the_case_drift_of_the_whole_year(tmp_path: Path) -> None:
    config = (ROOT / "examples" / "vulnrichment.yaml").read_text()
    path = tmp_path / "all.yaml"
    path.write_text(config.replace("window: 7d}", "window: all}").replace("file: ", f"file: {ROOT / 'examples'}/"))
    folder = tmp_path / "out"
    folder.mkdir()
    watched = load(path, environ=ENVIRON).datasets["ssvc-exploitation-schema"]
    stores = {name: open_store(spec) for name, spec in load(path, environ=ENVIRON).stores.items()}
    at = datetime(2025, 1, 1, tzinfo=UTC).timestamp()

    reading = measure_once(watched, stores, [check_named("schema_mismatch")], at, Pseudonyms(keys=(b"k" * 32,)))

    rows = {m.estimate.labels["value"]: m.estimate.value for m in reading.measurements if "value" in m.estimate.labels}
    assert rows == {"None": 87, "Active": 20, "PoC": 14}
    (whole,) = [m.estimate for m in reading.measurements if m.estimate.statistic == "in_schema"]
    assert whole.n * (1 - (whole.value or 0)) == pytest.approx(121)


def test_smoothed_divergence_is_finite_in_every_week_and_the_raw_one_is_not() -> None:
    config = load(ROOT / "examples" / "vulnrichment.yaml", environ=ENVIRON)
    stores = {name: open_store(spec) for name, spec in config.stores.items()}
    smooth = config.datasets["ssvc-exploitation"]
    (objective,) = smooth.objectives["label_drift"]
    rough = replace(objective, settings={**objective.settings, "prior": 0.0})
    raw = replace(smooth, objectives={"label_drift": (rough,)})
    comparable = infinite = 0
    at = datetime(2023, 10, 2, tzinfo=UTC)
    while at <= datetime(2024, 11, 4, tzinfo=UTC):
        kl = []
        for dataset in (smooth, raw):
            reading = measure_once(
                dataset, stores, [check_named("label_drift")], at.timestamp() - 0.001, Pseudonyms(keys=(b"k" * 32,))
            )
            kl += [m.estimate for m in reading.measurements if m.estimate.statistic == "kl_divergence_nats"]
        if kl[0].value is not None:
            comparable += 1
            assert isfinite(kl[0].value)
            infinite += kl[1].state is State.NOT_COMPUTABLE
        at += timedelta(days=7)
    assert (comparable, infinite) == (49, 17)
