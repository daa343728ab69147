"""Labels held to several rules each, some labels bad in many ways: do the intervals of the shares hold?"""

from __future__ import annotations

import numpy as np

from labelmon.check import Estimator, Moment
from labelmon.checks import check_named
from labelmon.counts import ROWS, Counts, Op
from labelmon.model import Estimate

RULES = 5
BAD, ELSE = 0.6, 0.01  # how often a bad label breaks a rule, and any other


def _estimator(declared: Estimator | None) -> Estimator:
    assert declared is not None
    return declared


def draw_rules(rng: np.random.Generator, n: float, bad: float) -> tuple[tuple[Estimate, ...], dict[str, float]]:
    """`n` labels under five rules; a share `bad` of the labels breaks most of them, so that checks of one agree."""
    is_bad = rng.random(int(n)) < bad
    broken = rng.random((int(n), RULES)) < np.where(is_bad, BAD, ELSE)[:, None]
    by_label = broken.sum(axis=1)
    check = check_named("label_rules")
    labels = {
        ROWS: n,
        "failing": float((by_label > 0).sum()),
        "judged": n * RULES,
        "broken": float(by_label.sum()),
        "judged_squared": n * RULES**2,
        "broken_squared": float((by_label**2).sum()),
        "product": float((by_label * RULES).sum()),
    }
    part = Counts.of((), dict.fromkeys(labels, Op.SUM), [tuple(labels.values())])
    failing = _estimator(check.parts[0].estimate)(part, Moment(at=0))
    effect = next(e.value for e in failing if e.statistic == "design_effect")
    rows = [(f"rule {i}", n, float(n - broken[:, i].sum())) for i in range(RULES)]
    whole = Counts.of(("validator",), {ROWS: Op.SUM, "good": Op.SUM}, rows)
    found = _estimator(check.estimate)(whole, Moment(at=0, design_effect=effect))
    breaks = bad * BAD + (1 - bad) * ELSE
    fails = bad * (1 - (1 - BAD) ** RULES) + (1 - bad) * (1 - (1 - ELSE) ** RULES)
    return (*found, *failing), {"rule_pass": 1 - breaks, "failing_labels": fails}
