"""M6 where the store runs the validators: do labels keep the rules that their dataset declares?"""

from __future__ import annotations

from sqlalchemy import and_

from labelmon.check import Check, Column, Event, EventSlo, Panel, Part, Runbook, Statistic
from labelmon.estimators.breakdown import share_by
from labelmon.estimators.rules import checks_by_rule, failing_labels
from labelmon.model import Cause, Severity

CHECK = Check(
    name="label_rules",
    seed_ref="M6",
    title="Labels that keep the rules",
    help="Share of checks of labels against the dataset's `validators` that passed, by rule, and of labels that fail.",
    formula=(
        "(label, rule) pairs that passed / pairs checked, by the time of the label; 95 % interval by Wilson's score on "
        "pairs / design effect, since a label that breaks one rule often breaks others. A rule passes over labels that "
        "have no value for it (`required` asks for one); of rows with the same `unique` values the first is fine"
    ),
    source="E. B. Wilson (1927), JASA 22:209; W. G. Cochran (1977), Sampling Techniques, section 9A",
    gotcha=(
        "A mean over rules hides one: with ten rules, a rule that half of the labels break still leaves 95 % of the "
        "checks passed, so each rule has a share of its own and `failing_labels` counts labels. A rule that nothing "
        "breaks proves little: look at how many labels it judged."
    ),
    relation="labels",
    time=Event(instant="labeled_at"),
    keys=("validator",),
    where=lambda row: row.kept.is_not(None),
    counts={"good": Column(lambda row: row.kept == 1)},
    estimate=checks_by_rule("good", "rule_pass"),
    parts=(
        Part(
            name="failing",
            where=lambda row: row.rules_judged > 0,
            counts={
                "failing": Column(lambda row: row.rules_broken > 0),
                "judged": Column(lambda row: row.rules_judged),
                "broken": Column(lambda row: row.rules_broken),
                "judged_squared": Column(lambda row: row.rules_judged * row.rules_judged),
                "broken_squared": Column(lambda row: row.rules_broken * row.rules_broken),
                "product": Column(lambda row: row.rules_judged * row.rules_broken),
            },
            estimate=failing_labels("failing_labels", "design_effect"),
        ),
        Part(
            name="audited",
            relation="audits",
            time=Event(instant="audited_at"),
            needs_labels=True,
            keys=("validator",),
            where=lambda row: and_(row.kept == 0, row.complete, row.comparable),
            counts={"fine": Column(lambda row: row.right)},
            estimate=share_by("fine", "false_fail", "audited failures"),
        ),
    ),
    statistics=(
        Statistic(name="rule_pass", metric="ratio", interval=True, help="Share of checks that passed."),
        Statistic(
            name="failing_labels",
            metric="failing_ratio",
            interval=True,
            help="Share of labels that break at least one rule, of those that any rule judges.",
        ),
        Statistic(
            name="false_fail",
            metric="false_fail_ratio",
            interval=True,
            help="Share of audited labels that break a rule and are right all the same.",
        ),
        Statistic(name="design_effect", help="How many checks tell as much as one of a label of its own."),
    ),
    slo=EventSlo(good="good", design_effect="design_effect", target=0.99),
    severities=(Severity.PAGE, Severity.TICKET),
    cause=Cause.SCHEMA,
    runbook=Runbook(
        meaning="Labels break the rules of their dataset: what is stored cannot be used as it is, or a rule is wrong.",
        first_looks=(
            "Which rule? `unique` points at a retried upload, `known_items` at a join or a purge, others at a tool.",
            "Did it start at one moment? Then look for a release of the tool, or a change of `validators` itself.",
            "Is the share of failing labels as large, or do few labels break many rules?",
        ),
        mitigate=(
            "Hold back the failing labels from training and serving.",
            "Roll back the tool, or correct the rule in `validators`: labels are then judged anew, old ones too.",
        ),
        over_when="New labels keep the rules again, and the short window's error ratio is back below the budget.",
    ),
    panel=Panel(
        title="Labels that keep the rules",
        description="Share of checks against the dataset's validators that passed, with its 95 % interval.",
    ),
)
