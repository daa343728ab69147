"""A check is a declared value: what to count, how counts become an estimate, who is woken, what they do.

Everything else (metrics, rules, promtool tests, runbooks, panels, tables in the docs) is a pure function of
the catalogue of checks; none of it holds a check's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import case

from labelmon.counts import ROWS, Counts, Op
from labelmon.model import DAY, HOUR, Calendar, Cause, Estimate, Severity
from labelmon.roles import PERSON_ROLES, RELATIONS
from labelmon.slo import EventSlo as EventSlo
from labelmon.slo import GaugeSlo as GaugeSlo
from labelmon.slo import Statistic as Statistic
from labelmon.slo import Threshold as Threshold

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

NAME = re.compile(r"[a-z0-9_]+")


class Row(Protocol):
    """A row of the check's source: each role is an attribute, an SQL expression.

    Text roles are text, instants whole milliseconds since 1970 (UTC), numbers numbers. Beside the mapped
    roles a row offers, by time kind: `at_ms` (the moment of the cycle; all kinds), `deadline_ms` and
    `first_label_ms` (DEADLINE over items), `first_label_ms` (SNAPSHOT over items; NULL when no label is known
    at `at_ms`), `in_schema` (EVENT: whether the class is a declared one and the schema version, where mapped and
    declared, one in force; `kept`, `rules_judged` and `rules_broken`: whether a row keeps the rule it is
    grouped under by the key `validator`, 1 or 0, or NULL where the rule does not judge it, and how many of the
    dataset's rules judge it and are broken), over audits the verdicts `right`, `complete`, `incomplete` and
    `comparable` (see labelmon.stores.compared), for EVENT with a partner `partner_known`, `partner_first_ms` and
    `partner_<role>` (whether its item is there, since when, and what the item's last row in it said that is not
    younger than the event; NULL without one) and for ITEM `settled_ms`, `first_label_ms`, `ratings` (distinct
    annotators) and `classes` (distinct labels). A row of ITEM pairs is two annotators' ratings of one item: `label`,
    `other_label`, `annotator`, `other_annotator`, `ratings` and `fold`. A row of VOTE is one item with `votes`,
    `good` (the chance that its most frequent label, ties broken at random, is the truth) and `fold`.
    """

    def __getattr__(self, role: str) -> ColumnElement[Any]: ...


Expression = Callable[[Row], "ColumnElement[Any]"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Counted in the bucket of `instant`, a role at which the row's contribution is final."""

    instant: str
    kind: str = "event"


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """Counted at `start` + the objective's `within`: pending rows count as late then, and not before."""

    start: str = "arrived_at"
    kind: str = "deadline"


@dataclass(frozen=True, kw_only=True)
class Item:
    """Counted once per item when it settles: at its `overlap`-th annotator, or `settle` after its first label.

    With `pairs` a row is a pair of annotators of the item rather than the item.
    """

    pairs: bool = False
    kind: str = "item"


@dataclass(frozen=True, kw_only=True)
class Vote:
    """Counted once per item, in the bucket of its last row: what the majority of its labels says."""

    instant: str
    kind: str = "vote"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The state as of the cycle: all rows whose `since` has come; the last sample of a bucket wins."""

    since: str = "arrived_at"
    kind: str = "snapshot"


@dataclass(frozen=True, kw_only=True)
class Stages(Snapshot):
    """A snapshot of the items that arrived in the last `reach` seconds: a row per item and stage that it has begun.

    A row offers `step`, `bin` (of the time in it so far, see labelmon.bins) and `until_ms` (NULL while it lasts).
    """

    reach: int = 30 * DAY


@dataclass(frozen=True, kw_only=True)
class Versions(Snapshot):
    """A snapshot of dataset versions: the rows of the newest version of each purpose.

    With `pairs` a row per item of the two newest versions: `label` and `other_label`, `in_newer` and `in_older` (1 or
    0), `version` and `other_version` (their names).
    """

    since: str = "version"
    pairs: bool = False


TimeKind = Event | Deadline | Item | Vote | Snapshot

# Keys that no column holds: a statement makes them out of an item's ratings. `offending` is what a row's class or
# schema version says where it is not in the schema, and '' elsewhere; `validator` names a rule of the dataset.
# `step` and `bin` are those of Stages.
FOLDS = 20
PARTNER = "partner_"
DERIVED_KEYS = frozenset(
    {"fold", "ratings", "other_label", "other_annotator", "offending", "validator", "step", "bin", "other_version"}
)


@dataclass(frozen=True)
class Column:
    """One counted column: an SQL expression over a row and how it aggregates.

    `quantiles` (snapshots only) turn the column into order statistics: one LAST column per quantile, named
    `<name>_p50` and so on, linear between order statistics (type 7).
    """

    expression: Expression
    op: Op = Op.SUM
    quantiles: tuple[float, ...] = ()


SettingValue = str | float


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Something a check lets an objective choose: one of `choices`, a number of at least `least`, or a text.

    A text is one that `parse` takes without a ValueError, or empty.
    """

    name: str
    help: str
    default: SettingValue
    choices: tuple[str, ...] = ()
    least: float = 0.0
    parse: Callable[[str], object] | None = None


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What an estimator may know beside the counts.

    `at` is the instant in seconds; `budget` the objective's error budget; `classes` the declared ones, in order;
    `ordinal` whether that order means something; `timezone` that of the dataset's days and weeks; `settings`
    those of the check, defaults filled in; `design_effect` what a part of the check says of the sample's design.
    `calendar` says when the pipeline is open; rows older than `lag` seconds have had the time to become visible.
    """

    at: float
    budget: float | None = None
    classes: tuple[str, ...] = ()
    ordinal: bool = False
    timezone: str = "UTC"
    settings: Mapping[str, SettingValue] = field(default_factory=dict)
    design_effect: float | None = None
    calendar: Calendar | None = None
    lag: float = 0.0


Estimator = Callable[[Counts, Moment], tuple[Estimate, ...]]
Combiner = Callable[[Mapping[str, Counts], Moment], tuple[Estimate, ...]]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A second table of a check, for estimates that need other keys or rows: by annotator, by pair, by item.

    It is counted by the day. `time`, `relation` and `partner` are the check's own unless given. Estimates that carry a
    person's pseudonym in their labels are shown on pages, in the API and in tickets, and never become metrics.
    `most` keeps only so many groups of a bucket, those with most rows. One that `compares` is there only where the
    dataset declares how labels that are no classes compare. With `needs_labels` its items are joined as a check's.
    With `history` an estimator or combiner is
    handed the objective's window by `bucket`, the start of each day (UTC) in seconds, to set its days apart.
    """

    name: str
    keys: tuple[str, ...] = ()
    counts: Mapping[str, Column] = field(default_factory=dict)
    estimate: Estimator | None = None
    relation: str = ""
    partner: str = ""
    time: TimeKind | None = None
    where: Expression | None = None
    most: int | None = None
    needs_labels: bool = False
    compares: bool = False
    history: bool = False

    @property
    def ops(self) -> dict[str, Op]:
        """Every column of the counts with its op: `rows` first, then as declared."""
        return _ops(self.counts)


@dataclass(frozen=True, kw_only=True)
class Runbook:
    """What a tired reader needs: what it means, three looks, what to do, how to know it is over."""

    meaning: str
    first_looks: tuple[str, str, str]
    mitigate: tuple[str, ...]
    over_when: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel of the on-call dashboard; `statistics` name what it draws, by default the main one."""

    title: str
    description: str
    statistics: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Check:
    """One SLI. See `labelmon/checks/` for what one looks like.

    `relation` and `time` say which rows count and when; `keys` are optional roles to group by (used where
    mapped); `counts` are the columns beside `rows`; `where` leaves rows out. `needs_labels` joins the labels of
    each item (deadline and snapshot checks); `partner` names a relation whose items an event's item is looked up
    in. `combine` is handed the counts of the check ('') and of its parts, by name, where they are known. With
    `history` the estimator is handed everything known up to the moment, by `bucket` (its start in seconds), and
    picks its own periods. It is counted by the hour, or if it is `sharp` with every cycle, in the dataset's own
    buckets. An `hourly` check is counted by the hour. `min_n` of the estimate is the estimator's
    business. `optional` are roles of the relation (or of a part's) that the expressions read and that may be missing,
    each with what it then reads as (None is NULL). `meant_for` names the data that the default objective suits.
    """

    name: str
    seed_ref: str
    title: str
    help: str
    formula: str
    source: str
    gotcha: str
    relation: str
    time: TimeKind
    counts: Mapping[str, Column] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    where: Expression | None = None
    optional: Mapping[str, float | str | None] = field(default_factory=dict)
    needs_labels: bool = False
    partner: str = ""
    history: bool = False
    sharp: bool = False
    hourly: bool = False
    parts: tuple[Part, ...] = ()
    combine: Combiner | None = None
    settings: tuple[Setting, ...] = ()
    estimate: Estimator | None = None
    statistics: tuple[Statistic, ...]
    slo: EventSlo | GaugeSlo
    severities: tuple[Severity, ...]
    cause: Cause
    meant_for: str = ""
    runbook: Runbook
    panel: Panel

    def __post_init__(self) -> None:
        problems = tuple(self._problems())
        if problems:
            raise ValueError(f"check {self.name!r}: " + "; ".join(problems))

    @property
    def ops(self) -> dict[str, Op]:
        """Every column of the counts with its op: `rows` first, then as declared, quantiles spread out."""
        return _ops(self.counts)

    @property
    def main(self) -> Statistic:
        """The statistic a reader means by the check's name."""
        return self.statistics[0]

    @property
    def slice_width(self) -> int | None:
        """Seconds of a gauge's time slices; None where none can be judged by itself: by history, or by two tables."""
        slo = self.slo
        if not isinstance(slo, GaugeSlo) or slo.slice_width == 0 or self.estimate is None or self.history:
            return None
        return slo.slice_width or (HOUR if isinstance(self.time, Snapshot) and not self.hourly else DAY)

    @property
    def adjusted(self) -> Statistic:
        """The adjusted p-value that a threshold may ask for; StopIteration if the check reports none."""
        return next(s for s in self.statistics if s.adjusts)

    def statistic(self, name: str) -> Statistic:
        """The statistic called `name`; StopIteration if the check reports none."""
        return next(s for s in self.statistics if s.name == name)

    @property
    def required_roles(self) -> tuple[tuple[str, str], ...]:
        """(relation, role) pairs without which the check is off."""
        pairs = [(self.relation, role) for role in RELATIONS[self.relation].required]
        if isinstance(self.time, Item):
            pairs.append(("labels", "annotator"))
        if isinstance(self.time, Event) and (self.relation, self.time.instant) not in pairs:
            pairs.append((self.relation, self.time.instant))
        if self.needs_labels:
            pairs += [("labels", "item")]
        if self.partner:
            pairs += [(self.partner, "item")]
        return tuple(dict.fromkeys(pairs))

    def _problems(self) -> list[str]:  # noqa: C901  one rule after the other
        found = []
        if not NAME.fullmatch(self.name):
            found.append(f"need a name matching {NAME.pattern}")
        if self.relation not in RELATIONS:
            return [*found, f"need a relation of {', '.join(RELATIONS)}, got {self.relation!r}"]
        partner = RELATIONS[self.partner].names if self.partner else ()
        roles = {*RELATIONS[self.relation].names, *DERIVED_KEYS, *(PARTNER + role for role in partner)}
        found += [f"need keys that are roles of {self.relation}, got {key!r}" for key in self.keys if key not in roles]
        read = dict.fromkeys((self.relation, *(part.relation for part in self.parts if part.relation)))
        may_miss = {role for name in read for role in RELATIONS[name].optional}
        found += [f"need optional roles of {', '.join(read)}, got {r!r}" for r in self.optional if r not in may_miss]
        if not self.statistics:
            found.append("need at least one statistic")
        if self.estimate is None and self.combine is None:
            found.append("need an estimate, or a combine")
        found += self._event_problems(self.slo) if isinstance(self.slo, EventSlo) else []
        if isinstance(self.time, Deadline) and (not isinstance(self.slo, EventSlo) or self.slo.within is None):
            found.append("need an event objective with `within` for a deadline")
        names = {s.name for s in self.statistics}
        if isinstance(self.slo, GaugeSlo):
            if (self.slo.at_most is None) == (self.slo.at_least is None):
                found.append("need exactly one of at_most and at_least")
            wanted = {self.slo.statistic, *(t.statistic for t in self.slo.thresholds)}
            found += [f"need an objective on a reported statistic, got {n!r}" for n in sorted(wanted - names)]
            if any(t.p_below for t in self.slo.thresholds) and not any(s.adjusts in names for s in self.statistics):
                found.append("need an adjusted p-value for a threshold that asks for one")
        if set(self.panel.statistics) - names:
            found.append("need a panel of reported statistics")
        for name, column in self.counts.items():
            if column.quantiles and not isinstance(self.time, Snapshot):
                found.append(f"need a snapshot for the quantiles of {name!r}")
        return found

    def _event_problems(self, slo: EventSlo) -> list[str]:
        columns = (("good", slo.good), ("of", slo.of))
        found = [f"need `{name}` to be a counted column, got {c!r}" for name, c in columns if c not in self.ops]
        if slo.design_effect not in {"", *(s.name for s in self.statistics)}:
            found.append(f"need `design_effect` to be a reported statistic, got {slo.design_effect!r}")
        if isinstance(self.time, Snapshot):
            found.append("need a gauge objective for a snapshot")
        return found

    @property
    def metric_keys(self) -> tuple[str, ...]:
        """The keys that may become metric labels: never a person."""
        return tuple(key for key in self.keys if key not in PERSON_ROLES)


def by_first(reasons: Mapping[str, Expression]) -> dict[str, Column]:
    """A column for each reason: the rows for which it holds and none before it does."""

    def counted(name: str) -> Column:
        return Column(lambda row: case(*[(test(row), int(one == name)) for one, test in reasons.items()], else_=0))

    return {name: counted(name) for name in reasons}


def _ops(counts: Mapping[str, Column]) -> dict[str, Op]:
    ops = {ROWS: Op.SUM}
    for name, column in counts.items():
        if column.quantiles:
            ops |= {quantile_column(name, q): Op.LAST for q in column.quantiles}
        else:
            ops[name] = column.op
    return ops


def quantile_column(name: str, quantile: float) -> str:
    """The column that holds `quantile` of `name`: p50, p90, p99."""
    return f"{name}_p{quantile * 100:g}"
