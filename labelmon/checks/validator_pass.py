"""M6 validator pass rate: do labels pass the automatic checks?"""

from __future__ import annotations

from labelmon.check import Check, Column, Event, EventSlo, Panel, Part, Runbook, Statistic
from labelmon.estimators.breakdown import share_by
from labelmon.model import Cause, Severity

CHECK = Check(
    name="validator_pass",
    seed_ref="M6",
    title="Validator pass rate",
    help="Share of automatic checks of labels that passed, and by rule.",
    formula="passed / checked, by the time of the check; 95 % interval by Wilson's score",
    source="E. B. Wilson (1927), JASA 22:209",
    gotcha=(
        "A poor rule creates false failures: the share of failures that a person overruled stands beside it, by rule. "
        "A rule that never fails proves nothing either."
    ),
    relation="validations",
    time=Event(instant="checked_at"),
    keys=("rule",),
    where=lambda row: row.passed.is_not(None),
    counts={"good": Column(lambda row: row.passed)},
    estimate=share_by("good", "validator_pass", "checks"),
    parts=(
        Part(
            name="false_fails",
            keys=("rule",),
            where=lambda row: row.passed.is_not(None) & ~row.passed & row.false_fail.is_not(None),
            counts={"overruled": Column(lambda row: row.false_fail)},
            estimate=share_by("overruled", "false_fail", "judged failures"),
        ),
    ),
    statistics=(
        Statistic(name="validator_pass", metric="ratio", interval=True, help="Share of checks that passed."),
        Statistic(
            name="false_fail",
            metric="false_fail_ratio",
            interval=True,
            help="Share of the failures a person judged that were no faults of the label.",
        ),
    ),
    slo=EventSlo(good="good", target=0.99),
    severities=(Severity.PAGE, Severity.TICKET),
    cause=Cause.SCHEMA,
    runbook=Runbook(
        meaning="Labels fail their automatic checks: what is stored cannot be used as it is, or a rule is wrong.",
        first_looks=(
            "Which rule fails? One rule points at a release or at the rule itself, all at the pipeline.",
            "Is the rule new, or was it changed? Then look at the share of failures that were overruled.",
            "Do the failing labels share a source, a tool or a schema version?",
        ),
        mitigate=(
            "Hold back the failing labels from training and serving.",
            "Roll back the tool or the rule, whichever changed last.",
        ),
        over_when="New labels pass again, and the short window's error ratio is back below the budget.",
    ),
    panel=Panel(
        title="Validator pass rate",
        description="Share of automatic checks that passed, with its 95 % interval, over the objective's window.",
    ),
)
