"""The search on workers that run one task at a time: exact, feasible, repeatable, never worse."""

from collections.abc import Iterator
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import placed, problem_of

from scheduler.errors import InvalidInput
from scheduler.planning.aiming import best
from scheduler.planning.feasibility import violations
from scheduler.planning.kernels import search as kernel
from scheduler.planning.kernels import search_places as places
from scheduler.planning.planners.portfolio import Portfolio
from scheduler.planning.planners.search import Search
from scheduler.planning.problem import Problem
from scheduler.planning.searching import (
    board_of,
    desk_of,
    duplicate,
    one_at_a_time,
    only_makespan,
    plan_of,
)
from scheduler.planning.starts import starts
from scheduler.workloads.graphs import FAMILIES, instance

some = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 10_000)


def small(seed: int, n: int, m: int) -> Problem:
    """Unrelated whole durations and transfers; about half of all possible dependencies."""
    rng = np.random.default_rng(seed)
    pairs = [(a, b) for a in range(1, n + 1) for b in range(a + 1, n + 1) if rng.random() < 0.5]
    sizes = {pair: float(rng.integers(0, 8)) for pair in pairs}
    return problem_of(rng.integers(1, 10, (n, m)).astype(float).tolist(), sizes)


def optimum(problem: Problem) -> float:
    """The least makespan over all orders and assignments, each task as soon as it can."""
    flat, n, m = problem.flat, len(problem.workflow), len(problem.cluster)
    least = np.inf
    for order in permutations(range(n)):
        if any(order.index(p) > order.index(t) for t, p, _ in dependencies(problem)):
            continue
        for worker in product(range(m), repeat=n):
            end, idle = np.zeros(n), np.zeros(m)
            for t in order:
                ready = idle[worker[t]]
                for e in range(flat.before_start[t], flat.before_start[t + 1]):
                    p = flat.before_task[e]
                    travel = flat.before_bytes[e] * flat.per_byte[worker[p], worker[t]]
                    ready = max(ready, end[p] + travel)
                end[t] = idle[worker[t]] = ready + flat.duration[flat.row[t], worker[t]]
            least = min(least, float(end.max()))
    return least


def dependencies(problem: Problem) -> Iterator[tuple[int, int, float]]:
    flat = problem.flat
    for t in range(flat.row.size):
        for e in range(flat.before_start[t], flat.before_start[t + 1]):
            yield t, int(flat.before_task[e]), float(flat.before_bytes[e])


@settings(deadline=None, max_examples=15)
@given(seed=seeds, n=st.integers(2, 5), m=st.integers(1, 3))
def test_the_optimum_of_a_tiny_problem_is_found(seed: int, n: int, m: int) -> None:
    problem = small(seed, n, m)
    assert Search(evaluations=2000).plan(problem).makespan == pytest.approx(optimum(problem))


@pytest.mark.parametrize("family", FAMILIES)
def test_no_plan_is_worse_than_the_best_of_the_portfolio(family: str) -> None:
    problem = instance(np.random.default_rng(3), family, 40, 5, ccr=2.0)
    found = Search(evaluations=600).plan(problem)
    assert violations(found, problem) == ()
    assert found.makespan <= Portfolio().plan(problem).makespan


def test_searching_shortens_what_lists_leave_long() -> None:
    problem = instance(np.random.default_rng(3), "ligo", 60, 6, ccr=5.0)
    assert Search(evaluations=4000).plan(problem).makespan < (
        0.95 * Portfolio().plan(problem).makespan
    )


def test_the_number_of_threads_changes_nothing() -> None:
    problem = instance(np.random.default_rng(4), "layered", 60, 6)
    one, two = (Search(evaluations=2000, threads=each).plan(problem) for each in (1, 2))
    assert one == two


def test_another_seed_is_another_search() -> None:
    problem = instance(np.random.default_rng(4), "layered", 60, 6)
    one, two = (Search(evaluations=2000, seed=each).plan(problem) for each in (1, 2))
    assert one.placements != two.placements


def test_without_evaluations_the_best_of_the_portfolio_remains() -> None:
    problem = instance(np.random.default_rng(4), "layered", 30, 4)
    found = Search(evaluations=0).plan(problem)
    assert found.placements == Portfolio().plan(problem).placements


def test_time_ends_the_search_before_its_evaluations() -> None:
    moments = iter(range(10_000))
    problem = instance(np.random.default_rng(4), "layered", 30, 4)
    found = Search(seconds=3.0, evaluations=10**9, clock=lambda: float(next(moments)))
    assert violations(found.plan(problem), problem) == ()


@pytest.mark.parametrize("field", [{"seconds": -1.0}, {"evaluations": -1}, {"threads": 0}])
def test_an_impossible_budget_is_refused(field: dict) -> None:
    with pytest.raises(InvalidInput, match=next(iter(field))):
        Search(**field)


@some
@given(seed=seeds, family=st.sampled_from(sorted(FAMILIES)), m=st.integers(1, 6))
def test_times_kept_along_the_way_equal_times_computed_anew(seed: int, family, m: int) -> None:
    problem = instance(np.random.default_rng(seed), family, 30, m, ccr=1.0)
    flat = problem.flat
    free = np.arange(len(problem.workflow))
    board = board_of(flat, free)
    plan = plan_of(flat, board, free, best(starts(problem)))
    desk, state = desk_of(len(free)), np.array([seed * 2 + 1], dtype=np.uint64)
    kernel.settle(board, plan, desk)
    for _ in range(50):
        desk.out[0] = int(kernel.draw(state) * len(free))
        places.take_out(board, plan, desk, 1)
        v, w = int(desk.out[0]), -1
        while w < 0:
            _, w, a = places.best_place(board, plan, desk, v, np.inf, 0.5, state)
        places.put_in(board, plan, desk, v, w, a)
        places.settle_around(board, plan, desk, v)
        anew = duplicate(plan)
        kernel.settle(board, anew, desk)
        assert np.array_equal(plan.end, anew.end)
        assert np.array_equal(plan.rest, anew.rest)
        assert (
            plan.place[flat.before_task] < np.repeat(plan.place, np.diff(flat.before_start))
        ).all()


@some
@given(seed=seeds, m=st.integers(2, 4))
def test_the_way_through_the_chosen_place_is_the_shortest_of_all_places(seed: int, m: int) -> None:
    problem = small(seed, 8, m)
    flat, free = problem.flat, np.arange(8)
    board = board_of(flat, free)
    plan = plan_of(flat, board, free, best(starts(problem)))
    desk, state = desk_of(8), np.array([seed * 2 + 1], dtype=np.uint64)
    kernel.settle(board, plan, desk)
    desk.out[0] = v = seed % 8
    places.take_out(board, plan, desk, 1)
    way, w, a = places.best_place(board, plan, desk, v, np.inf, 0.0, state)
    places.mark_ways(board, plan, desk, v, 0)
    seen = desk.mark.copy()

    def through(worker: int, after: int) -> float:
        tried, room = duplicate(plan), desk_of(8)
        places.put_in(board, tried, room, v, worker, after)
        places.settle_around(board, tried, room, v)
        return float(tried.end[v] + tried.rest[v] - tried.took[v])

    every = []
    for worker in range(m):
        follower = int(plan.first[worker])
        before = -1
        while True:
            if (before < 0 or seen[before] != 0) and (follower < 0 or seen[follower] != 1):
                # a place is possible when nothing on its way must be on the other side
                later = follower
                while later >= 0 and seen[later] != 1:
                    later = int(plan.after[later])
                if later < 0:
                    every.append(through(worker, before))
            if follower < 0:
                break
            before, follower = follower, int(plan.after[follower])
    assert through(w, a) == pytest.approx(min(every))
    assert way == pytest.approx(min(every))
    assert places.best_place(board, plan, desk, v, 0.99 * way, 0.0, state)[1] < 0


@some
@given(seed=seeds, instant=st.integers(1, 8))
def test_tasks_too_short_to_be_seen_in_the_times_close_no_circle(seed: int, instant: int) -> None:
    rng = np.random.default_rng(seed)
    durations = rng.integers(1, 4, (12, 3)).astype(float)
    durations[rng.choice(12, instant, replace=False)] = 1e-30
    pairs = [(a, b) for a in range(1, 13) for b in range(a + 1, 13) if rng.random() < 0.3]
    problem = problem_of(durations.tolist(), {pair: float(rng.integers(0, 2)) for pair in pairs})
    flat = problem.flat
    board = board_of(flat, np.arange(12))
    plan = plan_of(flat, board, np.arange(12), best(starts(problem)))
    desk, state = desk_of(12), np.array([seed * 2 + 1], dtype=np.uint64)
    kernel.settle(board, plan, desk)
    for v in np.tile(np.arange(12), 6):
        desk.out[0] = v
        places.take_out(board, plan, desk, 1)
        _, w, a = places.best_place(board, plan, desk, int(v), np.inf, 0.0, state)
        places.put_in(board, plan, desk, int(v), w, a)
        places.settle_around(board, plan, desk, int(v))
        later = np.repeat(plan.place, np.diff(flat.before_start))
        assert (plan.place[flat.before_task] < later).all()
        follows = plan.after >= 0
        assert (plan.place[follows] < plan.place[plan.after[follows]]).all()


def test_a_change_that_is_refused_leaves_no_trace() -> None:
    problem = instance(np.random.default_rng(6), "layered", 60, 5)
    flat, free = problem.flat, np.arange(60)
    board = board_of(flat, free)
    plan = plan_of(flat, board, free, best(starts(problem)))
    desk, state = desk_of(60), np.array([11], dtype=np.uint64)
    kernel.settle(board, plan, desk)
    kept = duplicate(plan)
    for first in range(0, 60, 3):
        kernel.start_round(desk)
        desk.out[:3] = first, first + 1, first + 2
        places.take_out(board, plan, desk, 3)
        _, w, a = places.best_place(board, plan, desk, first, np.inf, 0.0, state)
        places.put_in(board, plan, desk, first, w, a)
        places.settle_around(board, plan, desk, first)
        kernel.carry_over(kept, plan, desk)
        assert all(np.array_equal(one, other) for one, other in zip(plan, kept, strict=True))


def test_what_has_happened_stays_and_the_rest_starts_no_earlier_than_now() -> None:
    problem = small(5, 8, 3)
    first = problem.workflow.order[0]
    happened = {first: placed(problem, first, "w1", 0.0)}
    later = Problem(problem.workflow, problem.cluster, problem.forecast, fixed=happened, now=2.0)
    found = Search(evaluations=2000).plan(later)
    assert violations(found, later) == ()
    assert found.by_task[first] == happened[first]
    assert all(each.start >= 2.0 for each in found.placements if each.task != first)


def test_tasks_that_can_share_a_worker_are_not_one_at_a_time() -> None:
    sharing = problem_of([[1.0], [1.0]], cores=[1.0, 1.0], worker_cores=[2.0])
    assert one_at_a_time(problem_of([[1.0], [1.0]], cores=[1.5, 1.0], worker_cores=[2.0]).flat)
    assert not one_at_a_time(sharing.flat)
    assert only_makespan(sharing.flat)


@pytest.mark.parametrize("family", FAMILIES)
def test_instances_are_the_same_for_a_seed(family: str) -> None:
    one, two = (instance(np.random.default_rng(8), family, 50, 4) for _ in range(2))
    assert one.workflow == two.workflow
    assert np.array_equal(one.duration, two.duration)


@pytest.mark.parametrize("ccr", [0.1, 1.0, 10.0])
def test_transfers_take_the_asked_share_of_durations(ccr: float) -> None:
    problem = instance(np.random.default_rng(8), "layered", 100, 6, ccr=ccr)
    away = ~np.eye(6, dtype=bool)
    seconds = np.mean(problem.flat.before_bytes) * np.mean(problem.flat.per_byte[away])
    assert seconds / problem.duration.mean() == pytest.approx(ccr)
