"""Tasks that start together at dispatch: all in one step or none, and no two gangs in each other's
way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ganged, problems, rich_problems
from worlds import GB, changed, problem_of, schedule_of

from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import (
    AttemptEnded,
    AttemptStarted,
    Event,
    GiveUp,
    Observation,
    Start,
    Stop,
    TaskGivenUp,
)
from scheduler.execution.executors.simulator import Draw, Simulator, Truth
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.records import Outcome

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
many = settings(deadline=None, max_examples=120)


def together(problem: Problem, names: str, *, apart: str = "") -> Problem:
    fields = {t: {"gang": "g", "apart": t in apart.split()} for t in names.split()}
    return changed(problem, tasks=fields)


def dispatch_of(problem: Problem, *rows: tuple[str, str, float]) -> Dispatch:
    return Dispatch(problem, schedule_of(problem, *rows), transfer=problem.cluster.transfer_seconds)


def end(start: Start, at: float, outcome: Outcome = Outcome.SUCCEEDED) -> AttemptEnded:
    return AttemptEnded(start.task, start.attempt, start.worker, at, NOON, Observation(outcome))


def told(instructions: Sequence[object]) -> list[tuple[str, str]]:
    return [(type(each).__name__, each.task) for each in instructions
            if isinstance(each, (Start, GiveUp, Stop))]  # fmt: skip


def pair() -> Problem:
    """t1 and t2 start together on w1 and w2; t3 holds w2 until 3 s."""
    return together(problem_of([[2.0, 2.0]] * 2 + [[3.0, 3.0], [1.0, 1.0]]), "t1 t2")


def test_a_gang_waits_for_the_last_of_its_workers() -> None:
    dispatch = dispatch_of(
        pair(), ("t1", "w1", 3.0), ("t2", "w2", 3.0), ("t3", "w2", 0.0), ("t4", "w1", 5.0)
    )
    (third,) = dispatch.due(0.0)
    assert third.task == "t3"
    dispatch.handle(end(third, 3.5))
    assert told(dispatch.due(3.5)) == [("Start", "t1"), ("Start", "t2")]


def test_what_comes_after_a_gang_on_one_of_its_workers_does_not_overtake_it() -> None:
    dispatch = dispatch_of(
        pair(), ("t1", "w1", 1.0), ("t2", "w2", 1.0), ("t3", "w2", 0.0), ("t4", "w1", 9.0)
    )
    assert told(dispatch.due(0.0)) == [("Start", "t3")]  # t4 is ready, and w1 idle
    assert told(dispatch.due(2.0)) == []


def test_a_gang_waits_until_all_of_it_are_ready() -> None:
    problem = together(problem_of([[1.0, 1.0]] * 3, {(3, 2): 2.0}), "t1 t2")
    dispatch = dispatch_of(problem, ("t1", "w1", 3.0), ("t2", "w2", 3.0), ("t3", "w1", 0.0))
    (first,) = dispatch.due(0.0)
    dispatch.handle(end(first, 1.0))
    assert dispatch.due(1.0) == ()
    assert dispatch.wake_at(1.0) == 3.0
    assert told(dispatch.due(3.0)) == [("Start", "t1"), ("Start", "t2")]


def test_two_of_a_gang_on_one_worker_must_fit_there_together() -> None:
    problem = together(
        problem_of([[2.0], [2.0], [1.0]], cores=[2, 2, 1], worker_cores=[4]), "t1 t2"
    )
    dispatch = dispatch_of(problem, ("t3", "w1", 0.0), ("t1", "w1", 1.0), ("t2", "w1", 1.0))
    (third,) = dispatch.due(0.0)
    dispatch.handle(end(third, 1.0))
    assert told(dispatch.due(1.0)) == [("Start", "t1"), ("Start", "t2")]


def test_when_one_fails_the_others_are_stopped_and_all_start_again() -> None:
    problem = together(problem_of([[4.0, 4.0, 4.0]] * 3), "t1 t2 t3")
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w2", 0.0), ("t3", "w3", 0.0))
    first, second, third = dispatch.due(0.0)
    dispatch.handle(end(third, 1.0))
    stops = dispatch.handle(end(first, 2.0, Outcome.FAILED))
    assert stops == (Stop("t2", 1, "w2"),)
    assert dispatch.due(2.0) == ()
    assert dispatch.handle(end(second, 2.1, Outcome.CANCELLED)) == ()
    again = dispatch.due(2.1)
    assert [(each.task, each.attempt) for each in again] == [("t1", 2), ("t2", 2)]


def test_being_stopped_costs_no_attempt_and_a_gang_is_given_up_as_a_whole() -> None:
    problem = together(problem_of([[4.0, 4.0]] * 3, {(2, 3): 0.0}), "t1 t2")
    problem = changed(problem, tasks={"t2": {"max_attempts": 1}})
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w2", 0.0), ("t3", "w2", 4.0))
    for attempt in (1, 2):
        first, second = dispatch.due(float(attempt))
        dispatch.handle(end(first, attempt, Outcome.FAILED))
        dispatch.handle(end(second, attempt, Outcome.CANCELLED))
    first, second = dispatch.due(3.0)
    assert told(dispatch.handle(end(first, 3.0, Outcome.FAILED))) == [
        ("GiveUp", "t1"), ("Stop", "t2"),
    ]  # fmt: skip
    assert told(dispatch.handle(end(second, 3.1, Outcome.CANCELLED))) == [
        ("GiveUp", "t2"), ("GiveUp", "t3"),
    ]  # fmt: skip
    assert dispatch.done


def test_one_that_succeeds_while_it_is_stopped_stays_done() -> None:
    problem = together(problem_of([[4.0, 4.0]] * 2), "t1 t2")
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w2", 0.0))
    first, second = dispatch.due(0.0)
    dispatch.handle(end(first, 1.0, Outcome.FAILED))
    dispatch.handle(end(second, 1.0))
    assert [(each.task, each.attempt) for each in dispatch.due(1.0)] == [("t1", 2)]


def test_a_gang_that_outgrows_its_workers_moves_to_where_all_fit() -> None:
    """t1 needs more and would go to w2, the only larger worker, where t2 then has no room."""
    problem = together(
        problem_of([[1.0, 2.0, 9.0]] * 2, memory=[GB, GB], worker_memory=[GB, 2 * GB, GB]), "t1 t2"
    )
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w2", 0.0))
    first, second = dispatch.due(0.0)
    dispatch.handle(end(first, 1.0, Outcome.OUT_OF_MEMORY))
    dispatch.handle(end(second, 1.0, Outcome.CANCELLED))
    again = {each.task: (each.worker, each.allocation.memory) for each in dispatch.due(1.0)}
    assert again == {"t1": ("w2", 2 * GB), "t2": ("w1", GB)}


def test_those_apart_are_not_put_together_by_growing() -> None:
    problem = together(
        problem_of([[1.0, 2.0]] * 2, memory=[GB, GB], worker_cores=[2, 2],
                   worker_memory=[GB, 9 * GB]), "t1 t2", apart="t1 t2"
    )  # fmt: skip
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w2", 0.0))
    first, second = dispatch.due(0.0)
    dispatch.handle(end(first, 1.0, Outcome.OUT_OF_MEMORY))
    dispatch.handle(end(second, 1.0, Outcome.CANCELLED))
    assert {each.task: each.worker for each in dispatch.due(1.0)} == {"t1": "w2", "t2": "w1"}


def test_a_gang_that_fits_nowhere_any_more_is_given_up_with_the_reason() -> None:
    problem = together(
        problem_of([[1.0, 2.0]] * 2, memory=[GB, 2 * GB], worker_memory=[GB, 2 * GB]), "t1 t2"
    )
    dispatch = dispatch_of(problem, ("t1", "w1", 0.0), ("t2", "w2", 0.0))
    first, second = dispatch.due(0.0)
    dispatch.handle(end(first, 1.0, Outcome.OUT_OF_MEMORY))
    dispatch.handle(end(second, 1.0, Outcome.CANCELLED))
    given_up = dispatch.due(1.0)
    assert told(given_up) == [("GiveUp", "t1"), ("GiveUp", "t2")]
    assert "cannot hold all of its gang" in given_up[0].reason


def test_kept_events_lead_to_the_same_state_again() -> None:
    problem = together(problem_of([[4.0, 4.0]] * 2), "t1 t2")
    rows = (("t1", "w1", 0.0), ("t2", "w2", 0.0))
    dispatch, again = dispatch_of(problem, *rows), dispatch_of(problem, *rows)
    for start in dispatch.due(0.0):
        again.handle(AttemptStarted(start.task, 1, start.worker, 0.0, NOON, start.allocation))
    failed = AttemptEnded("t1", 1, "w1", 1.0, NOON, Observation(Outcome.FAILED))
    stopped = AttemptEnded("t2", 1, "w2", 1.2, NOON, Observation(Outcome.CANCELLED))
    assert [dispatch.handle(each) for each in (failed, stopped)] == [
        again.handle(each) for each in (failed, stopped)
    ]
    assert dispatch.due(1.2) == again.due(1.2)


@dataclass(frozen=True)
class Whim(Truth):
    """Attempts take any time, and some fail or need more than believed."""

    seed: int

    def draw(self, problem: Problem, start: Start, rng: np.random.Generator) -> Draw:
        del rng
        row = problem.workflow.index[start.task]
        own = np.random.default_rng([self.seed, row, start.attempt])
        more = own.choice([1.0, 1.0, 1.0, 3.0])
        return Draw(float(own.uniform(0.1, 9.0)), start.allocation.memory * more, 1.0,
                    bool(own.uniform() < 0.15))  # fmt: skip


def wildly(problem: Problem, seed: int) -> Schedule:
    """The plan of HEFT with starts that nobody would plan: in each worker's own order."""
    rng, plan = np.random.default_rng(seed), Heft().plan(problem)
    rows = (
        each if each.task in problem.fixed else replace(each, start=float(rng.integers(0, 6)))
        for each in plan.placements
    )
    return Schedule(tuple(rows), plan.planner)


@many
@given(problem=ganged(st.one_of(problems(), rich_problems())), seed=st.integers(0, 99))
def test_whatever_happens_gangs_start_together_and_nothing_gets_stuck(problem, seed: int) -> None:
    fresh = changed(problem, now=0.0)
    fresh = Problem(fresh.workflow, fresh.cluster, fresh.forecast, fresh.objective)
    events = list(Simulator(Whim(seed)).run(fresh, wildly(fresh, seed)))
    over = [e.task for e in events if isinstance(e, TaskGivenUp) or _succeeded(e)]
    assert sorted(over) == sorted(fresh.workflow.index)
    _check_starts(fresh, events)
    _check_room(fresh, events)


def _succeeded(event: Event) -> bool:
    return isinstance(event, AttemptEnded) and event.observation.outcome is Outcome.SUCCEEDED


def _check_starts(problem: Problem, events: Sequence[Event]) -> None:
    """Whenever one of a gang starts, all of it that is not over does, those apart apart."""
    over: set[str] = set()
    for place, event in enumerate(events):
        if isinstance(event, TaskGivenUp) or _succeeded(event):
            over.add(event.task)
        if not isinstance(event, AttemptStarted):
            continue
        for fellows in problem.workflow.gangs.values():
            if event.task in fellows:
                near = [e for e in events[max(0, place - 12) : place + 12]
                        if isinstance(e, AttemptStarted) and e.at == event.at]  # fmt: skip
                begun = {e.task: e.worker for e in near if e.task in fellows}
                assert set(begun) | over >= set(fellows)
                own = [w for task, w in begun.items() if problem.workflow.task(task).apart]
                assert len(set(own)) == len(own)


def _check_room(problem: Problem, events: Sequence[Event]) -> None:
    free = {each.name: [each.cores + 1e-6, each.memory] for each in problem.cluster.workers}
    held: dict[str, AttemptStarted] = {}
    for event in events:
        if isinstance(event, AttemptStarted):
            held[event.task] = event
            free[event.worker][0] -= event.allocation.cores
            free[event.worker][1] -= event.allocation.memory
            assert min(free[event.worker]) >= 0
        if isinstance(event, AttemptEnded):
            begun = held.pop(event.task)
            free[begun.worker][0] += begun.allocation.cores
            free[begun.worker][1] += begun.allocation.memory


@pytest.mark.parametrize("seed", range(3))
def test_many_gangs_across_the_same_workers_never_wait_for_each_other(seed: int) -> None:
    """Thirty gangs of two or three on four workers of one core, planned in contrary orders."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 4, 30)
    gang = np.repeat(np.arange(30), sizes)
    problem = problem_of([[1.0] * 4] * len(gang))
    fields = {f"t{i + 1}": {"gang": f"g{each}"} for i, each in enumerate(gang)}
    problem = changed(problem, tasks=fields)
    rows = []
    for each in range(30):
        workers = rng.permutation(4)
        for i, row in enumerate(np.flatnonzero(gang == each)):
            rows.append((f"t{row + 1}", f"w{workers[i] + 1}", float(rng.integers(0, 9))))
    events = list(Simulator(Whim(seed)).run(problem, schedule_of(problem, *rows)))
    assert sum(isinstance(e, TaskGivenUp) or _succeeded(e) for e in events) == len(gang)
    _check_starts(problem, events)
