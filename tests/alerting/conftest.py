"""promtool and amtool for the tests of generated files; without them these tests skip and say so."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Tool = Callable[..., "subprocess.CompletedProcess[str]"]


def _tool(name: str, package: str) -> Tool:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is missing: install the package {package} of Debian or Ubuntu")

    def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=cwd)

    return run


@pytest.fixture(scope="session")
def promtool() -> Tool:
    return _tool("promtool", "prometheus")


@pytest.fixture(scope="session")
def amtool() -> Tool:
    return _tool("amtool", "prometheus-alertmanager")
