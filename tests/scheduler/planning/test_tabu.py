"""Tabu search on workers that run one task at a time, against CP-SAT's optimum and longest ways."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, quick
from worlds import changed, problem_of

from scheduler.planning.capacity_search import Arrays
from scheduler.planning.exact import Effort, Ground, solved
from scheduler.planning.feasibility import violations
from scheduler.planning.kernels.search import Plan, makespan
from scheduler.planning.kernels.tabu import Move, best_move, blended, moved, timed, without
from scheduler.planning.listing import placed
from scheduler.planning.planners.search import Search
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.planning.searching import duplicate
from scheduler.planning.starts import starts
from scheduler.planning.tabu_search import Island, Tabu, suits


@st.composite
def job_shops(draw: st.DrawFn, *, tasks: int = 8, workers: int = 3) -> Problem:
    """Tasks that wait for one another on unlike workers, some released late; no transfers."""
    n, m = draw(st.integers(2, tasks)), draw(st.integers(1, workers))
    pairs = [(a, b) for a in range(1, n + 1) for b in range(a + 1, n + 1)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=n))
    row = st.lists(st.integers(1, 9).map(float), min_size=m, max_size=m)
    seconds = draw(st.lists(row, min_size=n, max_size=n))
    release = draw(st.lists(st.sampled_from([0.0, 0.0, 4.0]), min_size=n, max_size=n))
    problem = problem_of(seconds, dict.fromkeys(edges, 0.0))
    late = {f"t{i + 1}": {"release": each} for i, each in enumerate(release)}
    return changed(problem, tasks=late)


def shaken(problem: Problem, seed: int) -> Island:
    """An island whose plan has been moved at random from the lists it began with."""
    tabu = Tabu(problem.flat, starts(problem), seed=seed)
    island = tabu.islands[0]
    one = duplicate(island.plan)
    blended(island.board, one, one, island.plan, island.aside, 0.0, 0.7)
    return island


def ways(island: Island, plan: Plan, out: int) -> tuple[list[float], list[float]]:
    """The longest ways to the end and from the start of each task, one of them on no worker."""
    board, n = island.board, plan.worker.size
    arcs = [
        (int(p), t) for t in range(n) for p in board.into_task[slice(*board.into_start[t:][:2])]
    ]
    for w in range(plan.first.size):
        line = [t for t in sequence(plan, w) if t != out]
        arcs += list(pairwise(line))
    took = [0.0 if t == out else float(plan.took[t]) for t in range(n)]
    ready = [0.0 if t == out else float(board.ready[t, plan.worker[t]]) for t in range(n)]
    end, rest = [r + d for r, d in zip(ready, took, strict=True)], took.copy()
    for _ in range(n):
        for a, b in arcs:
            end[b] = max(end[b], end[a] + took[b])
            rest[a] = max(rest[a], rest[b] + took[a])
    return end, rest


def sequence(plan: Plan, w: int) -> list[int]:
    """The tasks of a worker, first to last."""
    line, t = [], int(plan.first[w])
    while t >= 0:
        line.append(t)
        t = int(plan.after[t])
    return line


def shortest_by_trying(island: Island, path: list[int]) -> float:
    """The least makespan after any one of these tasks is put anywhere that closes no circle."""
    board, plan, found = island.board, island.plan, np.inf
    for v in path:
        for w in np.flatnonzero(np.isfinite(board.duration[v])).tolist():
            for a in [-1, *(t for t in sequence(plan, w) if t != v)]:
                other = duplicate(plan)
                moved(board, other, Move(v, w, a))
                if timed(board, other, island.aside.wait.copy()):
                    found = min(found, makespan(board, other))
    return found


def optimum(problem: Problem) -> float:
    plan, n = starts(problem)[0], len(problem.workflow)
    ground = Ground(
        plan.worker, plan.start, plan.end, plan.start, np.zeros(n, np.int64), float(plan.end.max())
    )
    answer = solved(problem.flat, ground, Effort(deterministic=20.0))
    assert answer.proved
    return answer.bound


@quick
@given(problem=job_shops(), seed=st.integers(0, 99))
def test_times_without_a_task_are_the_longest_ways_without_it(problem: Problem, seed: int) -> None:
    island = shaken(problem, seed)
    for v in range(island.plan.worker.size):
        most = without(island.board, island.plan, island.aside, v)
        end, rest = ways(island, island.plan, v)
        assert island.aside.end.tolist() == end
        assert island.aside.rest.tolist() == rest
        assert most == max(end)


@quick
@given(problem=job_shops(), seed=st.integers(0, 99))
def test_where_a_move_shortens_the_plan_the_best_one_is_found(problem: Problem, seed: int) -> None:
    island = shaken(problem, seed)
    before = makespan(island.board, island.plan)
    island.aside.path[:] = -1
    move = best_move(island.board, island.plan, island.aside, 0.0)
    least = shortest_by_trying(island, [t for t in island.aside.path.tolist() if t >= 0])
    if move.task < 0:
        assert least >= before
        return
    moved(island.board, island.plan, move)
    assert timed(island.board, island.plan, island.aside.wait)
    after = makespan(island.board, island.plan)
    assert after == least or (least >= before and after >= least)


@quick
@given(problem=job_shops(), share=st.floats(0.0, 1.0), seed=st.integers(0, 99))
def test_a_plan_between_two_closes_no_circle(problem: Problem, share: float, seed: int) -> None:
    one, other = shaken(problem, seed), shaken(problem, seed + 1)
    child = duplicate(one.plan)
    blended(one.board, one.plan, other.plan, child, one.aside, share, 0.0)
    assert timed(one.board, child, one.aside.wait)
    assert sorted(child.order.tolist()) == list(range(child.worker.size))
    either = (child.worker == one.plan.worker) | (child.worker == other.plan.worker)
    assert either.all()


@few
@given(problem=job_shops(tasks=7))
def test_small_job_shops_reach_the_optimum(problem: Problem) -> None:
    schedule = Search(evaluations=4000).plan(problem)
    assert violations(schedule, problem) == ()
    assert schedule.makespan == pytest.approx(optimum(problem))


@few
@given(problem=job_shops())
def test_any_number_of_threads_finds_the_same_plan(problem: Problem) -> None:
    one, two = (Search(evaluations=600, threads=each).plan(problem) for each in (1, 2))
    assert one.placements == two.placements


def test_a_plan_told_is_kept_and_never_lost() -> None:
    seconds = [[3.0, 5.0], [4.0, 2.0], [6.0, 3.0], [2.0, 2.0]]
    problem = problem_of(seconds, {(1, 2): 0.0, (3, 4): 0.0})
    best = Search(evaluations=2000).plan(problem)
    rows = [best.by_task[task] for task in problem.workflow.index]
    worker = np.array([problem.cluster.index[each.worker] for each in rows])
    told = Arrays(worker, np.array([e.start for e in rows]), np.array([e.end for e in rows]))
    worst = max(starts(problem), key=lambda each: each.score)
    tabu = Tabu(problem.flat, [worst], seed=0)
    tabu.take(told)
    assert tabu.best.end.max() == best.makespan
    rows = placed(problem, *tabu.best)
    assert violations(Schedule(rows), problem) == ()


def test_transfers_pools_and_shared_workers_are_for_other_searches() -> None:
    edges = {(1, 2): 3.0}
    assert suits(problem_of([[1.0, 2.0], [2.0, 1.0]], {(1, 2): 0.0}).flat)
    assert not suits(problem_of([[1.0, 2.0], [2.0, 1.0]], edges).flat)
    assert not suits(problem_of([[1.0], [2.0]], worker_cores=[2.0]).flat)


def test_tasks_too_short_to_be_seen_beside_the_others_are_left_to_another_search() -> None:
    seconds = [[10.0, 9.0], [1e-17, 1e-17]] * 4
    problem = problem_of(seconds, {(a, a + 1): 0.0 for a in range(1, 8)})
    assert not suits(problem.flat)
    assert Search(evaluations=500).plan(problem).makespan == 36.0
    assert suits(problem_of([[10.0, 9.0], [1e-9, 1e-9]] * 4).flat)
