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


def _admit_other_patients(world: World, _now: float) -> None:
    world.other_patients = True


def _admit_usual_patients(world: World) -> None:
    world.other_patients = False


def _tire_reader(world: World, _now: float) -> None:
    world.careless = "reader-dee"


def _rest_reader(world: World) -> None:
    world.careless = ""


def _rename_classes(world: World, _now: float) -> None:
    world.renamed_classes = True


def _restore_classes(world: World) -> None:
    world.renamed_classes = False


def incidents() -> dict[str, Incident]:
    """Every incident by name."""
    accuracy, latency, backlog, drift = (
        check_named(f"label_{name}") for name in ("accuracy", "latency", "backlog", "drift")
    )
    agreement, predictions, schema = (
        check_named(name) for name in ("annotator_agreement", "prediction_drift", "schema_mismatch")
    )
    return {
        "accuracy": Incident(
            name="accuracy",
            story="the annotation tool shifts its classes: most new labels are wrong, and their mix is another",
            start=_break_tool,
            heal=_mend_tool,
            expected=(
                (naming.burn_alert(accuracy), Severity.PAGE),
                (naming.burn_alert(accuracy), Severity.TICKET),
                (naming.threshold_alert(drift), Severity.TICKET),
            ),
        ),
        "annotator": Incident(
            name="annotator",
            story="one reader in four has mixed up the classes: others disagree with her, a quarter of labels is wrong",
            start=_tire_reader,
            heal=_rest_reader,
            expected=(
                (naming.threshold_alert(agreement), Severity.TICKET),
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
        "drift": Incident(
            name="drift",
            story="another clinic sends its patients: six in ten have a fracture, for readers and the model alike",
            start=_admit_other_patients,
            heal=_admit_usual_patients,
            expected=(
                (naming.threshold_alert(drift), Severity.TICKET),
                (naming.threshold_alert(predictions), Severity.TICKET),
            ),
        ),
        "outage": Incident(
            name="outage",
            story="the label store is gone",
            start=_take_store,
            heal=_return_store,
            expected=((naming.ALERT_STORE_STALE, Severity.PAGE),),
        ),
        "schema": Incident(
            name="schema",
            story="a release of the tool writes the classes with a capital letter: nobody else knows them",
            start=_rename_classes,
            heal=_restore_classes,
            expected=(
                (naming.burn_alert(schema), Severity.TICKET),
                (naming.threshold_alert(drift), Severity.TICKET),
            ),
        ),
    }
