"""Settings for every test: reproducible hypothesis in CI, skips listed where they cannot be overlooked."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

from tests.postgres import Cluster, cluster

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One cluster for all tests of a worker; they keep apart by schemas."""
    with cluster() as running:
        yield running


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked slow run when asked for: by LABELMON_SLOW=1, as `make prove` does."""
    if os.environ.get("LABELMON_SLOW"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section(f"SKIPPED: {len(skipped)} tests did not run", sep="!")
        for report in skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            terminalreporter.write_line(f"{report.nodeid}: {reason}")
    figures = [
        (key, value) for report in terminalreporter.stats.get("passed", []) for key, value in report.user_properties
    ]
    if figures:
        terminalreporter.section("figures")
        for key, value in figures:
            terminalreporter.write_line(f"{key}: {value}")
