"""The sizing policy where a workflow is planned, run and remembered."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from scheduler.agent import Agent
from scheduler.commands.beliefs import sizing as learned_sizing
from scheduler.errors import InvalidInput
from scheduler.execution.events import AttemptStarted
from scheduler.execution.executors.simulator import Simulator
from scheduler.forecast import Forecast
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.predictors.history import HistoryPredictor
from scheduler.records import Outcome
from scheduler.sizing import MemorySizing, Telling, with_allocations
from scheduler.sizing.beliefs import FORECAST
from scheduler.store import Store
from scheduler.workloads.synthetic import random_world
from scheduler.workloads.truth import AsWorld

NOW = datetime(2026, 5, 1, tzinfo=UTC)
WORLD = random_world(np.random.default_rng(3), 25, 3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'allot.db'}") as opened:
        yield opened


def agent(store: Store, sizing: MemorySizing | None) -> Agent:
    return Agent(
        HistoryPredictor.learn(store.records()),
        Heft(),
        Simulator(AsWorld(WORLD)),
        store,
        lambda: NOW,
        sizing=sizing,
    )


def planned(sizing: MemorySizing | None = None) -> Forecast:
    sizing = sizing or MemorySizing()
    return with_allocations(WORLD.forecast(), WORLD.workflow, WORLD.cluster, sizing)


def free(forecast: Forecast) -> Problem:
    """The world's problem where no owner asks for an amount of memory."""
    tasks = [replace(each, memory=None) for each in WORLD.workflow.tasks]
    workflow = type(WORLD.workflow)(WORLD.workflow.name, tasks, WORLD.workflow.dependencies)
    return Problem(workflow, WORLD.cluster, forecast)


def test_each_task_gets_allocations_on_each_worker_that_never_fall() -> None:
    found = planned().allocations
    assert found is not None
    assert found.shape[:2] == (len(WORLD.workflow), len(WORLD.cluster.workers))
    assert (np.diff(found) >= 0).all()


def test_each_task_gets_on_each_worker_what_it_would_get_alone() -> None:
    sizing = MemorySizing()
    for i, task in enumerate(WORLD.workflow.tasks * 3):
        memory = float(WORLD.memory[WORLD.workflow.index[task.id]].max()) * (1 + 0.01 * (i % 5))
        sizing.observe(task.kind, memory=memory, duration=9.0, sizes=task.sizes, subject=task.id)
    forecast = planned(sizing)
    assert forecast.allocations is not None
    for task, rows in zip(WORLD.workflow.tasks, forecast.allocations, strict=True):
        for worker, row in zip(WORLD.cluster.workers, rows, strict=True):
            alone = sizing.allocate(
                task.kind,
                sizes=task.sizes,
                subject=task.id,
                worker=worker.name,
                told=Telling(forecast).of(task.id, worker.name),
                held=worker.memory * min(task.cores / worker.cores, 1.0),
            )
            assert row[0] == pytest.approx(alone.first, rel=0.02)


def test_a_problem_reserves_what_the_policy_gives_the_first_attempt() -> None:
    forecast = planned()
    assert forecast.allocations is not None
    problem = free(forecast)
    room = np.array([each.memory for each in WORLD.cluster.workers])
    wanted = np.ceil(np.minimum(forecast.allocations[..., 0], room))
    usual = forecast.at("memory", 0.5) <= room
    assert (problem.memory == wanted)[usual].all()


def test_an_attempt_after_a_miss_gets_the_next_allocation_and_then_twice_as_much() -> None:
    rows = np.tile([[100.0, 150.5, 400.0]], (len(WORLD.workflow), 3, 1)) * [[1.0], [2.0], [3.0]]
    problem = free(replace(WORLD.forecast(), allocations=rows))
    assert [problem.memory_after(0, 0, held) for held in (100, 151, 400)] == [151, 400, 800]
    assert problem.memory_after(0, 1, 200) == 301
    assert free(WORLD.forecast()).memory_after(0, 0, 100) == 200


def test_a_task_that_ran_out_of_memory_runs_again_with_what_was_planned_next() -> None:
    need = WORLD.memory.max(axis=1)
    rows = np.tile(need[:, None, None] * [0.5, 1.25], (1, len(WORLD.cluster.workers), 1))
    problem = free(replace(WORLD.forecast(), allocations=rows))
    started = [
        event
        for event in Simulator(AsWorld(WORLD)).run(problem, Heft().plan(problem))
        if isinstance(event, AttemptStarted) and event.attempt == 2
    ]
    room = {each.name: each.memory for each in WORLD.cluster.workers}
    given = [each.allocation.memory for each in started]
    wanted = np.ceil(rows[[problem.workflow.index[each.task] for each in started], 0, 1])
    assert given
    assert given == [min(w, room[each.worker]) for w, each in zip(wanted, started, strict=True)]


@pytest.mark.parametrize(
    "wrong",
    [np.ones((1, 3, 2)), np.ones((25, 2)), -np.ones((25, 3, 2)), np.full((25, 3, 2), [2.0, 1.0])],
)
def test_allocations_that_make_no_sense_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="Forecast: allocations must"):
        replace(WORLD.forecast(), allocations=wrong)


def test_the_store_keeps_the_allocations_of_a_run(store: Store) -> None:
    report = agent(store, MemorySizing()).run(WORLD.workflow, WORLD.cluster)
    kept = store.run_forecast(report.run).allocations
    assert kept is not None
    assert np.array_equal(kept, report.forecast.allocations)


def test_an_agent_without_a_policy_leaves_memory_to_the_objective(store: Store) -> None:
    report = agent(store, None).run(WORLD.workflow, WORLD.cluster)
    assert store.run_forecast(report.run).allocations is None


def test_an_agent_tells_its_policy_what_each_attempt_needed_and_was_forecast(store: Store) -> None:
    sizing = MemorySizing()
    report = agent(store, sizing).run(WORLD.workflow, WORLD.cluster)
    needed = [r for r in store.records() if r.outcome is Outcome.SUCCEEDED]
    again = MemorySizing()
    said = Telling(report.forecast)
    again.learn(needed, lambda each: said.of(each.task, each.worker))
    kinds = {each.kind for each in needed}
    assert {kind: sizing.weights(kind) for kind in kinds} == {
        kind: again.weights(kind) for kind in kinds
    }


def test_a_policy_learned_from_a_store_knows_how_good_forecasts_were(store: Store) -> None:
    for _ in range(3):
        agent(store, MemorySizing()).run(WORLD.workflow, WORLD.cluster)
    learned = learned_sizing(store, now=NOW)
    judged = {each for task in WORLD.workflow.tasks for each in learned.weights(task.kind)}
    assert replace(FORECAST, by="history") in judged


def test_a_policy_learns_nothing_of_kinds_that_nobody_asks_it_for(store: Store) -> None:
    """A store may hold thousands of kinds, at a tenth of a second each."""
    for _ in range(3):
        agent(store, MemorySizing()).run(WORLD.workflow, WORLD.cluster)
    one, *others = sorted({task.kind for task in WORLD.workflow.tasks})
    every = learned_sizing(store, now=NOW)
    learned = learned_sizing(store, now=NOW, kinds={one})
    assert learned.weights(one) == every.weights(one)
    assert all(learned.weights(kind) == MemorySizing().weights(kind) for kind in others)


def test_runs_that_are_learned_from_waste_less_memory_than_the_first(store: Store) -> None:
    def wasted() -> float:
        report = agent(store, learned_sizing(store, now=NOW)).run(WORLD.workflow, WORLD.cluster)
        return sum(
            each.allocation.memory - (each.observation.peak_memory or 0.0)
            if each.observation.outcome is Outcome.SUCCEEDED
            else each.allocation.memory
            for each in report.attempts
            if each.observation is not None and WORLD.workflow.task(each.task).memory is None
        )

    first = wasted()
    for _ in range(2):
        last = wasted()
    assert last < first
