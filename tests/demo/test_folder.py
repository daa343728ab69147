"""A demo starts in a fresh world and touches nobody else's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelmon.demo.folder import claim
from labelmon.errors import LabelmonError, UsageError

MARK = "# The config of the demo"


def earlier_demo(folder: Path) -> None:
    (folder / "labelmon.yaml").write_text(f"{MARK}\nstores: {{}}\n")
    for name in ("labels.db", "labels.db-wal", "labels.away", "labelmon.db", "prometheus.yml"):
        (folder / name).write_text("old")


def test_an_earlier_demos_world_is_cleared(tmp_path: Path) -> None:
    earlier_demo(tmp_path)

    claim(tmp_path, MARK).close()

    assert sorted(path.name for path in tmp_path.iterdir()) == [".demo", "labelmon.yaml", "prometheus.yml"]


@pytest.mark.parametrize("name", ["labels.db", "labelmon.db", "labelmon.yaml"])
def test_what_no_demo_wrote_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")

    with pytest.raises(UsageError, match=rf"holds {name}, which no demo wrote; give an empty --folder"):
        claim(tmp_path, MARK)

    assert (tmp_path / name).read_text() == "precious"


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    first = claim(tmp_path / "new", MARK)
    try:
        with pytest.raises(LabelmonError, match="another demo runs here"):
            claim(tmp_path / "new", MARK)
    finally:
        first.close()

    claim(tmp_path / "new", MARK).close()


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(LabelmonError, match="give another --folder"):
        claim(tmp_path / "file" / "below", MARK)
