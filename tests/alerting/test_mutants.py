"""Every mutant of a generated rule is killed by the promtool test that ships with its alert.

promtool spends its time on starting, on loading series, and on the texts of alerts. So many mutants share a run, each
under an alert name of its own; of alerts whose rules and tests are the same but for the names of check and alert, one is
judged for all; and the texts, which ask queries of their own, are left out until a mutant has passed
for its labels and times alone. What fails without the texts fails with them, so none is let off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml

from labelmon.alerting import promql
from labelmon.alerting.files import RULES_FILE, rule_file
from labelmon.alerting.rule_tests import test_files as shipped_tests
from labelmon.alerting.rules import Rule, all_rules
from labelmon.checks import catalogue
from labelmon.model import Urls
from labelmon.profiles import DEFAULT_ALERTING
from tests.alerting.conftest import Tool

# A page that ends sooner: every mutant waits for its end.
ALERTING = replace(DEFAULT_ALERTING, page_keep_firing=2 * DEFAULT_ALERTING.keep_firing)
RULES = all_rules(catalogue(), ALERTING, Urls())
pytestmark = pytest.mark.exhaustive
SHIPPED = shipped_tests(RULES, ALERTING, Urls())
ALERTS = sorted({rule.alert for rule in RULES})
TOGETHER = 40  # mutants in a run
CONTROL = "unmutated"
Trials = dict[str, list[Rule]]


def siblings(alert: str) -> list[Rule]:
    return [rule for rule in RULES if rule.alert == alert]


def file_of(alert: str) -> str:
    return next(name for name in SHIPPED if Path(name).name.split(".")[0] == alert)


def shape(alert: str) -> str:
    """The rules and the test of `alert` but for their texts, with the names of alert and check left blank."""
    rules = siblings(alert)
    text = "\n".join(f"{rule.expr} {rule.labels} {rule.hold} {rule.keep_firing}" for rule in rules)
    # Below a line that opens the texts, those are what is indented deeper.
    text += re.sub(r"^( +)exp_annotations:\n(?:\1 .*\n)+", "", SHIPPED[file_of(alert)], flags=re.MULTILINE)
    for name in (alert, *{rule.check.name for rule in rules if rule.check}):
        text = text.replace(name, "-")
    return text


# Of each shape the first alert.
JUDGED = sorted({shape(alert): alert for alert in reversed(ALERTS)}.values())


def other_numbers(expr: promql.Expr) -> Iterator[tuple[str, promql.Expr]]:
    """`expr` with one threshold a quarter too high or too low (a count off by one)."""
    if isinstance(expr, promql.Scaled):
        for name in ("factor", "offset"):
            number = getattr(expr, name)
            for share in (0.75, 1.25) if number else ():
                yield f"{number} became {number * share} in {expr}", replace(expr, **{name: number * share})
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


def renamed(expr: promql.Expr, old: str, new: str) -> promql.Expr:
    """`expr` with alert `old`, wherever it asks whether it fires, called `new`."""
    if isinstance(expr, promql.Metric):
        matchers = tuple((label, new if value == old else value) for label, value in expr.matchers)
        return replace(expr, matchers=matchers)
    changed = {}
    for item in fields(expr):
        inner = getattr(expr, item.name)
        if isinstance(inner, promql.Expr):
            changed[item.name] = renamed(inner, old, new)
        elif isinstance(inner, tuple):
            changed[item.name] = tuple(renamed(p, old, new) if isinstance(p, promql.Expr) else p for p in inner)
    return replace(expr, **changed)


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


def judge(promtool: Tool, trials: Trials, alert: str, folder: Path, *, texts: bool) -> set[str]:
    """The names of those `trials` whose rules fail the shipped test of `alert`; without `texts`, for their labels."""
    shipped = yaml.safe_load(SHIPPED[file_of(alert)])
    for test in shipped["tests"]:
        asked = test["alert_rule_test"]
        if not texts:
            asked = [
                {**one, "exp_alerts": [{"exp_labels": expected["exp_labels"]} for expected in one["exp_alerts"]]}
                for one in asked
            ]
        test["alert_rule_test"] = [{**one, "alertname": f"{alert}:{name}"} for one in asked for name in trials]
    rules = [
        replace(
            rule,
            alert=f"{alert}:{name}",
            expr=renamed(rule.expr, alert, f"{alert}:{name}"),
            annotations=rule.annotations if texts else {},
        )
        for name, mutated in trials.items()
        for rule in mutated
    ]
    test = folder / file_of(alert)
    test.parent.mkdir(parents=True)
    # JSON is YAML, and quicker to write.
    test.write_text(json.dumps(shipped))
    (folder / RULES_FILE).write_text(rule_file(rules, ALERTING))

    done = promtool("test", "rules", test)

    said = done.stdout + done.stderr
    failed = set(re.findall(rf"alertname: {alert}:(\S+), time:", said))
    # A mutant that does not load, or breaks while it is evaluated, has not been killed by a test.
    assert (done.returncode != 0) == bool(failed), said[:2000]
    assert not re.search(r"^\s*rule: .* err: ", said, re.MULTILINE), said[:2000]
    return failed


def killed(promtool: Tool, trials: Trials, alert: str, folder: Path, *, texts: bool) -> set[str]:
    """As `judge`, in runs of some, each with the rules as they are for a control."""
    names = list(trials)
    batches = [
        {CONTROL: siblings(alert), **{name: trials[name] for name in names[start : start + TOGETHER]}}
        for start in range(0, len(names), TOGETHER)
    ]
    with ThreadPoolExecutor(2) as two:
        failed = two.map(
            lambda pair: judge(promtool, pair[1], alert, folder / str(pair[0]), texts=texts), enumerate(batches)
        )
        return set().union(*failed)


@pytest.mark.parametrize("alert", JUDGED)
def test_every_mutant_is_killed(alert: str, promtool: Tool, tmp_path: Path) -> None:
    made = [(rule, *mutant) for rule in siblings(alert) for mutant in mutants(rule)]
    trials = {
        f"{number} {what}": [changed if rule is mutated else rule for rule in siblings(alert)]
        for number, (mutated, what, changed) in enumerate(made)
    }
    numbered = {name.split()[0]: rules for name, rules in trials.items()}

    quickly = killed(promtool, numbered, alert, tmp_path / "labels", texts=False)
    left = {name: rules for name, rules in numbered.items() if name not in quickly}
    slowly = killed(promtool, left, alert, tmp_path / "texts", texts=True)

    assert CONTROL not in quickly | slowly
    survivors = [name for name in trials if name.split()[0] not in quickly | slowly]
    assert trials
    assert survivors == [], f"{len(survivors)} of {len(trials)} mutants survive"
