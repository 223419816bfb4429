"""Clusters, records, forecasts and problems refuse nonsense when they are made."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from strategies import records
from worlds import certain, problem_of

from scheduler.cluster import Cluster, Worker
from scheduler.errors import Infeasible, InvalidCluster, InvalidInput, InvalidRecord
from scheduler.forecast import Forecast
from scheduler.planning.problem import Problem
from scheduler.records import Outcome, TaskRecord, as_plain, from_plain
from scheduler.workflow import Task, Workflow

GB = 10**9


def worker(name: str = "w", **values: object) -> Worker:
    return Worker(**{"name": name, "cores": 1, "memory": GB} | values)  # type: ignore[arg-type]


def test_a_cluster_without_workers_is_refused() -> None:
    with pytest.raises(InvalidCluster, match="no workers"):
        Cluster("c", [])


@pytest.mark.parametrize("digits", [19, 400, 5000])
def test_a_whole_number_beyond_all_amounts_is_refused_in_words(digits: int) -> None:
    with pytest.raises(InvalidInput, match=r"priority must be at most 1e\+18, found"):
        Task(id="a", kind="k", priority=-(10**digits))


def test_two_workers_of_one_name_are_refused_by_name() -> None:
    with pytest.raises(InvalidCluster, match="found twice: w"):
        Cluster("c", [worker(), worker()])


@pytest.mark.parametrize("field", ["cores", "memory", "speed"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_a_worker_without_a_positive_amount_is_refused(field: str, value: float) -> None:
    with pytest.raises(InvalidCluster, match=f"'w': {field} must be"):
        worker(**{field: value})


def test_bytes_travel_only_between_different_workers() -> None:
    cluster = Cluster("c", [worker("a"), worker("b")], bandwidth=10.0, latency=0.5)
    assert [cluster.transfer_seconds(20, "a", each) for each in ("a", "b")] == [0.0, 2.5]


NUMBERS = ["duration", "peak_memory", "cpu", "requested_cores", "requested_memory", "time_limit"]


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, 1e308, True, "12 s", 2**63])
def test_a_record_refuses_what_is_no_amount_and_names_field_rule_and_value(
    field: str, value: object
) -> None:
    with pytest.raises(InvalidRecord) as told:
        TaskRecord(run="r", task="t", kind="k", outcome=Outcome.FAILED, **{field: value})  # type: ignore[arg-type]
    assert told.value.field == field
    assert told.value.rule
    assert repr(value)[:20] in told.value.value


@pytest.mark.parametrize(
    "time", [datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))]
)
def test_a_record_takes_times_in_utc_only(time: datetime) -> None:
    with pytest.raises(InvalidRecord, match="started"):
        TaskRecord(run="r", task="t", kind="k", outcome=Outcome.FAILED, started=time)


def test_a_record_cannot_end_before_it_starts() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    with pytest.raises(InvalidRecord, match="ended"):
        TaskRecord(
            run="r",
            task="t",
            kind="k",
            outcome=Outcome.FAILED,
            started=noon,
            ended=noon - timedelta(1),
        )


@given(records())
def test_a_record_survives_being_written_down(record: TaskRecord) -> None:
    assert from_plain(as_plain(record)) == record


@given(records(), records())
def test_keys_are_equal_exactly_where_records_are(one: TaskRecord, other: TaskRecord) -> None:
    assert (one.key() == other.key()) == (one == other)


def test_two_equal_records_of_one_log_have_two_keys() -> None:
    record = TaskRecord(run="r", task="t", kind="k", outcome=Outcome.FAILED)
    assert record.key(0) != record.key(1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"duration": np.full((1, 2, 3), np.nan)}, "duration must be finite"),
        ({"memory": np.zeros((1, 2, 3))}, "memory must be finite and above zero"),
        ({"cpu": np.array([[[1.0, 3.0, 2.0]] * 2])}, "quantiles of cpu must not cross"),
        ({"failure": np.full((1, 2), 1.5)}, "failure must lie in 0..1"),
        ({"duration": np.ones((2, 2, 3))}, "shape"),
    ],
)
def test_a_forecast_refuses_absurd_beliefs(change: dict[str, np.ndarray], words: str) -> None:
    sane = problem_of([[1.0, 2.0]]).forecast
    with pytest.raises(InvalidInput, match=words):
        replace(sane, **change)


def test_a_level_between_two_quantiles_lies_between_their_values() -> None:
    forecast = problem_of([[1.0]]).forecast
    uneven = replace(forecast, duration=np.array([[[1.0, 2.0, 4.0]]]))
    assert [float(uneven.at("duration", level)[0, 0]) for level in (0.05, 0.1, 0.3, 0.7, 0.99)] == [
        1.0,
        1.0,
        1.5,
        3.0,
        4.0,
    ]


def believed(task: Task, *workers: Worker, memory: float) -> Problem:
    workflow, cluster = Workflow("w", [task]), Cluster("c", workers)
    return Problem(workflow, cluster, certain(workflow, cluster, [[1.0] * len(workers)], memory))


def test_a_task_that_no_worker_can_take_is_named_with_each_workers_reason() -> None:
    task = Task(id="big", kind="k", memory=5 * GB, skills=frozenset({"gpu"}))
    with pytest.raises(Infeasible) as told:
        believed(task, worker("a"), worker("b", skills=frozenset({"gpu"})), memory=1.0)
    assert "'big'" in str(told.value)
    assert "'a' lacks the skill 'gpu'" in str(told.value)
    assert "'b' has 1 GB, the task needs 5 GB" in str(told.value)


def test_memory_that_is_only_believed_never_leaves_a_task_without_a_worker() -> None:
    problem = believed(
        Task(id="t", kind="k"), worker("small"), worker("large", memory=4 * GB), memory=9.0 * GB
    )
    assert problem.eligible.tolist() == [[False, True]]
    assert problem.allocation(0, 1).memory == 4 * GB


def test_memory_that_was_asked_for_is_reserved_as_asked() -> None:
    problem = believed(Task(id="t", kind="k", memory=GB // 2), worker(), memory=9.0)
    assert problem.allocation(0, 0).memory == GB // 2


def test_believed_memory_is_reserved_with_its_margin() -> None:
    problem = believed(Task(id="t", kind="k"), worker(), memory=GB / 2)
    assert problem.allocation(0, 0).memory == math.ceil(GB / 2 * problem.objective.memory_margin)


def test_a_forecast_for_other_tasks_is_refused() -> None:
    problem = problem_of([[1.0]])
    other = Forecast(
        ("x",),
        problem.forecast.workers,
        *(
            getattr(problem.forecast, name)
            for name in ("duration", "memory", "cpu", "failure", "affinity")
        ),
    )
    with pytest.raises(InvalidInput, match="exactly the tasks"):
        Problem(problem.workflow, problem.cluster, other)
