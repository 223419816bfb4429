"""What holds for every executor: order, capacity, one success a task, failures as events."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from scheduler.cluster import Cluster, Worker
from scheduler.discover import implementations
from scheduler.execution import executors
from scheduler.execution.events import AttemptEnded, AttemptStarted, Event, Start, TaskGivenUp
from scheduler.execution.executors.base import Executor
from scheduler.execution.executors.local_processes import LocalProcesses
from scheduler.execution.executors.ray_cluster import RayCluster, local_ray
from scheduler.execution.executors.simulator import Draw, Simulator, Truth
from scheduler.forecast import Forecast
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.records import Outcome
from scheduler.workflow import Dependency, Task, Workflow
from scheduler.workloads.probing import nothing_known

MB = 10**6
CLUSTER = Cluster(
    "two",
    [
        Worker(name="small", cores=1, memory=150 * MB, labels={"library": "stdlib"}),
        Worker(name="large", cores=2, memory=1000 * MB, labels={"library": "numpy"}),
    ],
)
WORK = "scheduler.workloads.realwork"


class Scripted(Truth):
    """The needs of the actions used here, as the real ones have them."""

    def draw(self, problem: Problem, start: Start, rng: np.random.Generator) -> Draw:  # noqa: ARG002
        task = problem.workflow.task(start.task)
        memory = 300.0 * MB if task.id == "big" else 50.0 * MB
        return Draw(
            0.2,
            memory,
            1.0,
            fails=str(task.action).endswith("multiply") and task.sizes["side"] < 0.5,
        )


@pytest.fixture(scope="module")
def ray_there() -> Iterator[None]:
    with local_ray(CLUSTER):
        yield


@pytest.fixture(
    params=[
        pytest.param("simulator"),
        pytest.param("local_processes"),
        pytest.param("ray_cluster", marks=pytest.mark.ray),
    ]
)
def executor(request: pytest.FixtureRequest) -> Executor:
    if request.param == "simulator":
        return Simulator(Scripted())
    if request.param == "local_processes":
        return LocalProcesses()
    request.getfixturevalue("ray_there")
    return RayCluster()


@pytest.fixture(
    params=[
        pytest.param("local_processes"),
        pytest.param("ray_cluster", marks=pytest.mark.ray),
    ]
)
def real_executor(request: pytest.FixtureRequest) -> Executor:
    if request.param == "local_processes":
        return LocalProcesses()
    request.getfixturevalue("ray_there")
    return RayCluster()


def task(
    name: str, kind: str = "sort", *, cores: float = 1.0, memory: int = 120 * MB, **arguments: int
) -> Task:
    sizes = {key: float(value) for key, value in arguments.items()}
    return Task(
        id=name,
        kind=kind,
        cores=cores,
        memory=memory,
        sizes=sizes,
        action=f"{WORK}:{kind}",
        arguments={**arguments, "seed": 1},
        max_attempts=3,
    )


def outcome_of(executor: Executor, workflow: Workflow) -> list[Event]:
    problem = Problem(workflow, CLUSTER, beliefs(workflow))
    return list(executor.run(problem, Heft().plan(problem)))


def beliefs(workflow: Workflow) -> Forecast:
    return nothing_known(workflow, CLUSTER)


def ends(events: Sequence[Event]) -> dict[str, list[AttemptEnded]]:
    found: dict[str, list[AttemptEnded]] = {}
    for each in events:
        if isinstance(each, AttemptEnded):
            found.setdefault(each.task, []).append(each)
    return found


def test_the_contract_covers_every_executor_that_there_is() -> None:
    assert set(implementations(executors, Executor)) == {
        "simulator",
        "local_processes",
        "ray_cluster",
    }


def test_a_task_starts_after_its_predecessors_have_succeeded(executor: Executor) -> None:
    names = ["a", "b", "c", "d"]
    edges = [Dependency("a", "b"), Dependency("a", "c"), Dependency("b", "d"), Dependency("c", "d")]
    workflow = Workflow("diamond", [task(name, rows=2000) for name in names], edges)
    events = outcome_of(executor, workflow)
    started = {each.task: each.at for each in events if isinstance(each, AttemptStarted)}
    ended = {name: each[-1].at for name, each in ends(events).items()}
    assert all(started[edge.target] >= ended[edge.source] for edge in edges)


def test_every_task_succeeds_exactly_once(executor: Executor) -> None:
    workflow = Workflow("many", [task(f"t{i}", rows=1000) for i in range(8)])
    ended = ends(outcome_of(executor, workflow))
    successes = Counter(
        name
        for name, attempts in ended.items()
        for each in attempts
        if each.observation.outcome is Outcome.SUCCEEDED
    )
    assert successes == Counter(dict.fromkeys(workflow.index, 1))


def test_what_runs_at_one_time_never_exceeds_a_workers_cores_and_memory(executor: Executor) -> None:
    workflow = Workflow("crowd", [task(f"t{i}", rows=1000, cores=1 + i % 2) for i in range(9)])
    held: Counter[tuple[str, str]] = Counter()
    allocation = {}
    for event in outcome_of(executor, workflow):
        if isinstance(event, AttemptStarted):
            allocation[event.task] = event.allocation
            held[event.worker, "cores"] += event.allocation.cores
            held[event.worker, "memory"] += event.allocation.memory
            worker = CLUSTER.worker(event.worker)
            assert held[event.worker, "cores"] <= worker.cores
            assert held[event.worker, "memory"] <= worker.memory
        elif isinstance(event, AttemptEnded):
            held[event.worker, "cores"] -= allocation[event.task].cores
            held[event.worker, "memory"] -= allocation[event.task].memory


def test_an_attempt_over_its_memory_is_an_event_and_succeeds_with_more(executor: Executor) -> None:
    rests = f"time.sleep(60 * (int(os.environ['ALLOT_MEMORY_BYTES']) < {150 * MB}))"
    program = f"import os, time; data = b'x' * {150 * MB}; {rests}"  # till its memory is seen
    command = (sys.executable, "-c", program)
    workflow = Workflow("big", [Task(id="big", kind="k", memory=80 * MB, command=command)])
    attempts = ends(outcome_of(executor, workflow))["big"]
    assert [each.observation.outcome for each in attempts[:-1]] == [Outcome.OUT_OF_MEMORY] * (
        len(attempts) - 1
    )
    assert len(attempts) > 1
    assert attempts[-1].observation.outcome is Outcome.SUCCEEDED


def test_a_task_without_attempts_left_is_given_up_with_all_that_wait_for_it(
    executor: Executor,
) -> None:
    doomed = Task(
        id="doomed",
        kind="multiply",
        memory=120 * MB,
        sizes={"side": 0.0},
        max_attempts=2,
        action=f"{WORK}:multiply",
        arguments={"side": -1, "seed": 1},
    )
    workflow = Workflow(
        "broken",
        [doomed, task("after", rows=1000), task("other", rows=1000)],
        [Dependency("doomed", "after")],
    )
    events = outcome_of(executor, workflow)
    given_up = [each.task for each in events if isinstance(each, TaskGivenUp)]
    assert given_up == ["doomed", "after"]
    assert [each.observation.outcome for each in ends(events)["doomed"]] == [Outcome.FAILED] * 2


def test_the_tasks_of_a_gang_start_in_one_step(executor: Executor) -> None:
    pair = [replace(task(name, rows=2000), gang="pair") for name in ("a", "b")]
    workflow = Workflow("gang", [task("first", rows=2000, cores=2), *pair, task("c", rows=2000)])
    events = outcome_of(executor, workflow)
    started = {each.task: each.at for each in events if isinstance(each, AttemptStarted)}
    assert started["a"] == started["b"]
    assert sorted(ends(events)) == ["a", "b", "c", "first"]


def test_when_one_of_a_gang_fails_the_others_are_stopped_and_given_up_with_it(
    executor: Executor,
) -> None:
    doomed = Task(
        id="doomed",
        kind="multiply",
        memory=120 * MB,
        sizes={"side": 0.0},
        max_attempts=1,
        gang="pair",
        action=f"{WORK}:multiply",
        arguments={"side": -1, "seed": 1},
    )
    long = Task(id="long", kind="k", memory=120 * MB, command=("sleep", "200"), gang="pair")
    events = outcome_of(executor, Workflow("broken", [doomed, long]))
    assert {each.task for each in events if isinstance(each, TaskGivenUp)} == {"doomed", "long"}
    (ended,) = ends(events)["long"]
    assert ended.observation.outcome is Outcome.CANCELLED


@pytest.mark.ray
def test_ray_measures_time_memory_and_cores(ray_there: None) -> None:
    workflow = Workflow("measured", [task("one", rows=2_000_000, memory=900 * MB)])
    seen = ends(outcome_of(RayCluster(), workflow))["one"][0].observation
    assert seen.duration is not None
    assert 0.01 < seen.duration < 30
    assert seen.peak_memory is not None
    assert seen.peak_memory > 2 * 8 * 2_000_000  # the numbers and their sorted copy
    assert seen.cpu is not None
    assert 0 < seen.cpu < 4


def test_an_order_that_cannot_be_carried_out_is_an_attempt_lost_with_its_cause(
    real_executor: Executor,
) -> None:
    unsendable = Task(
        id="odd", kind="sort", action=f"{WORK}:sort", arguments={"rows": {1, 2}}, max_attempts=1
    )
    seen = ends(outcome_of(real_executor, Workflow("odd", [unsendable])))["odd"][0].observation
    assert seen.outcome is Outcome.LOST
    assert "TypeError" in seen.message


def test_a_command_runs_and_what_it_writes_is_told(real_executor: Executor) -> None:
    workflow = Workflow("one", [Task(id="t", kind="k", memory=120 * MB, command=("echo", "$x;a"))])
    (seen,) = ends(outcome_of(real_executor, workflow))["t"]
    assert [(each.stream, each.text) for each in seen.observation.outputs] == [("stdout", "$x;a\n")]
