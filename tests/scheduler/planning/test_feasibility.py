"""The judge itself is judged: each planted fault is named, and a slow second judge agrees."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import problems, quick, thorough
from worlds import GB, placed, problem_of, schedule_of

from scheduler.cluster import Allocation
from scheduler.planning.feasibility import Rule, Violation, violations
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.workloads.synthetic import random_problem


def rules(schedule: Schedule, problem: Problem) -> set[Rule]:
    return {each.rule for each in violations(schedule, problem)}


@pytest.fixture
def problem() -> Problem:
    """t1 -> t2 with a transfer of 2 s; t3 alone needs 2 cores and a skill that only w1 has."""
    return problem_of(
        [[4.0, 4.0], [3.0, 3.0], [2.0, 2.0]],
        {(1, 2): 2.0},
        cores=[1.0, 1.0, 2.0],
        memory=[4 * GB, 4 * GB, 4 * GB],
        skills=["", "", "gpu"],
        worker_cores=[2.0, 2.0],
        worker_memory=[8 * GB, 8 * GB],
        worker_skills=["gpu", ""],
    )


@pytest.fixture
def good(problem: Problem) -> Schedule:
    return schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w2", 6.0), ("t3", "w1", 4.0))


def changed(schedule: Schedule, task: str, **changes) -> Schedule:
    rows = (replace(each, **changes) if each.task == task else each for each in schedule.placements)
    return Schedule(tuple(rows))


def more(schedule: Schedule, *placements: Placement) -> Schedule:
    return Schedule((*schedule.placements, *placements))


def without(schedule: Schedule, task: str) -> Schedule:
    return Schedule(tuple(each for each in schedule.placements if each.task != task))


def test_a_feasible_schedule_breaks_no_rule(good: Schedule, problem: Problem) -> None:
    assert violations(good, problem) == ()


PLANTED: dict[str, tuple[Rule, Callable[[Schedule], Schedule]]] = {
    "a task left out": (Rule.MISSING_TASK, lambda s: without(s, "t3")),
    "a task that nobody asked for": (
        Rule.UNKNOWN_TASK,
        lambda s: more(s, replace(s.by_task["t1"], task="t9", start=50.0, end=60.0)),
    ),
    "a worker that does not exist": (
        Rule.UNKNOWN_WORKER,
        lambda s: changed(s, "t3", worker="w9"),
    ),
    "a task twice": (
        Rule.PLACED_TWICE,
        lambda s: more(s, replace(s.by_task["t1"], start=30.0, end=34.0)),
    ),
    "a start before the run": (
        Rule.INVALID_TIME,
        lambda s: changed(s, "t3", start=-1.0, end=1.0),
    ),
    "a start that is no number": (Rule.INVALID_TIME, lambda s: changed(s, "t3", start=math.nan)),
    "an end that never comes": (Rule.INVALID_TIME, lambda s: changed(s, "t3", end=math.inf)),
    "an end before the start": (Rule.INVALID_TIME, lambda s: changed(s, "t3", end=3.0)),
    "a task that ends too soon": (Rule.TOO_SHORT, lambda s: changed(s, "t3", end=5.9)),
    "a start before the predecessor's end": (
        Rule.PRECEDENCE,
        lambda s: changed(s, "t2", start=3.0, end=6.0),
    ),
    "a start before the bytes are there": (
        Rule.PRECEDENCE,
        lambda s: changed(s, "t2", start=5.9, end=8.9),
    ),
    "a worker without the skill": (
        Rule.SKILLS,
        lambda s: changed(s, "t3", worker="w2", start=20.0, end=22.0),
    ),
    "too few cores reserved": (
        Rule.CORES_BELOW_NEED,
        lambda s: changed(s, "t3", allocation=Allocation(1.0, 4 * GB)),
    ),
    "cores that are no number": (
        Rule.CORES_BELOW_NEED,
        lambda s: changed(s, "t3", allocation=Allocation(math.nan, 4 * GB)),
    ),
    "too little memory reserved": (
        Rule.MEMORY_BELOW_NEED,
        lambda s: changed(s, "t3", allocation=Allocation(2.0, 4 * GB - 1)),
    ),
    "two tasks on the same cores": (
        Rule.CORES_OVER_CAPACITY,
        lambda s: changed(s, "t3", start=3.9, end=5.9),
    ),
    "more cores than the worker has": (
        Rule.CORES_OVER_CAPACITY,
        lambda s: changed(s, "t3", allocation=Allocation(3.0, 4 * GB)),
    ),
    "cores without end": (
        Rule.CORES_OVER_CAPACITY,
        lambda s: changed(s, "t3", allocation=Allocation(math.inf, 4 * GB)),
    ),
    "more memory than the worker has": (
        Rule.MEMORY_OVER_CAPACITY,
        lambda s: changed(s, "t3", allocation=Allocation(2.0, 9 * GB)),
    ),
}


@pytest.mark.parametrize(("rule", "plant"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_breaks_exactly_its_rule(rule: Rule, plant, good, problem) -> None:
    assert rules(plant(good), problem) == {rule}


def test_memory_overflows_where_cores_do_not() -> None:
    problem = problem_of(
        [[4.0], [4.0]], memory=[5 * GB, 5 * GB], worker_cores=[8.0], worker_memory=[9 * GB]
    )
    together = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 3.0))
    assert rules(together, problem) == {Rule.MEMORY_OVER_CAPACITY}


def test_a_task_may_start_the_moment_another_ends() -> None:
    problem = problem_of([[0.1], [0.2], [0.3]])
    rows = ("t1", "w1", 0.0), ("t2", "w1", 0.1), ("t3", "w1", 0.1 + 0.2)
    assert violations(schedule_of(problem, *rows), problem) == ()


def test_tasks_shorter_than_the_leeway_still_may_not_overlap() -> None:
    problem = problem_of([[1e-7], [1e-7]])
    both = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 0.0))
    assert rules(both, problem) == {Rule.CORES_OVER_CAPACITY}


def test_a_negative_allocation_hides_no_overlap() -> None:
    problem = problem_of([[4.0], [4.0], [4.0]])
    rows = ("t1", "w1", 0.0), ("t2", "w1", 0.0), ("t3", "w1", 0.0)
    hiding = changed(schedule_of(problem, *rows), "t3", allocation=Allocation(-5.0, GB))
    assert rules(hiding, problem) == {Rule.CORES_BELOW_NEED, Rule.CORES_OVER_CAPACITY}


def test_an_overlap_is_told_with_worker_tasks_time_and_numbers() -> None:
    problem = problem_of([[4.0], [4.0]])
    (found,) = violations(schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 3.0)), problem)
    assert found == Violation(
        Rule.CORES_OVER_CAPACITY,
        None,
        "w1",
        "Worker 'w1' has 1 cores, but from 3 s on the tasks 't1', 't2' together hold 2.",
        {
            "capacity": 1.0,
            "held": 2.0,
            "tasks": ["t1", "t2"],
            "start": 3.0,
            "end": found.facts["end"],
        },
    )
    assert found.facts["end"] == pytest.approx(4.0, abs=2e-6)


def test_a_broken_precedence_is_told_with_both_ends(good: Schedule, problem: Problem) -> None:
    (found,) = violations(changed(good, "t2", start=5.0, end=8.0), problem)
    assert "'t2' on 'w2' starts at 5 s, but waits for 't1', which ends at 4 s" in found.message
    assert found.facts == {"start": 5.0, "ready": 6.0, "before": "t1"}


def test_each_stretch_of_overload_is_reported_once() -> None:
    problem = problem_of([[4.0]] * 4)
    rows = ("t1", "w1", 0.0), ("t2", "w1", 2.0), ("t3", "w1", 10.0), ("t4", "w1", 11.0)
    found = violations(schedule_of(problem, *rows), problem)
    assert [each.facts["start"] for each in found] == [2.0, 11.0]


def test_many_tasks_are_counted_rather_than_listed() -> None:
    problem = problem_of([[4.0]] * 9)
    (found,) = violations(
        schedule_of(problem, *((f"t{i}", "w1", 0.0) for i in range(1, 10))), problem
    )
    assert "'t5' and 4 more together hold 9" in found.message


def test_an_empty_schedule_misses_every_task(problem: Problem) -> None:
    found = violations(Schedule(()), problem)
    assert [(each.rule, each.task) for each in found] == [
        (Rule.MISSING_TASK, task) for task in ("t1", "t2", "t3")
    ]


@quick
@given(problem=problems(), delay=st.floats(0, 1e6))
def test_a_feasible_schedule_stays_feasible_when_all_of_it_comes_later(problem, delay) -> None:
    schedule = Heft().plan(problem)
    later = (
        replace(each, start=each.start + delay, end=each.end + delay)
        for each in schedule.placements
    )
    assert violations(Schedule(tuple(later)), problem) == ()


@quick
@given(problem=problems(), data=st.data())
def test_dropping_any_task_of_any_plan_is_seen(problem: Problem, data: st.DataObject) -> None:
    task = data.draw(st.sampled_from(problem.workflow.order))
    found = violations(without(Heft().plan(problem), task), problem)
    assert [(each.rule, each.task) for each in found] == [(Rule.MISSING_TASK, task)]


@quick
@given(problem=problems(), data=st.data())
def test_cutting_any_task_of_any_plan_short_is_seen(problem, data: st.DataObject) -> None:
    schedule = Heft().plan(problem)
    each = data.draw(st.sampled_from(schedule.placements))
    cut = changed(schedule, each.task, end=(each.start + each.end) / 2)
    assert [(each.rule, each.task) for each in violations(cut, problem)] == [
        (Rule.TOO_SHORT, each.task)
    ]


@thorough
@given(problem=problems(tasks=6, workers=3), data=st.data())
def test_a_slow_judge_that_looks_at_every_moment_agrees(problem, data: st.DataObject) -> None:
    worker = st.sampled_from(tuple(problem.cluster.index))
    start = st.integers(0, 60).map(lambda half: half / 2)
    rows = [(task, data.draw(worker), data.draw(start)) for task in problem.workflow.order]
    schedule = schedule_of(problem, *rows)
    assert rules(schedule, problem) == rules_seen_moment_by_moment(schedule, problem)


@thorough
@given(problem=problems(tasks=6, workers=3), data=st.data())
def test_the_slow_judge_agrees_on_plans_with_one_task_moved(problem, data: st.DataObject) -> None:
    schedule = Heft().plan(problem)
    each = data.draw(st.sampled_from(schedule.placements))
    worker = data.draw(st.sampled_from(tuple(problem.cluster.index)))
    moved = placed(
        problem, each.task, worker, max(0.0, each.start + data.draw(st.integers(-4, 4)) / 2)
    )
    wrong = Schedule(tuple(moved if row is each else row for row in schedule.placements))
    assert rules(wrong, problem) == rules_seen_moment_by_moment(wrong, problem)


def rules_seen_moment_by_moment(schedule: Schedule, problem: Problem) -> set[Rule]:
    """Broken rules of a complete schedule, by the definitions: quadratic, and nothing shared."""
    broken, at = set(), schedule.by_task
    for edge in problem.workflow.dependencies:
        before, after = at[edge.source], at[edge.target]
        apart = before.worker != after.worker
        travel = problem.cluster.latency + edge.bytes / problem.cluster.bandwidth if apart else 0.0
        if after.start < before.end + travel:
            broken.add(Rule.PRECEDENCE)
    for each in schedule.placements:
        worker = problem.cluster.worker(each.worker)
        if not problem.workflow.task(each.task).skills <= worker.skills:
            broken.add(Rule.SKILLS)
        there = [
            other.allocation
            for other in schedule.placements
            if other.worker == each.worker and other.start <= each.start < other.end
        ]
        if sum(held.cores for held in there) > worker.cores:
            broken.add(Rule.CORES_OVER_CAPACITY)
        if sum(held.memory for held in there) > worker.memory:
            broken.add(Rule.MEMORY_OVER_CAPACITY)
    return broken


def test_ten_thousand_placements_are_judged_in_a_second() -> None:
    problem = random_problem(np.random.default_rng(1), 10_000, 64)
    schedule = Heft().plan(problem)
    began = time.process_time()
    assert violations(schedule, problem) == ()
    assert time.process_time() - began < 1.0


def test_overlaps_of_ten_thousand_tasks_are_judged_in_seconds() -> None:
    problem = problem_of([[2.0]] * 10_000)
    rows = ((f"t{i + 1}", "w1", 3.0 * (i // 2)) for i in range(10_000))
    began = time.process_time()
    found = violations(schedule_of(problem, *rows), problem)
    assert len(found) == 5_000
    assert time.process_time() - began < 5.0
    assert all(a.facts["start"] < b.facts["start"] for a, b in pairwise(found))


def test_a_placement_of_no_length_on_a_worker_that_cannot_take_the_task_is_found() -> None:
    problem = problem_of([[60.0, 60.0]], cores=[2], worker_cores=[1, 2])
    nothing = Placement("t1", "w1", 5.0, 5.0, problem.allocation(0, 0))
    assert violations(Schedule((nothing,)), problem) != ()


def test_late_times_excuse_no_missing_minute() -> None:
    problem = problem_of([[60.0]])
    nothing = Placement("t1", "w1", 1e12, 1e12, problem.allocation(0, 0))
    assert [each.rule for each in violations(Schedule((nothing,)), problem)] == [Rule.TOO_SHORT]
