"""Plans of shared workers and pools against brute force, closed forms and the judge."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few, problems, quick, rich_problems
from worlds import GB, changed, fork_join, problem_of

from scheduler.planning.bounds import lower_bound
from scheduler.planning.capacity import Budget, searched
from scheduler.planning.capacity_search import (
    Arrays,
    Decoder,
    Island,
    from_lists,
    improved,
    value_of,
)
from scheduler.planning.exact import Effort, Ground, solved
from scheduler.planning.feasibility import violations
from scheduler.planning.kernels.serial import decoded
from scheduler.planning.kernels.serial_search import justified
from scheduler.planning.listing import placed
from scheduler.planning.objective import Objective
from scheduler.planning.packing import packed, room_for
from scheduler.planning.planners.cp_sat import CpSat
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.planning.windows import reopened

ENOUGH = Effort(deterministic=5.0)


def plan_of(problem: Problem, schedule: Schedule) -> Arrays:
    """A schedule as arrays, in the order of the problem's tasks."""
    rows = [schedule.by_task[task] for task in problem.workflow.index]
    worker = np.array([problem.cluster.index[each.worker] for each in rows])
    return Arrays(worker, np.array([e.start for e in rows]), np.array([e.end for e in rows]))


def faults(problem: Problem, plan: Arrays):
    return violations(Schedule(placed(problem, plan.worker, plan.start, plan.end)), problem)


def by_list(problem: Problem, order) -> Arrays:
    """The earliest starts of tasks in this order, each where it ends first."""
    fore, _ = packed(problem.flat)
    n = len(order)
    plan = Arrays(np.full(n, -1), np.zeros(n), np.zeros(n))
    decoded(fore, room_for(fore), np.array(order), *plan[:1], -1.0, *plan[1:])
    return plan


def whole(problem: Problem) -> Ground:
    """All tasks that have not happened are free."""
    plan = from_lists(problem)[0]
    side = np.where(problem.flat.fixed_worker < 0, 0, -1)
    return Ground(plan.worker, plan.start, plan.end, plan.start, side, float(plan.end.max()))


def project(seconds, edges, needs, limits) -> Problem:
    """Tasks that hold pools, on one worker that is never full."""
    pools = {f"p{k}": float(limit) for k, limit in enumerate(limits)}
    held = {
        f"t{i + 1}": {"pools": dict(zip(pools, map(float, need), strict=True))}
        for i, need in enumerate(needs)
    }
    plain = problem_of([[s] for s in seconds], edges, worker_cores=[100.0])
    return changed(plain, tasks=held, pools=pools)


@st.composite
def projects(draw: st.DrawFn, *, tasks: int = 6) -> Problem:
    """Small projects of whole seconds with two pools."""
    n = draw(st.integers(1, tasks))
    pairs = [(a, b) for a in range(1, n + 1) for b in range(a + 1, n + 1)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=n)) if pairs else []
    seconds = draw(st.lists(st.integers(1, 6).map(float), min_size=n, max_size=n))
    need = st.tuples(st.integers(0, 3), st.integers(0, 2))
    needs = draw(st.lists(need, min_size=n, max_size=n))
    return project(seconds, dict.fromkeys(edges, 0.0), needs, [draw(st.integers(3, 5)), 2])


def least(problem: Problem) -> float:
    """The least makespan of a project: every list, with every second looked at one by one."""
    n, flat = len(problem.workflow), problem.flat
    before = [
        flat.before_task[flat.before_start[t] : flat.before_start[t + 1]].tolist() for t in range(n)
    ]
    best = np.inf
    for order in permutations(range(n)):
        if any(order.index(p) > order.index(t) for t in range(n) for p in before[t]):
            continue
        end, used = {}, np.zeros((int(flat.duration.sum()) + 1, len(flat.limit)))
        for t in order:
            s, d = int(max([end[p] for p in before[t]], default=0)), int(flat.duration[t, 0])
            while (used[s : s + d] + flat.need[t] > flat.limit).any():
                s += 1
            used[s : s + d] += flat.need[t]
            end[t] = s + d
        best = min(best, max(end.values()))
    return best


@quick
@given(problem=projects(), seed=st.integers(0, 99))
def test_the_grid_and_the_profiles_give_the_same_starts(problem: Problem, seed: int) -> None:
    fore, _ = packed(problem.flat)
    assert fore.gridded
    n = len(problem.workflow)
    order = np.lexsort((np.random.default_rng(seed).random(n), _depth(problem)))
    ends = []
    for each in (fore, fore._replace(gridded=False)):
        start, end = np.zeros(n), np.zeros(n)
        decoded(each, room_for(each), order, np.full(n, -1), -1.0, start, end)
        ends.append(end)
    assert ends[0].tolist() == ends[1].tolist()


def _depth(problem: Problem) -> list[int]:
    depth = dict.fromkeys(problem.workflow.order, 0)
    for task in problem.workflow.order:
        depth[task] = max([depth[p] + 1 for p in problem.workflow.predecessors(task)], default=0)
    return [depth[task] for task in problem.workflow.index]


@quick
@given(problem=rich_problems(), seed=st.integers(0, 99))
def test_justification_never_lengthens_a_schedule(problem: Problem, seed: int) -> None:
    flat, (fore, back) = problem.flat, packed(problem.flat)
    n, room = len(flat.row), room_for(fore)
    order = np.lexsort((np.random.default_rng(seed).random(n), _depth(problem)))
    start, end, worker = np.zeros(n), np.zeros(n), np.full(n, -1)
    first = decoded(fore, room, order, worker, -1.0, start, end)
    justified(flat, fore, back, room, order, worker, start, end)
    assert end.max() <= first * (1 + 1e-9)
    assert faults(problem, Arrays(worker, start, end)) == () or problem.objective.hard_deadlines


@quick
@given(problem=rich_problems())
def test_tasks_moved_late_keep_their_order_and_the_makespan(problem: Problem) -> None:
    decoder = Decoder(problem.flat)
    plan = decoder.earliest(*from_lists(problem)[0][:2])
    late = decoder.latest(plan)
    free = problem.flat.fixed_worker < 0
    assert (late[free] >= plan.start[free] - 1e-9).all()
    assert (late + plan.end - plan.start).max() <= plan.end.max() * (1 + 1e-9)


@few
@given(problem=rich_problems())
def test_bred_plans_keep_every_rule_and_are_never_worse(problem: Problem) -> None:
    start = from_lists(problem)
    best = improved(problem.flat, start, evaluations=240, seed=3)
    assert value_of(problem.flat, best) <= min(value_of(problem.flat, each) for each in start)
    before = set(map(str, faults(problem, start[0]))) | set(map(str, faults(problem, start[-1])))
    assert not faults(problem, best) or before


@few
@given(problem=projects())
def test_small_projects_are_bred_to_their_optimum(problem: Problem) -> None:
    best = improved(problem.flat, from_lists(problem), evaluations=900, seed=1)
    assert best.end.max() == least(problem)


def test_equal_seeds_and_evaluations_give_equal_plans() -> None:
    problem = project([3, 2, 4, 1, 5, 2], {(1, 4): 0.0}, [(2,), (1,), (2,), (3,), (1,), (2,)], [3])
    plans = [improved(problem.flat, from_lists(problem), evaluations=600, seed=8) for _ in range(2)]
    assert plans[0].start.tolist() == plans[1].start.tolist()


def test_breeding_stops_where_the_makespan_is_enough() -> None:
    problem = fork_join()
    island = Island(problem.flat, seed=0, number=0)
    for each in from_lists(problem):
        island.take(each)
    assert island.breed(10**9, 12.0)


@few
@given(problem=projects(tasks=5))
def test_cp_sat_proves_the_optimum_of_a_project(problem: Problem) -> None:
    answer = solved(problem.flat, whole(problem), ENOUGH)
    assert answer.proved
    assert answer.bound == pytest.approx(least(problem))


@few
@given(problem=projects(tasks=5))
def test_two_searches_side_by_side_prove_the_same_optimum(problem: Problem) -> None:
    answer = solved(problem.flat, whole(problem), replace(ENOUGH, pair=True))
    assert answer.proved
    assert answer.bound == pytest.approx(least(problem))
    if answer.start is not None:
        assert (answer.start + problem.flat.duration[:, 0]).max() == pytest.approx(answer.bound)


@few
@given(problem=rich_problems(tasks=5, workers=3))
def test_cp_sat_keeps_every_rule_and_its_bound_holds(problem: Problem) -> None:
    problem = changed(problem, objective=replace(problem.objective, budget=None))
    answer = solved(problem.flat, whole(problem), ENOUGH)
    if answer.start is not None:
        plan = Decoder(problem.flat).earliest(answer.worker, answer.start)
        assert answer.bound <= plan.end.max() * (1 + 1e-9)
        assert lower_bound(problem) <= plan.end.max()


@few
@given(problem=problems(tasks=8))
def test_windows_are_never_worse_and_keep_every_rule(problem: Problem) -> None:
    start = min(from_lists(problem), key=lambda each: value_of(problem.flat, each))
    best = reopened(problem.flat, start, rounds=1, seed=5)
    assert best.end.max() <= start.end.max()
    assert faults(problem, best) == ()


def test_a_window_moves_what_comes_after_it_earlier() -> None:
    seconds = [[1.0], [3.0], [1.0], [3.0], [2.0], [2.0], [6.0]]
    edges = {(1, 2): 0.0, (1, 3): 0.0, (2, 4): 0.0, (3, 5): 0.0, (4, 6): 0.0, (5, 7): 0.0}
    problem = problem_of(seconds, edges, worker_cores=[2.0])
    worker = np.zeros(7, dtype=np.int64)
    start = np.array([0.0, 1.0, 4.0, 4.0, 7.0, 9.0, 9.0])  # task 3 could start at 1
    late = start.copy()
    side = np.array([-1, 0, 0, 0, 0, 1, 1])
    end = start + np.array(seconds)[:, 0]
    answer = solved(problem.flat, Ground(worker, start, end, late, side, 15.0), ENOUGH)
    assert answer.start is not None
    assert answer.start[6] == 7.0  # after tasks 2 and 4; task 7 moves with task 6


def test_the_planner_shows_a_proof_for_a_small_problem() -> None:
    problem = problem_of(
        [[4.0, 6.0], [2.0, 2.0], [3.0, 5.0], [1.0, 1.0], [5.0, 4.0], [2.0, 3.0]],
        {(1, 5): 1.0, (2, 6): 1.0},
        cores=[3.0, 1.0, 2.0, 0.5, 4.0, 1.5],
        worker_cores=[4.0, 6.0],
    )
    schedule = CpSat().plan(problem)
    assert schedule.gap == pytest.approx(0.0, abs=1e-6)


def test_a_transfer_is_paid_between_workers_in_the_proof() -> None:
    problem = problem_of(
        [[1.0, 1.0], [1.0, 1.0]],
        {(1, 2): 5.0},
        skills=["a", "b"],
        worker_skills=["a", "b"],
        latency=0.5,
    )
    assert solved(problem.flat, whole(problem), ENOUGH).bound == pytest.approx(7.5)


def test_memory_alone_keeps_tasks_apart_in_the_proof() -> None:
    problem = problem_of(
        [[2.0]] * 3, memory=[6 * GB] * 3, worker_cores=[8.0], worker_memory=[12 * GB]
    )
    assert solved(problem.flat, whole(problem), ENOUGH).bound == pytest.approx(4.0)


def test_more_effort_after_the_search_never_makes_a_plan_worse() -> None:
    problem = project([3, 2, 4, 1, 5, 2], {}, [(2,), (1,), (2,), (3,), (1,), (2,)], [3])
    plan, bound = searched(problem, Budget(effort=1.0, evaluations=900), least=0.0)
    assert plan.end.max() == pytest.approx(bound)


@few
@given(st.integers(0, 10_000), st.sampled_from([1, 3, 7, 666_666_666]))
def test_amounts_that_share_no_grain_with_what_there_is_bound_like_small_numbers(
    seed: int, grain: int
) -> None:
    """Parts of a worker in sixths, once as 1 to 3 of 6, once as bytes that do not add up to it."""
    rng = np.random.default_rng(seed)
    seconds = rng.integers(2, 12, (9, 2)).astype(float).tolist()
    parts = rng.choice([1, 2, 2, 3], 9)
    small, large = (
        problem_of(
            seconds,
            memory=(parts * unit).tolist(),
            worker_cores=[9.0] * 2,
            worker_memory=[6 * unit + rest] * 2,
        )
        for unit, rest in ((1, 0), (grain * 10, 7))
    )
    planner = CpSat(effort=0.3, evaluations=300)
    one, two = planner.plan(small), planner.plan(large)
    assert two.lower_bound <= one.makespan
    assert violations(two, large) == ()


def test_a_model_that_rounding_makes_impossible_ends_nothing() -> None:
    """Seven tasks whose times and memory have no common grain: some solvers give up the process."""
    seconds = [
        [12.46, 6.637],
        [5.739, 54.53],
        [7.099, 1.897],
        [10.727, 42.23],
        [59.21, 3.852],
        [16.72, 9.797],
        [5.36, 10.72],
    ]
    memory = [3712206440, 3942256934, 1328435615, 3438874672, 3634043308, 2589438951, 167262997]
    edges = {(1, 2): 0.0, (1, 3): 43.487, (1, 7): 0.0, (3, 4): 0.0, (5, 6): 0.80583}
    problem = problem_of(seconds, edges, memory=memory, worker_memory=[4 * GB] * 2)
    held = {
        f"t{i}": {"pools": {"l": part}}
        for i, part in enumerate([0.1, 0.3, 0.6, 0.3, 0.3, 0.6, 0.3], start=1)
    }
    problem = changed(problem, tasks=held, pools={"l": 0.6})
    schedule = CpSat().plan(problem)
    assert violations(schedule, problem) == ()
    assert schedule.lower_bound <= schedule.makespan


@pytest.mark.parametrize("far", [{"w2": {"closed": ((4.0, 1e18),)}}, {}], ids=["closed", "due"])
def test_moments_far_beyond_the_plan_are_no_trouble_for_cp_sat(far) -> None:
    due = {"t1": {"deadline": 1e18}, "t2": {"deadline": np.pi}}
    problem = changed(problem_of([[np.pi, np.pi]] * 3), workers=far, tasks={} if far else due)
    if not far:
        problem = replace(problem, objective=Objective(makespan=1.0, tardiness=1.0))
    plan, _ = searched(problem, Budget(effort=1.0, evaluations=20), least=0.0)
    assert not faults(problem, plan)
    assert plan.end.max() == pytest.approx(2 * np.pi)
