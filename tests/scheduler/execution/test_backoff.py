"""Backoff: how long a task rests before it is tried again."""

from dataclasses import replace

import numpy as np
import pytest

from scheduler.cluster import Cluster, Worker
from scheduler.execution.events import AttemptEnded, AttemptStarted, Event, Start
from scheduler.execution.executors.simulator import Draw, Simulator, Truth
from scheduler.execution.setting_out import LONGEST_PAUSE, pause
from scheduler.planning.planners.heft import Heft
from scheduler.planning.problem import Problem
from scheduler.workflow import Task, Workflow
from scheduler.workloads.probing import nothing_known

CLUSTER = Cluster("one", [Worker(name="w", cores=1, memory=1000)])
FLAKY = Task(id="flaky", kind="k", memory=100, backoff=10.0, max_attempts=4)


class Fails(Truth):
    """A second each; the task `flaky` fails, the task `hungry` takes more memory than it has."""

    def draw(self, problem: Problem, start: Start, rng: np.random.Generator) -> Draw:  # noqa: ARG002
        memory = 150.0 if start.task == "hungry" and start.attempt == 1 else 50.0
        return Draw(1.0, memory, 1.0, fails=start.task == "flaky")


def starts(*tasks: Task) -> dict[str, list[float]]:
    workflow = Workflow("w", tasks)
    problem = Problem(workflow, CLUSTER, nothing_known(workflow, CLUSTER))
    found: dict[str, list[float]] = {}
    events: list[Event] = list(Simulator(Fails()).run(problem, Heft().plan(problem)))
    for each in events:
        if isinstance(each, AttemptStarted):
            found.setdefault(each.task, []).append(each.at)
    assert all(not isinstance(each, AttemptEnded) or each.at >= 0 for each in events)
    return found


def test_each_pause_is_twice_the_one_before() -> None:
    assert starts(FLAKY)["flaky"] == pytest.approx([0.0, 11.0, 32.0, 73.0])


def test_without_backoff_it_is_tried_again_at_once() -> None:
    assert starts(replace(FLAKY, backoff=0.0))["flaky"] == pytest.approx([0.0, 1.0, 2.0, 3.0])


def test_meanwhile_the_worker_does_something_else() -> None:
    found = starts(FLAKY, Task(id="other", kind="k", memory=100))
    assert found["other"] == pytest.approx([1.0])


def test_with_more_memory_it_is_tried_at_once() -> None:
    hungry = Task(id="hungry", kind="k", memory=100, backoff=10.0)
    assert starts(hungry)["hungry"] == pytest.approx([0.0, 0.5])


@pytest.mark.parametrize("attempt", [30, 10**6])
def test_no_pause_is_longer_than_an_hour(attempt: int) -> None:
    assert pause(FLAKY, attempt) == LONGEST_PAUSE
