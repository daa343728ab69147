"""What can go wrong in the demo, what it does to the world, and which alerts it must cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labelmon import naming
from labelmon.checks import check_named
from labelmon.demo.folder import AWAY
from labelmon.demo.simulate import World
from labelmon.model import Severity


@dataclass(frozen=True, kw_only=True)
class Incident:
    """`start` and `heal` change the world; `expected` are the (alert, severity) pairs it causes."""

    name: str
    story: str
    start: Callable[[World, float], None]
    heal: Callable[[World], None]
    expected: tuple[tuple[str, Severity], ...]


def _break_tool(world: World, _now: float) -> None:
    world.broken_tool = True


def _mend_tool(world: World) -> None:
    world.broken_tool = False


def _stop_labels(world: World, now: float) -> None:
    world.nobody_labels = True
    # A queue that somebody had forgotten shows the alert at once; waiting for one takes the limit's ten minutes.
    world.add_forgotten(now, count=2000, age=900)


def _resume_labels(world: World) -> None:
    world.nobody_labels = False


def _take_store(world: World, _now: float) -> None:
    world.path.rename(world.path.with_name(AWAY))


def _return_store(world: World) -> None:
    world.path.with_name(AWAY).rename(world.path)


def incidents() -> dict[str, Incident]:
    """Every incident by name."""
    accuracy, latency, backlog = (check_named(f"label_{name}") for name in ("accuracy", "latency", "backlog"))
    return {
        "accuracy": Incident(
            name="accuracy",
            story="the annotation tool shifts its classes: most new labels are wrong",
            start=_break_tool,
            heal=_mend_tool,
            expected=(
                (naming.burn_alert(accuracy), Severity.PAGE),
                (naming.burn_alert(accuracy), Severity.TICKET),
            ),
        ),
        "backlog": Incident(
            name="backlog",
            story="nobody labels any more, and a forgotten queue of 2000 items turns up",
            start=_stop_labels,
            heal=_resume_labels,
            expected=(
                (naming.threshold_alert(backlog), Severity.PAGE),
                (naming.threshold_alert(backlog), Severity.TICKET),
                (naming.burn_alert(latency), Severity.PAGE),
                (naming.burn_alert(latency), Severity.TICKET),
            ),
        ),
        "outage": Incident(
            name="outage",
            story="the label store is gone",
            start=_take_store,
            heal=_return_store,
            expected=((naming.ALERT_STORE_STALE, Severity.PAGE),),
        ),
    }
