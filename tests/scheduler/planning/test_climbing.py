"""Annealed plans of shared workers against the judge and CP-SAT's optimum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, problems, quick
from worlds import changed, problem_of

from scheduler.planning.capacity import Budget, searched
from scheduler.planning.capacity_search import Arrays, from_lists, value_of
from scheduler.planning.climbing import Climbing
from scheduler.planning.exact import Effort, Ground, solved
from scheduler.planning.feasibility import violations
from scheduler.planning.kernels.climbing import slackened
from scheduler.planning.listing import placed
from scheduler.planning.packing import packed, room_for
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule


def faults(problem: Problem, plan: Arrays):
    return violations(Schedule(placed(problem, plan.worker, plan.start, plan.end)), problem)


def climbed(problem: Problem, evaluations: int, seed: int = 0) -> Arrays:
    climbing = Climbing(problem.flat, from_lists(problem), seed=seed)
    climbing.go(evaluations=evaluations)
    return climbing.best


@quick
@given(problem=problems())
def test_every_task_can_start_later_by_its_slack_at_once(problem: Problem) -> None:
    flat, plan = problem.flat, from_lists(problem)[0]
    fore, back = packed(flat)
    order = np.lexsort((np.argsort(flat.order), plan.start)).astype(np.int64)
    worker, slack = plan.worker.astype(np.int64), np.zeros(len(order))
    start, end = plan.start.copy(), plan.end.copy()
    slackened(flat, fore, back, room_for(fore), order, worker, start, end, slack, np.inf)
    assert (slack >= -1e-9).all()
    assert (end + slack).max() <= plan.end.max() * (1 + 1e-9)
    late = Arrays(worker, start + slack, end + slack)
    assert faults(problem, late) == ()


@few
@given(problem=problems(), seed=st.integers(0, 99))
def test_annealed_plans_keep_every_rule_and_are_never_worse(problem: Problem, seed: int) -> None:
    best = climbed(problem, 300, seed)
    start = min(value_of(problem.flat, each) for each in from_lists(problem))
    assert value_of(problem.flat, best) <= start
    assert faults(problem, best) == ()


@few
@given(st.integers(0, 10_000))
def test_small_shared_workers_reach_the_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = problem_of(
        rng.integers(1, 9, (6, 2)).astype(float).tolist(),
        {(1, 4): 0.0, (2, 5): 0.0},
        cores=rng.choice([1.0, 2.0, 3.0], 6).tolist(),
        worker_cores=[3.0, 4.0],
    )
    plan = from_lists(problem)[0]
    ground = Ground(
        plan.worker, plan.start, plan.end, plan.start, np.zeros(6, np.int64), float(plan.end.max())
    )
    answer = solved(problem.flat, ground, Effort(deterministic=5.0))
    assert climbed(problem, 9000).end.max() == pytest.approx(answer.bound)


def test_equal_seeds_and_evaluations_give_equal_plans() -> None:
    rng = np.random.default_rng(3)
    problem = problem_of(
        rng.integers(1, 20, (20, 3)).astype(float).tolist(), worker_cores=[2.0, 3.0, 1.0]
    )
    one, two = (climbed(problem, 900, seed=5) for _ in range(2))
    assert one.start.tolist() == two.start.tolist()
    assert one.worker.tolist() == two.worker.tolist()


def test_a_plan_told_is_never_lost() -> None:
    problem = problem_of([[3.0, 2.0], [2.0, 4.0], [5.0, 3.0]], worker_cores=[2.0, 1.0])
    short = climbed(problem, 3000)
    long = max(from_lists(problem), key=lambda each: float(each.end.max()))
    climbing = Climbing(problem.flat, [long], seed=0)
    climbing.take(short)
    assert climbing.best.end.max() == short.end.max()


def test_a_large_problem_is_annealed_and_keeps_every_rule() -> None:
    rng = np.random.default_rng(1)
    edges = {(int(rng.integers(1, t)), t): 0.0 for t in range(11, 181)}
    problem = problem_of(
        rng.integers(1, 20, (180, 4)).astype(float).tolist(),
        edges,
        cores=rng.choice([1.0, 2.0, 4.0], 180).tolist(),
        worker_cores=[4.0] * 4,
    )
    problem = changed(problem, tasks={"t5": {"release": 30.0}})
    plan, bound = searched(problem, Budget(effort=0.2, evaluations=900), least=1.0)
    assert faults(problem, plan) == ()
    assert bound <= plan.end.max() < from_lists(problem)[0].end.max()
