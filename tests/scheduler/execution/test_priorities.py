"""Priorities that keep their promise, pools that starve nobody, windows, releases, replacement."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import quick, rich_problems
from worlds import GB, changed, problem_of, schedule_of

from scheduler.errors import AllotError, InvalidInput
from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import (
    AttemptEnded,
    AttemptStarted,
    Observation,
    Start,
    TaskGivenUp,
)
from scheduler.execution.executors.base import Answer, Replan
from scheduler.execution.executors.simulator import AsForecast, Simulator
from scheduler.planning.feasibility import violations
from scheduler.planning.objective import Objective
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Placement, Schedule
from scheduler.records import Outcome
from scheduler.workloads.synthetic import random_problem

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def dispatch_of(problem: Problem, *rows: tuple[str, str, float]) -> Dispatch:
    return Dispatch(problem, schedule_of(problem, *rows), transfer=problem.cluster.transfer_seconds)


def ended(task: str, worker: str, at: float, outcome: Outcome = Outcome.SUCCEEDED) -> AttemptEnded:
    return AttemptEnded(task, 1, worker, at, NOON, Observation(outcome))


def names(instructions: tuple[object, ...]) -> list[str]:
    return [each.task for each in instructions if isinstance(each, Start)]


# Airflow #26933: the last free slot, and a task of high priority that is ready soon.


def one_slot_and_an_urgent_task_soon(*, priority: int, seconds: float = 30.0) -> Dispatch:
    """t1 on w1 was to end at 4 and takes longer; t2 waits for it on w2, where t3 could begin."""
    problem = problem_of([[4.0, 4.0], [1.0, 1.0], [seconds, seconds]], {(1, 2): 0.0})
    band = np.array([1.0, 1.0, 2.0])
    forecast = replace(problem.forecast, duration=problem.forecast.duration[..., :1] * band)
    problem = changed(replace(problem, forecast=forecast), tasks={"t2": {"priority": priority}})
    return dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w2", 4.0), ("t3", "w2", 5.0))


def test_a_long_task_does_not_start_just_before_an_urgent_one_becomes_ready() -> None:
    dispatch = one_slot_and_an_urgent_task_soon(priority=5)
    started = [names(dispatch.due(time)) for time in (0.0, 4.5, 6.0)]
    dispatch.handle(ended("t1", "w1", 6.5))
    assert (started, names(dispatch.due(6.5))) == ([["t1"], [], []], ["t2"])


def test_without_a_priority_nobody_waits_for_a_late_task() -> None:
    dispatch = one_slot_and_an_urgent_task_soon(priority=0)
    assert [names(dispatch.due(time)) for time in (0.0, 4.5)] == [["t1"], ["t3"]]


def test_nobody_waits_for_an_urgent_task_once_the_forecast_knows_nothing_of_it() -> None:
    dispatch = one_slot_and_an_urgent_task_soon(priority=5)
    assert names(dispatch.due(0.0)) == ["t1"]
    moments, started = [0.0], list[str]()
    while not started:
        moments.append(dispatch.wake_at(moments[-1]))
        started = names(dispatch.due(moments[-1]))
    assert (started, moments[-1]) == (["t3"], pytest.approx(8.0))  # t1 is past its P90


def test_a_short_task_goes_before_an_urgent_one_that_it_does_not_delay() -> None:
    dispatch = one_slot_and_an_urgent_task_soon(priority=5, seconds=2.0)
    assert [names(dispatch.due(time)) for time in (0.0, 4.5)] == [["t1", "t3"], []]


def test_what_an_urgent_task_waits_for_is_as_urgent() -> None:
    problem = changed(
        problem_of([[4.0], [4.0], [1.0]], {(2, 3): 0.0}), tasks={"t3": {"priority": 1}}
    )
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 4.0), ("t3", "w1", 8.0))
    assert names(dispatch.due(9.0)) == ["t2"]  # both are late by now


def test_of_late_tasks_the_most_urgent_goes_first() -> None:
    problem = changed(problem_of([[4.0], [4.0], [4.0]]), tasks={"t3": {"priority": 2}})
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 4.0), ("t3", "w1", 8.0))
    assert names(dispatch.due(0.0)) == ["t1"]
    dispatch.handle(ended("t1", "w1", 10.0))
    assert names(dispatch.due(10.0)) == ["t3"]


# Airflow #45636: an idle pool behind a full one.


def test_an_idle_pool_does_not_starve_behind_a_full_one() -> None:
    crowd, n = {"crowded": 1.0}, 300
    pools = {f"t{i}": {"pools": crowd, "priority": 9} for i in range(1, n)}
    pools[f"t{n}"] = {"pools": {"idle": 1.0}}
    problem = changed(
        problem_of([[9.0]] * n, worker_cores=[2.0]),
        tasks=pools,
        pools={"crowded": 1.0, "idle": 1.0},
    )
    rows = [(f"t{i}", "w1", 9.0 * (i - 1)) for i in range(1, n + 1)]
    assert names(dispatch_of(problem, *rows).due(9.0 * n)) == ["t1", f"t{n}"]


def test_a_large_share_of_a_pool_is_not_starved_by_small_ones() -> None:
    wants = {f"t{i}": {"pools": {"gpu": 1.0}} for i in (1, 3)} | {"t2": {"pools": {"gpu": 2.0}}}
    problem = changed(
        problem_of([[5.0], [5.0], [5.0]], worker_cores=[9.0]), tasks=wants, pools={"gpu": 2}
    )
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 5.0), ("t3", "w1", 10.0))
    assert names(dispatch.due(5.5)) == ["t1"]
    dispatch.handle(ended("t1", "w1", 6.0))
    assert names(dispatch.due(6.0)) == ["t2"]


def test_a_pool_is_kept_for_a_task_that_is_planned_earlier_on_another_worker() -> None:
    wants = {"t2": {"pools": {"gpu": 1.0}}, "t3": {"pools": {"gpu": 1.0}}}
    seconds = problem_of([[4.0] * 3, [4.0] * 3, [9.0] * 3], {(1, 2): 0.0})
    problem = changed(seconds, tasks=wants, pools={"gpu": 1.0})
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w2", 4.0), ("t3", "w3", 8.0))
    assert names(dispatch.due(0.0)) == ["t1"]


def test_an_owner_never_holds_more_cores_than_its_quota() -> None:
    problem = changed(
        problem_of([[5.0], [5.0], [5.0]], worker_cores=[9.0]),
        tasks={"t1": {"owner": "ann"}, "t2": {"owner": "ann"}},
        objective=Objective(quotas={"ann": 1.0}),
    )
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 5.0), ("t3", "w1", 0.0))
    assert names(dispatch.due(0.0)) == ["t1", "t3"]


# Closed windows and releases.


def test_what_cannot_end_before_a_window_closes_starts_after_it() -> None:
    problem = changed(problem_of([[5.0], [3.0]]), workers={"w1": {"closed": ((4.0, 6.0),)}})
    dispatch = dispatch_of(problem, ("t1", "w1", 6.0), ("t2", "w1", 11.0))
    assert names(dispatch.due(0.0)) == ["t2"]
    dispatch.handle(ended("t2", "w1", 3.0))
    assert (names(dispatch.due(3.0)), dispatch.wake_at(3.0)) == ([], 6.0)
    assert names(dispatch.due(6.0)) == ["t1"]


def test_a_task_that_ends_as_its_worker_closes_may_start() -> None:
    problem = changed(problem_of([[4.0]]), workers={"w1": {"closed": ((4.0, 6.0),)}})
    assert names(dispatch_of(problem, ("t1", "w1", 0.0)).due(0.0)) == ["t1"]


def test_a_task_is_not_started_before_its_release() -> None:
    dispatch = dispatch_of(
        changed(problem_of([[1.0]]), tasks={"t1": {"release": 3.0}}), ("t1", "w1", 3.0)
    )
    assert (names(dispatch.due(0.0)), dispatch.wake_at(0.0)) == ([], 3.0)
    assert names(dispatch.due(3.0)) == ["t1"]


# Another schedule while the run goes on.


def test_a_replaced_schedule_moves_what_is_open_and_keeps_what_runs() -> None:
    problem = problem_of([[4.0, 4.0], [4.0, 4.0], [4.0, 4.0]])
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 4.0), ("t3", "w1", 8.0))
    assert names(dispatch.due(0.0)) == ["t1"]
    other = schedule_of(problem, ("t1", "w2", 0.0), ("t2", "w1", 9.0), ("t3", "w2", 1.0))
    dispatch.replace(problem, other)
    started = dispatch.due(1.0)
    assert [(each.task, each.worker) for each in started if isinstance(each, Start)] == [
        ("t3", "w2")
    ]


def test_bytes_go_to_where_the_replaced_schedule_wants_them() -> None:
    problem = problem_of([[1.0, 1.0], [1.0, 1.0]], {(1, 2): 3.0})
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 1.0))
    dispatch.due(0.0)
    dispatch.handle(ended("t1", "w1", 1.0))
    dispatch.replace(problem, schedule_of(problem, ("t2", "w2", 4.0)))
    assert (names(dispatch.due(1.0)), dispatch.wake_at(1.0)) == ([], 4.0)


def test_a_schedule_that_forgets_an_open_task_is_refused() -> None:
    problem = problem_of([[4.0], [4.0]])
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 4.0))
    with pytest.raises(InvalidInput, match="'t2'"):
        dispatch.replace(problem, schedule_of(problem, ("t1", "w1", 0.0)))


def test_a_replaced_schedule_does_not_take_back_memory_that_was_missing() -> None:
    problem = problem_of([[1.0]], memory=[GB])
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0))
    dispatch.due(0.0)
    dispatch.handle(ended("t1", "w1", 1.0, Outcome.OUT_OF_MEMORY))
    dispatch.replace(problem, schedule_of(problem, ("t1", "w1", 0.0)))
    (again,) = dispatch.due(1.0)
    assert isinstance(again, Start)
    assert again.allocation.memory == 2 * GB


def test_what_has_happened_is_told_with_the_end_that_is_expected() -> None:
    problem = problem_of([[4.0, 4.0], [4.0, 4.0], [4.0, 4.0]])
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w2", 0.0), ("t3", "w1", 4.0))
    dispatch.due(0.0)
    dispatch.handle(ended("t1", "w1", 3.0))
    told = {name: (each.start, each.end) for name, each in dispatch.happened(3.0).items()}
    assert told == {"t1": (0.0, 3.0), "t2": (0.0, 4.0)}


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_a_run_that_is_replanned_after_every_event_ends_and_keeps_the_order(seed: int) -> None:
    problem = random_problem(np.random.default_rng(seed), 20, 3)

    class Again(Replan):
        def after(self, dispatch: Dispatch, *facts: object) -> Answer:  # type: ignore[override]
            now = float(facts[-1])  # type: ignore[arg-type]
            rest = replace(problem, fixed=dispatch.happened(now), now=now)
            return Answer(rest, Heft().plan(rest))

    over, given_up = set[str](), set[str]()
    simulator = Simulator(AsForecast(), seed=seed)
    for event in simulator.run(problem, Heft().plan(problem), replan=Again()):
        if isinstance(event, AttemptStarted):
            assert set(problem.workflow.predecessors(event.task)) <= over
        if isinstance(event, AttemptEnded) and event.observation.outcome is Outcome.SUCCEEDED:
            over.add(event.task)
        if isinstance(event, TaskGivenUp):  # it failed three times
            given_up.add(event.task)
    assert over | given_up == set(problem.workflow.index)


def test_a_run_that_cannot_go_on_says_so() -> None:
    problem = problem_of([[1.0]], worker_memory=[GB])
    broken = schedule_of(problem_of([[1.0]], memory=[2 * GB]), ("t1", "w1", 0.0))
    with pytest.raises(AllotError, match="cannot go on"):
        list(Simulator(AsForecast()).run(problem, broken))


@quick
@given(problem=rich_problems())
def test_in_a_certain_world_nothing_starts_later_than_planned_and_no_rule_is_broken(
    problem: Problem,
) -> None:
    problem = replace(problem, fixed={}, now=0.0)
    schedule = Heft().plan(problem)
    begun: dict[str, AttemptStarted] = {}
    rows = []
    for event in Simulator(AsForecast()).run(problem, schedule):
        if isinstance(event, AttemptStarted):
            begun[event.task] = event
            assert event.at <= schedule.by_task[event.task].start * (1 + 1e-9)
        elif isinstance(event, AttemptEnded):
            start = begun[event.task]
            rows.append(Placement(event.task, event.worker, start.at, event.at, start.allocation))
    assert violations(Schedule(tuple(rows)), problem) == ()
