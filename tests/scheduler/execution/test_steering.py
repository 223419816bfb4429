"""What people ask of a run reaches its plan: it is carried out to the end in the simulator."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few
from worlds import problem_of, schedule_of

from scheduler.errors import AllotError
from scheduler.execution.adapting import Adapting
from scheduler.execution.control import refusal
from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import (
    Action,
    AttemptEnded,
    AttemptStarted,
    Controlled,
    Event,
    PlanChanged,
    TaskGivenUp,
)
from scheduler.execution.executors.base import People
from scheduler.execution.executors.simulator import AsForecast, Simulator
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.records import Outcome
from scheduler.workloads.synthetic import random_problem

MENDED = Adapting(few=0)
SEARCHED = Adapting(planners=(Heft(),))
BOTH = pytest.mark.parametrize("how", [MENDED, SEARCHED], ids=["mended", "searched"])
Wish = tuple[float, Action, tuple[str, ...], str]


@dataclass
class Wishes(People):
    """People who ask for these things, each from a moment of the run on; refused ones are noted."""

    wishes: list[Wish]
    refused: list[str] = field(default_factory=list)
    rests: int = 0

    def said(self, dispatch: Dispatch, now: float, time: datetime) -> Iterator[Event]:
        while self.wishes and (
            self.wishes[0][0] <= now or (dispatch.held_by_people and self.rests)
        ):
            _, action, tasks, worker = self.wishes.pop(0)
            asked = Controlled(action, now, time, "ann", "so", tasks, worker)
            why = refusal(dispatch, asked)
            if why is None:
                yield asked
            else:
                self.refused.append(why)

    def wake_at(self, now: float) -> float | None:
        return next((each[0] for each in self.wishes if now < each[0] < 1e9), None)

    def rest(self) -> None:
        self.rests += 1
        assert self.rests < 100, "the run waits for people who have nothing more to say"


def carried(
    problem: Problem,
    schedule: Schedule,
    *wishes: Wish,
    how: Adapting | None = MENDED,
    seed: int = 0,
) -> list[Event]:
    following = None if how is None else how.following(problem, schedule)
    steps = Simulator(AsForecast(), seed=seed).steps(
        problem, schedule, replan=following, people=Wishes(list(wishes))
    )
    return [event for step in steps for event in step.events]


def where(events: Sequence[Event]) -> dict[str, str]:
    """On which worker each task succeeded."""
    return {
        each.task: each.worker
        for each in events
        if isinstance(each, AttemptEnded) and each.observation.outcome is Outcome.SUCCEEDED
    }


def four_on_two() -> tuple[Problem, Schedule]:
    problem = problem_of([[10.0, 10.0]] * 4)
    rows = (("t1", "w1", 0.0), ("t2", "w2", 0.0), ("t3", "w1", 10.0), ("t4", "w2", 10.0))
    return problem, schedule_of(problem, *rows)


@BOTH
def test_tasks_of_a_drained_worker_run_elsewhere_and_what_runs_there_ends_there(
    how: Adapting,
) -> None:
    events = carried(*four_on_two(), (5.0, Action.DRAIN, (), "w1"), how=how)
    assert where(events) == {"t1": "w1", "t2": "w2", "t3": "w2", "t4": "w2"}
    (change,) = [each for each in events if isinstance(each, PlanChanged)]
    assert change.reasons == ("w1 takes nothing more",)


@BOTH
def test_a_worker_that_is_resumed_is_planned_again(how: Adapting) -> None:
    wishes = [(0.0, Action.DRAIN, (), "w1"), (12.0, Action.RESUME, (), "w1")]
    assert "w1" in where(carried(*four_on_two(), *wishes, how=how)).values()


@BOTH
def test_what_ran_on_a_removed_worker_runs_again_elsewhere(how: Adapting) -> None:
    events = carried(*four_on_two(), (5.0, Action.REMOVE, (), "w1"), how=how)
    assert set(where(events).values()) == {"w2"}
    ended = [each for each in events if isinstance(each, AttemptEnded)]
    assert [(each.task, each.at) for each in ended if each.observation.outcome == "cancelled"] == [
        ("t1", 5.0)
    ]


@BOTH
def test_a_task_runs_where_a_person_puts_it_though_plans_are_made_anew(how: Adapting) -> None:
    problem = problem_of([[1.0, 1.0], [1.0, 50.0]])
    schedule = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 1.0))
    events = carried(problem, schedule, (0.5, Action.REASSIGN, ("t2",), "w2"), how=how)
    assert where(events) == {"t1": "w1", "t2": "w2"}


@BOTH
def test_a_task_is_let_go_when_the_worker_it_was_put_on_is_drained(how: Adapting) -> None:
    wishes = [(0.0, Action.REASSIGN, ("t3",), "w2"), (5.0, Action.DRAIN, (), "w2")]
    assert where(carried(*four_on_two(), *wishes, how=how))["t3"] == "w1"


@BOTH
def test_a_task_that_was_cancelled_and_is_tried_again_is_planned_again(how: Adapting) -> None:
    wishes = [(1.0, Action.CANCEL, ("t3",), ""), (15.0, Action.RETRY, ("t3",), "")]
    events = carried(*four_on_two(), *wishes, how=how)
    assert set(where(events)) == {"t1", "t2", "t3", "t4"}
    assert [each.task for each in events if isinstance(each, TaskGivenUp)] == ["t3"]


def test_a_run_that_is_cancelled_ends_when_its_attempts_are_stopped() -> None:
    events = carried(*four_on_two(), (5.0, Action.CANCEL, (), ""))
    assert max(each.at for each in events) == 5.0
    assert where(events) == {}


def test_a_paused_run_waits_for_people_and_goes_on_when_they_say_so() -> None:
    wishes = [(5.0, Action.PAUSE, (), ""), (1e9, Action.RESUME, (), "")]
    events = carried(*four_on_two(), *wishes)
    assert set(where(events)) == {"t1", "t2", "t3", "t4"}


def test_a_run_that_waits_for_people_who_are_not_there_says_so() -> None:
    problem, schedule = four_on_two()
    dispatch = Dispatch(problem, schedule, transfer=problem.cluster.transfer_seconds)
    assert not dispatch.stuck
    with pytest.raises((AllotError, AssertionError)):
        carried(problem, schedule, (0.0, Action.PAUSE, (), ""))


def test_where_draining_leaves_no_plan_the_run_says_so_once_and_goes_on() -> None:
    problem = problem_of([[1.0], [1.0]])
    schedule = schedule_of(problem, ("t1", "w1", 0.0), ("t2", "w1", 1.0))
    wishes = [(0.5, Action.DRAIN, (), "w1"), (9.0, Action.RESUME, (), "w1")]
    events = carried(problem, schedule, *wishes)
    told = [each.reasons[0] for each in events if isinstance(each, PlanChanged)]
    assert [each for each in told if "there is no plan in which w1 takes nothing more" in each]
    assert set(where(events)) == {"t1", "t2"}


@few
@given(seed=st.integers(0, 10**6), data=st.data())
def test_any_wishes_in_any_world_end_with_every_task_over_and_none_done_twice(
    seed: int, data: st.DataObject
) -> None:
    problem = random_problem(np.random.default_rng(seed), 12, 3)
    tasks, workers = list(problem.workflow.index), list(problem.cluster.index)
    times = st.floats(0.0, 100.0)
    one = st.sampled_from(tasks).map(lambda each: (each,))
    wish = st.one_of(
        st.tuples(times, st.sampled_from([Action.CANCEL, Action.RETRY]), one, st.just("")),
        st.tuples(times, st.just(Action.REASSIGN), one, st.sampled_from(workers)),
        st.tuples(times, st.sampled_from([Action.DRAIN, Action.REMOVE, Action.RESUME]),
                  st.just(()), st.sampled_from(workers)),
    )  # fmt: skip
    wishes = sorted(data.draw(st.lists(wish, max_size=8)))
    ending = [(1e9, Action.RESUME, (), each) for each in workers]
    how = data.draw(st.sampled_from([MENDED, SEARCHED, None]))
    events = carried(problem, Heft().plan(problem), *wishes, *ending, how=how, seed=seed)
    succeeded = [
        each.task
        for each in events
        if isinstance(each, AttemptEnded) and each.observation.outcome is Outcome.SUCCEEDED
    ]
    assert len(succeeded) == len(set(succeeded))
    given_up = {each.task for each in events if isinstance(each, TaskGivenUp)}
    assert set(succeeded) | given_up == set(tasks)
    begun = [(each.task, each.attempt) for each in events if isinstance(each, AttemptStarted)]
    assert len(begun) == len(set(begun))


def crowded(churn: float) -> list[PlanChanged]:
    """Eight tasks on a worker that turns out slow at once; the other could take most of them."""
    problem = problem_of([[1.0, 1.3]] * 9)
    schedule = schedule_of(problem, *((f"t{i}", "w1", i - 1.0) for i in range(1, 10)))
    how = Adapting(planners=(Heft(),), churn=churn)
    return [each for each in carried(problem, schedule, how=how) if isinstance(each, PlanChanged)]


@pytest.mark.parametrize(("churn", "most"), [(1.0, 8), (0.5, 4), (0.25, 2), (0.0, 1)])
def test_no_change_of_plan_moves_more_than_its_share_of_the_tasks(churn: float, most: int) -> None:
    assert max((each.moved for each in crowded(churn)), default=0) <= most


def test_without_that_bound_more_tasks_move() -> None:
    assert max(each.moved for each in crowded(1.0)) > 2


def test_tasks_that_cannot_stay_move_however_few_may() -> None:
    how = Adapting(few=0, churn=0.0)
    events = carried(*four_on_two(), (1.0, Action.DRAIN, (), "w1"), how=how)
    assert where(events)["t3"] == "w2"
