"""What attempts have written, in the store."""

from datetime import UTC, datetime

import pytest

from scheduler.cluster import Allocation, Cluster, Worker
from scheduler.documents import cluster_document, workflow_document
from scheduler.execution.events import AttemptEnded, AttemptStarted, Event, Observation, Output
from scheduler.planning.schedule import Placement, Schedule
from scheduler.records import Outcome
from scheduler.store import Store
from scheduler.store.outputs import AttemptOutput
from scheduler.workflow import Task, Workflow
from scheduler.workloads.probing import nothing_known

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def run(store: Store) -> int:
    workflow = Workflow("w", [Task(id="a", kind="k")])
    cluster = Cluster("c", [Worker(name="w", cores=1, memory=1)])
    return store.begin_run(
        workflow=workflow_document(workflow),
        cluster=cluster_document(cluster),
        objective={},
        forecast=nothing_known(workflow, cluster),
        schedule=Schedule((Placement("a", "w", 0.0, 1.0, Allocation(1.0, 1)),), planner="none"),
        executor="none",
        label="",
        at=NOON,
    )


def ended(task: str, *outputs: Output, attempt: int = 1) -> Event:
    seen = Observation(Outcome.SUCCEEDED, outputs=outputs)
    return AttemptEnded(task, attempt, "w", 1.0, NOON, seen)


def kept(store: Store, run: int) -> None:
    events = [
        ended("a", Output("stdout", "All went well\n50% done\n"), Output("stderr", "a warning\n")),
        ended("b", Output("stdout", "", 12), attempt=2),
        ended("c"),
    ]
    begun = [
        AttemptStarted(task, attempt, "w", 0.0, NOON, Allocation(1.0, 1))
        for task, attempt in (("a", 1), ("b", 2), ("c", 1))
    ]
    store.append_events(run, [*begun, *events], at=NOON)


def test_what_was_written_comes_back(store: Store, run: int) -> None:
    kept(store, run)
    assert store.outputs(run) == (
        AttemptOutput("stdout", "All went well\n50% done\n", 0, task="a", attempt=1),
        AttemptOutput("stderr", "a warning\n", 0, task="a", attempt=1),
        AttemptOutput("stdout", "", 12, task="b", attempt=2),
    )
    assert [each.stream for each in store.outputs(run, task="a")] == ["stdout", "stderr"]
    assert store.outputs(run + 1) == ()


@pytest.mark.parametrize(
    ("text", "streams"),
    [("WENT", ["stdout"]), ("warning", ["stderr"]), ("50%", ["stdout"]), ("5_%", []), ("'", [])],
)
def test_it_is_found_by_what_it_says(store: Store, run: int, text: str, streams: list[str]) -> None:
    kept(store, run)
    assert [each.stream for each in store.outputs(run, text=text)] == streams


def test_lines_are_found_with_their_numbers() -> None:
    output = AttemptOutput("stdout", "one\ntwo TWO\nthree", task="a")
    assert output.lines_with("two") == ((2, "two TWO"),)


def test_events_do_not_hold_it_twice(store: Store, run: int) -> None:
    kept(store, run)
    seen = [each.observation for each in store.run_attempts(run)]
    assert all(each is None or each.outputs == () for each in seen)
