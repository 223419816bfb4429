"""What every planner keeps: a new file in scheduler/planning/planners is tested at once."""

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from strategies import few, ganged, problems, quick, rich_problems
from worlds import NAMED, chain, fork_join, one_worker, single_task

from scheduler.discover import implementations
from scheduler.planning import planners
from scheduler.planning.feasibility import violations
from scheduler.planning.planners.base import Planner
from scheduler.planning.planners.fifo import Fifo
from scheduler.planning.problem import Problem
from scheduler.workloads.synthetic import SHAPES, random_problem

PLANNERS = implementations(planners, Planner)


def unhurried(planner: type[Planner]) -> Planner:
    """One that no clock ends: a busy machine would get other plans of it than an idle one."""
    timed = any(each.name == "seconds" for each in fields(planner))  # type: ignore[arg-type]
    return planner(seconds=math.inf) if timed else planner()  # type: ignore[call-arg]


every_planner = pytest.mark.parametrize(
    "planner", [unhurried(part) for part in PLANNERS.values()], ids=PLANNERS
)
every_world = pytest.mark.parametrize("world", NAMED.values(), ids=NAMED)


def test_the_planners_are_found() -> None:
    assert {"fifo", "heft"} <= set(PLANNERS)


@every_planner
@every_world
def test_no_rule_is_broken(planner: Planner, world) -> None:
    problem = world()
    assert violations(planner.plan(problem), problem) == ()


@every_planner
@every_world
def test_every_task_is_placed_once(planner: Planner, world) -> None:
    problem = world()
    placed = sorted(each.task for each in planner.plan(problem).placements)
    assert placed == sorted(problem.workflow.index)


@every_planner
@every_world
def test_equal_problems_get_equal_schedules(planner: Planner, world) -> None:
    assert planner.plan(world()) == planner.plan(world())


@every_planner
@every_world
def test_no_makespan_undercuts_the_lower_bound(planner: Planner, world) -> None:
    schedule = planner.plan(world())
    assert 0 < schedule.lower_bound <= schedule.makespan


@every_planner
@every_world
def test_no_planner_is_worse_than_a_queue_on_the_named_worlds(planner: Planner, world) -> None:
    problem = world()
    assert planner.plan(problem).makespan <= Fifo().plan(problem).makespan * (1 + 1e-9)


@every_planner
def test_the_schedule_names_its_planner(planner: Planner) -> None:
    assert PLANNERS[planner.plan(single_task()).planner] is type(planner)


@every_planner
def test_a_single_task_starts_at_once(planner: Planner) -> None:
    (placement,) = planner.plan(single_task()).placements
    assert placement.start == 0.0


@every_planner
def test_one_worker_is_never_idle_when_work_is_ready(planner: Planner) -> None:
    assert planner.plan(one_worker()).makespan == 3 + 1 + 2 + 4


@every_planner
def test_a_chain_takes_the_sum_of_its_durations(planner: Planner) -> None:
    assert planner.plan(chain()).makespan == 3 + 1 + 4 + 1 + 5


@every_planner
def test_a_fork_join_takes_its_ends_and_the_rounds_between(planner: Planner) -> None:
    rounds_of_seven_on_three = 3
    assert planner.plan(fork_join()).makespan == 2 + rounds_of_seven_on_three * 3 + 1


@every_planner
@quick
@given(problem=problems())
def test_random_problems_get_feasible_schedules_above_the_bound(planner, problem: Problem) -> None:
    schedule = planner.plan(problem)
    assert violations(schedule, problem) == ()
    assert schedule.lower_bound <= schedule.makespan


@every_planner
@few
@given(problem=rich_problems())
def test_problems_of_every_rule_get_feasible_schedules_above_the_bound(planner, problem) -> None:
    schedule = planner.plan(problem)
    assert violations(schedule, problem) == ()
    assert schedule.lower_bound <= schedule.makespan


@every_planner
@few
@given(problem=ganged(problems(tasks=8)))
def test_gangs_are_planned_without_a_broken_rule_and_never_worse_than_a_queue(
    planner: Planner, problem: Problem
) -> None:
    schedule = planner.plan(problem)
    assert violations(schedule, problem) == ()
    assert schedule.lower_bound <= schedule.makespan
    if problem.workflow.gangs:
        assert schedule.makespan <= Fifo().plan(problem).makespan * (1 + 1e-9)


@every_planner
@few
@given(problem=ganged(rich_problems(tasks=8)))
def test_gangs_among_rules_of_every_sort_are_planned(planner: Planner, problem: Problem) -> None:
    schedule = planner.plan(problem)
    assert violations(schedule, problem) == ()
    assert schedule.lower_bound <= schedule.makespan


@every_planner
@pytest.mark.parametrize("shape", SHAPES)
def test_larger_workflows_of_every_shape_are_feasible(planner: Planner, shape: str) -> None:
    problem = random_problem(np.random.default_rng(5), 400, 9, shape=shape)
    assert violations(planner.plan(problem), problem) == ()
