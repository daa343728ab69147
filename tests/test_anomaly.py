"""Annotators apart: who is flagged, and who is left in peace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta, betabinom, binomtest

from labelmon.estimators.anomaly import judge
from labelmon.estimators.skill import fit_skill
from tests.full_store import day, once, one


def audits(errors: dict[str, tuple[int, int]]) -> list[dict[str, object]]:
    """(wrong, audited) of each annotator as rows."""
    return [
        {"item": f"{who}-{n}", "label": "x", "truth": "y" if n < wrong else "x", "audited_at": day(n), "annotator": who}
        for who, (wrong, total) in errors.items()
        for n in range(total)
    ]


def test_one_who_errs_far_more_is_flagged_and_named_by_pseudonym_only(tmp_path: Path) -> None:
    honest = {f"reader-{n}": (2 + n % 5, 60) for n in range(9)}
    rows = audits({**honest, "reader-bad": (22, 60), "reader-new": (1, 1)})

    found = once(tmp_path, {"audits": rows}, {"annotator_anomaly": {"at_most": 0}})

    assert one(found, "flagged_annotators")["value"] == 1
    assert one(found, "judged_annotators")["value"] == 10  # one audit judges nobody
    (bad,) = [m for m in found if m["statistic"] == "flagged" and m["value"] == 1]
    assert "reader" not in str(found)
    (rate,) = [m for m in found if m["statistic"] == "error_rate" and m["labels"] == bad["labels"]]
    assert rate["value"] == 22 / 60
    shrunk = [m for m in found if m["statistic"] == "error_rate" and m["labels"] != bad["labels"]]
    assert all(0.03 < m["value"] < 0.1 and m["low"] < m["value"] < m["high"] for m in shrunk)  # raw: 0.033 to 0.1


@pytest.mark.parametrize("people", [{"a": (5, 60)}, dict.fromkeys("abcdefgh", (1, 19))], ids=["alone", "few audits"])
def test_without_peers_or_audits_nobody_is_judged(tmp_path: Path, people: dict[str, tuple[int, int]]) -> None:
    flagged = one(
        once(tmp_path, {"audits": audits(people)}, {"annotator_anomaly": {"at_most": 0}}), "flagged_annotators"
    )

    assert (flagged["value"], flagged["state"]) == (None, "insufficient")


def test_tails_are_those_of_scipy() -> None:
    skill = fit_skill(np.array([3.0, 9.0, 1.0, 5.0]), np.array([60.0, 70.0, 50.0, 60.0]))
    for errors, total in ((0, 50), (7, 50), (50, 50)):
        each = [betabinom.sf(errors - 1, total, a, b) for a, b in zip(skill.a, skill.b, strict=True)]
        assert skill.upper_tail(errors, total) == pytest.approx(skill.weight @ each, abs=1e-9)


def test_what_is_known_of_one_is_bayes_rule_by_hand() -> None:
    skill = fit_skill(np.array([3.0, 9.0, 1.0, 5.0, 2.0]), np.full(5, 60.0))
    rates = np.linspace(0.0005, 0.9995, 4000)
    density = sum(w * beta.pdf(rates, a, b) for w, a, b in zip(skill.weight, skill.a, skill.b, strict=True))
    density = density * rates**6 * (1 - rates) ** 34
    density /= density.sum()

    known = skill.given(6, 40)

    assert known.mean == pytest.approx(rates @ density, rel=1e-3)
    assert known.quantile(0.975) == pytest.approx(rates[np.searchsorted(density.cumsum(), 0.975)], abs=1e-3)
    assert skill.mean < known.mean < 6 / 40  # between the peers' mean and the own rate


def test_the_spread_follows_the_peers() -> None:
    alike = fit_skill(np.full(30, 5.0), np.full(30, 100.0))
    apart = fit_skill(np.tile([1.0, 25.0], 15), np.full(30, 100.0))

    assert alike.quantile(0.975) < 0.09
    assert apart.quantile(0.975) > 0.3


def simulated(rng: np.random.Generator, *, bad: bool) -> tuple[np.ndarray, np.ndarray]:
    """40 annotators with 100 audits each; honest error rates are drawn, 5 % on average, give or take 2.5."""
    skill = rng.gamma(4.0, 0.05 / 4.0, 40).clip(0, 1)
    if bad:
        skill[0] = 0.3
    return rng.binomial(100, skill).astype(float), np.full(40, 100.0)


def test_honest_annotators_are_left_in_peace_where_a_plain_binomial_flags_them() -> None:
    rng = np.random.default_rng(3)
    ours = plain = 0
    rounds = 60
    for _ in range(rounds):
        errors, total = simulated(rng, bad=False)
        ours += sum(judge(errors, total)[1])
        mean = errors.sum() / total.sum()
        plain += sum(binomtest(int(k), 100, mean, alternative="greater").pvalue < 0.001 for k in errors)
    assert ours / rounds <= 0.1
    assert plain / rounds > 0.4  # the trap


def test_one_bad_annotator_is_found_and_two_do_not_hide_each_other() -> None:
    rng = np.random.default_rng(4)
    found = sum(judge(*simulated(rng, bad=True))[1][0] for _ in range(60))
    assert found / 60 >= 0.8

    errors, total = np.array([4.0, 3, 5, 6, 4, 3, 5, 30, 32]), np.full(9, 80.0)
    assert judge(errors, total)[1] == [False] * 7 + [True, True]
