"""A slow store delays only its own datasets; nobody runs twice at once; nobody is forgotten."""

from __future__ import annotations

import random

from labelmon.schedule import Job, Schedule


def job(name: str, *stores: str, interval: float = 10.0) -> Job:
    return Job(name=name, interval=interval, stores=frozenset(stores))


def schedule(*jobs: Job, slots: int = 1) -> Schedule:
    made = Schedule(slots={"slow": slots, "quick": slots}, rng=random.Random(1))
    made.set_jobs({j.name: j for j in jobs}, 0.0)
    return made


def test_a_full_store_holds_up_only_its_own() -> None:
    plan = schedule(job("a", "slow"), job("b", "slow"), job("c", "quick"))

    first = {j.name for j in plan.take(5.0)}
    plan.done("c", 6.0)
    later = {j.name for j in plan.take(30.0)}

    assert len(first & {"a", "b"}) == 1
    assert "c" in first
    assert later == {"c"}
    (stuck,) = first & {"a", "b"}
    plan.done(stuck, 31.0)
    assert {j.name for j in plan.take(31.0)} == {"a", "b"} - {stuck}


def test_a_job_needs_a_slot_in_each_of_its_stores() -> None:
    plan = schedule(job("a", "slow"), job("b", "slow", "quick"))
    plan.used["quick"] = 1

    assert [j.name for j in plan.take(5.0)] == ["a"]


def test_a_running_job_is_not_started_again_and_does_not_catch_up() -> None:
    plan = schedule(job("a", "quick"))
    plan.take(5.0)

    assert plan.take(100.0) == []
    plan.done("a", 100.0)
    assert plan.take(100.0) == []
    assert len(plan.take(112.0)) == 1


def test_a_dropped_job_ends_and_a_new_one_begins_soon() -> None:
    plan = schedule(job("a", "quick"))
    plan.take(5.0)
    plan.set_jobs({"b": job("b", "quick")}, 5.0)
    plan.done("a", 6.0)

    assert [j.name for j in plan.take(7.0)] == ["b"]


def test_a_job_that_is_reloaded_while_it_runs_comes_back_once() -> None:
    plan = schedule(job("a", "quick"))
    plan.take(5.0)
    plan.set_jobs({}, 5.0)
    plan.set_jobs({"a": job("a", "quick")}, 5.5)
    assert plan.take(7.0) == []
    plan.done("a", 8.0)

    assert [j.name for j in plan.take(20.0)] == ["a"]
    plan.done("a", 20.5)
    assert len([e for e in plan.heap if e[1] == "a"]) == 1


def test_first_runs_are_spread() -> None:
    plan = Schedule(slots={}, rng=random.Random(1))
    plan.set_jobs({str(n): job(str(n), interval=60.0) for n in range(100)}, 0.0)

    due = sorted(when for when, _ in plan.heap)
    assert due[0] < 0.2
    assert 0.8 < due[-1] <= 1.0
