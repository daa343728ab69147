"""Every mutant of a generated rule is killed by the promtool test that ships with its alert."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import pytest

from labelmon.alerting import promql
from labelmon.alerting.files import RULES_FILE, rule_file
from labelmon.alerting.rule_tests import test_files as shipped_tests
from labelmon.alerting.rules import Rule, all_rules
from labelmon.checks import catalogue
from labelmon.model import Urls
from labelmon.profiles import DEFAULT_ALERTING

RULES = all_rules(catalogue(), DEFAULT_ALERTING, Urls())
SHIPPED = shipped_tests(RULES, DEFAULT_ALERTING, Urls())
ALERTS = sorted({rule.alert for rule in RULES})


def siblings(alert: str) -> list[Rule]:
    return [rule for rule in RULES if rule.alert == alert]


def file_of(alert: str) -> str:
    return next(name for name in SHIPPED if Path(name).name.split(".")[0] == alert)


def other_numbers(expr: promql.Expr) -> Iterator[tuple[str, promql.Expr]]:
    """`expr` with one threshold a quarter too high or too low (a count off by one)."""
    if isinstance(expr, promql.Compare) and not isinstance(expr.right, promql.Expr):
        for changed in (expr.right * 0.75 or -1, expr.right * 1.25 or 1):
            yield f"{expr.right} became {changed} in {expr.lines()[0]}", replace(expr, right=changed)
    for item in fields(expr):
        inner = getattr(expr, item.name)
        parts = inner if isinstance(inner, tuple) else (inner,)
        for place, part in enumerate(parts):
            if not isinstance(part, promql.Expr):
                continue
            for what, changed in other_numbers(part):
                whole = (*parts[:place], changed, *parts[place + 1 :]) if isinstance(inner, tuple) else changed
                yield what, replace(expr, **{item.name: whole})


def mutants(rule: Rule) -> Iterator[tuple[str, Rule]]:
    for what, expr in (*promql.mutants(rule.expr), *other_numbers(rule.expr)):
        yield f"{rule.severity.value}: {what}", replace(rule, expr=expr)
    for name in ("hold", "keep_firing"):
        seconds = getattr(rule, name)
        for changed in (0, seconds * 2) if seconds else ():
            yield (
                f"{rule.severity.value}: {name} of {seconds} s became {changed} s",
                replace(rule, **{name: changed}),
            )


def judge(promtool, rules: list[Rule], alert: str, folder: Path):
    """Runs the shipped test of `alert` over a rule file of just `rules`."""
    test = folder / file_of(alert)
    test.parent.mkdir(parents=True)
    test.write_text(SHIPPED[file_of(alert)])
    (folder / RULES_FILE).write_text(rule_file(rules, DEFAULT_ALERTING))
    return promtool("test", "rules", test)


@pytest.mark.parametrize("alert", ALERTS)
def test_unmutated_rules_pass_their_test(alert, promtool, tmp_path):
    done = judge(promtool, siblings(alert), alert, tmp_path / "0")

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_every_mutant_is_killed(alert, promtool, tmp_path):
    trials = [
        (what, [changed if rule is mutated else rule for rule in siblings(alert)])
        for mutated in siblings(alert)
        for what, changed in mutants(mutated)
    ]
    with ThreadPoolExecutor(2) as two:
        done = list(
            two.map(lambda pair: judge(promtool, pair[1][1], alert, tmp_path / str(pair[0])), enumerate(trials))
        )

    survivors = [what for (what, _), result in zip(trials, done, strict=True) if result.returncode == 0]
    # A mutant that does not load has not been killed by a test.
    broken = [
        what
        for (what, _), result in zip(trials, done, strict=True)
        if result.returncode and "exp:[" not in result.stdout + result.stderr
    ]
    assert broken == []
    assert trials or alert == "LabelmonGone"
    assert survivors == [], f"{len(survivors)} of {len(trials)} mutants survive"
