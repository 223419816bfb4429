"""What the bound sees beyond the longest way and the whole work, known on paper."""

import pytest
from hypothesis import given
from strategies import quick, rich_problems
from worlds import GB, changed, one_by_one, problem_of

from scheduler.planning.bounds import lower_bound
from scheduler.planning.capacity_search import from_lists, improved
from scheduler.planning.objective import Objective
from scheduler.planning.problem import Problem


def exactly(value: float):
    return pytest.approx(value, rel=1e-8)


@quick
@given(problem=rich_problems())
def test_no_plan_of_any_rule_undercuts_the_bound(problem: Problem) -> None:
    bound = lower_bound(problem)
    assert bound <= one_by_one(problem).makespan
    best = improved(changed(problem).flat, from_lists(problem), evaluations=90, seed=0)
    assert bound <= best.end.max()


def test_a_pool_bounds_the_tasks_that_hold_it() -> None:
    held = {f"t{i}": {"pools": {"licence": 2.0}} for i in range(1, 6)}
    problem = changed(
        problem_of([[4.0]] * 5, worker_cores=[9.0]), tasks=held, pools={"licence": 4.0}
    )
    assert lower_bound(problem) == exactly(10.0)


def test_tasks_of_which_no_two_fit_together_come_one_after_the_other() -> None:
    held = {f"t{i}": {"pools": {"licence": 3.0}} for i in range(1, 4)}
    problem = changed(
        problem_of([[4.0]] * 3, worker_cores=[9.0]), tasks=held, pools={"licence": 5.0}
    )
    assert lower_bound(problem) == exactly(12.0)


def test_a_task_beside_which_nothing_fits_holds_the_whole_worker() -> None:
    """By cores alone 4 x (4 x 8 + 4 x 1) / 16 = 9 seconds; but no two can run on one worker."""
    problem = problem_of(
        [[4.0, 4.0]] * 8,
        cores=[8.0] * 4 + [1.0] * 4,
        memory=[2 * GB] * 4 + [16 * GB] * 4,
        worker_cores=[8.0] * 2,
        worker_memory=[16 * GB] * 2,
    )
    assert lower_bound(problem) == exactly(16.0)


def test_tasks_that_just_fit_beside_one_another_share_a_worker() -> None:
    problem = problem_of([[4.0]] * 4, cores=[7.0, 7.0, 1.0, 1.0], worker_cores=[8.0])
    assert lower_bound(problem) == exactly(8.0)


def test_a_release_counts_with_all_that_comes_after_it() -> None:
    problem = problem_of([[2.0, 2.0], [3.0, 3.0]], {(1, 2): 1.0})
    assert lower_bound(changed(problem, tasks={"t1": {"release": 6.0}})) == exactly(11.0)


def test_an_owners_quota_bounds_like_a_pool() -> None:
    problem = problem_of([[4.0] * 3] * 6)
    owned = changed(
        problem,
        tasks={f"t{i}": {"owner": "a"} for i in range(1, 7)},
        objective=Objective(quotas={"a": 2.0}),
    )
    assert lower_bound(owned) == exactly(12.0)


def test_predecessors_that_gain_by_one_worker_have_to_share_it() -> None:
    edges = {(1, 4): 9.0, (2, 4): 9.0, (3, 4): 9.0}
    problem = problem_of([[3.0, 3.0]] * 4, edges)
    assert lower_bound(problem) == exactly(12.0)  # all on one worker, or one transfer of 9 s


def test_what_waits_for_much_work_cannot_start_before_it_is_done() -> None:
    edges = {(i, 9): 0.0 for i in range(1, 9)} | {(9, i): 0.0 for i in range(10, 14)}
    problem = problem_of([[2.0, 2.0]] * 13, edges)
    assert lower_bound(problem) == exactly(8 * 2 / 2 + 2 + 4 * 2 / 2)


def test_energy_between_two_times_counts_what_must_reach_into_them() -> None:
    edges = {(1, 2): 0.0, (2, 3): 0.0}
    held = {"t2": {"pools": {"p": 2.0}}, "t4": {"pools": {"p": 1.0}}}
    problem = changed(
        problem_of([[4.0], [4.0], [4.0], [11.0]], edges, worker_cores=[9.0]),
        tasks=held,
        pools={"p": 2.0},
    )
    apart, best = 4 + 11, 11 + 4 + 4  # t2 and t4 exclude one another, and t3 comes after t2
    assert apart < lower_bound(problem) <= best


def test_a_bound_of_whole_seconds_is_one_of_whole_seconds() -> None:
    assert lower_bound(problem_of([[2.0, 2.0]] * 3)) == exactly(3.0)
    assert lower_bound(problem_of([[1.0, 1.0]] * 3)) == exactly(2.0)
