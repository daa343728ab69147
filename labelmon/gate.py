"""May a rollout go on? Go, pause while an error budget burns, or say that nobody can know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from labelmon import naming
from labelmon.alerting.power import judged_text
from labelmon.alerting.rules import evidence_needed
from labelmon.alerting.tiers import burning
from labelmon.check import Check, EventSlo
from labelmon.durations import format_duration
from labelmon.errors import UsageError
from labelmon.estimators.proportion import evidence_nats, sufficiency
from labelmon.model import ObjectiveKind, Severity, SloStatus, State
from labelmon.profiles import Alerting
from labelmon.stages import StageStatus, staged


class Verdict(StrEnum):
    """What a pipeline should do."""

    GO = "go"
    PAUSE = "pause"
    INSUFFICIENT = "insufficient"


EXIT_CODES: Mapping[Verdict, int] = {Verdict.GO: 0, Verdict.PAUSE: 3, Verdict.INSUFFICIENT: 4}
HTTP_CODES: Mapping[Verdict, int] = {Verdict.GO: 200, Verdict.PAUSE: 503, Verdict.INSUFFICIENT: 424}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one objective says, and why: `because` in words, `numbers` as the API gives them."""

    check: str
    scope: Mapping[str, str]
    verdict: Verdict
    because: str
    numbers: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The verdict on a dataset: pause if any objective burns, else insufficient if any cannot be judged."""

    dataset: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    stage: str = ""  # of a rollout, that may spend the share `budget` of the dataset's
    budget: float | None = None

    def as_json(self) -> dict[str, object]:
        """The answer of `gate --format json` and of /api/v1/gate/{dataset}."""
        return {
            "dataset": self.dataset,
            **({"stage": self.stage, "budget": self.budget} if self.stage else {}),
            "verdict": self.verdict.value,
            "objectives": [
                {
                    "check": f.check,
                    "scope": dict(f.scope),
                    "verdict": f.verdict.value,
                    "because": f.because,
                    **f.numbers,
                }
                for f in self.findings
            ],
        }

    def as_text(self) -> str:
        """For a build log: the verdict, then a line on each objective."""
        stage = f" {self.stage}, {self.budget:g} of the error budget" if self.stage else ""
        lines = [f"{self.dataset}{stage}: {self.verdict.value}"]
        for f in self.findings:
            scope = "".join(f" {key}={value}" for key, value in sorted(f.scope.items()))
            lines.append(f"  {f.check}{scope}: {f.verdict.value}: {f.because}")
        return "\n".join(lines) + "\n"


def gated(checks: Iterable[Check], wanted: str | None, *, by_stage: bool = False) -> list[Check]:
    """The checks that a gate can ask: those with an error budget, or the `wanted` one of them.

    Raises
    ------
    UsageError : if the wanted check is unknown, has no error budget to burn, or cannot be told apart `by_stage`.
    """
    able = {check.name: check for check in checks if isinstance(check.slo, EventSlo)}
    staging = [name for name, check in able.items() if staged(check) is not None]
    if by_stage and wanted in able and wanted not in staging:
        raise UsageError(f"--slo: {wanted!r} is not known by stage; those that are: {', '.join(sorted(staging))}")
    if by_stage and wanted is None:
        return [able[name] for name in staging]
    if wanted is None:
        return list(able.values())
    if wanted not in able:
        raise UsageError(f"--slo: {wanted!r} has no error budget; those with one: {', '.join(sorted(able))}")
    return [able[wanted]]


def judge(dataset: str, statuses: Iterable[SloStatus], alerting: Alerting) -> Gate:
    """The gate over a dataset's objectives, as they stand; without any, nothing can be known."""
    return _together(dataset, [_finding(status, alerting) for status in statuses])


def judge_stage(dataset: str, stage: str, share: float, found: Iterable[StageStatus], alerting: Alerting) -> Gate:
    """The gate of one rollout stage that may spend `share` of the error budget; see labelmon.stages for the formula."""
    gate = _together(dataset, [_stage_finding(one, alerting) for one in found])
    return replace(gate, stage=stage, budget=share)


def share_of(text: str | float) -> float:
    """A share of an error budget, above 0 and at most 1.

    Raises
    ------
    UsageError : for anything else.
    """
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise UsageError(
            f"--budget: need the share of the error budget that the stage may spend, in (0, 1], got {text}"
        )
    return share


def _stage_finding(one: StageStatus, alerting: Alerting) -> Finding:
    finding = _finding(one.status, alerting)
    effective = one.seen / (one.status.design_effect or 1.0)
    state, reason = sufficiency(effective, one.budget, "events of the stage")
    if finding.verdict is Verdict.GO and state is not State.OK:
        finding = replace(finding, verdict=Verdict.INSUFFICIENT, because=reason)
    return replace(finding, numbers={**finding.numbers, "stage_events": one.seen})


def _together(dataset: str, found: Iterable[Finding]) -> Gate:
    findings = tuple(found)
    said = {finding.verdict for finding in findings}
    if Verdict.PAUSE in said:
        verdict = Verdict.PAUSE
    elif said == {Verdict.GO}:
        verdict = Verdict.GO
    else:
        verdict = Verdict.INSUFFICIENT
    return Gate(dataset=dataset, verdict=verdict, findings=findings)


def _finding(status: SloStatus, alerting: Alerting) -> Finding:
    verdict, because = _verdict(status, alerting)
    return Finding(
        check=status.check,
        scope=status.scope,
        verdict=verdict,
        because=because,
        numbers={
            "events": status.events,
            "errors": status.errors,
            "budget_remaining": status.budget_remaining,
            "history": status.history,
            "profile": status.profile,
            "instrument": status.instrument,
            "judged_by": judged_text(status, alerting),
            "cusum": {f"{c.burn:g}": c.ratio for c in status.cusums},
        },
    )


def _verdict(status: SloStatus, alerting: Alerting) -> tuple[Verdict, str]:
    if status.state is State.ERROR:
        return Verdict.INSUFFICIENT, status.reason or "not measured"
    if status.objective.kind is ObjectiveKind.NONE_BAD:
        return _none_bad(status)
    burns = _burning(status, alerting)
    if burns:
        return Verdict.PAUSE, burns
    if status.state is not State.OK:
        return Verdict.INSUFFICIENT, status.reason
    return _spent(status, alerting)


def _burning(status: SloStatus, alerting: Alerting) -> str:
    """What alerts first, pages before tickets, in words; '' if nothing does."""
    for severity in Severity:
        found = burning(status, severity, alerting)
        for tier in found.tiers if found else ():
            counted = next(w for w in status.windows if w.window == tier.long)
            return (
                f"burns {counted.burn_rate:.3g} budgets over {format_duration(tier.long)} "
                f"({counted.errors:g} of {counted.events:g} bad, {counted.evidence_nats:.3g} nats of evidence): "
                f"{severity.value} above {tier.burn:g}"
            )
        for cusum in found.cusums if found else ():
            return (
                f"the e-CUSUM has decided that {cusum.alternative:.3g} bad is nearer than the budget "
                f"({cusum.burn:g} times it, level {cusum.ratio:.2f} of its threshold): {severity.value}"
            )
    return ""


def _spent(status: SloStatus, alerting: Alerting) -> tuple[Verdict, str]:
    """Nothing burns now; the budget of the whole window may be gone all the same, beyond chance."""
    said = f"{status.errors:g} of {status.events:g} bad"
    if status.budget_remaining is None or status.budget_remaining > 0:
        left = "" if status.budget_remaining is None else f", {status.budget_remaining:.0%} of the budget left"
        return Verdict.GO, f"{said}{left}"
    effect, budget = status.design_effect or 1.0, status.objective.budget or 0.0
    nats = evidence_nats(status.errors / effect, status.events / effect, budget)
    if nats > evidence_needed(alerting, Severity.TICKET):
        return Verdict.PAUSE, f"the error budget is spent: {said}, {nats:.3g} nats of evidence"
    return Verdict.GO, f"{said}: more than the budget allows, which chance explains ({nats:.3g} nats)"


def _none_bad(status: SloStatus) -> tuple[Verdict, str]:
    longest = max(status.windows, key=lambda counted: counted.window, default=None)
    if longest is None or status.profile != naming.NONE_BAD or longest.events == 0:
        return Verdict.INSUFFICIENT, "no events to judge"
    said = f"{longest.errors:g} of {longest.events:g} bad in {format_duration(longest.window)}"
    return (Verdict.PAUSE if longest.errors > 0 else Verdict.GO), f"{said}; none may be"
