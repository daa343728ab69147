"""Annotators against gold, their own past and their peers' behaviour, on rows written by hand, through `labelmon once`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import betabinom, f, t

from labelmon.estimators import mixes
from labelmon.estimators.apart import stand_apart
from labelmon.estimators.mixes import changed, merge_rare, odd
from labelmon.estimators.own_past import Record, worsened
from labelmon.estimators.pace import BOUNDS, outpaced, typical_seconds
from labelmon.estimators.skill import fit_skill
from tests.full_store import Found, day, once, one

NEWEST = range(22, 28)  # days of February that are in the seven before AT
EARLIER = range(22)


def rows(count: int, wrong: int, days: range, who: str, **more: object) -> list[dict[str, object]]:
    return [
        {
            "item": f"{who}-{days.start}-{n}",
            "label": "x",
            "truth": "y" if n < wrong else "x",
            "audited_at": day(days[n % len(days)]),
            "annotator": who,
            **more,
        }
        for n in range(count)
    ]


def people(found: Found, statistic: str) -> list[str]:
    """The pseudonyms of who is flagged."""
    return [m["labels"]["annotator"] for m in found if m["statistic"] == statistic and m["value"] == 1]


def test_one_who_got_worse_is_found_though_peers_were_never_better(tmp_path: Path) -> None:
    """Some always err in a tenth of all cases; one of the best joins them in the newest week, and more."""
    audits = []
    for n in range(9):
        audits += rows(90, 3 + n, EARLIER, f"r{n}") + rows(30, 1 + n // 3, NEWEST, f"r{n}")
    audits += rows(90, 1, EARLIER, "slipped") + rows(30, 10, NEWEST, "slipped")

    found = once(tmp_path, {"audits": audits}, {"annotator_anomaly": {"at_most": 0}})

    assert one(found, "flagged_annotators")["value"] == 0  # over all of the window 11 in 120, like others
    assert one(found, "worsened_annotators")["value"] == 1
    assert one(found, "worsened_annotators")["n"] == 10 * 30
    assert one(found, "apart_annotators")["value"] == 1
    assert len(people(found, "worsened")) == 1
    assert "slipped" not in str(found)


def test_a_hard_week_for_everybody_worsens_nobody(tmp_path: Path) -> None:
    audits = []
    for n in range(10):
        audits += rows(90, 3 + n % 3, EARLIER, f"r{n}") + rows(30, 5 + n % 3, NEWEST, f"r{n}")

    found = once(tmp_path, {"audits": audits}, {"annotator_anomaly": {"at_most": 0}})

    assert one(found, "worsened_annotators")["value"] == 0
    assert one(found, "apart_annotators")["value"] == 0


def test_gold_failures_are_told_from_what_audits_drawn_by_chance_say(tmp_path: Path) -> None:
    """Gold is a small part: all audits together hide what it shows. Errors seeded on purpose are nobody's."""
    audits = []
    for n in range(9):
        audits += rows(200, 10, EARLIER, f"r{n}") + rows(40, 1 + n % 2, EARLIER, f"r{n}", item=f"g{n}", gold=True)
    audits += rows(200, 4, EARLIER, "bad") + rows(40, 14, EARLIER, "bad", gold=True)
    audits += rows(40, 40, EARLIER, "r3", gold=True, seeded=True)

    found = once(tmp_path, {"audits": audits}, {"annotator_anomaly": {"at_most": 0}})
    unmapped = once(tmp_path, {"audits": audits}, {"annotator_anomaly": {"at_most": 0}}, leave_out=["audits.gold"])

    assert one(found, "gold_failing_annotators")["value"] == 1
    assert one(found, "gold_failing_annotators")["n"] == 10 * 40
    (bad,) = people(found, "gold_failing")
    (rate,) = [m for m in found if m["statistic"] == "gold_p_value" and m["labels"]["annotator"] == bad]
    assert rate["value"] < 0.001
    missing = one(unmapped, "gold_failing_annotators")
    assert (missing["value"], missing["state"]) == (None, "insufficient")
    assert missing["reason"] == "no column says which audits are gold"


def labels(who: str, days: range, mix: dict[str, int], seconds: int = 30, **more: object) -> list[dict[str, object]]:
    """Labels in turn over `days`, each of which took about so many seconds."""
    found = []
    for label, count in mix.items():
        for n in range(count):
            took = max(0, seconds + n % 5 - 2)
            found.append(
                {
                    "item": f"{who}-{days.start}-{label}{n}",
                    "label": label,
                    "started_at": day(days[n % len(days)]),
                    "labeled_at": day(days[n % len(days)]).replace(":00:00", f":{took // 60:02d}:{took % 60:02d}"),
                    "annotator": who,
                    **more,
                }
            )
    return found


TEAM = [{"a": 60 + 5 * n, "b": 60 - 3 * n, "c": 30} for n in range(8)]


def test_a_new_mix_that_nobody_shares_is_found_and_one_that_all_share_is_not(tmp_path: Path) -> None:
    def world(*, swap: bool = False, shared: bool = False) -> Found:
        rows = []
        for n, mix in enumerate(TEAM):
            new = {label: count // 2 for label, count in mix.items()}
            if shared:
                new = {"a": new["b"], "b": new["a"], "c": new["c"]}
            if n == 0 and swap:
                new = {"a": 2, "b": 3, "c": 70}
            rows += labels(f"r{n}", EARLIER, mix) + labels(f"r{n}", NEWEST, new)
        return once(tmp_path, {"labels": rows}, {"annotator_behaviour": {"at_most": 0}})

    calm, swapped, together = world(), world(swap=True), world(shared=True)

    assert [one(found, "changed_mix_annotators")["value"] for found in (calm, swapped, together)] == [0, 1, 0]
    (who,) = people(swapped, "changed_mix")
    (change,) = [m for m in swapped if m["statistic"] == "mix_change" and m["labels"]["annotator"] == who]
    assert change["value"] == pytest.approx(70 / 75 - 30 / 150, abs=0.06)
    assert [one(found, "odd_mix_annotators")["value"] for found in (calm, together)] == [0, 0]


def test_robots_and_sleepers_are_found_by_their_pace(tmp_path: Path) -> None:
    rows = []
    for n in range(10):
        rows += labels(f"r{n}", EARLIER, {"a": 50, "b": 40}, seconds=25 + 2 * n)
    rows += labels("robot", EARLIER, {"a": 50, "b": 40}, seconds=2) + labels(
        "sleeper", EARLIER, {"a": 50, "b": 40}, 900
    )
    rows += labels("machine", EARLIER, {"a": 90}, seconds=0, label_source="model")  # no person
    rows += labels("skewed", EARLIER, {"a": 90}, started_at="2026-03-01T00:00:00Z")  # ends before it starts

    found = once(tmp_path, {"labels": rows}, {"annotator_behaviour": {"at_most": 0}})

    assert one(found, "fast_annotators")["value"] == 1
    assert one(found, "slow_annotators")["value"] == 1
    assert not set(people(found, "fast")) & set(people(found, "slow"))
    seconds = sorted(m["value"] for m in found if m["statistic"] == "seconds_per_label")
    assert len(seconds) == 12
    assert seconds[0] == pytest.approx(2, rel=0.25)
    assert seconds[-1] == pytest.approx(900, rel=0.25)
    assert one(found, "apart_annotators")["value"] >= 2
    assert not re.search("robot|sleeper|skewed", str(found))


def test_without_a_start_there_is_no_pace_and_one_class_has_no_mix(tmp_path: Path) -> None:
    rows = [row for n in range(6) for row in labels(f"r{n}", range(28), {"a": 300})]

    found = once(tmp_path, {"labels": rows}, {"annotator_behaviour": {"at_most": 0}}, leave_out=["labels.started_at"])

    fast, mix, any_ = (one(found, s) for s in ("fast_annotators", "odd_mix_annotators", "apart_annotators"))
    assert (fast["state"], fast["reason"]) == ("insufficient", "no column says when work on a label started")
    assert (mix["value"], mix["state"]) == (None, "not_computable")
    assert any_["value"] is None
    assert "fewer than two classes" in any_["reason"]


def test_few_people_are_not_compared(tmp_path: Path) -> None:
    found = once(
        tmp_path,
        {"labels": [row for n in range(4) for row in labels(f"r{n}", range(28), TEAM[n])]},
        {"annotator_behaviour": {"at_most": 0}},
    )

    assert one(found, "apart_annotators")["state"] == "insufficient"
    assert one(found, "fast_annotators")["reason"] == "4 annotators with 50 timed labels or more; need 5 to compare"


def test_two_who_stand_apart_do_not_hide_each_other() -> None:
    mixed = np.tile([60.0, 30.0, 10.0], (12, 1)) + np.arange(12)[:, None] * [2, -1, -0.5]
    mixed[:2] = [2, 3, 95]

    assert odd(mixed)[1] == [True, True] + [False] * 10


def test_p_values_are_those_of_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of each by hand: F of the quotient, t of the robust distance."""
    monkeypatch.setattr(mixes, "FROM_PEERS", 0.0)
    rng = np.random.default_rng(2)
    counts = rng.multinomial(200, [0.5, 0.3, 0.2], 9).astype(float)
    shares = counts / 200
    alone = []
    for i in range(9):
        rest = np.delete(np.arange(9), i)
        mix = shares[rest].mean(axis=0)
        chi = 800 * ((np.sqrt(shares) - np.sqrt(mix)) ** 2).sum(axis=1)
        spread = max(mixes.LEAST_SPREAD, (chi[rest] - 2).sum() / (2 * 200 * 8))
        units = chi / 2 / (1 + 200 * spread)
        known = min(2.0, max(1.0, mixes.SATTERTHWAITE / ((units[rest] - 1) ** 2).mean()))
        alone.append(f.sf(units[i], known, 8 * known))
    assert min(odd(counts)[0]) == pytest.approx(min(9 * p / (1 + r) for r, p in enumerate(sorted(alone))), rel=1e-6)

    typical = [20.0, 24.0, 30.0, 36.0, 45.0, 4.0]
    spread = np.log(1.25) / 0.6745  # of 20/30, 24/30, 30/30, 36/30 and 45/30 the median is 24/30
    spread = ((6 * 0.35**2 + 0.37 * 5 * spread**2) / (6 + 0.37 * 5)) ** 0.5
    assert outpaced(typical)[0][5] == pytest.approx(6 * t.cdf(np.log(4 / 30) / spread, 6 + 0.37 * 5), rel=1e-3)


def test_without_a_past_of_peers_the_own_past_is_bayes_rule() -> None:
    """Where everybody's week is as before, the p-value is a beta-binomial a little wider than the posterior's."""
    same = np.full(40, 30.0)
    record = Record(errors=same / 10, audits=same * 2, new_errors=np.full(40, 1.5), new_audits=same)
    record.new_errors[0] = 12
    skill = fit_skill(np.full(39, 3.0), np.full(39, 60.0)).given(3, 60)
    narrow = float(skill.weight @ [betabinom.sf(11, 30, a, b) for a, b in zip(skill.a, skill.b, strict=True)])

    p_values, flags = worsened(record)

    assert flags == [True] + [False] * 39
    assert narrow < p_values[0] / 40 < 200 * narrow + 1e-4


def test_the_median_of_a_histogram_is_that_of_the_times() -> None:
    times = np.exp(np.random.default_rng(1).normal(3, 0.8, 5001))
    below = np.array([*[(times <= bound).sum() for bound in BOUNDS], len(times)], dtype=float)

    middle, low, high = typical_seconds(below)

    assert middle == pytest.approx(np.median(times), rel=0.03)
    assert low < np.median(times) < high
    never = np.zeros(len(BOUNDS) + 1)
    never[-1] = 60
    assert BOUNDS[-1] < typical_seconds(never)[0] <= 2 * BOUNDS[-1]
    assert typical_seconds(np.full(len(BOUNDS) + 1, 60.0))[0] < BOUNDS[0]


def test_a_shift_of_everybody_and_rare_classes_flag_nobody() -> None:
    rng = np.random.default_rng(7)
    earlier = rng.multinomial(300, [0.5, 0.3, 0.19, 0.005, 0.005], 12).astype(float)
    newest = rng.multinomial(100, [0.2, 0.6, 0.19, 0.005, 0.005], 12).astype(float)

    assert merge_rare(newest, earlier)[0].shape == (12, 4)
    assert changed(*merge_rare(newest, earlier))[1] == [False] * 12
    newest[0] = [20, 25, 55, 0, 0]  # less of the first class like all, but not for the second
    assert changed(*merge_rare(newest, earlier))[1] == [True] + [False] * 11


def test_errors_that_everybody_makes_more_of_are_as_usual() -> None:
    full = np.ones(12)
    record = Record(errors=4 * full, audits=100 * full, new_errors=6 * full, new_audits=40 * full)

    p_values, flags = worsened(record)

    assert min(p_values) > 0.3  # without the move it would be far smaller
    assert flags == [False] * 12


def test_what_is_certain_but_small_is_not_worth_a_talk() -> None:
    """Peers alike to the second; one takes twice their time, and another half."""
    typical = [30.0] * 39 + [80.0, 12.0]

    fast_p, fast, slow_p, slow = outpaced(typical)

    assert not any(fast + slow)
    assert outpaced([30.0] * 39 + [95.0])[3][39]
    assert outpaced([30.0] * 39 + [9.0])[1][39]
    assert min(*fast_p, *slow_p) < 0.01


def test_a_median_between_bounds_is_known_better_than_one_that_is_counted() -> None:
    """Half of 400 in one class: of p w (1 - w) = 1/8 of the variance 1/4 is spared."""
    below = np.array([100.0] * 14 + [300.0] + [400.0] * (len(BOUNDS) - 14))

    middle, low, _ = typical_seconds(below)

    share = 1.96 * (0.125 / 400) ** 0.5
    assert np.log(middle / low) == pytest.approx(share / 0.5 * np.log(BOUNDS[14] / BOUNDS[13]))


def test_everybody_is_held_against_the_others_only() -> None:
    seen: list[tuple[int, ...]] = []

    def against(rest: np.ndarray) -> object:
        seen.append(tuple(rest))
        return float

    stand_apart(6, against, limits=(0.05, 0.01))  # type: ignore[arg-type]

    assert seen[:6] == [tuple(j for j in range(6) if j != i) for i in range(6)]
