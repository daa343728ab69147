"""People become pseudonyms, the same ones each time, and keys can be rotated."""

from __future__ import annotations

import hmac
from pathlib import Path

import pytest

from labelmon.counts import Counts, Op
from labelmon.errors import LabelmonError
from labelmon.pseudonyms import Pseudonyms, load_pseudonyms

KEY, OLD = b"k" * 32, b"o" * 32


def test_a_pseudonym_is_an_hmac() -> None:
    assert Pseudonyms(keys=(KEY,)).of("maria") == "a-" + hmac.new(KEY, b"maria", "sha256").hexdigest()[:12]
    assert Pseudonyms(keys=(KEY,)).of("") == ""


def test_rotation_finds_the_old_name_too() -> None:
    both = Pseudonyms(keys=(KEY, OLD))

    assert both.every("maria") == (both.of("maria"), Pseudonyms(keys=(OLD,)).of("maria"))


def test_only_keys_that_name_people_are_replaced() -> None:
    counts = Counts.of(("annotator", "label"), {"rows": Op.SUM}, [("maria", "maria", 2), ("li", "x", 1)])
    named = Pseudonyms(keys=(KEY,)).apply(counts)

    assert set(named.frame["label"]) == {"maria", "x"}
    assert not set(named.frame["annotator"]) & {"maria", "li"}
    assert named.rows == 3


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    first, again = load_pseudonyms([], tmp_path), load_pseudonyms([], tmp_path)

    assert first.of("x") == again.of("x")
    assert (tmp_path / "labelmon.key").stat().st_mode & 0o777 == 0o600
    assert repr(first) == "Pseudonyms()"


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("short")

    with pytest.raises(LabelmonError, match="need a pseudonym key of at least 16 bytes, got 5"):
        load_pseudonyms([tmp_path / "k"])
