from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from dashboard import frames
from dashboard.reading import Plan, RunView
from scheduler.cluster import Allocation, Cluster, Worker
from scheduler.execution.events import Observation
from scheduler.forecast import Forecast, uniform_affinity
from scheduler.planning.objective import Objective
from scheduler.planning.schedule import Placement, Schedule
from scheduler.records import Outcome
from scheduler.store.values import Attempt, KindSummary, Metric, ModelVersion, RunSummary
from scheduler.workflow import Dependency, Task, Workflow

AT = datetime(2026, 5, 4, tzinfo=UTC)
HELD = Allocation(1.0, 1000)


def a_run(state: str, *, makespan: float | None = None) -> RunSummary:
    return RunSummary(
        1, "w", "", state, "heft", "Simulator", "history", 3, 6.0, 5.0, makespan, AT,
        None if state == "running" else AT + timedelta(seconds=8), "",
    )  # fmt: skip


def a_view(
    state: str,
    *attempts: Attempt,
    given_up: dict[str, str] | None = None,
    makespan: float | None = None,
) -> RunView:
    tasks = [Task(id=each, kind="k") for each in "abc"]
    workflow = Workflow("w", tasks, [Dependency("a", "b"), Dependency("b", "c")])
    cluster = Cluster("c", [Worker(name="w0", cores=2, memory=10_000)])
    ones = np.ones((3, 1, 3))
    forecast = Forecast(
        tuple("abc"), ("w0",), 2 * ones, ones, ones, np.zeros((3, 1)), uniform_affinity(3, 1)
    )
    placed = [Placement(each, "w0", 2.0 * i, 2.0 * i + 2, HELD) for i, each in enumerate("abc")]
    plan = Plan(workflow, cluster, Objective(), forecast, Schedule(tuple(placed), "heft", 5.0))
    return RunView(a_run(state, makespan=makespan), plan, attempts, given_up or {})


def tried(
    task: str, start: float, end: float | None, *, number: int = 1,
    outcome: Outcome = Outcome.SUCCEEDED,
) -> Attempt:  # fmt: skip
    seen = None if end is None else Observation(outcome, duration=end - start, peak_memory=500.0)
    return Attempt(task, number, "w0", start, AT + timedelta(seconds=start), HELD, end, seen)


@pytest.mark.parametrize(
    ("view", "state"),
    [
        (a_view("running"), "waiting"),
        (a_view("running", tried("a", 0, None)), "running"),
        (a_view("running", tried("a", 0, 2)), "succeeded"),
        (a_view("running", tried("a", 0, 2, outcome=Outcome.FAILED)), "retrying"),
        (a_view("failed", tried("a", 0, 2, outcome=Outcome.OUT_OF_MEMORY)), "failed"),
        (a_view("lost", tried("a", 0, None)), "interrupted"),
        (a_view("interrupted"), "interrupted"),
        (a_view("failed", given_up={"a": "no attempt is left"}), "given up"),
        (a_view("running", tried("a", 0, 1, outcome=Outcome.LOST), tried("a", 1, 2, number=2)),
         "succeeded"),
    ],
)  # fmt: skip
def test_a_task_is_in_the_state_of_its_last_attempt(view: RunView, state: str) -> None:
    assert frames.states(view)["a"] == state
    assert state in frames.STATES


def test_a_task_is_late_by_its_end_against_the_plan() -> None:
    row = frames.tasks(a_view("succeeded", tried("a", 0.5, 3.5), makespan=8.0)).iloc[0]
    assert row[["late", "duration", "planned duration", "share"]].tolist() == [1.5, 3.0, 2.0, 3 / 8]


def test_a_task_that_never_started_has_no_times() -> None:
    row = frames.tasks(a_view("running", tried("a", 0, 2))).iloc[1]
    assert row[["start", "end", "late", "share"]].isna().all()


def test_a_worker_is_busy_by_the_core_seconds_that_attempts_held() -> None:
    view = a_view("running", tried("a", 0, 2), tried("b", 2, None))
    row = frames.workers(view, until=4.0).iloc[0]
    assert row["busy"] == pytest.approx(0.5)  # one of two cores, all the time
    assert row["planned busy"] == pytest.approx(0.5)


def test_a_run_over_its_plan_says_by_which_share() -> None:
    frame = frames.runs([a_run("succeeded", makespan=9.0), a_run("running")])
    assert frame["over plan"].tolist()[0] == pytest.approx(0.5)
    assert np.isnan(frame["over plan"].tolist()[1])


def test_the_forecast_of_a_task_stands_by_worker_and_level(view: RunView) -> None:
    forecast = view.plan.forecast
    frame = frames.forecast_by_worker(forecast, forecast.tasks[4])
    assert frame["worker"].tolist() == list(forecast.workers)
    assert frame["duration P50"].tolist() == forecast.duration[4, :, 1].tolist()
    assert frame["memory P90"].tolist() == forecast.memory[4, :, 2].tolist()


def test_the_gates_of_a_task_sum_to_one_for_each_target(view: RunView) -> None:
    forecast = view.plan.forecast
    frame = frames.gates(forecast, forecast.tasks[0], forecast.workers[2])
    assert frame.shape == (5, 4)
    assert frame.sum(axis=1).tolist() == pytest.approx([1.0] * 5)


def test_a_forecast_without_gates_has_an_empty_frame() -> None:
    assert frames.gates(a_view("running").plan.forecast, "a", "w0").empty


def test_a_version_tells_which_arm_serves_which_targets() -> None:
    arms = {"cpu": {"arm": "offset"}, "duration": {"arm": "network"}, "memory": {"arm": "offset"}}
    told = ModelVersion("cgc-1", "cgc", AT, "0" * 64, 1, {"arms": arms})
    silent = ModelVersion("cgc-2", "cgc", AT, "0" * 64, 1, {})
    shown = frames.versions([told, silent], {})["arms"].tolist()
    assert shown == ["offset: cpu, memory; network: duration", ""]


def test_versions_are_compared_number_by_number() -> None:
    champion = ModelVersion("v1", "mmoe", AT, "0" * 64, None, {"duration": {"error": 0.3}})
    challenger = ModelVersion("v2", "cgc", AT, "1" * 64, None, {"duration": {"error": 0.2}, "x": 1})
    frame = frames.comparison({"champion": champion, "challenger": challenger})
    assert frame["number"].tolist() == ["duration.error", "x"]
    assert frame["difference"].tolist()[0] == pytest.approx(-0.1)
    assert np.isnan(frame["difference"].tolist()[1])


def test_a_kind_fails_by_the_share_of_its_attempts() -> None:
    frame = frames.kinds([KindSummary("sort", "w0", 10, 7, 1.0, None, None)])
    assert frame[["failed", "failure"]].iloc[0].tolist() == [3, pytest.approx(0.3)]


def test_metrics_keep_their_order() -> None:
    frame = frames.metrics([Metric(1, "duration", "loss", 0.5), Metric(2, "duration", "loss", 0.4)])
    assert frame.to_numpy().tolist() == [
        [1, "duration", "loss", 0.5], [2, "duration", "loss", 0.4]]  # fmt: skip


def test_the_full_store_has_one_failed_attempt_and_one_task_given_up(view: RunView) -> None:
    assert sum(map(frames.failed, view.attempts)) == 1
    assert list(frames.states(view).values()).count("given up") == 1
