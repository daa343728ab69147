"""The nouns of labelmon: frozen values that import nothing of ours but errors and roles.

Instants are seconds since 1970 (UTC) as int or float unless a name ends in `_ms`; durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

DAY = 86_400
HOUR = 3_600


class Severity(StrEnum):
    """Who is woken: a page wakes a human now, a ticket waits for the working day."""

    PAGE = "page"
    TICKET = "ticket"


class Tier(StrEnum):
    """How much a dataset matters."""

    CRITICAL = "critical"
    STANDARD = "standard"
    EXPERIMENTAL = "experimental"


class State(StrEnum):
    """Whether a number may be believed. Anything but OK comes with a reason."""

    OK = "ok"
    INSUFFICIENT = "insufficient"
    NOT_COMPUTABLE = "not_computable"
    ERROR = "error"


class Cause(StrEnum):
    """Where a check stands in the inhibition tree: an earlier cause explains a later one."""

    OUTAGE = "outage"
    STALL = "stall"
    STALE = "stale"
    SCHEMA = "schema"
    QUALITY = "quality"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A team and its receivers, by the names of `receivers:` ('' means nobody is told)."""

    team: str = "unowned"
    page: str = ""
    tickets: str = ""


@dataclass(frozen=True, kw_only=True)
class StoreSpec:
    """Where labels live: a database `url`, or `files` (view name to path or glob) read by DuckDB."""

    name: str
    url: str = field(default="", repr=False)
    files: Mapping[str, str] = field(default_factory=dict)
    statement_timeout: float = 20.0
    max_concurrency: int = 2


@dataclass(frozen=True, kw_only=True)
class Relation:
    """One relation of a dataset: rows of `table` or `query` in `store` that meet `where`; role to column."""

    name: str
    store: str
    columns: Mapping[str, str]
    table: str = ""
    query: str = ""
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class ObjectiveKind(StrEnum):
    """The four ways to say what good means."""

    TARGET = "target"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    NONE_BAD = "none_bad"


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What good means for one check of one dataset.

    `value` is a ratio for TARGET, a number in the statistic's base unit for AT_LEAST and AT_MOST (an age in
    seconds), None for NONE_BAD. `window` is in seconds; None stands for `window: all`. `within` is the limit
    of a deadline check in seconds; `settle` and `overlap` belong to item checks, `settings` are the check's own.
    `bad_slices` is the share of a gauge's time slices that may be bad.
    """

    kind: ObjectiveKind
    value: float | None
    window: int | None = 30 * DAY
    scope: Mapping[str, str] = field(default_factory=dict)
    within: float | None = None
    settle: float = float(DAY)
    overlap: int = 2
    bad_slices: float = 0.05
    settings: Mapping[str, str | float] = field(default_factory=dict)

    @property
    def budget(self) -> float | None:
        """The share of events that may be bad (1 - target); None where the objective is no ratio of events."""
        if self.kind is ObjectiveKind.NONE_BAD:
            return 0.0
        return None if self.kind is not ObjectiveKind.TARGET or self.value is None else 1.0 - self.value


class RuleKind(StrEnum):
    """What a rule asks of a label. All but REQUIRED pass over rows where one of their roles has no value."""

    CLASSES = "classes"
    VERSIONS = "versions"
    REQUIRED = "required"
    PATTERN = "pattern"
    RANGE = "range"
    KNOWN_ITEMS = "known_items"
    UNIQUE = "unique"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule that every label is held to: of `roles`, the values of which it judges.

    `pattern` is a regular expression of `labelmon.patterns`; a number is in its range from `least` to `most`, ends
    included.
    """

    kind: RuleKind
    roles: tuple[str, ...]
    pattern: str = ""
    least: float = 0.0
    most: float = 0.0

    @property
    def name(self) -> str:
        """Unique within a dataset: `classes`, `required_tool`, `range_cost`."""
        if self.kind in {RuleKind.REQUIRED, RuleKind.PATTERN, RuleKind.RANGE}:
            return "_".join((self.kind.value, *self.roles))
        return self.kind.value


class Compared(StrEnum):
    """What labels and truths are compared by, where they are no classes."""

    NUMBER = "number"
    SCORE = "score"
    EQUAL = "equal"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """When a label that is no class is right.

    A number by `within` (in its own unit) or `within_share` (of the truth), one of them being enough; a score of the
    audits by `at_least` (alike, such as IoU) or `at_most` (apart, such as a word error rate); or a flag of theirs.
    """

    kind: Compared
    within: float | None = None
    within_share: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def nouns(self) -> str:
        """What the labels are taken as."""
        return {Compared.NUMBER: "numbers", Compared.SCORE: "scores", Compared.EQUAL: "flags"}[self.kind]


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """When a pipeline is open, in its dataset's time zone; at other times silence means nothing.

    `week` holds for each day from Monday on the spans [from, to) in minutes of the day; `holidays` are closed all day.
    """

    week: tuple[tuple[tuple[int, int], ...], ...]
    holidays: frozenset[date] = frozenset()

    def open_share(self, day: date, hour: int) -> float:
        """The share of a local hour that is open."""
        if day in self.holidays:
            return 0.0
        low, high = hour * 60, hour * 60 + 60
        return sum(max(0, min(end, high) - max(start, low)) for start, end in self.week[day.weekday()]) / 60


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset as configured, all defaults filled in."""

    name: str
    pipeline: str
    owner: Owner
    tier: Tier
    relations: Mapping[str, Relation]
    objectives: Mapping[str, tuple[Objective, ...]]
    interval: float = 60.0
    lateness: int = 48 * HOUR
    visibility: float | None = None  # None: two buckets
    recount_interval: float | None = None  # None: max(15 min, lateness / 48)
    reconcile_interval: float = float(DAY)
    timezone: str = "UTC"
    classes: tuple[str, ...] = ()
    ordinal: bool = False  # whether the order of `classes` means something
    schema_versions: tuple[str, ...] = ()  # those in force; empty: any
    validators: tuple[Rule, ...] = ()  # what the store holds labels to where no validations are mapped
    comparison: Comparison | None = None  # None: labels are classes
    calendar: Calendar | None = None  # None: open all the time

    @property
    def store(self) -> str:
        """The store that stands for the dataset: that of its labels, else of its first relation."""
        first = self.relations.get("labels") or next(iter(self.relations.values()))
        return first.store


class Instrument(StrEnum):
    """What may page on an objective: its windows or its e-CUSUM, or where bad events are few the e-CUSUM alone."""

    BOTH = "both"
    CUSUM = "cusum"


@dataclass(frozen=True, kw_only=True)
class Urls:
    """Where links lead; '' leaves the link out of annotations."""

    labelmon: str = "http://127.0.0.1:8790"
    grafana: str = "http://127.0.0.1:3000"
    runbooks: str = "http://127.0.0.1:8790/runbooks"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its interval: `value` in [`low`, `high`] at 95 %, from `n` observations.

    A census has low = high = value. `value` is None exactly when nothing can be said; `reason` says why the
    state is not OK. `labels` tell estimates of one statistic apart: by class, by pair of annotators.
    """

    statistic: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: float = 0
    state: State = State.OK
    reason: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """An estimate of one dataset, as `once --format json` prints it; `window` is '' for a census.

    `labels` is the objective's scope; the estimate's own labels come beside it.
    """

    dataset: str
    check: str
    estimate: Estimate
    window: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WindowCount:
    """Events and errors counted in one window, with what the rules need of them."""

    window: int
    events: float
    errors: float
    error_ratio: float | None
    burn_rate: float | None
    evidence_nats: float | None


@dataclass(frozen=True, kw_only=True)
class CusumRatio:
    """An e-CUSUM over its threshold: above 1 it has decided that errors are nearer to `alternative` than to the budget.

    `burn` names it: the budgets it looks for, which `alternative`, an error ratio, stands for.
    """

    burn: float
    alternative: float
    ratio: float


@dataclass(frozen=True, kw_only=True)
class SloStatus:
    """Where one objective stands: its budget over its own window and its alert windows.

    Of a gauge `events` are the judged time slices of the window, `errors` the bad ones and `history` the share that
    could be judged; its budget is None where none could.
    """

    dataset: str
    check: str
    scope: Mapping[str, str]
    objective: Objective
    events: float
    errors: float
    budget_remaining: float | None
    history: float
    state: State
    reason: str = ""
    profile: str = ""
    windows: tuple[WindowCount, ...] = ()
    design_effect: float | None = None  # None where the check does not speak of its sample's design
    instrument: Instrument | None = None  # None where nothing is judged by windows
    expected_bad: float | None = None  # (effective) bad events of the longest page window at the budget: why so
    cusums: tuple[CusumRatio, ...] = ()

    @property
    def judged_by(self) -> str:
        """Profile and instrument in one text: `dense both`; '' where there is no profile."""
        return f"{self.profile} {self.instrument or ''}".strip()

    @property
    def scope_label(self) -> str:
        """The `scope` label: sorted key=value pairs joined by commas, `within` included."""
        return scope_label(self.scope)


def scope_label(scope: Mapping[str, str]) -> str:
    """`{"within": "1h", "priority": "high"}` as `priority=high,within=1h`."""
    return ",".join(f"{key}={value}" for key, value in sorted(scope.items()))
