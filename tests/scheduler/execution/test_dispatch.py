"""The pure state machine: events in, instructions out."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from worlds import changed, problem_of, schedule_of

from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import (
    AttemptEnded,
    AttemptStarted,
    GiveUp,
    Observation,
    Start,
    TaskGivenUp,
)
from scheduler.execution.executors.simulator import AsForecast, Simulator
from scheduler.execution.holding import Place
from scheduler.planning.planners.base import Planner
from scheduler.planning.planners.fifo import Fifo
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.records import Outcome
from scheduler.workloads.synthetic import random_problem, random_world
from scheduler.workloads.truth import AsWorld

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GB = 10**9


def dispatch_of(problem: Problem, *rows: tuple[str, str, float]) -> Dispatch:
    return Dispatch(problem, schedule_of(problem, *rows), transfer=problem.cluster.transfer_seconds)


def end(start: Start, at: float, outcome: Outcome = Outcome.SUCCEEDED) -> AttemptEnded:
    return AttemptEnded(start.task, start.attempt, start.worker, at, NOON, Observation(outcome))


def names(instructions: tuple[object, ...]) -> list[str]:
    return [each.task for each in instructions if isinstance(each, (Start, GiveUp))]


def test_a_worker_serves_its_ready_tasks_in_planned_order() -> None:
    dispatch = dispatch_of(problem_of([[1.0], [1.0]]), ("t2", "w1", 0.0), ("t1", "w1", 1.0))
    (first,) = dispatch.due(0.0)
    assert first.task == "t2"
    dispatch.handle(end(first, 1.0))
    assert names(dispatch.due(1.0)) == ["t1"]


def test_a_ready_task_that_does_not_fit_is_not_overtaken() -> None:
    problem = problem_of([[5.0], [1.0], [1.0]], cores=[1, 2, 1], worker_cores=[2])
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 5.0), ("t3", "w1", 6.0))
    assert names(dispatch.due(0.0)) == ["t1"]


def test_a_task_waits_until_the_bytes_of_its_predecessor_have_arrived() -> None:
    problem = problem_of([[1.0, 1.0], [1.0, 1.0]], {(1, 2): 3.0})
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w2", 4.0))
    (first,) = dispatch.due(0.0)
    dispatch.handle(end(first, 1.0))
    assert (dispatch.due(1.0), dispatch.wake_at(1.0), names(dispatch.due(4.0))) == ((), 4.0, ["t2"])


def test_a_failed_attempt_is_tried_again_until_none_is_left() -> None:
    dispatch = dispatch_of(
        problem_of([[1.0], [1.0]], {(1, 2): 0.0}), ("t1", "w1", 0.0), ("t2", "w1", 1.0)
    )
    for attempt in (1, 2):
        (start,) = dispatch.due(float(attempt))
        assert (start.attempt, dispatch.handle(end(start, attempt, Outcome.FAILED))) == (
            attempt,
            (),
        )
    (start,) = dispatch.due(3.0)
    assert names(dispatch.handle(end(start, 3.0, Outcome.FAILED))) == ["t1", "t2"]
    assert dispatch.done


def test_an_attempt_out_of_memory_gets_twice_as_much() -> None:
    dispatch = dispatch_of(problem_of([[1.0]], memory=[GB]), ("t1", "w1", 0.0))
    (start,) = dispatch.due(0.0)
    dispatch.handle(end(start, 1.0, Outcome.OUT_OF_MEMORY))
    (again,) = dispatch.due(1.0)
    assert again.allocation.memory == 2 * GB


def test_a_task_that_outgrows_its_worker_moves_to_the_fastest_that_has_room() -> None:
    problem = problem_of([[1.0, 9.0, 4.0]], memory=[GB], worker_memory=[GB, 8 * GB, 8 * GB])
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0))
    (start,) = dispatch.due(0.0)
    dispatch.handle(end(start, 1.0, Outcome.OUT_OF_MEMORY))
    assert [each.worker for each in dispatch.due(1.0) if isinstance(each, Start)] == ["w3"]


def test_a_task_that_no_worker_has_memory_for_is_given_up_with_the_reason() -> None:
    dispatch = dispatch_of(problem_of([[1.0]], memory=[GB], worker_memory=[GB]), ("t1", "w1", 0.0))
    (start,) = dispatch.due(0.0)
    (told,) = dispatch.handle(end(start, 1.0, Outcome.OUT_OF_MEMORY))
    assert isinstance(told, GiveUp)
    assert "more than 1 GB" in told.reason


def test_a_task_whose_retry_succeeds_frees_those_that_wait() -> None:
    dispatch = dispatch_of(
        problem_of([[1.0], [1.0]], {(1, 2): 0.0}), ("t1", "w1", 0.0), ("t2", "w1", 1.0)
    )
    (start,) = dispatch.due(0.0)
    dispatch.handle(end(start, 1.0, Outcome.LOST))
    (again,) = dispatch.due(1.0)
    dispatch.handle(end(again, 2.0))
    assert names(dispatch.due(2.0)) == ["t2"]


def one_worker_where_t2_waits_for_t1(*, cores: float, seconds: float) -> Dispatch:
    """t1 on w1 until 4.0, then t2 on w2; t3 is planned behind t2 and could begin at once."""
    problem = problem_of(
        [[4.0, 4.0], [1.0, 1.0], [seconds, seconds]], {(1, 2): 0.0}, worker_cores=[1.0, cores]
    )
    return dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w2", 4.0), ("t3", "w2", 5.0))


def test_a_task_does_not_take_the_place_of_one_that_is_planned_earlier() -> None:
    dispatch = one_worker_where_t2_waits_for_t1(cores=1.0, seconds=5.0)
    (first,) = dispatch.due(0.0)
    dispatch.handle(end(first, 4.0))
    assert (first.task, names(dispatch.due(4.0))) == ("t1", ["t2"])


def test_a_task_that_is_over_before_the_next_planned_start_goes_ahead() -> None:
    dispatch = one_worker_where_t2_waits_for_t1(cores=1.0, seconds=4.0)
    assert names(dispatch.due(0.0)) == ["t1", "t3"]


def test_a_task_that_fits_beside_those_planned_earlier_goes_ahead() -> None:
    dispatch = one_worker_where_t2_waits_for_t1(cores=2.0, seconds=5.0)
    assert names(dispatch.due(0.0)) == ["t1", "t3"]


def test_nobody_waits_for_a_task_that_is_not_ready_at_its_planned_start() -> None:
    dispatch = one_worker_where_t2_waits_for_t1(cores=1.0, seconds=5.0)
    assert names(dispatch.due(0.0)) == ["t1"]
    later = dispatch.wake_at(0.0)
    assert later == pytest.approx(4.0)
    assert names(dispatch.due(later)) == ["t3"]


@given(seed=st.integers(0, 10**6), n=st.integers(1, 25), m=st.integers(1, 5))
def test_events_and_capacities_are_right_in_any_world_with_failures(
    seed: int, n: int, m: int
) -> None:
    problem = random_problem(np.random.default_rng(seed), n, m)
    graph, over, running = problem.workflow.graph, set(), {}
    for event in Simulator(AsForecast(), seed=seed).run(problem, Heft().plan(problem)):
        match event:
            case AttemptStarted():
                assert set(graph.pred[event.task]) <= over
                assert event.task not in running
                assert event.task not in over
                running[event.task] = event
            case AttemptEnded():
                del running[event.task]
                over |= {event.task} if event.observation.outcome is Outcome.SUCCEEDED else set()
            case TaskGivenUp():
                assert event.task not in running
                assert event.task not in over
        _within_capacity(problem, list(running.values()))
    assert not running


def _within_capacity(problem: Problem, running: list[AttemptStarted]) -> None:
    for worker in problem.cluster.workers:
        here = [each.allocation for each in running if each.worker == worker.name]
        assert sum(each.cores for each in here) <= worker.cores + 1e-9
        assert sum(each.memory for each in here) <= worker.memory


@pytest.mark.parametrize("planner", [Fifo(), Heft()], ids=repr)
@given(seed=st.integers(0, 10**6))
@example(seed=27443)  # here a wide task, ready early, once took the place of one not ready yet
def test_a_certain_world_ends_no_later_than_planned(planner: Planner, seed: int) -> None:
    world = random_world(np.random.default_rng(seed), 20, 3)
    never_failing = replace(world, failure=np.zeros_like(world.failure))
    schedule = planner.plan(never_failing.problem())
    events = Simulator(AsWorld(never_failing)).run(never_failing.problem(), schedule)
    assert max(
        each.at for each in events if isinstance(each, AttemptEnded)
    ) <= schedule.makespan * (1 + 1e-9)


@given(
    limit=st.floats(1e-6, 1e12),
    shares=st.lists(st.floats(0.01, 0.6), min_size=1, max_size=12),
    back=st.randoms(use_true_random=False),
)
def test_what_is_given_back_in_any_order_leaves_all_of_a_pool(limit, shares, back) -> None:
    place, held = Place((limit,)), []
    for share in shares * 5:
        if place.fits((limit * share,)):
            held.append((limit * share,))
            place.take(held[-1])
        elif held:
            place.take(held.pop(back.randrange(len(held))), sign=-1)
    for each in held:
        place.take(each, sign=-1)
    assert place.fits((limit,))
    assert not place.fits((limit * 1.001,))


def test_one_that_needs_all_of_a_pool_starts_after_others_gave_fractions_back() -> None:
    limit, seconds = 1e9 + 0.1, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1.0]
    need = [333333333.3, 123456789.7, 333333333.3, 123456789.7, 333333333.3, 123456789.7, limit]
    problem = changed(
        problem_of([[each] for each in seconds], worker_cores=[20.0]),
        tasks={f"t{i + 1}": {"pools": {"disk": each}} for i, each in enumerate(need)},
        pools={"disk": limit},
    )
    events = Simulator(AsForecast()).run(problem, Heft().plan(problem))
    assert sum(isinstance(each, AttemptEnded) for each in events) == len(need)
