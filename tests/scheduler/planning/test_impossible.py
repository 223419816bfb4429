"""Impossible problems say why, with the fewest tasks, and possible ones are never accused."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain as joined
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import quick, rich_problems
from worlds import changed, one_by_one, problem_of, schedule_of

from scheduler.errors import Infeasible
from scheduler.planning.earliest import Earliest, open_seconds
from scheduler.planning.impossible import demand_possible, impossible, minimal
from scheduler.planning.objective import Objective
from scheduler.planning.problem import Problem

HARD = Objective(hard_deadlines=True)


def hard(problem: Problem, deadlines: dict[str, float], **changes) -> Problem:
    tasks = {task: {"deadline": each} for task, each in deadlines.items()}
    for task, more in changes.pop("tasks", {}).items():
        tasks[task] = tasks.get(task, {}) | more
    return changed(problem, tasks=tasks, **({"objective": HARD} | changes))


def test_a_path_too_long_for_a_deadline_names_only_the_tasks_that_it_takes() -> None:
    problem = hard(
        problem_of([[1.0], [30.0], [1.0], [4.0]], {(1, 2): 0.0, (2, 3): 0.0, (3, 4): 0.0}),
        {"t4": 33.0},
    )
    (found,) = impossible(problem)
    assert (found.limit, found.tasks) == ("deadline", ("t2", "t4"))
    assert found.message == (
        "Task 't4' cannot keep its deadline at 33 s: after 't2' it ends at 34 s at the earliest; "
        "it needs a later deadline, or workers that are faster or open sooner"
    )


def test_a_task_longer_than_its_own_deadline_stands_alone() -> None:
    problem = hard(problem_of([[5.0, 6.0], [4.0, 4.0]], {(1, 2): 0.0}), {"t2": 3.0})
    (found,) = impossible(problem)
    assert found.tasks == ("t2",)


def test_a_worker_that_opens_too_late_is_a_reason() -> None:
    shut = {"w1": {"closed": ((2.0, 10.0),)}}
    problem = hard(problem_of([[3.0]]), {"t1": 12.0}, workers=shut)
    (found,) = impossible(problem)
    assert (found.limit, found.tasks) == ("deadline", ("t1",))
    assert impossible(hard(problem, {"t1": 13.0})) == ()
    assert impossible(hard(problem_of([[2.0]]), {"t1": 12.0}, workers=shut)) == ()


def test_more_work_than_fits_before_the_deadlines_names_the_fewest_tasks() -> None:
    problem = hard(problem_of([[10.0]] * 10), {f"t{i}": 35.0 for i in range(1, 11)})
    (found,) = impossible(problem)
    assert (found.limit, len(found.tasks)) == ("capacity", 4)
    assert "between 0 s and 35 s, where they must run, they need 40 core-seconds" in found.message


def test_a_crowd_is_found_between_releases_and_deadlines_in_the_middle() -> None:
    middle = {f"t{i}": {"release": 100.0} for i in (1, 2, 3)}
    problem = hard(
        problem_of([[10.0]] * 6), {"t1": 125.0, "t2": 125.0, "t3": 125.0, "t4": 900.0}, tasks=middle
    )
    (found,) = impossible(problem)
    assert set(found.tasks) == {"t1", "t2", "t3"}


def test_a_crowd_on_the_few_workers_with_a_skill_is_found() -> None:
    problem = problem_of([[10.0] * 3] * 3, skills=["gpu"] * 3, worker_skills=["gpu", "", ""])
    (found,) = impossible(hard(problem, {"t1": 25.0, "t2": 25.0, "t3": 25.0}))
    assert "and 'w1' give 25" in found.message


def test_a_crowd_on_a_pool_or_a_quota_is_found() -> None:
    problem = hard(
        problem_of([[10.0] * 3] * 3),
        {"t1": 25.0, "t2": 25.0, "t3": 25.0},
        tasks={f"t{i}": {"pools": {"licence": 1.0}, "owner": "ann"} for i in (1, 2, 3)},
        pools={"licence": 3.0},
    )
    assert impossible(problem) == ()
    (pool,) = impossible(changed(problem, pools={"licence": 1.0}))
    assert "seconds of the pool 'licence'" in pool.message
    (quota,) = impossible(changed(problem, objective=replace(HARD, quotas={"ann": 1.0})))
    assert "the quota of 'ann' gives 25" in quota.message


def test_a_budget_below_the_cheapest_total_names_the_dearest_tasks() -> None:
    problem = changed(
        problem_of([[3600.0, 7200.0], [3600.0, 3600.0], [360.0, 360.0]]),
        workers={"w1": {"price": 4.0}, "w2": {"price": 1.0}},
        objective=Objective(budget=2.5),
    )
    (found,) = impossible(problem)
    assert (found.limit, found.tasks) == ("budget", ("t1", "t2"))
    assert found.message.startswith(
        "The budget of 2.5 is too small: the tasks 't1', 't2' alone cost at least 3 on"
    )
    assert impossible(changed(problem, objective=Objective(budget=3.1))) == ()


def test_what_was_spent_already_counts_against_the_budget() -> None:
    problem = changed(problem_of([[3600.0], [3600.0]]), workers={"w1": {"price": 4.0}})
    ran = schedule_of(problem, ("t1", "w1", 0.0)).placements
    asked = changed(problem, objective=Objective(budget=7.0), fixed=ran, now=3600.0)
    (found,) = impossible(asked)
    assert found.tasks == ("t2",)
    assert "and 4 is spent already" in found.message


def test_deadlines_that_are_only_wished_for_make_nothing_impossible() -> None:
    assert impossible(changed(problem_of([[5.0]]), tasks={"t1": {"deadline": 1.0}})) == ()


def test_a_deadline_that_has_passed_is_history() -> None:
    problem = hard(problem_of([[5.0], [1.0]]), {"t1": 3.0})
    ran = schedule_of(problem, ("t1", "w1", 0.0)).placements
    assert impossible(changed(problem, fixed=ran, now=5.0)) == ()


def test_demanding_the_impossible_is_refused_with_the_reasons() -> None:
    with pytest.raises(Infeasible, match="cannot keep its deadline at 3 s") as told:
        demand_possible(hard(problem_of([[5.0]]), {"t1": 3.0}))
    assert len(told.value.reasons) == 1


def test_a_task_that_needs_more_of_a_pool_than_there_is_makes_no_problem() -> None:
    asks = {"t1": {"pools": {"licence": 3.0}}}
    with pytest.raises(Infeasible, match="'t1' needs 3 of the pool 'licence', of which the cluste"):
        changed(problem_of([[1.0]]), tasks=asks, pools={"licence": 2.0})
    with pytest.raises(Infeasible, match="'licence', which the cluster does not have"):
        changed(problem_of([[1.0]]), tasks=asks)


def test_a_task_wider_than_its_owners_quota_makes_no_problem() -> None:
    wide = problem_of([[1.0]], cores=[4.0], worker_cores=[4.0])
    with pytest.raises(Infeasible, match="'t1' needs 4 cores, but its owner 'ann' may hold 2"):
        changed(wide, tasks={"t1": {"owner": "ann"}}, objective=Objective(quotas={"ann": 2.0}))


def test_what_has_happened_needs_no_worker_that_could_take_it_now() -> None:
    problem = problem_of([[1.0]], worker_cores=[2.0])
    ran = schedule_of(problem, ("t1", "w1", 0.0)).placements
    shrunk = changed(problem, fixed=ran, now=1.0, tasks={"t1": {"cores": 9.0}})
    assert impossible(shrunk) == ()


@quick
@given(problem=rich_problems(hard=True))
def test_a_problem_with_a_schedule_is_never_called_impossible(problem: Problem) -> None:
    assert impossible(problem) == ()


@quick
@given(problem=rich_problems(tasks=6), share=st.floats(0.05, 1.0))
def test_a_way_without_any_one_of_its_tasks_is_short_enough(problem, share: float) -> None:
    ends = one_by_one(problem).by_task
    deadlines = {task: max(0.5, each.end * share) for task, each in ends.items()}
    asked = hard(problem, deadlines, objective=replace(problem.objective, hard_deadlines=True))
    earliest = Earliest(asked)
    for reason in (each for each in impossible(asked) if each.limit == "deadline"):
        *before, last = reason.tasks
        assert earliest.end_of(reason.tasks) > deadlines[last]
        for spared in before:
            way = [task for task in reason.tasks if task != spared]
            assert earliest.end_of(way) <= deadlines[last] + 1e-3


jobs = st.lists(
    st.tuples(st.integers(1, 9), st.integers(0, 20), st.integers(0, 9)), min_size=2, max_size=12
)


@quick
@given(jobs=jobs)
def test_a_crowd_without_any_one_of_its_tasks_fits(jobs: list[tuple[int, int, int]]) -> None:
    window = {
        f"t{i + 1}": (release, release + seconds + spare)
        for i, (seconds, release, spare) in enumerate(jobs)
    }
    problem = hard(
        problem_of([[float(seconds)] for seconds, _, _ in jobs]),
        {task: float(last) for task, (_, last) in window.items()},
        tasks={task: {"release": float(first)} for task, (first, _) in window.items()},
    )

    def fits(tasks: Iterable[str]) -> bool:
        first, last = zip(*(window[task] for task in tasks), strict=True)
        return sum(jobs[int(task[1:]) - 1][0] for task in tasks) <= max(last) - min(first)

    found = impossible(problem)
    for reason in found:
        assert not fits(reason.tasks)
        assert all(fits(rest) for rest in combinations(reason.tasks, len(reason.tasks) - 1))
    if not found:
        some = joined.from_iterable(combinations(window, size) for size in (2, 3))
        assert all(fits(each) for each in some)


@given(limit=st.integers(1, 40), numbers=st.lists(st.integers(0, 9), min_size=1, max_size=9))
def test_what_is_minimal_loses_its_property_with_any_item(limit: int, numbers: list[int]) -> None:
    if sum(numbers) <= limit:
        return
    kept = minimal(numbers, lambda some: sum(some) > limit)
    assert sum(kept) > limit
    smaller = joined.from_iterable(combinations(kept, size) for size in range(len(kept)))
    assert all(sum(each) <= limit for each in smaller)


def test_overlapping_windows_close_a_worker_once() -> None:
    windows = [(5.0, 8.0), (2.0, 6.0), (2.5, 3.0)]
    assert open_seconds(windows, np.array([1.0, 4.0, 7.0, 10.0])).tolist() == [1.0, 2.0, 2.0, 4.0]
