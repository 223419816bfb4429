"""What was kept of a run leads to the state that lived, wherever it was cut off."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import fork_join, problem_of

from scheduler.cluster import Allocation
from scheduler.execution.adapting import Adapting
from scheduler.execution.charge import Answer, Charge, Step
from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import (
    AttemptEnded,
    AttemptStarted,
    AttemptUnknown,
    Decision,
    Event,
    Observation,
    PlanChanged,
    Start,
    TaskDecided,
)
from scheduler.execution.executors.base import People
from scheduler.execution.executors.simulator import Draw, Simulator, Truth
from scheduler.execution.fates import Ended, Fate, NotBegun, Running, Unknown
from scheduler.execution.recovery import found, restored, settled, unfinished
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.records import Outcome
from scheduler.workflow import Workflow
from scheduler.workloads.synthetic import random_problem

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Wild(Truth):
    """Attempts take from a tenth to three times what is believed, and one in five fails."""

    def draw(self, problem: Problem, start: Any, rng: np.random.Generator) -> Draw:
        row = problem.workflow.index[start.task]
        believed = problem.duration[row, problem.cluster.index[start.worker]]
        fails = bool(rng.uniform() < 0.2)
        memory = float(start.allocation.memory) * (1.5 if rng.uniform() < 0.1 else 0.5)
        return Draw(float(believed * rng.uniform(0.1, 3.0)), memory, 1.0, fails=fails)


class Lived(People):
    """Says nothing, and shows the dispatch as it lives."""

    dispatch: Dispatch

    def said(self, dispatch: Dispatch, now: float, time: datetime) -> Iterator[Event]:  # noqa: ARG002
        self.dispatch = dispatch
        yield from ()


def state_of(dispatch: Dispatch, now: float) -> dict[str, Any]:
    """All that a dispatch knows and would do next at this moment, the last of which changes it."""
    held = {name: vars(task).copy() for name, task in dispatch.tasks.items()}
    happened = dict(dispatch.happened(now))
    due = dispatch.due(now)
    after = {name: vars(task).copy() for name, task in dispatch.tasks.items()}
    return {
        "held": held,
        "happened": happened,
        "due": due,
        "after": after,
        "wake": dispatch.wake_at(now),
        "done": dispatch.done,
        "stuck": dispatch.stuck,
    }


def past(steps: Sequence[Step]) -> tuple[Event | Answer, ...]:
    """Steps as a history: each change of plan as its answer."""
    return tuple(
        step.plan if isinstance(each, PlanChanged) and step.plan is not None else each
        for step in steps
        for each in step.events
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(0, 60), adapts=st.booleans())
def test_a_history_cut_off_anywhere_leads_to_the_state_that_lived(
    seed: int, cut: int, adapts: bool
) -> None:
    problem = random_problem(np.random.default_rng(seed), 12, 3)
    schedule = Heft().plan(problem)
    following = Adapting(planners=(Heft(),), few=20).following(problem, schedule)
    lived, steps = Lived(), list[Step]()
    running = Simulator(Wild(), seed=seed).steps(
        problem, schedule, replan=following if adapts else None, people=lived
    )
    for step in running:
        steps.append(step)
        if len(steps) > cut:
            break
    now = max(each.at for step in steps for each in step.events)
    transfer = problem.cluster.transfer_seconds
    again, _ = restored(problem, schedule, past(steps), transfer=transfer)
    assert state_of(again, now) == state_of(lived.dispatch, now)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(1, 12), max_size=4))
def test_a_run_taken_over_again_and_again_ends_with_every_task_over_once(
    seed: int, cuts: list[int]
) -> None:
    problem = random_problem(np.random.default_rng(seed), 12, 3)
    schedule, history = Heft().plan(problem), tuple[Event | Answer, ...]()
    for epoch, cut in enumerate([*cuts, 10**6], start=1):
        since = max((each.at for each in history if not isinstance(each, Answer)), default=0.0)
        charge = Charge("run", epoch, since, history)
        steps = list[Step]()
        for step in Simulator(Wild(), seed=seed).steps(problem, schedule, charge=charge):
            steps.append(step)
            if len(steps) >= cut:
                break
        history += past(steps)
    over = [
        each.task
        for each in history
        if (isinstance(each, AttemptEnded) and each.observation.outcome is Outcome.SUCCEEDED)
    ]
    given_up = {each.task for each in history if type(each).__name__ == "TaskGivenUp"}
    assert sorted([*over, *given_up]) == sorted(problem.workflow.index)
    assert not unfinished(history)


START = AttemptStarted("t1", 1, "w1", 3.0, NOW, Allocation(1.0, 10), 4)
LOST = "the machine is gone"


@pytest.mark.parametrize(
    ("fate", "event"),
    [
        (NotBegun(), AttemptStarted("t1", 1, "w1", 9.0, NOW, Allocation(1.0, 10), 5)),
        (Running(), None),
        (Unknown(LOST), AttemptUnknown("t1", 1, "w1", 9.0, NOW, LOST)),
    ],
)
def test_what_follows_from_a_fate(fate: Fate, event: Event | None) -> None:
    told = found(START, fate, epoch=5, at=9.0, time=NOW)
    assert told == (() if event is None else (event,))


@pytest.mark.parametrize(("lasted", "end"), [(2.0, 5.0), (60.0, 9.0), (None, 9.0)])
def test_an_end_that_nobody_saw_was_when_it_had_lasted_as_long_as_measured(
    lasted: float | None, end: float
) -> None:
    seen = Observation(Outcome.SUCCEEDED, lasted)
    (told,) = found(START, Ended(seen), epoch=5, at=9.0, time=NOW)
    assert told == AttemptEnded("t1", 1, "w1", end, NOW, seen)


@pytest.mark.parametrize(("idempotent", "sort"), [(True, AttemptEnded), (False, AttemptUnknown)])
def test_only_an_idempotent_task_is_tried_again_where_nobody_knows(
    idempotent: bool, sort: type[Event]
) -> None:
    task = replace(fork_join().workflow.tasks[0], idempotent=idempotent)
    unknown = AttemptUnknown("t1", 1, "w1", 9.0, NOW, LOST)
    told = settled(unknown, Workflow("one", [task]))
    assert isinstance(told, sort)
    if isinstance(told, AttemptEnded):
        assert told.observation.outcome is Outcome.LOST


def test_an_attempt_that_begins_once_more_runs_since_then_and_holds_its_place_once() -> None:
    problem = problem_of([[1.0], [1.0]], worker_cores=[1.0])
    dispatch = Dispatch(problem, Heft().plan(problem), transfer=lambda *_: 0.0)
    (start,) = dispatch.due(0.0)
    assert isinstance(start, Start)
    where = (start.task, 1, "w1")
    dispatch.handle(AttemptStarted(*where, 7.0, NOW, start.allocation, 2))
    assert dispatch.happened(7.0)[start.task].start == 7.0
    dispatch.handle(AttemptEnded(*where, 8.0, NOW, Observation(Outcome.SUCCEEDED)))
    (other,) = dispatch.due(8.0)
    assert isinstance(other, Start)
    assert {start.task, other.task} == {"t1", "t2"}


def unknown_first() -> Dispatch:
    """Two tasks in a row, the first of which nobody knows what became of, and one beside them."""
    problem = problem_of([[1.0], [1.0], [1.0]], {(1, 2): 0.0}, worker_cores=[3.0])
    dispatch = Dispatch(problem, Heft().plan(problem), transfer=lambda *_: 0.0)
    assert {each.task for each in dispatch.due(0.0)} == {"t1", "t3"}  # type: ignore[union-attr]
    dispatch.handle(AttemptUnknown("t1", 1, "w1", 1.0, NOW, LOST))
    return dispatch


def test_what_waits_for_an_unknown_task_does_not_start_and_the_rest_goes_on() -> None:
    dispatch = unknown_first()
    assert not dispatch.due(5.0)
    assert not dispatch.stuck
    dispatch.handle(AttemptEnded("t3", 1, "w1", 5.0, NOW, Observation(Outcome.SUCCEEDED)))
    assert (dispatch.unknown, dispatch.stuck, dispatch.done) == (("t1",), True, False)


@pytest.mark.parametrize(
    ("decision", "starts", "given_up"),
    [
        (Decision.SUCCEEDED, [("t2", 1)], []),
        (Decision.AGAIN, [("t1", 2)], []),
        (Decision.FAILED, [], ["t1", "t2"]),
    ],
)
def test_people_decide_what_became_of_an_unknown_task(
    decision: Decision, starts: list[tuple[str, int]], given_up: list[str]
) -> None:
    dispatch = unknown_first()
    told = dispatch.handle(TaskDecided("t1", 1, 6.0, NOW, decision, "ann", "looked"))
    assert [each.task for each in told] == given_up
    begun = dispatch.due(6.0)
    assert [(each.task, each.attempt) for each in begun] == starts  # type: ignore[union-attr]
