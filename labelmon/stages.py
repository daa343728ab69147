"""A stage of a rollout and the share of a dataset's error budget that it may spend.

The stage of a label is its role `rollout`; that of an audit, a review or a validation is the stage of the item's last
label before it. With the error budget B = 1 - target, a stage that may spend the share S of it is held to an objective
of its own over the events of the whole dataset, N, of which only the stage's bad ones, E, are bad:

    spent = E / (S x B x N),    burn rate over a window = E(window) / (S x B x N(window))

So a stage inside its share goes on while the rest of the dataset burns, and a stage that spends more is paused while
the dataset as a whole is fine. Both are judged as any objective is: a tier of the alert rules that holds, or a share
that is gone beyond chance (evidence on events / design effect). Where nothing is spent beyond the share and fewer of
the stage's own events were seen than could prove a total failure against B, nobody can know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from labelmon.check import PARTNER, Check, Event, EventSlo
from labelmon.counts import OTHER, ROWS
from labelmon.errors import UsageError
from labelmon.estimators.survey import GOOD_SQUARED, WEIGHT_SQUARED
from labelmon.measure import measure
from labelmon.model import Dataset, ObjectiveKind, SloStatus
from labelmon.point import Point, bounds
from labelmon.profiles import Alerting
from labelmon.reading import Target
from labelmon.roles import RELATIONS, UNIT_ROLES
from labelmon.sampler import DatasetSampler
from labelmon.stores.series import judges_rules
from labelmon.timeline import Timeline

ROLE = "rollout"
# Relations whose rows each speak of one label of an item.
ABOUT_LABELS = ("audits", "reviews", "validations")


@dataclass(frozen=True, kw_only=True)
class StageStatus:
    """Where a stage stands in one objective: `status` over the dataset's events, `seen` how many are the stage's."""

    status: SloStatus
    seen: float
    budget: float  # of the whole dataset, as a share of its events


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A dataset's counts by stage as of `at`; `failed` are checks whose store did not answer."""

    dataset: Dataset
    at: float
    points: tuple[Point, ...]
    failed: bool

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that have been seen, by name."""
        found = set()
        for point in self.points:
            place = _place(point)
            if place is not None:
                found |= {point.line.combos[code][place] for code in np.unique(point.line.codes)}
        return tuple(sorted(found - {"", OTHER}))

    def statuses(self, stage: str, share: float, alerting: Alerting, asked: Iterable[str]) -> list[StageStatus]:
        """The stage's objectives of the checks `asked`.

        Raises
        ------
        UsageError : for a stage that no label has been seen in; says which there are.
        """
        if stage not in self.stages and not self.failed:
            known = ", ".join(self.stages) or "none"
            raise UsageError(f"--stage: no label of {self.dataset.name} is of stage {stage!r}; seen: {known}")
        names = set(asked)
        own = [point for point in self.points if point.check.name in names]
        held = [_held(point, stage, share) for point in own]
        board = measure(self.dataset, held, self.at, alerting)
        wholes = [point for point in own if not point.series.part]
        return [
            StageStatus(status=status, seen=_seen(point, stage, self.at), budget=point.objective.budget or 0.0)
            for point, status in zip(wholes, board.slos, strict=True)
        ]


def staged(check: Check) -> Check | None:
    """`check` counted by stage too; None where its rows have none."""
    if not isinstance(check.slo, EventSlo) or not isinstance(check.time, Event) or judges_rules(check):
        return None
    # Estimates of parts are not asked for, but what tells how the sample was drawn is.
    parts = tuple(part for part in check.parts if UNIT_ROLES & set(part.keys))
    read = {check.relation, *(part.relation for part in parts if part.relation)}
    may_miss = {role for relation in read for role in RELATIONS[relation].optional}
    optional = {role: value for role, value in check.optional.items() if role in may_miss}
    if check.relation == "labels":
        return replace(check, keys=(*check.keys, ROLE), parts=parts, optional=optional)
    if check.relation in ABOUT_LABELS and check.partner in {"", "labels"}:
        return replace(check, keys=(*check.keys, PARTNER + ROLE), partner="labels", parts=parts, optional=optional)
    return None


def stage_checks(checks: Iterable[Check]) -> list[Check]:
    """Those of `checks` that can be counted by stage, so that they are."""
    return [made for check in checks if (made := staged(check)) is not None]


def has_stages(dataset: Dataset) -> bool:
    """Whether the labels of a dataset tell their stage."""
    labels = dataset.relations.get("labels")
    return labels is not None and ROLE in labels.columns


def count_stages(sampler: DatasetSampler, now: float) -> Staged:
    """One cycle of a sampler over `stage_checks`, and what it has counted, frozen.

    Raises
    ------
    LedgerError : if the state store fails.
    """
    result = sampler.cycle(now)
    return Staged(
        dataset=sampler.dataset,
        at=now,
        points=tuple(_points(sampler, sampler.targets)),
        failed=any(run.reason for run in result.runs),
    )


def _points(sampler: DatasetSampler, targets: Sequence[Target]) -> Iterable[Point]:
    for target in targets:
        track = sampler.tracks.get(target.series.name)
        if track is not None:
            yield Point(
                check=target.check,
                objective=target.objective,
                line=replace(track.line, combos=list(track.line.combos)),
                history=track.state.history_start,
                failure=track.failure,
                sampled_at=track.sampled_at,
                judged_by="",
                series=target.series,
                pace=sampler.pace_for(target.series),
                keys_scope=target.keys_scope,
                narrowed=target.narrowed,
            )


def _place(point: Point) -> int | None:
    """Which key of a series is the stage; None in parts, and in series of nothing but labels without one."""
    keys = point.series.keys
    return next((keys.index(key) for key in (ROLE, PARTNER + ROLE) if key in keys), None)


def _held(point: Point, stage: str, share: float) -> Point:
    """The point with the stage's objective, over counts in which what is not the stage's is good."""
    place, objective = _place(point), point.objective
    if objective.kind is ObjectiveKind.TARGET:
        objective = replace(objective, value=1.0 - share * (objective.budget or 0.0))
    line = point.line if place is None else _all_good_but(point.line, place, stage, point.check)
    return replace(point, objective=objective, line=line)


def _all_good_but(line: Timeline, place: int, stage: str, check: Check) -> Timeline:
    slo = check.slo
    assert isinstance(slo, EventSlo)  # noqa: S101  `staged` makes no others
    others = np.array([combo[place] != stage for combo in line.combos], dtype=bool)[line.codes]
    names, values = list(line.ops), line.values.copy()
    for good, of in ((slo.good, slo.of), (GOOD_SQUARED, WEIGHT_SQUARED)):
        if good in names and of in names and len(values):
            values[others, names.index(good)] = values[others, names.index(of)]
    return replace(line, values=values)


def _seen(point: Point, stage: str, at: float) -> float:
    place = _place(point)
    if place is None:
        return 0.0
    start, end = bounds(point.objective, at, point.pace)
    return point.line.totals(start, end, {**point.keys_scope, point.series.keys[place]: stage})[ROWS]
