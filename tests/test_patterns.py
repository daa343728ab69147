"""Patterns: one meaning in every engine, a refusal with its reason where there is none, and never slow."""

from __future__ import annotations

import re
import time

import duckdb
import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from labelmon.patterns import matcher, portable
from tests.postgres import Cluster

ATOMS = ["a", "b", "1", "é", ".", r"\d", r"\w", r"\s", r"\.", "[a-c]", "[^a]", r"[\d_-]", "^", "$", r"\{", r"\D"]
PATTERNS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.builds("({}|{})".format, inner, inner),
        st.builds("{}{}".format, inner, inner),
        st.builds("(?:{}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,1}", "{2,}", "*?"])),
    ),
    max_leaves=8,
)
TEXTS = st.text(alphabet="abc1é.-_{ \nA", max_size=8)


def pythons(pattern: str, text: str) -> bool:
    """What the engine of Python finds: its `$` and classes differ."""
    return re.search(pattern.replace("$", r"\Z"), text, re.ASCII) is not None


def parts(pattern: str) -> str | None:
    try:
        return portable(pattern)
    except ValueError:  # a repeated ^ is the one thing that may come of these parts
        return None


@settings(max_examples=600)
@given(pattern=PATTERNS, texts=st.lists(TEXTS, min_size=1, max_size=8))
def test_the_matcher_finds_what_python_finds(pattern: str, texts: list[str]) -> None:
    if parts(pattern) is not None:
        assert [matcher(pattern)(text) for text in texts] == [pythons(pattern, text) for text in texts]


@settings(max_examples=150)
@given(pattern=PATTERNS, texts=st.lists(TEXTS, min_size=1, max_size=8))
def test_every_engine_finds_the_same(postgres: Cluster, pattern: str, texts: list[str]) -> None:
    written = parts(pattern)
    if written is None:
        return
    ours = [matcher(pattern)(text) for text in texts]

    values = ", ".join("(?::VARCHAR)" for _ in texts)
    found = duckdb.execute(f"SELECT regexp_matches(t, ?) FROM (VALUES {values}) v(t)", [written, *texts]).fetchall()
    assert [hit for (hit,) in found] == ours
    with postgres.connect() as db:
        sql = 'SELECT t COLLATE "C" ~ %s FROM unnest(%s::text[]) WITH ORDINALITY u(t, n) ORDER BY n'
        assert [hit for (hit,) in db.execute(sql, (written, texts)).fetchall()] == ours


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(?=a)b", "lookaround"),
        ("(?i)a", "lookaround, a name or a flag"),
        (r"(a)\1", r"\1 means different things"),
        (r"\bword\b", r"\b means different things"),
        (r"\p{L}", r"\p means different things"),
        ("a**", "two repetitions in a row"),
        ("a*+", "two repetitions in a row"),
        ("*a", "nothing to repeat"),
        ("^*", "a repeated ^ or $"),
        ("a{2", "begins no repetition"),
        ("a{3,2}", "need {m,n}"),
        ("a{300}", "need {m,n}"),
        ("(a{200}){200}", "longer than 1000"),
        ("(a", "a ( without its )"),
        ("a)", "a ) without its ("),
        ("[a", "it ends after a ["),
        ("[z-a]", "two characters in order"),
        ("[[:alpha:]]", "a [ in [...]"),
        ("a]", "without its opening"),
        ("a|", "an empty pattern, group or alternative"),
        ("a\\", "it ends after a backslash"),
        ("(" * 60 + "a" + ")" * 60, "nested more than 50"),
    ],
)
def test_what_engines_do_not_share_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        portable(pattern)


@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"^(a|a)*$", r"^a*a*a*a*a*$", r"^(\w+\s?)*$"])
def test_no_pattern_is_slow(pattern: str) -> None:
    begun = time.perf_counter()

    assert not matcher(pattern)("a" * 50_000 + "!")

    assert time.perf_counter() - begun < 2  # a backtracking engine would need longer than there is


def test_a_pattern_that_knows_many_states_ends_when_it_is_told() -> None:
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked > 100

    with pytest.raises(TimeoutError):
        matcher("(a|b)*a(a|b){100}c")("ab" * 3 + "abbabaab" * 4000, stopped)


def test_what_is_remembered_has_a_limit() -> None:
    find = matcher("(a|b)*a(a|b){200}c")
    text = "".join("ab"[n * n * 7 % 11 > 4] + "ab"[n % 13 > 5] for n in range(6000))

    assert not find(text)
    assert find.__self__.kept <= 200_000  # type: ignore[attr-defined]
