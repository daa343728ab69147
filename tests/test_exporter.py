"""A scrape gets one moment, in the form it asked for, and nothing that has expired."""

from __future__ import annotations

import gzip
import shutil
import subprocess

import pytest
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
