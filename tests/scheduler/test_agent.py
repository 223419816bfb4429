"""Predict, plan, run, record: the sentence of the whole project, in simulated time."""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scheduler.agent import Agent
from scheduler.errors import AllotError
from scheduler.execution.adapting import Adapting
from scheduler.execution.charge import Step
from scheduler.execution.dispatch import Start
from scheduler.execution.events import AttemptEnded, Event
from scheduler.execution.executors.simulator import AsForecast, Draw, Simulator, Truth
from scheduler.planning.edits import TasksAdded
from scheduler.planning.planners.base import Planner
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.planning.schedule import Schedule
from scheduler.predictors.history import HistoryPredictor
from scheduler.records import Outcome
from scheduler.store import Store
from scheduler.workloads.synthetic import random_world
from scheduler.workloads.truth import AsWorld

NOW = datetime(2026, 5, 1, tzinfo=UTC)
WORLD = random_world(np.random.default_rng(3), 25, 3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'allot.db'}") as opened:
        yield opened


def agent(store: Store, planner: Planner | None = None) -> Agent:
    return Agent(
        HistoryPredictor.learn(store.records()),
        planner or Heft(),
        Simulator(AsWorld(WORLD)),
        store,
        lambda: NOW,
    )


def test_a_run_ends_with_every_task_recorded_or_given_up(store: Store) -> None:
    report = agent(store).run(WORLD.workflow, WORLD.cluster)
    succeeded = {each.task for each in store.records() if each.outcome is Outcome.SUCCEEDED}
    assert succeeded | set(report.given_up) == set(WORLD.workflow.index)


def test_records_hold_what_was_observed_of_each_attempt(store: Store) -> None:
    report = agent(store).run(WORLD.workflow, WORLD.cluster)
    observed = {(each.task, each.attempt): each.observation for each in report.attempts}
    for record in store.records():
        seen = observed[record.task, record.attempt]
        assert seen is not None
        assert (record.duration, record.peak_memory) == (seen.duration, seen.peak_memory)


def test_the_makespan_of_a_run_is_when_its_last_attempt_ended(store: Store) -> None:
    events: list[Event] = []
    report = agent(store).run(WORLD.workflow, WORLD.cluster, watch=events.append)
    assert report.makespan == max(each.at for each in events if isinstance(each, AttemptEnded))
    assert store.runs(now=NOW)[0].makespan == report.makespan


def test_what_one_run_recorded_makes_the_next_forecast_better(store: Store) -> None:
    before = agent(store).run(WORLD.workflow, WORLD.cluster)
    after = agent(store).run(WORLD.workflow, WORLD.cluster)

    def error(report: object) -> float:
        believed = report.forecast.at("duration", 0.5)  # type: ignore[attr-defined]
        return float(np.abs(np.log(believed / WORLD.duration)).mean())

    assert error(after) < error(before)


@dataclass(frozen=True)
class Forgetful(Planner):
    """A planner with a bug: it leaves a task out."""

    def plan(self, problem: Problem) -> Schedule:
        return Schedule(Heft().plan(problem).placements[1:], "forgetful")


def test_a_schedule_that_breaks_a_rule_is_never_run(store: Store) -> None:
    with pytest.raises(AllotError, match="forgetful breaks 1 rule"):
        agent(store, Forgetful()).run(WORLD.workflow, WORLD.cluster)
    assert store.runs(now=NOW) == ()


@pytest.mark.parametrize(
    ("error", "state"), [(KeyboardInterrupt, "interrupted"), (OSError, "failed")]
)
def test_a_run_that_is_stopped_is_told_as_such_and_keeps_what_it_observed(
    store: Store, error: type[BaseException], state: str
) -> None:
    seen: list[Event] = []

    def stop(event: Event) -> None:
        seen.append(event)
        if len(seen) == 12:
            raise error

    with pytest.raises(error):
        agent(store).run(WORLD.workflow, WORLD.cluster, watch=stop)
    assert store.runs(now=NOW)[0].state == state
    assert store.record_count() >= sum(isinstance(each, AttemptEnded) for each in seen) > 0


@dataclass(frozen=True)
class Impossible(Simulator):
    """A simulator whose measurements of one task break a rule of records."""

    def steps(
        self, problem: Problem, schedule: Schedule, **more: Any
    ) -> Generator[Step, None, None]:
        odd = problem.workflow.tasks[0].id
        for step in super().steps(problem, schedule, **more):
            yield replace(step, events=tuple(self._measured(each, odd) for each in step.events))

    def _measured(self, event: Event, odd: str) -> Event:
        if isinstance(event, AttemptEnded) and event.task == odd:
            return replace(event, observation=replace(event.observation, duration=-1.0))
        return event


def test_a_measurement_that_breaks_a_rule_is_set_aside_and_costs_no_other(store: Store) -> None:
    running = replace(agent(store), executor=Impossible(AsWorld(WORLD)))
    report = running.run(WORLD.workflow, WORLD.cluster)
    odd = [each for each in report.attempts if each.task == WORLD.workflow.tasks[0].id]
    assert store.quarantine_count() == len(odd) > 0
    assert store.record_count() == len(report.attempts) - len(odd)
    assert store.runs(now=NOW)[0].state == report.state


def test_an_attempt_is_recorded_before_its_end_is_told(store: Store) -> None:
    ended: list[int] = []
    recorded: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event, AttemptEnded):
            ended.append(len(ended) + 1)
            recorded.append(store.record_count())

    agent(store).run(WORLD.workflow, WORLD.cluster, watch=watch)
    assert len(ended) > len(WORLD.workflow) / 2
    assert all(kept >= told for kept, told in zip(recorded, ended, strict=True))


def test_a_run_with_a_long_silent_attempt_still_shows_that_it_lives(store: Store) -> None:
    clock = [NOW]
    states: list[str] = []
    running = replace(agent(store), clock=lambda: clock[0], beat=0.01)

    def stay_silent(_: Event) -> None:
        if states:
            return
        clock[0] += timedelta(hours=1)
        until = time.monotonic() + 100
        while store.runs(now=clock[0])[0].state == "lost" and time.monotonic() < until:
            time.sleep(0.01)
        states.append(store.runs(now=clock[0])[0].state)

    running.run(WORLD.workflow, WORLD.cluster, watch=stay_silent)
    assert states == ["running"]


def test_a_run_drawn_from_the_forecast_itself_does_not_become_history(store: Store) -> None:
    running = replace(agent(store), executor=Simulator(AsForecast()))
    assert running.run(WORLD.workflow, WORLD.cluster).attempts
    assert store.record_count() == 0


class Even(Truth):
    """Every attempt takes a second and succeeds."""

    def draw(self, problem: Problem, start: Start, rng: np.random.Generator) -> Draw:  # noqa: ARG002
        return Draw(1.0, 1.0, 1.0, fails=False)


def test_a_task_that_comes_while_a_run_goes_on_is_recorded_too(store: Store) -> None:
    forecast = HistoryPredictor.learn([]).predict(WORLD.workflow, WORLD.cluster).by_task()
    problem = Problem(WORLD.workflow, WORLD.cluster, forecast)
    task = replace(WORLD.workflow.tasks[0], id="late")
    names = ("duration", "memory", "cpu", "failure", "affinity")
    alone = replace(
        forecast, tasks=("late",), **{name: getattr(forecast, name)[:1] for name in names}
    )
    coming = [TasksAdded(tasks=(task,), dependencies=(), forecast=alone)]
    adapting = Adapting(planners=(Heft(),), meanwhile=lambda _: [coming.pop()] if coming else [])
    following = replace(agent(store), executor=Simulator(Even()), adapting=adapting)
    following.carry_out(problem, Heft().plan(problem))
    assert "late" in {each.task for each in store.records()}
