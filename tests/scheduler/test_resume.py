"""A run whose plan was changed, with tasks that were added, goes on from what the store knows."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scheduler.agent import Agent
from scheduler.execution.adapting import Adapting
from scheduler.execution.charge import Answer
from scheduler.execution.dispatch import Dispatch
from scheduler.execution.events import AttemptEnded, Event, PlanChanged, Start
from scheduler.execution.executors.base import People
from scheduler.execution.executors.simulator import Draw, Simulator, Truth
from scheduler.execution.recovery import restored
from scheduler.leases import Watch
from scheduler.planning.edits import TasksAdded
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.predictors.history import HistoryPredictor
from scheduler.recovery import known
from scheduler.store import Store
from scheduler.workloads.synthetic import random_world

WORLD = random_world(np.random.default_rng(5), 20, 3)


class Wild(Truth):
    """Attempts take from a fifth to three times what is believed; their order is their seed."""

    teaches = True

    def draw(self, problem: Problem, start: Start, rng: np.random.Generator) -> Draw:
        row = problem.workflow.index[start.task]
        believed = problem.duration[row, problem.cluster.index[start.worker]]
        return Draw(float(believed * rng.uniform(0.2, 3.0)), 1.0, 1.0)


class Lived(People):
    """Says nothing, and shows the dispatch as it lives."""

    dispatch: Dispatch

    def said(self, dispatch: Dispatch, now: float, time: datetime) -> Iterator[Event]:  # noqa: ARG002
        self.dispatch = dispatch
        yield from ()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'allot.db'}") as opened:
        yield opened


class Killed(BaseException):
    """What stands for a kill: nothing that comes after it is written."""


def problem() -> Problem:
    forecast = HistoryPredictor.learn([]).predict(WORLD.workflow, WORLD.cluster).by_task()
    return Problem(WORLD.workflow, WORLD.cluster, forecast)


def late_task(forecast: Any) -> TasksAdded:
    names = ("duration", "memory", "cpu", "failure", "affinity")
    alone = replace(
        forecast, tasks=("late",), **{name: getattr(forecast, name)[:1] for name in names}
    )
    task = replace(WORLD.workflow.tasks[0], id="late")
    return TasksAdded(tasks=(task,), dependencies=(), forecast=alone)


def agent(store: Store, lived: Lived, *, coming: bool) -> Agent:
    waits = [late_task(problem().forecast)] if coming else []
    return Agent(
        HistoryPredictor.learn([]),
        Heft(),
        Simulator(Wild(), seed=2),
        store,
        lambda: datetime.now(UTC),
        adapting=Adapting(
            planners=(Heft(),), meanwhile=lambda now: [waits.pop()] if waits and now > 0 else []
        ),
        people=lambda _: (lived,),
        group=0.0,
    )


def killed_after(store: Store, events: int) -> Lived:
    lived, seen = Lived(), list[Event]()

    def watch(event: Event) -> None:
        seen.append(event)
        if len(seen) >= events and isinstance(event, PlanChanged | AttemptEnded):
            raise Killed

    end, store.end_run = store.end_run, lambda *_, **__: None  # type: ignore[method-assign]
    begun = problem()
    with pytest.raises(Killed):
        agent(store, lived, coming=True).carry_out(begun, Heft().plan(begun), watch=watch)
    store.end_run = end  # type: ignore[method-assign]
    return lived


@pytest.mark.parametrize("events", [8, 15, 25, 40])
def test_the_store_leads_to_the_state_that_lived(store: Store, events: int) -> None:
    lived = killed_after(store, events)
    found = known(store, 1)
    assert any(isinstance(each, Answer) for each in found.history)
    transfer = WORLD.cluster.transfer_seconds
    again, _ = restored(found.problem, found.schedule, found.history, transfer=transfer)
    assert {name: vars(each) for name, each in again.tasks.items()} == {
        name: vars(each) for name, each in lived.dispatch.tasks.items()
    }
    now = found.since(None)
    assert again.happened(now) == lived.dispatch.happened(now)
    assert again.due(now) == lived.dispatch.due(now)


@pytest.mark.parametrize("events", [8, 25])
def test_a_run_goes_on_with_the_plan_that_was_followed_and_the_tasks_that_came(
    store: Store, events: int
) -> None:
    killed_after(store, events)
    changes = len(store.run_changes(1))
    report = agent(store, Lived(), coming=False).resume(1, patience=Watch(patience=0.0))
    ended = [
        each.task
        for each in store.run_events(1)
        if isinstance(each, AttemptEnded) and each.observation.outcome == "succeeded"
    ]
    assert sorted([*ended, *report.given_up]) == sorted([*WORLD.workflow.index, "late"])
    assert len(report.changes) >= changes > 0
    assert store.record_count() == len(report.attempts)
