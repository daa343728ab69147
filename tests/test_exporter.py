"""A scrape gets one moment, in the form it asked for, and nothing that has expired."""

from __future__ import annotations

import gzip
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from labelmon.exporter import OPENMETRICS_TYPE, TEXT_TYPE, Fragment, Publisher, Sample, expose


def sample(value: float, **labels: str) -> Sample:
    return Sample(name="labelmon_x_ratio", help="X.", labels=labels, value=value)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_both_formats_say_the_same() -> None:
    runs = Sample(name="labelmon_runs", help="Runs.", labels={"dataset": "d"}, value=3.0, counter=True)
    snapshot = expose([sample(0.5, dataset="d", scope=""), runs], 1.0, process=False)

    def values(families):
        return {(s.name, tuple(sorted(s.labels.items())), s.value) for f in families for s in f.samples}

    text, openmetrics = snapshot.text.decode(), snapshot.openmetrics.decode()
    assert values(parse_text(text)) == values(parse_openmetrics(openmetrics))
    assert 'labelmon_x_ratio{dataset="d"} 0.5' in text  # an empty label is no label
    assert "labelmon_runs_total" in text
    assert openmetrics.endswith("# EOF\n")


@pytest.mark.parametrize(
    ("accept", "encoding", "kind", "packed"),
    [
        ("", "", TEXT_TYPE, False),
        ("text/plain", "gzip, deflate", TEXT_TYPE, True),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "", OPENMETRICS_TYPE, False),
        ("application/openmetrics-text", "gzip", OPENMETRICS_TYPE, True),
    ],
)
def test_the_scraper_chooses(accept, encoding, kind, packed) -> None:
    snapshot = expose([sample(1.0)], 1.0, process=False)

    body, content_type, content_encoding = snapshot.body(accept, encoding)

    assert (content_type, content_encoding) == (kind, "gzip" if packed else "")
    plain = gzip.decompress(body) if packed else body
    assert plain == (snapshot.openmetrics if kind == OPENMETRICS_TYPE else snapshot.text)


def test_hostile_label_values_are_escaped() -> None:
    hostile = 'a"b\\c\nd{{.}}</script>'
    text = expose([sample(1.0, scope=hostile)], 1.0, process=False).text.decode()

    (found,) = [s for f in parse_text(text) for s in f.samples]
    assert found.labels["scope"] == hostile


def test_what_expired_is_gone_and_what_was_dropped_too() -> None:
    clock = Clock()
    publisher = Publisher(clock=clock)
    publisher.put("a", Fragment(samples=(sample(1.0, dataset="a"),), expires_at=1010.0))
    publisher.put("b", Fragment(samples=(sample(2.0, dataset="b"),), expires_at=2000.0))
    publisher.put("c", Fragment(samples=(sample(3.0, dataset="c"),), expires_at=2000.0))
    first = publisher.publish().text.decode()
    clock.now = 1011.0
    publisher.drop("c")
    second = publisher.publish().text.decode()

    assert [f'dataset="{d}"' in first for d in "abc"] == [True, True, True]
    assert [f'dataset="{d}"' in second for d in "abc"] == [False, True, False]


NAMES = ("labelmon_x_ratio", "labelmon_a_ratio", "labelmon_runs", "labelmon_z_timestamp_seconds")
TEXTS = st.text(alphabet=st.sampled_from('a"\\\n#{} \r\u2028'), max_size=6) | st.just(
    "# HELP a b\n# TYPE a gauge\n# EOF\n"
)
SERIES = st.tuples(
    st.sampled_from(NAMES),
    TEXTS,
    st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(2**60), 2**60).map(float),
)


@given(st.dictionaries(st.sampled_from("abcde"), st.lists(SERIES, max_size=8), max_size=5))
def test_a_snapshot_joins_what_a_whole_rendering_gives(sources: dict[str, list[tuple[str, str, float]]]) -> None:
    """Byte by byte, whatever fragments come in and in whatever order: prometheus-client is the oracle."""
    publisher, whole = Publisher(clock=Clock(), process=False), []
    for source, series in sources.items():
        samples = tuple(
            Sample(
                name=name,
                help=f"What {name} is,\nin words.",
                labels={"dataset": source, "scope": text},
                value=value,
                counter=name == "labelmon_runs",
            )
            for name, text, value in series
        )
        whole.append((source, samples))
        publisher.put(source, Fragment(samples=(sample(1.0, dataset="gone"),), expires_at=2000.0))
        publisher.put(source, Fragment(samples=samples, expires_at=2000.0))

    said = publisher.publish()

    wanted = expose([one for _, samples in sorted(whole) for one in samples], 1000.0, process=False)
    assert said == wanted


def test_the_process_speaks_last_and_once() -> None:
    publisher = Publisher(clock=Clock())
    for source in "ab":
        publisher.put(source, Fragment(samples=(sample(1.0, dataset=source),), expires_at=2000.0))

    said = publisher.publish()

    for text in (said.text.decode(), said.openmetrics.decode()):
        assert text.count("# HELP process_cpu_seconds") == 1
        assert text.index("process_cpu_seconds") > text.rindex("labelmon_x_ratio")
    assert said.openmetrics.count(b"# EOF") == 1


def test_a_published_snapshot_never_changes() -> None:
    publisher = Publisher(clock=Clock())
    publisher.put("a", Fragment(samples=(sample(1.0),), expires_at=2000.0))
    before = publisher.publish()
    text = before.text
    publisher.put("a", Fragment(samples=(sample(9.0),), expires_at=2000.0))
    publisher.publish()

    assert before.text is text
    assert b"9.0" not in before.text


def test_promtool_finds_no_fault_with_our_names(tmp_path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    from labelmon.checks import catalogue
    from labelmon.samples import samples_of
    from tests.world import NOW, World

    world = World(tmp_path)
    world.audits(NOW - 86400, NOW - 200, 60)
    result = world.sampler().cycle(NOW)
    world.close()
    text = expose(samples_of(result, {c.name: c for c in catalogue()}), NOW, process=False).text

    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert b"labelmon_slo_burn_rate" in text
    assert b"NaN" not in text
