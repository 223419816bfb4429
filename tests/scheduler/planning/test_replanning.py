"""Replanning after events: feasible, never worse than the right shift, and honest about why."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, rich_problems
from worlds import GB, certain, one_by_one, placed, problem_of, schedule_of, textbook

from scheduler.cluster import Cluster, Worker
from scheduler.errors import Infeasible, InvalidInput, NotFound
from scheduler.planning.edits import (
    Allocated,
    Began,
    Believed,
    Due,
    Edit,
    Ended,
    Expected,
    Failed,
    Prioritised,
    Released,
    TaskRemoved,
    TasksAdded,
    WorkerAdded,
    WorkerLost,
)
from scheduler.planning.feasibility import violations
from scheduler.planning.flat import Flat
from scheduler.planning.measures import measured
from scheduler.planning.objective import Objective
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.replanning import Care, Replanner, Why
from scheduler.planning.schedule import Schedule
from scheduler.workflow import Dependency, Task, Workflow

LEAST = Care(effort=0)


def two_and_two() -> tuple[Problem, Schedule]:
    """t1 (4 s) and t2 (4 s) on w1 one after the other, t3 (2 s) on w2, which is slower for t2."""
    problem = problem_of([[4.0, 9.0], [4.0, 6.5], [9.0, 2.0]])
    rows = (("t1", "w1", 0.0), ("t2", "w1", 4.0), ("t3", "w2", 0.0))
    return problem, schedule_of(problem, *rows)


def under_way(problem: Problem, schedule: Schedule, *tasks: str) -> Replanner:
    replanner = Replanner(problem, schedule)
    replanner.after(*(Began(placement=schedule.by_task[task]) for task in tasks))
    return replanner


def test_nothing_changes_when_all_happens_as_planned() -> None:
    problem = textbook()
    schedule = Heft().plan(problem)
    first = min(schedule.placements, key=lambda each: each.start)
    replanner = under_way(problem, schedule, first.task)
    assert replanner.after(Ended(task=first.task, at=first.end)).changes == ()


def test_a_late_end_moves_what_waits_when_that_pays() -> None:
    replanner = under_way(*two_and_two(), "t1", "t3")
    found = replanner.after(Expected(task="t1", end=7.0, at=3.0))
    (moved,) = [each for each in found.changes if each.task == "t2"]
    assert (moved.after.worker, moved.after.start, moved.after.end) == ("w2", 3.0, 9.5)
    assert (moved.why, moved.seconds) == (Why.SOONER, 1.5)


def test_what_would_gain_less_than_the_patience_stays() -> None:
    problem, schedule = two_and_two()
    replanner = Replanner(problem, schedule, care=Care(patience=4.0))
    replanner.after(*(Began(placement=schedule.by_task[task]) for task in ("t1", "t3")))
    found = replanner.after(Expected(task="t1", end=7.0, at=3.0))
    (shifted,) = [each for each in found.changes if each.task == "t2"]
    assert (shifted.after.worker, shifted.after.start) == ("w1", 7.0)
    assert (shifted.why, shifted.cause) == (Why.HELD, "t1")


def test_an_early_end_lets_what_waits_start_sooner() -> None:
    replanner = under_way(*two_and_two(), "t1", "t3")
    found = replanner.after(Ended(task="t1", at=1.0))
    (sooner,) = [each for each in found.changes if each.task == "t2"]
    assert (sooner.after.start, sooner.why, sooner.cause) == (1.0, Why.FREED, "t1")


def test_an_attempt_that_runs_longer_than_believed_is_believed_to_end_now() -> None:
    replanner = under_way(*two_and_two(), "t1", "t3")
    replanner.after(Ended(task="t3", at=6.0))
    assert replanner.problem.fixed["t1"].end == 6.0


@pytest.mark.parametrize("edit", [WorkerLost(worker="w1", at=6.0), TaskRemoved(task="t1", at=6.0)])
def test_an_attempt_that_runs_longer_than_believed_may_be_stopped(edit: Edit) -> None:
    replanner = under_way(*two_and_two(), "t1", "t3")
    replanner.after(edit)
    assert "t1" not in replanner.world.running
    assert "t1" not in replanner.problem.fixed


def test_what_ran_on_a_lost_worker_runs_again_elsewhere() -> None:
    replanner = under_way(*two_and_two(), "t1", "t3")
    found = replanner.after(WorkerLost(worker="w1", at=1.0))
    there = {each.task: each.worker for each in found.schedule.placements}
    assert there == {"t1": "w2", "t2": "w2", "t3": "w2"}
    assert {each.why for each in found.changes} == {Why.LOST}


def test_a_failed_task_keeps_its_worker_and_runs_again() -> None:
    replanner = under_way(*two_and_two(), "t1", "t3")
    found = replanner.after(Failed(task="t3", at=1.5))
    assert found.schedule.by_task["t3"] == placed(replanner.problem, "t3", "w2", 1.5)


def test_a_new_worker_is_used_where_the_end_depends_on_it() -> None:
    problem, schedule = two_and_two()
    worker = Worker(name="w3", cores=1.0, memory=10 * GB)
    forecast = certain(problem.workflow, Cluster("one", [worker]), [[4.0], [4.0], [4.0]])
    found = Replanner(problem, schedule).after(WorkerAdded(worker=worker, forecast=forecast))
    assert found.schedule.makespan == 4.0


def test_a_new_task_is_placed_after_what_it_waits_for() -> None:
    problem, schedule = two_and_two()
    task = Task(id="t4", kind="work", memory=GB)
    forecast = certain(Workflow("one", [task]), problem.cluster, [[1.0, 1.0]])
    added = TasksAdded(
        tasks=(task,), dependencies=(Dependency("t2", "t4", 2.0),), forecast=forecast
    )
    found = Replanner(problem, schedule).after(added)
    (new,) = [each for each in found.changes if each.task == "t4"]
    assert (new.before, new.why, new.after.start) == (None, Why.NEW, 8.0)


def test_a_raised_priority_puts_the_task_first_where_that_costs_little() -> None:
    problem = problem_of([[4.0], [4.0]])
    schedule = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 4.0))
    found = Replanner(problem, schedule).after(Prioritised(task="t2", priority=3))
    assert [each.start for each in found.schedule.placements] == [4.0, 0.0]


def test_a_deadline_that_counts_puts_its_task_first() -> None:
    problem = problem_of([[4.0], [4.0]])
    problem = Problem(problem.workflow, problem.cluster, problem.forecast, Objective(tardiness=1.0))
    schedule = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 4.0))
    found = Replanner(problem, schedule).after(Due(task="t2", deadline=5.0))
    assert [each.start for each in found.schedule.placements] == [4.0, 0.0]


def test_a_task_without_any_worker_left_is_named_and_nothing_has_changed() -> None:
    problem, schedule = two_and_two()
    replanner = Replanner(problem, schedule)
    with pytest.raises(Infeasible, match="'t1'"):
        replanner.after(WorkerLost(worker="w1"), WorkerLost(worker="w2"))
    assert replanner.after().changes == ()


@pytest.mark.parametrize(
    ("edit", "error", "words"),
    [
        (Ended(task="t9"), NotFound, "'t9'"),
        (Ended(task="t1"), InvalidInput, "does not run"),
        (WorkerLost(worker="w9"), NotFound, "'w9'"),
        (Believed(task="t1", factor=0.0), InvalidInput, "above zero"),
    ],
)
def test_what_cannot_be_is_refused(edit: Edit, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Replanner(*two_and_two()).after(edit)


@st.composite
def edits(draw: st.DrawFn, problem: Problem, names: count) -> Edit:
    """Something that can happen to the problem as it is now."""
    running = sorted(t for t, each in problem.fixed.items() if each.end > problem.now)
    free = sorted(set(problem.workflow.index) - set(problem.fixed))
    now = problem.now + draw(st.sampled_from([0.0, 0.5, 2.0]))
    halves = st.integers(1, 30).map(lambda half: half / 2)
    kinds = ["worker", "tasks"]
    kinds += ["ended", "expected", "failed"] if running else []
    kinds += ["priority", "deadline", "release", "memory", "belief"] if free else []
    kinds += ["remove"] if free and len(problem.workflow) > 1 else []
    what = draw(st.sampled_from(kinds))
    if what in ("ended", "expected", "failed"):
        task = draw(st.sampled_from(running))
        later = max(now, problem.fixed[task].start) + draw(halves)
        return {
            "ended": Ended(task=task, at=later),
            "expected": Expected(task=task, end=later, at=now),
            "failed": Failed(task=task, at=now),
        }[what]
    if what == "worker":
        worker = Worker(
            name=f"new{next(names)}", cores=draw(st.sampled_from([1.0, 4.0])), memory=8 * GB
        )
        seconds = [[draw(halves)] for _ in problem.workflow.tasks]
        forecast = certain(problem.workflow, Cluster("one", [worker]), seconds)
        return WorkerAdded(worker=worker, forecast=forecast, at=now)
    if what == "tasks":
        task = Task(id=f"new{next(names)}", kind="work", memory=GB, owner="eve")
        seconds = [[draw(halves) for _ in problem.cluster.workers]]
        source = draw(st.sampled_from(sorted(problem.workflow.index)))
        return TasksAdded(
            tasks=(task,),
            dependencies=(Dependency(source, task.id, 2.0),),
            forecast=certain(Workflow("one", [task]), problem.cluster, seconds),
            at=now,
        )
    task = draw(st.sampled_from(free))
    return {
        "priority": Prioritised(task=task, priority=draw(st.integers(-2, 5)), at=now),
        "deadline": Due(task=task, deadline=draw(halves), at=now),
        "release": Released(task=task, release=draw(halves), at=now),
        "memory": Allocated(task=task, memory=draw(st.integers(1, 8)) * GB, at=now),
        "belief": Believed(task=task, factor=draw(st.sampled_from([0.5, 2.0])), at=now),
        "remove": TaskRemoved(task=task, at=now),
    }[what]


@few
@given(data=st.data(), problem=rich_problems(tasks=6, workers=3))
def test_after_every_event_the_plan_keeps_every_rule_and_the_past(data, problem) -> None:
    replanner, names = Replanner(problem, one_by_one(problem)), count()
    for _ in range(2):
        found = replanner.after(data.draw(edits(replanner.problem, names)))
        assert violations(found.schedule, replanner.problem) == ()
        assert found.score <= found.shifted * (1 + 0.011) + 1e-9


def edges_of(flat: Flat) -> list[list[tuple[int, int, float]]]:
    """The dependencies as they are written in either direction: (own, other, bytes), sorted."""
    found = []
    for start, other, size in (
        (flat.before_start, flat.before_task, flat.before_bytes),
        (flat.after_start, flat.after_task, flat.after_bytes),
    ):
        own = np.repeat(np.arange(len(start) - 1), np.diff(start))
        found.append(sorted(zip(own.tolist(), other.tolist(), size.tolist(), strict=True)))
    return found


@few
@given(data=st.data(), problem=rich_problems(tasks=6, workers=3))
def test_arrays_changed_event_by_event_equal_those_built_from_scratch(data, problem) -> None:
    replanner, names = Replanner(problem, one_by_one(problem)), count()
    for _ in range(2):
        replanner.after(data.draw(edits(replanner.problem, names)))
    kept, built = replanner.flat, replanner.problem.flat
    for name in built._fields:
        if name in ("row", "order", "affinity", "alone") or name.startswith(("before", "after")):
            continue
        mine, theirs = getattr(kept, name), getattr(built, name)
        if name in ("duration", "memory"):
            mine, theirs = mine[kept.row], theirs[built.row]
        assert np.array_equal(mine, theirs), name
    assert edges_of(kept) == edges_of(built)
    assert sorted(kept.order.tolist()) == sorted(built.order.tolist())
    place = np.argsort(kept.order)
    target = np.repeat(np.arange(len(place)), np.diff(kept.before_start))
    assert (place[kept.before_task] < place[target]).all()


def pushed_right(problem: Problem, schedule: Schedule) -> float:
    """The makespan when every free task keeps its worker and starts no earlier than planned.

    Counted second by second, without any array: all times in the world are halves.
    """
    done = dict(problem.fixed)
    for each in sorted(schedule.placements, key=lambda each: each.start):
        if each.task in done:
            continue
        start = max(each.start, problem.now)
        while True:
            there = placed(problem, each.task, each.worker, start)
            rows = (*done.values(), there)
            broken = [v for v in violations(Schedule(rows), problem) if v.rule != "missing_task"]
            if not broken:
                break
            start += 0.5
        done[each.task] = there
    return max(each.end for each in done.values())


@few
@given(data=st.data(), problem=rich_problems(tasks=4, workers=2))
def test_no_plan_is_longer_than_one_that_is_only_pushed_right(data, problem) -> None:
    schedule = one_by_one(problem)
    running = sorted(t for t, each in problem.fixed.items() if each.end > problem.now)
    replanner = Replanner(problem, schedule, care=LEAST)
    events = []
    if running:
        task = data.draw(st.sampled_from(running))
        events = [Expected(task=task, end=problem.fixed[task].end + 2.5, at=problem.now)]
    found = replanner.after(*events)
    assert found.schedule.makespan <= pushed_right(replanner.problem, schedule) + 1e-6


@few
@given(data=st.data(), problem=rich_problems(tasks=6, workers=3))
def test_the_score_is_what_the_measures_count(data, problem) -> None:
    aims = Objective(makespan=1.0, tardiness=0.5, cost=2.0, quotas=problem.objective.quotas)
    problem = replace(problem, objective=aims)
    found = Replanner(problem, one_by_one(problem)).after()
    value = measured(found.schedule, problem).value(aims)
    assert found.score == pytest.approx(value)


def test_equal_events_give_equal_plans() -> None:
    problem = textbook()
    schedule = Heft().plan(problem)
    lost = WorkerLost(worker="w3", at=20.0)
    one, other = (Replanner(problem, schedule).after(lost).schedule for _ in range(2))
    assert one == other
