"""What people ask while a run goes on: no task is lost, none runs twice, capacity is kept."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few
from worlds import GB, changed, problem_of, schedule_of

from scheduler.errors import Infeasible, InvalidWorkflow
from scheduler.execution.control import refusal
from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import (
    Action,
    AttemptEnded,
    AttemptStarted,
    Controlled,
    Event,
    GiveUp,
    Observation,
    Start,
    Stop,
    TaskGivenUp,
)
from scheduler.planning.bars import Bar
from scheduler.planning.objective import Objective
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.records import Outcome
from scheduler.workflow import Workflow
from scheduler.workloads.synthetic import random_problem

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class Course:
    """A run driven by hand: what is asked, what starts, what ends, and what must hold meanwhile."""

    problem: Problem
    schedule: Schedule
    now: float = 0.0
    running: dict[str, Start] = field(default_factory=dict)
    stopping: set[str] = field(default_factory=set)
    began: list[tuple[str, int]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    given_up: dict[str, str] = field(default_factory=dict)
    history: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        transfer = self.problem.cluster.transfer_seconds
        self.dispatch = Dispatch(self.problem, self.schedule, transfer=transfer)

    def due(self) -> list[Start]:
        return [
            self._begin(each) for each in self.dispatch.due(self.now) if isinstance(each, Start)
        ]

    def ask(self, action: Action, *tasks: str, worker: str = "", priority: int = 0) -> str | None:
        asked = Controlled(action, self.now, NOON, "ann", "so", tasks, worker, priority)
        why = refusal(self.dispatch, asked)
        if why is None:
            if action is Action.RETRY:
                for task in list(self.given_up):
                    self.given_up.pop(task)
            self._handle(asked)
            if action is Action.RETRY:
                held = self.dispatch.tasks
                self.given_up |= {name: "" for name, each in held.items() if each.given_up}
        return why

    def end(self, task: str, outcome: Outcome = Outcome.SUCCEEDED) -> None:
        start = self.running.pop(task)
        outcome = Outcome.CANCELLED if task in self.stopping else outcome
        self.stopping.discard(task)
        if outcome is Outcome.SUCCEEDED:
            self.done.append(task)
        seen = Observation(outcome)
        where = (task, start.attempt, start.worker)
        self._handle(AttemptEnded(*where, self.now, NOON, seen))

    def _handle(self, event: Event) -> None:
        self.history.append(event)
        for each in self.dispatch.handle(event):
            match each:
                case Stop():
                    assert self.running[each.task].attempt == each.attempt
                    self.stopping.add(each.task)
                case GiveUp():
                    assert each.task not in self.given_up
                    assert each.task not in self.running
                    self.given_up[each.task] = each.reason
                    self.history.append(TaskGivenUp(each.task, self.now, NOON, each.reason))

    def _begin(self, start: Start) -> Start:
        held, cluster = self.dispatch, self.problem.cluster
        assert start.task not in self.running
        assert start.task not in self.done
        assert start.task not in self.given_up
        assert (start.task, start.attempt) not in self.began
        assert set(self.problem.workflow.predecessors(start.task)) <= set(self.done)
        assert not held.paused
        assert start.worker not in held.drained
        assert start.task not in held.withheld
        assert self.problem.refusal(start.task, start.worker) is None
        self.running[start.task] = start
        self.began.append((start.task, start.attempt))
        here = [each.allocation for each in self.running.values() if each.worker == start.worker]
        assert sum(each.cores for each in here) <= cluster.worker(start.worker).cores + 1e-9
        assert sum(each.memory for each in here) <= cluster.worker(start.worker).memory
        where = (start.task, start.attempt, start.worker)
        self.history.append(AttemptStarted(*where, self.now, NOON, start.allocation))
        return start

    def to_the_end(self) -> None:
        """Lets everything go on and end well."""
        for _ in range(20 * len(self.problem.workflow) + 20):
            for worker in self.dispatch.drained:
                self.ask(Action.RESUME, worker=worker)
            if self.dispatch.paused:
                self.ask(Action.RESUME)
            if self.dispatch.withheld:
                self.ask(Action.ALLOW)
            self.due()
            if self.running:
                self.now += 1.0
                self.end(next(iter(self.running)))
            elif self.dispatch.done:
                return
            else:
                self.now = self.dispatch.wake_at(self.now) or self.now + 1.0
        raise AssertionError("the run does not end")


def course(problem: Problem, *rows: tuple[str, str, float]) -> Course:
    return Course(problem, schedule_of(problem, *rows))


def in_a_row() -> Course:
    """t1, then t2, then t3, on w1; w2 could take them too."""
    problem = problem_of([[1.0, 1.0]] * 3, {(1, 2): 0.0, (2, 3): 0.0})
    return course(problem, ("t1", "w1", 0.0), ("t2", "w1", 1.0), ("t3", "w1", 2.0))


def side_by_side(*, cores: float = 2.0) -> Course:
    """t1 and t2 on w1, t3 on w2."""
    problem = problem_of([[5.0, 5.0]] * 3, worker_cores=[cores, cores])
    return course(problem, ("t1", "w1", 0.0), ("t2", "w1", 0.0), ("t3", "w2", 0.0))


def names(starts: list[Start]) -> list[str]:
    return [each.task for each in starts]


ASKED = st.tuples(
    st.sampled_from(sorted(Action)), st.integers(0, 30), st.integers(0, 5), st.booleans()
)
STEPS = st.lists(
    st.one_of(ASKED, st.tuples(st.just("end"), st.integers(0, 30), st.sampled_from(sorted(Outcome)))
    | st.tuples(st.just("wait"), st.floats(0.0, 5.0))),
    max_size=40,
)  # fmt: skip


def ganged(seed: int, n: int, m: int) -> Problem:
    """A random problem, some tasks of which start together where that can be."""
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, n, m)
    gangs = rng.choice(["", "", "one", "two"], n)
    tasks = [replace(task, gang=str(gang)) for task, gang in zip(
        problem.workflow.tasks, gangs, strict=True)]  # fmt: skip
    with suppress(InvalidWorkflow, Infeasible):
        workflow = Workflow(problem.workflow.name, tasks, problem.workflow.dependencies)
        return replace(problem, workflow=workflow)
    return problem


def carried(seed: int, n: int, m: int, steps: list[tuple[object, ...]]) -> Course:
    problem = ganged(seed, n, m)
    run = Course(problem, Heft().plan(problem))
    tasks, workers = list(problem.workflow.index), list(problem.cluster.index)
    for step in steps:
        run.due()
        match step:
            case ("end", int(which), Outcome() as outcome) if run.running:
                run.end(list(run.running)[which % len(run.running)], outcome)
            case ("wait", float(seconds)):
                run.now += seconds
            case (Action() as action, int(which), int(where), bool(whole)):
                named = () if whole and action is not Action.REASSIGN else (tasks[which % n],)
                needs = action in (Action.REASSIGN, Action.DRAIN, Action.REMOVE)
                there = workers[where % m] if needs or (action is Action.RESUME and whole) else ""
                alone = action in (Action.PAUSE, Action.RESUME, Action.DRAIN, Action.REMOVE)
                run.ask(action, *(() if alone else named), worker=there, priority=where)
    return run


@few
@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), m=st.integers(1, 4), steps=STEPS)
def test_no_task_is_lost_and_none_runs_twice_whatever_is_asked(
    seed: int, n: int, m: int, steps: list[tuple[object, ...]]
) -> None:
    run = carried(seed, n, m, steps)
    run.to_the_end()
    assert sorted([*run.done, *run.given_up]) == sorted(run.problem.workflow.index)


@few
@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), m=st.integers(1, 4), steps=STEPS)
def test_what_was_kept_of_a_run_leads_to_the_same_state_again(
    seed: int, n: int, m: int, steps: list[tuple[object, ...]]
) -> None:
    run = carried(seed, n, m, steps)
    again = Dispatch(run.problem, run.schedule, transfer=run.problem.cluster.transfer_seconds)
    for event in run.history:
        again.handle(event)
    assert again.tasks == run.dispatch.tasks
    assert (again.paused, again.drained) == (run.dispatch.paused, run.dispatch.drained)
    assert again.withheld == run.dispatch.withheld
    assert again.due(run.now) == run.dispatch.due(run.now)


def test_a_task_that_waits_is_cancelled_at_once_with_all_that_wait_for_it() -> None:
    run = in_a_row()
    run.due()
    assert run.ask(Action.CANCEL, "t2") is None
    assert run.given_up == {"t2": "cancel by ann: so", "t3": "waits for 't2', which was given up"}
    run.end("t1")
    assert (run.due(), run.dispatch.done) == ([], True)


def test_a_task_that_runs_is_stopped_and_is_over_when_its_attempt_is() -> None:
    run = in_a_row()
    run.due()
    run.ask(Action.CANCEL, "t1")
    assert (run.stopping, run.given_up) == ({"t1"}, {})
    run.end("t1")
    assert set(run.given_up) == {"t1", "t2", "t3"}
    assert run.due() == []


def test_an_attempt_that_succeeds_before_it_is_stopped_has_succeeded() -> None:
    run = in_a_row()
    run.due()
    run.ask(Action.CANCEL, "t1")
    run.stopping.clear()
    run.end("t1", Outcome.SUCCEEDED)
    assert names(run.due()) == ["t2"]


def test_a_run_that_is_cancelled_starts_nothing_more_and_stops_what_runs() -> None:
    run = side_by_side()
    run.due()
    run.end("t3")
    assert run.ask(Action.CANCEL) is None
    assert run.stopping == {"t1", "t2"}
    for task in ("t1", "t2"):
        run.end(task)
    assert run.dispatch.done
    assert run.dispatch.cancelled
    assert run.ask(Action.CANCEL) == "every task of the run is over already"


def test_while_a_run_is_paused_nothing_begins_and_what_runs_goes_on() -> None:
    run = in_a_row()
    run.due()
    run.ask(Action.PAUSE)
    run.end("t1")
    assert (run.due(), run.dispatch.stuck, run.dispatch.held_by_people) == ([], True, True)
    run.ask(Action.RESUME)
    assert names(run.due()) == ["t2"]


def test_on_a_drained_worker_nothing_begins_until_it_is_resumed() -> None:
    run = side_by_side()
    run.ask(Action.DRAIN, worker="w1")
    assert names(run.due()) == ["t3"]
    run.ask(Action.RESUME, worker="w1")
    assert names(run.due()) == ["t1", "t2"]


def test_of_a_worker_that_is_removed_the_attempts_are_stopped_and_cost_no_try() -> None:
    run = side_by_side()
    run.due()
    run.ask(Action.REMOVE, worker="w1")
    assert run.stopping == {"t1", "t2"}
    run.end("t1")
    run.ask(Action.REASSIGN, "t1", worker="w2")
    for _ in range(2):
        assert "t1" in names(run.due())
        run.end("t1", Outcome.FAILED)
    assert run.given_up == {}


def test_a_task_that_was_given_up_is_tried_again_with_what_waits_for_it() -> None:
    run = in_a_row()
    for _ in range(3):
        run.due()
        run.end("t1", Outcome.FAILED)
    assert set(run.given_up) == {"t1", "t2", "t3"}
    assert run.ask(Action.RETRY, "t1") is None
    run.to_the_end()
    assert run.done == ["t1", "t2", "t3"]


def test_a_task_is_tried_again_with_what_it_waits_for() -> None:
    run = in_a_row()
    run.ask(Action.CANCEL, "t1")
    assert run.ask(Action.RETRY, "t2") is None
    run.to_the_end()
    assert run.done == ["t1", "t2", "t3"]


def test_a_task_of_a_gang_is_tried_again_with_its_fellows() -> None:
    problem = problem_of([[1.0, 1.0]] * 2)
    gang = {"t1": {"gang": "g"}, "t2": {"gang": "g"}}
    run = course(changed(problem, tasks=gang), ("t1", "w1", 0.0), ("t2", "w2", 0.0))
    run.ask(Action.CANCEL, "t1")
    assert set(run.given_up) == {"t1", "t2"}
    run.ask(Action.RETRY, "t2")
    run.to_the_end()
    assert sorted(run.done) == ["t1", "t2"]


def test_a_task_is_not_put_where_its_gang_could_never_start() -> None:
    problem = problem_of([[1.0, 1.0]] * 2)
    gang = {"t1": {"gang": "g"}, "t2": {"gang": "g"}}
    run = course(changed(problem, tasks=gang), ("t1", "w1", 0.0), ("t2", "w2", 0.0))
    why = "task 't1' cannot run there: its gang has no room at one time then"
    assert run.ask(Action.REASSIGN, "t1", worker="w2") == why


def test_what_still_waits_for_another_that_was_given_up_stays_so() -> None:
    problem = problem_of([[1.0, 1.0]] * 3, {(1, 3): 0.0, (2, 3): 0.0})
    run = course(problem, ("t1", "w1", 0.0), ("t2", "w2", 0.0), ("t3", "w1", 1.0))
    for task in ("t1", "t2"):
        run.ask(Action.CANCEL, task)
    run.ask(Action.RETRY, "t1")
    assert set(run.given_up) == {"t2", "t3"}
    run.ask(Action.RETRY, "t2")
    run.to_the_end()
    assert sorted(run.done) == ["t1", "t2", "t3"]


def test_a_task_runs_where_a_person_puts_it_and_stays_there() -> None:
    run = in_a_row()
    run.due()
    assert run.ask(Action.REASSIGN, "t2", worker="w2") is None
    run.dispatch.replace(run.problem, run.schedule)
    run.end("t1")
    assert [(each.task, each.worker) for each in run.due()] == [("t2", "w2")]


def test_a_task_that_was_moved_can_be_moved_again() -> None:
    bar = Bar(tasks=("t1",), only=("w2",), why="ann")
    problem = changed(problem_of([[1.0, 1.0, 1.0]]), objective=Objective(bars=(bar,)))
    run = course(problem, ("t1", "w2", 0.0))
    run.dispatch.tasks["t1"].kept = True
    assert run.dispatch.unable("t1", "w3") is None


def test_of_ready_tasks_that_are_late_the_one_with_the_priority_given_goes_first() -> None:
    problem = problem_of([[1.0]] * 3)
    run = course(problem, ("t1", "w1", 0.0), ("t2", "w1", 1.0), ("t3", "w1", 2.0))
    run.due()
    run.now = 9.0
    run.ask(Action.PRIORITY, "t3", priority=5)
    run.end("t1")
    assert names(run.due()) == ["t3"]


def test_what_is_withheld_waits_until_it_is_allowed_and_others_pass_it_by() -> None:
    problem = problem_of([[1.0]] * 2, cores=[2, 1], worker_cores=[2])
    run = course(problem, ("t1", "w1", 0.0), ("t2", "w1", 1.0))
    run.ask(Action.WITHHOLD, "t1")
    run.now = 1.0
    assert names(run.due()) == ["t2"]
    run.end("t2")
    assert (run.due(), run.dispatch.withheld) == ([], {"t1": "so"})
    run.ask(Action.ALLOW, "t1")
    assert names(run.due()) == ["t1"]


def test_no_attempt_begins_where_a_bar_forbids_it_whoever_planned_it() -> None:
    barred = changed(
        problem_of([[1.0, 1.0], [1.0, 1.0]]),
        objective=Objective(bars=(Bar(tasks=("t1",), workers=("w1",), why="policy"),)),
    )
    run = course(barred, ("t1", "w1", 0.0), ("t2", "w1", 1.0))
    run.problem = replace(barred, objective=Objective())
    assert names(run.due()) == ["t2"]
    assert run.dispatch.withheld == {"t1": "it must not run on 'w1' (policy)"}


def test_a_plan_made_anew_without_its_bars_does_not_lift_them() -> None:
    problem = problem_of([[1.0, 1.0]])
    barred = changed(problem, objective=Objective(bars=(Bar(tasks=("t1",), workers=("w1",)),)))
    run = course(barred, ("t1", "w2", 0.0))
    run.dispatch.replace(problem, schedule_of(problem, ("t1", "w1", 0.0)))
    assert run.due() == []


def too_large() -> Course:
    problem = problem_of([[1.0, 1.0]] * 2, memory=[GB, GB], worker_memory=[4 * GB, GB // 2])
    return course(problem, ("t1", "w1", 0.0), ("t2", "w1", 1.0))


@pytest.mark.parametrize(
    ("action", "tasks", "worker", "why"),
    [
        (Action.CANCEL, ("t9",), "", "the run has no task 't9'; it has 2 others"),
        (Action.DRAIN, (), "w9", "the run has no worker 'w9'; it has w1, w2"),
        (Action.REASSIGN, ("t1",), "w2", "task 't1' runs on 'w1'; cancel it, or wait for its end"),
        (Action.REASSIGN, ("t2",), "w2",
         "task 't2' cannot run there: 'w2' has 0.5 GB, the task needs 1 GB"),
        (Action.RETRY, ("t2",), "",
         "task 't2' waits its turn; only one that was given up can be tried again"),
        (Action.RETRY, (), "", "no task was given up"),
        (Action.RESUME, (), "", "the run is not paused"),
        (Action.RESUME, (), "w1", "'w1' takes tasks already"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_in_words(
    action: Action, tasks: tuple[str, ...], worker: str, why: str
) -> None:
    run = too_large()
    run.due()
    assert run.ask(action, *tasks, worker=worker) == why


def test_what_is_over_is_refused_with_how_it_ended() -> None:
    run = too_large()
    run.due()
    run.now = 3.0
    run.end("t1")
    assert run.ask(Action.CANCEL, "t1") == "task 't1' has succeeded already, at 3 s"
    assert run.ask(Action.REASSIGN, "t1", worker="w1") == "task 't1' has succeeded already, at 3 s"
