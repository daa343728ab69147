"""Labels under several rules, some of which break all together: does the share of failed checks hold its interval?"""

from __future__ import annotations

import numpy as np

from labelmon.check import Moment
from labelmon.checks import check_named
from labelmon.counts import ROWS, Counts, Op
from labelmon.model import Estimate

RULES = 4
COLUMNS = ("failing", "judged", "broken", "judged_squared", "broken_squared", "product")


def draw_rules(
    rng: np.random.Generator, n: float, broken: float, together: float
) -> tuple[tuple[Estimate, ...], dict[str, float]]:
    """n labels: a share `together` of faults hits all rules of a label at once, the rest single checks."""
    labels = int(n)
    at_once = rng.random(labels) < broken * together
    alone = (broken - broken * together) / (1 - broken * together)
    wrong = (rng.random((labels, RULES)) < alone) | at_once[:, None]
    judged = rng.random((labels, RULES)) < 0.8  # a rule passes over a label without a value
    wrong &= judged
    m, b = judged.sum(axis=1).astype(float), wrong.sum(axis=1).astype(float)
    seen = m > 0
    sums = ((b > 0).sum(), m.sum(), b.sum(), (m * m).sum(), (b * b).sum(), (m * b).sum())
    check = check_named("label_rules")
    moment = Moment(at=0.0, budget=0.01)
    counts = Counts.of((), {ROWS: Op.SUM} | dict.fromkeys(COLUMNS, Op.SUM), [(float(seen.sum()), *map(float, sums))])
    part = check.parts[0].estimate
    assert part is not None
    assert check.estimate is not None
    of_labels = part(counts, moment)
    effect = next(e.value for e in of_labels if e.statistic == "design_effect")
    by_rule = [(f"r{n}", float(judged[:, n].sum()), float((judged & ~wrong)[:, n].sum())) for n in range(RULES)]
    checks = Counts.of(("validator",), {ROWS: Op.SUM, "good": Op.SUM}, by_rule)
    whole = check.estimate(checks, Moment(at=0.0, budget=0.01, design_effect=effect))
    # A label fails unless no check of it is broken: given that any rule judges it, summed over how many do.
    sizes = np.arange(RULES + 1)
    odds = np.array([1, 4, 6, 4, 1]) * 0.8**sizes * 0.2 ** (RULES - sizes)
    fails = broken * together + (1 - broken * together) * (1 - (1 - alone) ** sizes)
    share = float((odds * fails)[1:].sum() / odds[1:].sum())
    return (*whole, *of_labels), {"rule_pass": 1 - broken, "failing_labels": share}
