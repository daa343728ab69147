"""Generated files are byte-identical under every Python from 3.11 on that this machine has; missing ones are listed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import labelmon

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
WANTED = ("3.11", "3.12", "3.13", "3.14")


def interpreters() -> dict[str, str]:
    """Version to executable, from PATH and from where version managers keep them."""
    managed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places = [*(shutil.which(f"python{v}") for v in WANTED), *map(str, managed.glob("3.*/bin/python3"))]
    found = {}
    for place in filter(None, places):
        done = subprocess.run(
            [place, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.stdout.strip() in WANTED:
            found.setdefault(done.stdout.strip(), place)
    return found


def generated(python: str, out: Path, path: str = "") -> dict[str, bytes]:
    environ = {**os.environ, "PYTHONHASHSEED": "random", **({"PYTHONPATH": path} if path else {})}
    subprocess.run(
        [python, "-m", "labelmon", "generate", "--out", str(out)],
        check=True,
        capture_output=True,
        env=environ,
        cwd=out.parent,
    )
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def test_every_python_generates_the_same_bytes(tmp_path: Path) -> None:
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
    expected = generated(sys.executable, tmp_path / "ours")
    found = interpreters()
    others = {version: place for version, place in found.items() if version != ours}
    print(f"found {sorted(found)}, missing {sorted(set(WANTED) - set(found))}")
    for version, place in others.items():
        venv = tmp_path / f"venv-{version}"
        subprocess.run([place, "-m", "venv", str(venv)], check=True, capture_output=True)
        install = [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt")]
        needs = subprocess.run(
            [
                sys.executable,
                "-c",
                "import importlib.metadata as m; print(*(r for r in m.requires('labelmon') if 'extra' not in r), sep='\\n')",
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("\n")
        subprocess.run([*install, *filter(None, needs)], check=True, capture_output=True)
        code = str(Path(labelmon.__file__).parents[1])

        assert generated(str(venv / "bin" / "python"), tmp_path / version, code) == expected, version

    if not others:
        pytest.skip(f"only Python {ours} is here; missing {sorted(set(WANTED) - {ours})}")
