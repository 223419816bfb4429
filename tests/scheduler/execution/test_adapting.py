"""Runs that leave the plan are planned again: the simulator and a real Ray."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import attempt_actions
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import GB, changed, placed, problem_of, schedule_of

from scheduler.agent import Agent
from scheduler.cluster import Cluster, Worker
from scheduler.commands.parts import adapting
from scheduler.execution.adapting import Adapting
from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import (
    AttemptEnded,
    AttemptStarted,
    Event,
    PlanChanged,
    Start,
    TaskGivenUp,
)
from scheduler.execution.executors.base import Executor
from scheduler.execution.executors.ray_cluster import RayCluster, local_ray
from scheduler.execution.executors.simulator import AsForecast, Draw, Simulator, Truth
from scheduler.planning.edits import Edit, TasksAdded, WorkerAdded
from scheduler.planning.planners.base import Planner
from scheduler.planning.planners.heft import Heft
from scheduler.planning.planners.search import Search
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.predictors.history import HistoryPredictor
from scheduler.records import Outcome
from scheduler.store import Store
from scheduler.workflow import Dependency, Task, Workflow
from scheduler.workloads.synthetic import random_problem

MENDED = Adapting(few=0)
SEARCHED = Adapting(planners=(Heft(),))
BOTH = pytest.mark.parametrize("how", [MENDED, SEARCHED], ids=["mended", "searched"])


class Times(Truth):
    """Each task takes so many seconds everywhere; the first attempts of some fail."""

    def __init__(self, seconds: Sequence[float], failing: Sequence[str] = ()) -> None:
        self.seconds, self.failing = seconds, failing

    def draw(self, problem: Problem, start: Start, rng: np.random.Generator) -> Draw:  # noqa: ARG002
        lasts = self.seconds[problem.workflow.index[start.task]]
        return Draw(lasts, 1.0, 1.0, fails=start.task in self.failing and start.attempt == 1)


def run(
    executor: Executor, problem: Problem, schedule: Schedule, how: Adapting | None
) -> list[Event]:
    following = None if how is None else how.following(problem, schedule)
    return list(executor.run(problem, schedule, replan=following))


def changes(events: Sequence[Event]) -> list[PlanChanged]:
    return [each for each in events if isinstance(each, PlanChanged)]


def where(events: Sequence[Event]) -> dict[str, str]:
    """On which worker each task succeeded."""
    return {
        each.task: each.worker
        for each in events
        if isinstance(each, AttemptEnded) and each.observation.outcome is Outcome.SUCCEEDED
    }


def end(events: Sequence[Event]) -> float:
    return max(each.at for each in events if isinstance(each, AttemptEnded))


def four_on_two() -> tuple[Problem, Schedule]:
    """Four tasks of ten seconds (8 to 12), two a worker."""
    problem = problem_of([[10.0, 10.0]] * 4)
    band = np.array([0.8, 1.0, 1.2])
    forecast = replace(problem.forecast, duration=problem.forecast.duration[..., 1:2] * band)
    problem = replace(problem, forecast=forecast)
    rows = (("t1", "w1", 0.0), ("t2", "w2", 0.0), ("t3", "w1", 10.0), ("t4", "w2", 10.0))
    return problem, schedule_of(problem, *rows)


@BOTH
def test_what_waits_behind_a_late_task_goes_elsewhere(how: Adapting) -> None:
    problem, schedule = four_on_two()
    events = run(Simulator(Times([50, 10, 10, 10])), problem, schedule, how)
    assert (where(events)["t3"], end(events)) == ("w2", 50.0)
    assert end(run(Simulator(Times([50, 10, 10, 10])), problem, schedule, None)) == 60.0


def test_a_run_is_looked_at_when_nine_in_ten_would_have_ended_and_then_now_and_again() -> None:
    problem, schedule = four_on_two()
    following = MENDED.following(problem, schedule)
    dispatch = Dispatch(problem, schedule, transfer=problem.cluster.transfer_seconds)
    dispatch.due(0.0)
    moments, now = [], 0.0
    for _ in range(3):
        now = following.wake_at(dispatch, now) or 0.0
        moments.append(now)
        following.after(dispatch, (), frozenset(), now)
    assert moments == pytest.approx([12.0, 15.0, 18.75])


@BOTH
def test_tasks_of_a_worker_that_is_lost_run_on_the_others(how: Adapting) -> None:
    problem, schedule = four_on_two()
    lost = Simulator(Times([10] * 4), outages={"w1": (5.0, 1e9)})
    events = run(lost, problem, schedule, how)
    assert set(where(events).values()) == {"w2"}
    assert len(where(events)) == 4
    assert any("w1 is gone" in each.reasons for each in changes(events))


def test_where_time_is_simulated_no_clock_ends_the_planning() -> None:
    problem, schedule = four_on_two()
    how = adapting("simulator")
    slow = [
        replace(each, clock=count(0.0, 1e3).__next__) if isinstance(each, Search) else each
        for each in how.planners
    ]
    simulator = Simulator(AsForecast(), seed=1, outages={"w1": (5.0, 12.0)})
    events = run(simulator, problem, schedule, how)
    assert run(simulator, problem, schedule, replace(how, planners=tuple(slow))) == events
    assert [each.seconds for each in slow if isinstance(each, Search)] == [math.inf]


def test_without_replanning_the_tasks_of_a_lost_worker_are_given_up() -> None:
    problem, schedule = four_on_two()
    events = run(Simulator(Times([10] * 4), outages={"w1": (5.0, 1e9)}), problem, schedule, None)
    assert {each.task for each in events if isinstance(each, TaskGivenUp)} == {"t1", "t3"}


@BOTH
def test_a_worker_that_comes_back_is_used_again(how: Adapting) -> None:
    problem, schedule = four_on_two()
    events = run(Simulator(Times([10] * 4), outages={"w1": (5.0, 12.0)}), problem, schedule, how)
    assert "w1" in where(events).values()
    assert any("w1 is back" in each.reasons for each in changes(events))


def test_a_loss_that_leaves_a_task_without_a_worker_is_told_once_and_that_task_waits() -> None:
    small = {"w2": {"memory": GB}}
    problem = changed(problem_of([[10.0, 10.0]] * 3, memory=[GB, 2 * GB, GB]), workers=small)
    schedule = schedule_of(problem, ("t1", "w2", 0.0), ("t2", "w1", 0.0), ("t3", "w2", 10.0))
    lost = Simulator(Times([10] * 3), outages={"w1": (5.0, 1e9)})
    events = run(lost, problem, schedule, MENDED)
    ends = {each.task: each.at for each in events if isinstance(each, AttemptEnded)}
    assert ends == {"t1": 10.0, "t3": 20.0, "t2": 1e9 + 10.0}
    assert sum("there is no plan" in " ".join(each.reasons) for each in changes(events)) == 1


@BOTH
def test_a_failed_attempt_is_named_as_a_reason(how: Adapting) -> None:
    problem, schedule = four_on_two()
    failing = Simulator(Times([10, 3, 10, 10], failing=["t1"]))
    told = changes(run(failing, problem, schedule, how))
    assert any("t1 ended failed at 10 s" in each.reasons for each in told)


def more(problem: Problem) -> TasksAdded:
    """One task that waits for t1, alike to it."""
    task = replace(problem.workflow.tasks[0], id="new")
    alike = replace(
        problem.forecast,
        tasks=("new",),
        **{
            name: getattr(problem.forecast, name)[:1]
            for name in ("duration", "memory", "cpu", "failure", "affinity")
        },
    )
    return TasksAdded(tasks=(task,), dependencies=(Dependency("t1", "new"),), forecast=alike)


def another(problem: Problem) -> WorkerAdded:
    """A worker like the first."""
    forecast = problem.forecast
    names = ("duration", "memory", "cpu", "failure")
    alike = replace(
        forecast,
        workers=("w9",),
        affinity=np.ones((len(forecast.tasks), 1)),
        **{name: getattr(forecast, name)[:, :1] for name in names},
    )
    return WorkerAdded(worker=replace(problem.cluster.workers[0], name="w9"), forecast=alike)


def run_with(edit: Edit, problem: Problem, schedule: Schedule, how: Adapting) -> list[Event]:
    """The run of `four_on_two`, with this edit from 10 s on."""
    coming = [edit]
    how = replace(how, meanwhile=lambda now: [coming.pop()] if now >= 10 and coming else [])
    return run(Simulator(Times([10] * 5)), problem, schedule, how)


@BOTH
def test_a_task_that_comes_while_a_run_goes_on_is_done_after_what_it_waits_for(
    how: Adapting,
) -> None:
    problem, schedule = four_on_two()
    events = run_with(more(problem), problem, schedule, how)
    assert where(events).keys() == {"t1", "t2", "t3", "t4", "new"}
    assert any("new is added" in each.reasons for each in changes(events))


@BOTH
def test_what_comes_and_nobody_can_do_is_told_and_the_rest_is_done(how: Adapting) -> None:
    problem, schedule = four_on_two()
    coming = more(problem)
    skilled = replace(coming, tasks=(replace(coming.tasks[0], skills=frozenset({"flying"})),))
    events = run_with(skilled, problem, schedule, how)
    assert where(events).keys() == {"t1", "t2", "t3", "t4"}
    assert any("has to wait" in reason for each in changes(events) for reason in each.reasons)


@BOTH
def test_what_comes_while_the_only_worker_for_it_is_lost_is_done_when_that_is_back(
    how: Adapting,
) -> None:
    problem = problem_of([[10.0, 10.0]] * 4, worker_skills=["", "flying"])
    rows = [(f"t{i + 1}", "w1", 10.0 * i) for i in range(4)]
    task = more(problem)
    skilled = replace(task, tasks=(replace(task.tasks[0], skills=frozenset({"flying"})),))
    coming: list[Edit] = [skilled]
    how = replace(how, meanwhile=lambda now: [coming.pop()] if now >= 5 and coming else [])
    simulator = Simulator(Times([10] * 5), outages={"w2": (2.0, 25.0)})
    events = run(simulator, problem, schedule_of(problem, *rows), how)
    assert where(events)["new"] == "w2"


@BOTH
def test_a_worker_that_comes_while_a_run_goes_on_takes_work(how: Adapting) -> None:
    more_work = problem_of([[10.0, 10.0]] * 5)
    rows = [(f"t{i + 1}", "w1", 10.0 * i) for i in range(5)]
    events = run_with(another(more_work), more_work, schedule_of(more_work, *rows), how)
    assert "w9" in where(events).values()
    assert end(events) <= 30.0


@dataclass(frozen=True)
class Proposing(Planner):
    """Puts all that has not begun on one worker, one after the other; before a moment, on w1."""

    worker: str = "w1"
    since: float = 0.0

    def plan(self, problem: Problem) -> Schedule:
        worker = self.worker if problem.now >= self.since else "w1"
        rows = list(problem.fixed.values())
        free = max([problem.now, *(each.end for each in rows)])
        for task in problem.workflow.order:
            if task not in problem.fixed:
                rows.append(placed(problem, task, worker, free))
                free = rows[-1].end
        return Schedule(tuple(rows), "proposing")


def two_modes() -> tuple[Problem, Schedule]:
    """Four tasks of 40 seconds on two workers alike, of which one happened to be seen slow."""
    problem = problem_of([[40.0, 40.0]] * 4)
    band = np.broadcast_to([[39.0, 40.0, 41.0], [39.0, 40.0, 520.0]], (4, 2, 3))
    problem = replace(problem, forecast=replace(problem.forecast, duration=band))
    rows = (("t1", "w1", 0.0), ("t2", "w2", 0.0), ("t3", "w1", 40.0), ("t4", "w2", 40.0))
    return problem, schedule_of(problem, *rows)


def test_a_worker_that_happened_to_be_seen_slow_is_not_left_to_crowd_another() -> None:
    problem, schedule = two_modes()
    how = Adapting(planners=(Proposing(),), churn=1.0)
    events = run(Simulator(Times([40] * 4)), problem, schedule, how)
    assert (end(events), changes(events)) == (80.0, [])


@pytest.mark.parametrize(("took", "moves"), [(10.0, True), (45.0, False)], ids=["true", "refuted"])
def test_a_small_gain_is_followed_only_where_the_forecast_was_right_so_far(
    took: float, moves: bool
) -> None:
    chain = {(each, each + 1): 0.0 for each in range(1, 6)}
    problem = problem_of([[10.0, 9.9]] * 6, chain, bandwidth=1e9)
    band = np.array([0.95, 1.0, 1.05])
    forecast = replace(problem.forecast, duration=problem.forecast.duration[..., 1:2] * band)
    problem = replace(problem, forecast=forecast)
    schedule = schedule_of(problem, *((f"t{each}", "w1", 10.0 * each - 10) for each in range(1, 7)))
    how = Adapting(planners=(Proposing("w2", since=took),), churn=1.0)
    events = run(Simulator(Times([took] * 6)), problem, schedule, how)
    assert (where(events)["t6"] == "w2") is moves


def test_a_run_as_planned_is_left_alone() -> None:
    problem, schedule = four_on_two()
    assert not changes(run(Simulator(Times([10] * 4)), problem, schedule, SEARCHED))


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10**6), lost=st.floats(0.0, 1.0), back=st.floats(0.0, 1.0),
    few=st.sampled_from([0, 300]),
)  # fmt: skip
def test_whatever_happens_tasks_keep_their_order_and_no_outage_costs_one(
    seed: int, lost: float, back: float, few: int
) -> None:
    problem = random_problem(np.random.default_rng(seed), 20, 3)
    tasks = [replace(task, max_attempts=9) for task in problem.workflow.tasks]
    own = Workflow("own", tasks, problem.workflow.dependencies)
    problem = replace(problem, workflow=own)
    schedule = Heft().plan(problem)
    first, second = sorted((lost, back))
    outage = {"w1": (first * schedule.makespan, second * schedule.makespan)}
    how = Adapting(few=few, planners=(Heft(),), samples=20)
    over, refused = set[str](), dict[str, str]()
    simulator = Simulator(AsForecast(), seed=seed, outages=outage)
    for event in simulator.run(problem, schedule, replan=how.following(problem, schedule)):
        if isinstance(event, TaskGivenUp):
            refused[event.task] = event.reason
        if isinstance(event, AttemptStarted):
            assert set(own.predecessors(event.task)) <= over
        if isinstance(event, AttemptEnded) and event.observation.outcome is Outcome.SUCCEEDED:
            over.add(event.task)
    assert over | refused.keys() == set(own.index)
    assert not any("lost" in why for why in refused.values())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'allot.db'}") as opened:
        yield opened


def test_what_changed_and_why_is_kept_in_the_store(store: Store) -> None:
    problem, schedule = four_on_two()
    agent = Agent(
        HistoryPredictor.learn([]), Heft(), Simulator(Times([50, 10, 10, 10])), store,
        lambda: datetime(2026, 5, 1, tzinfo=UTC), adapting=MENDED,
    )  # fmt: skip
    seen: list[Event] = []
    report = agent.carry_out(problem, schedule, watch=seen.append)
    assert report.changes == tuple(changes(seen)) == store.run_changes(report.run)
    assert any("t3 runs on w2" in text for each in report.changes for text in each.changes)


@pytest.mark.ray
def test_a_real_run_moves_what_waits_behind_a_late_attempt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(attempt_actions.__file__).parent))
    cluster = Cluster("two", [Worker(name=name, cores=1, memory=10**9) for name in ("w1", "w2")])
    notes = {f"t{i}": str(tmp_path / f"t{i}") for i in (2, 3, 4)}
    asked = {"t1": {"notes": list(notes.values()), "seconds": 100.0}}  # it ends after all others
    asked |= {task: {"note": note, "seconds": 0.2} for task, note in notes.items()}
    tasks = [
        Task(
            id=task, kind="rest", memory=2 * 10**8, arguments=arguments,
            action=f"attempt_actions:{'note_and_rest' if 'note' in arguments else 'rest_until'}",
        )
        for task, arguments in asked.items()
    ]  # fmt: skip
    believed, _ = four_on_two()
    forecast = replace(
        believed.forecast,
        duration=believed.forecast.duration / 10,  # a second
        memory=np.full_like(believed.forecast.memory, 1e8),
    )
    problem = Problem(Workflow("four", tasks), cluster, forecast)
    rows = (("t1", "w1", 0.0), ("t2", "w2", 0.0), ("t3", "w1", 1.0), ("t4", "w2", 1.0))
    with local_ray(cluster):
        events = run(RayCluster(), problem, schedule_of(problem, *rows), SEARCHED)
    assert where(events) == {"t1": "w1", "t2": "w2", "t3": "w2", "t4": "w2"}
    assert any(each.moved for each in changes(events))
