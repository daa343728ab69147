"""The benchmark of alerts says what the product does, can fail, and shows the plain rule crying wolf."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelmon.alerting.files import rule_file
from labelmon.alerting.rules import all_rules, evidence_needed, tiers_of
from labelmon.alerting.tiers import burning, burning_tiers
from labelmon.alerting.yamlfile import dump
from labelmon.estimators.burn import choose_instrument, window_count
from labelmon.estimators.cusum import cusums, levels
from labelmon.model import Instrument, Severity, Urls
from labelmon.profiles import DEFAULT_ALERTING, DENSE, BurnTier, Mode, Profile
from tests.benchmarks.alerts import cells, judge, page, product, promql, walks
from tests.benchmarks.alerts.cells import (
    Cell,
    delay_cells,
    delays,
    false_alerts,
    lorden_hours,
    null_cells,
    poisson_upper,
)
from tests.benchmarks.alerts.episodes import episodes, firing, first
from tests.benchmarks.alerts.goals import missed
from tests.benchmarks.alerts.streams import DESIGN_EFFECT, Stream, batches, independent, switched
from tests.benchmarks.prove import PROOF

DAY = 1440


def holds(*minutes: int, length: int = 40) -> np.ndarray:
    found = np.zeros((length, 1), bool)
    found[list(minutes)] = True
    return found


def one_bad_of(events: int, minutes: int) -> Stream:
    """`events` an hour at even distances, and a single error in the last whole hour but one."""
    counts = np.zeros((minutes, 1), np.int32)
    counts[:: 60 // events] = 1
    errors = np.zeros_like(counts)
    errors[minutes - 120] = 1
    return Stream(events=counts, errors=errors)


def test_an_alert_outlives_its_expression_by_ten_evaluations() -> None:
    fired = firing(holds(3, 4), keep=10)[:, 0]

    assert np.flatnonzero(fired).tolist() == list(range(3, 15))


def test_an_alert_that_still_fires_is_no_new_one() -> None:
    assert episodes(holds(3, 14, 25), keep=10, since=0).tolist() == [1]
    assert episodes(holds(3, 15), keep=10, since=0).tolist() == [2]
    assert [episodes(holds(3, 15), keep=10, since=s).tolist() for s in (3, 4, 15, 16)] == [[2], [1], [1], [0]]
    assert first(holds(3, 15), np.array([4])).tolist() == [15]


# STATISTICS: 99 %, 5 an hour; all wrong at 50 %, 100 an hour. By hand: ln(36,000) / KL(.06 || .01) / 5, ...
@pytest.mark.parametrize(
    ("budget", "error", "per_hour", "hours"),
    [(0.01, 0.06, 5, 35.69), (0.01, 0.2, 5, 4.89), (0.5, 1.0, 100, 11.68 / 60)],
)
def test_lordens_bound(budget: float, error: float, per_hour: float, hours: float) -> None:
    assert lorden_hours(budget, error, per_hour) == pytest.approx(hours, abs=0.006)


def test_the_upper_bound_of_no_event_is_three() -> None:
    assert poisson_upper(0) == pytest.approx(-np.log(0.05))  # exp(-3.0) = 5 %


@pytest.mark.parametrize("draw", [independent, batches])
def test_the_streams_have_the_rate_and_the_error_they_are_asked_for(draw) -> None:
    stream = draw(np.random.default_rng(5), (60 * 500, 10), 100, 0.06)

    n, k = int(stream.events.sum()), int(stream.errors.sum())

    assert n == pytest.approx(100 * 5000, rel=0.02)
    assert k / n == pytest.approx(0.06, rel=0.05)
    assert (stream.errors <= stream.events).all()


def test_batches_are_worth_what_their_design_effect_says() -> None:
    stream = batches(np.random.default_rng(6), (60, 4000), 100, 0.06)
    n, k = stream.events.sum(axis=0), stream.errors.sum(axis=0)

    # Of the errors' distance to what was expected, the variance over that of independent audits.
    ratio = (k - n * 0.06).var() / (n * 0.06 * 0.94).mean()

    assert ratio == pytest.approx(DESIGN_EFFECT, rel=0.1)


def test_evidence_is_the_products() -> None:
    rng = np.random.default_rng(7)
    n = rng.integers(1, 500, 300) / rng.choice([1.0, 2.9], 300)
    k = n * rng.choice([0, 0.01, 0.2, 1.0], 300)

    wanted = [window_count(60, e, b, 0.05).evidence_nats for e, b in zip(n, k, strict=True)]

    assert judge.evidence(k, n, 0.05) == pytest.approx(np.array(wanted), rel=1e-12)


def fault(rng: np.random.Generator, per_hour: int, error: float, objective: float, runs: int = 1) -> Stream:
    """Three healthy days and some hours, and a fault of two hours that ends an hour before the stream does."""
    shape = (3 * DAY + 360, runs)
    healthy = independent(rng, shape, per_hour, (1 - objective) / 2)
    faulty = independent(rng, shape, per_hour, error)
    return switched(healthy, faulty, np.full(runs, shape[0] - 180), np.full(runs, shape[0] - 60))


@pytest.mark.parametrize(
    ("objective", "per_hour", "error"), [(0.99, 5, 0.5), (0.99, 20, 0.3), (0.95, 100, 0.9), (0.99, 1000, 0.3)]
)
def test_the_quick_arithmetic_says_what_the_product_says(objective: float, per_hour: int, error: float) -> None:
    stream = fault(np.random.default_rng(8), per_hour, error, objective)
    said = judge.judged(stream, objective)
    # The last minutes are left out: there the walks, which do not wait for rows to become visible, would need more.
    minutes = range(len(stream.events) - 190, len(stream.events) - 2, 3)

    seen = set()
    for minute, status in zip(minutes, product.statuses(stream, 0, objective, minutes), strict=True):
        for severity in Severity:
            held = burning(status, severity, DEFAULT_ALERTING) is not None
            seen.add((severity, held))
            assert getattr(said, severity.value)[minute, 0] == held, (minute, severity)

    assert {(Severity.PAGE, True), (Severity.PAGE, False)} <= seen


@pytest.mark.parametrize(("objective", "error"), [(0.99, 0.2), (0.9, 0.95)])
def test_each_way_to_hold_is_the_products_way(objective: float, error: float) -> None:
    """Tiers by themselves, where the e-CUSUM would often hide them; at 90 % the fastest holds where most are bad."""
    stream = fault(np.random.default_rng(13), 100, error, objective)
    windows, budget = judge.Windows(stream), judge.budget_of(objective)
    minutes = range(len(stream.events) - 190, len(stream.events) - 2, 5)

    seen = set()
    for minute, status in zip(minutes, product.statuses(stream, 0, objective, minutes), strict=True):
        assert status.profile == DENSE.name
        for severity in Severity:
            held = burning_tiers(DENSE, severity, status.windows, DEFAULT_ALERTING)
            needed = evidence_needed(DEFAULT_ALERTING, severity)
            for tier in tiers_of(DENSE, severity):
                seen.add((tier, tier in held))
                assert judge.tier_holds(windows, tier, budget, 1.0, needed)[minute, 0] == (tier in held)

    # Of six hours the fault takes two: at 90 % that is less than six budgets.
    hot = DENSE.page if objective > 0.9 else DENSE.page[:1]
    assert {(tier, held) for tier in hot for held in (True, False)} <= seen


def test_the_plain_rule_is_that_of_the_plain_mode() -> None:
    stream = fault(np.random.default_rng(17), 20, 0.3, 0.99)
    windows, said, mode = judge.Windows(stream), judge.plain(stream, 0.99), replace(DEFAULT_ALERTING, mode=Mode.PLAIN)

    for minute in range(len(stream.events) - 190, len(stream.events), 3):
        counted = [
            window_count(w, *(float(c[minute, 0]) for c in windows.counts(w)), judge.budget_of(0.99))
            for w in judge.WORKBOOK.windows
        ]
        for severity in Severity:
            held = bool(burning_tiers(judge.WORKBOOK, severity, counted, mode))
            assert getattr(said, severity.value)[minute, 0] == held
    assert 0 < said.page[-190:].sum() < 190


@pytest.mark.parametrize(("per_hour", "effect"), [(20, 1.0), (100, DESIGN_EFFECT)])
def test_the_walks_are_the_products(per_hour: int, effect: float) -> None:
    stream = fault(np.random.default_rng(14), per_hour, 0.4, 0.99, runs=3)
    per_month = judge.Windows(stream).expected(86_400) * 30 / effect

    held, slow = walks.decided(stream, 0.01, [(6, 14.4), (2, 3)], per_month, effect)

    for minute, run in [(m, r) for m in range(0, len(held), 61) for r in range(3)]:
        events, errors = (c[: minute + 1, run] / effect for c in (stream.events, stream.errors))
        for said, burns in ((held, (6, 14.4)), (slow, (2, 3))):
            each = cusums(0.01, burns, per_month[minute, run])
            above = [level > walk.threshold for level, walk in zip(levels(errors, events, each), each, strict=True)]
            assert said[minute, run] == any(above), (minute, run, burns)
    assert held.any(axis=0).all()
    assert not held.all(axis=0).any()


def test_the_instrument_is_the_products_with_its_hysteresis() -> None:
    """From 30 audits an hour to 2, and back over 17 to 60: 1.8, .1, 1.02 and 3.6 bad audits in the longest window."""
    each = np.repeat([30, 2, 17, 60], 10 * DAY)
    events = np.random.default_rng(15).poisson(each / 60)[:, None].astype(np.int32)
    windows = judge.Windows(Stream(events=events, errors=np.zeros_like(events)))

    said = judge.windows_may_page(windows, 0.01, 1.0, DEFAULT_ALERTING)[:, 0]

    current, bad = "", windows.expected(6 * 3600)[:, 0] * 0.01
    for minute in range(judge.STARTED, len(said)):
        current = choose_instrument(bad[minute], current)
        assert said[minute] == (current is Instrument.BOTH), minute
    assert set(said[judge.STARTED :].tolist()) == {True, False}


def test_too_few_audits_for_the_quickest_profile_are_refused() -> None:
    stream = independent(np.random.default_rng(16), (3 * DAY, 1), 0.3, 0.01)

    with pytest.raises(ValueError, match="too few audits for the profile dense"):
        judge.judged(stream, 0.95)


def test_counts_are_divided_by_the_design_effect() -> None:
    stream = batches(np.random.default_rng(9), (600, 20), 100, 0.4)
    windows, tier = judge.Windows(stream), BurnTier(burn=6.0, long=6 * 3600, short=1800)
    profile = Profile(name="one", page=(tier,), ticket=())
    needed = evidence_needed(DEFAULT_ALERTING, Severity.PAGE)

    held = judge.tier_holds(windows, tier, 0.05, DESIGN_EFFECT, needed)

    for minute, run in [(m, r) for m in (30, 200, 599) for r in range(20)]:
        counted = [
            window_count(w, *(float(c[minute, run]) for c in windows.counts(w)), 0.05, DESIGN_EFFECT)
            for w in profile.windows
        ]
        assert held[minute, run] == bool(burning_tiers(profile, Severity.PAGE, counted, DEFAULT_ALERTING))
    assert 0 < held.sum() < judge.tier_holds(windows, tier, 0.05, 1.0, needed).sum()


def test_the_plain_rule_cries_wolf_where_few_audits_come() -> None:
    figures = false_alerts(np.random.default_rng(10), Cell(objective=0.99, per_hour=5, burn=1.0), 30)

    assert figures["plain_pages"] > 15
    assert figures["labelmon_pages"] < 0.5
    assert figures["labelmon_pages_upper"] == pytest.approx(
        poisson_upper(round(figures["labelmon_pages"] * 30)) / 30, abs=1e-4
    )


def test_a_fault_is_told_soon_and_no_sooner_than_it_can_be_known() -> None:
    figures = delays(np.random.default_rng(11), Cell(objective=0.95, per_hour=100, burn=20.0), 40)

    assert figures["labelmon_page_seen"] == 1.0
    assert 0.05 <= figures["labelmon_page_median"] <= 1.2
    assert figures["labelmon_page_median"] <= figures["labelmon_page_p90"]
    # Quiet again no sooner than ten minutes after the end of the fault, the time that an alert is kept.
    assert 10 / 60 <= figures["labelmon_reset_median"] <= figures["labelmon_reset_p90"]
    assert figures["lorden"] == round(lorden_hours(judge.budget_of(0.95), 1.0, 100), 2) == 0.05


def test_a_delay_holds_the_minute_that_must_end_and_the_two_that_rows_need_to_be_seen() -> None:
    hours = cells._hours(np.array([0, 60, 60]), np.array([True, True, False]))

    assert hours[:2].tolist() == pytest.approx([3 / 60, 63 / 60])
    assert np.isnan(hours[2])


def test_the_goals_can_be_missed() -> None:
    quiet, slow = Cell(objective=0.99, per_hour=5, burn=1.0), Cell(objective=0.99, per_hour=5, burn=20.0)
    good = {"labelmon_pages_upper": 0.15, "labelmon_tickets_upper": 0.3}

    assert list(missed(quiet, good)) == []
    assert len(list(missed(quiet, good | {"labelmon_pages_upper": 0.16}))) == 1
    assert len(list(missed(quiet, good | {"labelmon_tickets_upper": 0.31}))) == 1
    assert list(missed(slow, {"labelmon_page_median": 6.5})) == []
    assert len(list(missed(slow, {"labelmon_page_median": 6.51}))) == 1
    assert len(list(missed(slow, {"labelmon_page_median": None}))) == 1
    assert list(missed(replace(slow, burn=2.0), {"labelmon_page_median": None})) == []


def test_prometheus_fires_at_the_minutes_the_simulation_says(tmp_path: Path) -> None:
    """Streams through the product's own measurements, as series, against the generated rules."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is missing: install the package prometheus of Debian or Ubuntu")
    # Two minutes more than are looked at: the walks are ahead of the windows.
    rng, objective = np.random.default_rng(12), 0.99
    streams = {
        "quiet": fault(rng, 100, (1 - objective) / 2, objective),
        "six": fault(rng, 1000, 0.09, objective),
        "twenty": fault(rng, 100, 0.2, objective),
        "all-wrong": fault(rng, 20, 1.0, objective),
        "one-bad-of-five": one_bad_of(5, 3 * DAY + 360),
    }
    runs, said = {}, {}
    for name, stream in streams.items():
        minutes = range(len(stream.events) - 192, len(stream.events) - 2)
        runs[name] = list(product.statuses(stream, 0, objective, minutes))
        verdict = judge.judged(stream, objective)
        part = slice(minutes.start, minutes.stop)
        said[name] = judge.Verdict(page=verdict.page[part], ticket=verdict.ticket[part])
    (tmp_path / "rules.yml").write_text(
        rule_file(all_rules([product.CHECK], DEFAULT_ALERTING, Urls()), DEFAULT_ALERTING)
    )
    (tmp_path / "test.yml").write_text(dump(promql.rule_test("rules.yml", runs, said)))

    tested = subprocess.run(
        [tool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert tested.returncode == 0, (tested.stdout + tested.stderr)[:3000]
    pages = {name: int(verdict.page.sum()) for name, verdict in said.items()}
    assert pages["quiet"] == pages["one-bad-of-five"] == 0
    assert all(0 < pages[name] < 190 for name in ("twenty", "all-wrong"))


def figures_of(cell: Cell) -> dict[str, object]:
    if cell.burn <= 1:
        kinds = [f"{rule}_{level}" for rule in ("labelmon", "plain") for level in ("pages", "tickets")]
        return {"months": 1000} | {
            f"{kind}{end}": value for kind in kinds for end, value in (("", 0.01), ("_upper", 0.02))
        }
    kinds = [f"{rule}_{level}" for rule in ("labelmon", "plain") for level in ("page", "ticket", "reset")]
    told = {"median": 0.25, "p90": None, "seen": 0.8}
    return {"runs": 500, "lorden": 123.4} | {f"{kind}_{what}": told[what] for kind in kinds for what in told}


def test_the_page_shows_every_cell_of_its_figures() -> None:
    grid = [*null_cells(), *delay_cells()]
    proof = {"command": "c", "seed": 1, "commit": "a" * 40, "figures": {cell.name: figures_of(cell) for cell in grid}}
    proof["figures"] |= {"goals_missed": ["5 an hour: too late"]}

    text = page.page(proof)

    assert len({cell.name for cell in grid}) == len(grid)
    assert "| 99 % | 5 | 20x | 15 min (longer) | 15 min (longer) | 15 min (longer) | 15 min (longer) | 123 h |" in text
    assert "| 95 % | 100 in batches | at the budget | 0.010 (0.020) |" in text
    assert text.count("\n| ") == 3 * 2 + len(null_cells()) + 2 * len(delay_cells())
    assert "- 5 an hour: too late" in text


def test_the_page_is_as_new_as_its_figures() -> None:
    proven = json.loads(PROOF.read_text()).get("alerts")

    assert page.PAGE.exists() == (proven is not None)
    assert proven is None or page.PAGE.read_text() == page.page(proven)
