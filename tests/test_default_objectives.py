"""Where a config says nothing, the targets of the field's list of ten metrics hold, with the data they are meant for."""

from __future__ import annotations

import pytest

from labelmon.checks import check_named
from labelmon.docs import explain_text, objective_text

TARGETS = {
    "label_accuracy": "95 % (meant for critical tasks)",
    "annotator_agreement": "krippendorff alpha at least 0.8 (meant for tasks whose guideline is agreed)",
    "label_latency": "99 % within 1h (meant for streaming data)",
    "label_coverage": "coverage at least 0.9 (meant for core data)",
    "validator_pass": "99 %",
    "label_backlog": "oldest age at most 1d (meant for items of priority)",
    "label_corrections": "98 %",
    "label_provenance": "99.9 % (meant for data that nobody regulates; regulated data take 1)",
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_default_objective_and_the_data_it_is_meant_for(name: str) -> None:
    check = check_named(name)

    assert objective_text(check) == TARGETS[name]
    assert f"  objective: {TARGETS[name]} unless the config says otherwise\n" in explain_text(check)
