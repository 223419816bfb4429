"""Lower bounds against every schedule there is, and against answers known on paper."""

from itertools import permutations, product

import pytest
from hypothesis import given
from strategies import problems, quick, thorough
from worlds import GB, fork_join, problem_of

from scheduler.planning.bounds import lower_bound, path_bound
from scheduler.planning.problem import Problem


def exactly(value: float):
    return pytest.approx(value, rel=1e-8)


@thorough
@given(problem=problems(tasks=4, workers=3))
def test_no_schedule_at_all_undercuts_the_bound(problem: Problem) -> None:
    assert lower_bound(problem) <= best_makespan(problem)


@quick
@given(problem=problems())
def test_the_bound_is_never_below_the_longest_way(problem: Problem) -> None:
    assert path_bound(problem) <= lower_bound(problem)


def test_a_chain_on_one_worker_is_bounded_by_its_sum() -> None:
    assert lower_bound(problem_of([[3.0], [4.0]], {(1, 2): 9.0})) == exactly(7.0)


def test_independent_tasks_are_bounded_by_their_work() -> None:
    assert lower_bound(problem_of([[2.0, 2.0]] * 6)) == exactly(6.0)


def test_work_is_measured_in_cores() -> None:
    problem = problem_of([[2.0]] * 6, cores=[2.0] * 6, worker_cores=[4.0])
    assert lower_bound(problem) == exactly(6.0)


def test_a_worker_twice_as_fast_takes_twice_the_work() -> None:
    assert lower_bound(problem_of([[1.0, 2.0]] * 9)) == exactly(6.0)


def test_tasks_that_only_one_worker_can_take_must_fit_there() -> None:
    problem = problem_of([[2.0] * 4] * 5, skills=["gpu"] * 5, worker_skills=["gpu", "", "", ""])
    assert lower_bound(problem) == exactly(10.0)


def test_memory_bounds_where_cores_are_plenty() -> None:
    problem = problem_of(
        [[2.0]] * 5, memory=[6 * GB] * 5, worker_cores=[64.0], worker_memory=[12 * GB]
    )
    assert lower_bound(problem) == exactly(5.0)


def test_two_tasks_that_must_part_pay_for_the_transfer() -> None:
    problem = problem_of(
        [[1.0, 1.0], [1.0, 1.0]],
        {(1, 2): 5.0},
        skills=["a", "b"],
        worker_skills=["a", "b"],
        latency=0.5,
    )
    assert lower_bound(problem) == exactly(1 + 0.5 + 5 + 1)


def test_a_transfer_that_staying_avoids_is_not_counted() -> None:
    assert path_bound(problem_of([[1.0, 1.0], [1.0, 1.0]], {(1, 2): 5.0})) == exactly(2.0)


def test_the_work_in_the_middle_comes_on_top_of_the_ends() -> None:
    assert lower_bound(fork_join()) == exactly(2 + 7 * 3 / 3 + 1)


def best_makespan(problem: Problem) -> float:
    """The least makespan of all: every order, every assignment, each task as soon as it fits."""
    n, m = problem.duration.shape
    orders = [each for each in permutations(range(n)) if _respects(each, problem)]
    able = [[w for w in range(m) if problem.eligible[t, w]] for t in range(n)]
    return min(_makespan(problem, order, where) for order in orders for where in product(*able))


def _respects(order: tuple[int, ...], problem: Problem) -> bool:
    index = problem.workflow.index
    edges = problem.workflow.dependencies
    return all(order.index(index[e.source]) < order.index(index[e.target]) for e in edges)


def _makespan(problem: Problem, order: tuple[int, ...], where: tuple[int, ...]) -> float:
    done: dict[int, tuple[float, float]] = {}
    for task in order:
        worker = where[task]
        here = [(*span, t) for t, span in done.items() if where[t] == worker]
        ready = max((_arrival(problem, done, e, where) for e in _into(problem, task)), default=0.0)
        duration = float(problem.duration[task, worker])
        moments = sorted({ready, *(end for _, end, _ in here if end > ready)})
        start = next(s for s in moments if _fits(problem, here, task, worker, s, s + duration))
        done[task] = start, start + duration
    return max(end for _, end in done.values())


def _into(problem: Problem, task: int):
    name = problem.workflow.tasks[task].id
    return [each for each in problem.workflow.dependencies if each.target == name]


def _arrival(problem: Problem, done, edge, where) -> float:
    source, target = problem.workflow.index[edge.source], problem.workflow.index[edge.target]
    apart = where[source] != where[target]
    travel = problem.cluster.latency + edge.bytes / problem.cluster.bandwidth if apart else 0.0
    return done[source][1] + travel


def _fits(problem: Problem, here, task: int, worker: int, start: float, end: float) -> bool:
    owner = problem.cluster.workers[worker]
    for moment in (start, *(begin for begin, _, _ in here if start < begin < end)):
        there = [task, *(t for begin, finish, t in here if begin <= moment < finish)]
        if sum(problem.cores[t] for t in there) > owner.cores:
            return False
        if sum(problem.memory[t, worker] for t in there) > owner.memory:
            return False
    return True
