"""What schedules are worth: closed forms, and compiled and plain counting side by side."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import quick, rich_problems
from worlds import changed, one_by_one, problem_of, schedule_of

from scheduler.errors import InvalidInput
from scheduler.planning.feasibility import Rule, violations
from scheduler.planning.kernels.scoring import score
from scheduler.planning.measures import Measures, measured
from scheduler.planning.objective import AIMS, Objective, least_alone, urgency
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule


def scored(schedule: Schedule, problem: Problem) -> float:
    at = [schedule.by_task[task] for task in problem.workflow.index]
    worker = np.array([problem.cluster.index[each.worker] for each in at])
    start, end = (np.array([getattr(each, name) for each in at]) for name in ("start", "end"))
    return score(problem.flat, worker, start, end)


def aimed(problem: Problem, **aims) -> Problem:
    return changed(problem, objective=replace(problem.objective, **({"makespan": 0.0} | aims)))


@pytest.fixture
def world() -> tuple[Problem, Schedule]:
    """Two tasks of an hour, of one and two cores, one after the other on a worker of four cores.

    The worker costs 8 an hour and draws 400 watts. t1 (ann, priority 1) is due at its end, t2 (bob)
    half an hour before its own, and was released after half an hour.
    """
    problem = changed(
        problem_of([[3600.0], [3600.0]], cores=[1.0, 2.0], worker_cores=[4.0]),
        tasks={
            "t1": {"owner": "ann", "priority": 1, "deadline": 3600.0},
            "t2": {"owner": "bob", "release": 1800.0, "deadline": 5400.0},
        },
        workers={"w1": {"price": 8.0, "power": 400.0}},
    )
    return problem, schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 3600.0))


def test_every_aim_of_a_small_schedule_is_as_counted_by_hand(world) -> None:
    problem, schedule = world
    assert measured(schedule, problem) == Measures(
        makespan=7200.0,
        tardiness=1800.0,
        late=("t2",),
        flow=2 * 3600.0 + 5400.0,
        cost=8 * 1 / 4 + 8 * 2 / 4,
        energy=400 * 3600 * (1 / 4 + 2 / 4),
        behind={"ann": 0.0, "bob": 7200.0 - 5400.0},
    )


@pytest.mark.parametrize("aim", AIMS)
def test_a_single_aim_scores_what_is_measured_of_it(world, aim: str) -> None:
    problem, schedule = world
    asked = aimed(problem, **{aim: 2.0})
    assert scored(schedule, asked) == pytest.approx(2 * getattr(measured(schedule, problem), aim))


weights = st.fixed_dictionaries({aim: st.sampled_from([0.0, 1.0, 2.5]) for aim in AIMS}).filter(
    lambda each: any(each.values())
)


@quick
@given(problem=rich_problems(), aims=weights)
def test_compiled_and_plain_counting_agree(problem: Problem, aims: dict[str, float]) -> None:
    asked, schedule = aimed(problem, **aims), one_by_one(problem)
    expected = measured(schedule, asked).value(asked.objective)
    assert scored(schedule, asked) == pytest.approx(expected)


@quick
@given(problem=rich_problems(hard=True))
def test_limits_that_are_kept_cost_nothing(problem: Problem) -> None:
    schedule = one_by_one(problem)
    assert scored(schedule, problem) == pytest.approx(schedule.makespan)


@quick
@given(problem=rich_problems(hard=True), delay=st.floats(1.0, 100.0))
def test_the_judge_and_the_score_agree_on_what_breaks_a_limit(problem, delay: float) -> None:
    schedule = one_by_one(problem)
    later = Schedule(
        tuple(
            each
            if each.task in problem.fixed
            else replace(each, start=each.start + delay, end=each.end + delay)
            for each in schedule.placements
        )
    )
    late = any(each.rule is Rule.AFTER_DEADLINE for each in violations(later, problem))
    assert (scored(later, problem) > 1e6) == late


def test_of_two_broken_deadlines_the_one_less_broken_is_better() -> None:
    hard = Objective(hard_deadlines=True)
    problem = changed(problem_of([[4.0]]), tasks={"t1": {"deadline": 8.0}}, objective=hard)
    found = [scored(schedule_of(problem, ("t1", "w1", start)), problem) for start in (4, 5, 6, 90)]
    assert found[0] == 8.0
    assert found[0] < 1e6 < found[1] < found[2] < found[3]


def test_a_schedule_over_its_budget_loses_against_a_slower_one_within_it() -> None:
    problem = changed(
        problem_of([[10.0, 3600.0]]),
        workers={"w1": {"price": 1000.0}, "w2": {"price": 1.0}},
        objective=Objective(budget=1.0),
    )
    quick_one, cheap_one = (schedule_of(problem, ("t1", worker, 0.0)) for worker in ("w1", "w2"))
    assert scored(cheap_one, problem) == 3600.0
    assert scored(quick_one, problem) > scored(cheap_one, problem)


def test_a_task_without_a_worker_scores_worst() -> None:
    problem = problem_of([[4.0]])
    found = score(problem.flat, np.array([-1]), np.zeros(1), np.zeros(1))
    assert found == np.inf


def test_what_ran_with_more_cores_costs_by_what_it_held() -> None:
    problem = changed(
        problem_of([[3600.0]], worker_cores=[4.0]),
        workers={"w1": {"price": 4.0}},
        objective=Objective(makespan=0.0, cost=1.0),
    )
    (ran,) = schedule_of(problem, ("t1", "w1", 0.0)).placements
    ran = replace(ran, allocation=replace(ran.allocation, cores=3.0))
    done = changed(problem, fixed=[ran], now=3600.0)
    assert scored(Schedule((ran,)), done) == pytest.approx(3.0)
    assert measured(Schedule((ran,)), done).cost == pytest.approx(3.0)


def test_urgency_rises_with_priority_and_is_one_without() -> None:
    assert [urgency(each) for each in (-3, -1, 0, 1, 3)] == [0.25, 0.5, 1.0, 2.0, 4.0]


def test_an_owner_alone_is_held_back_by_the_way_to_its_tasks_and_by_its_work() -> None:
    problem = changed(
        problem_of([[2.0, 9.0], [3.0, 3.0], [8.0, 4.0], [4.0, 9.0]], {(1, 2): 50.0}),
        tasks={
            "t1": {"owner": "ann", "release": 1.0},
            "t2": {"owner": "bob"},
            "t3": {"owner": "cat", "release": 2.0},
            "t4": {"owner": "cat", "release": 1.0},
        },
    )
    least = least_alone(problem.workflow, problem.duration.min(axis=1), 2.0)
    assert least == {"ann": 3.0, "bob": 6.0, "cat": 6.0}
    crowded = least_alone(problem.workflow, problem.duration.min(axis=1), 1.0)
    assert crowded["cat"] == 1.0 + 4.0 + 4.0


@quick
@given(problem=rich_problems())
def test_no_owner_is_ahead_of_what_it_could_have_alone(problem: Problem) -> None:
    schedule = one_by_one(problem)
    least = least_alone(
        problem.workflow,
        problem.duration.min(axis=1),
        sum(each.cores for each in problem.cluster.workers),
    )
    for owner, bound in least.items():
        own = [task.id for task in problem.workflow.tasks if task.owner == owner]
        assert max(schedule.by_task[task].end for task in own) >= bound * (1 - 1e-9)


def test_an_objective_without_any_aim_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least one aim must weigh more than 0"):
        Objective(makespan=0.0)
