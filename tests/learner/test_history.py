import numpy as np
import pytest
from logged_worlds import attempt, logs

from scheduler.cluster import Cluster, Worker
from scheduler.predictors.affinity import from_cost
from scheduler.predictors.history import DEFAULT, PRIOR_RISK, HistoryPredictor
from scheduler.records import Outcome, TaskRecord
from scheduler.workflow import Task, Workflow

FAST = Worker(name="fast", cores=4, memory=2**30, speed=2.0)
ALPHA = Worker(name="alpha", cores=4, memory=2**30)


def record(kind: str, worker: str, duration: float, **changes) -> TaskRecord:
    usual = {"run": "r", "task": "t", "outcome": Outcome.SUCCEEDED, "peak_memory": 1e6, "cpu": 1.0}
    return TaskRecord(kind=kind, worker=worker, duration=duration, **(usual | changes))


def test_a_kind_on_a_worker_is_told_by_its_own_quantiles() -> None:
    history = HistoryPredictor.learn(record("sort", "alpha", float(i)) for i in range(1, 12))
    assert history.quantiles("sort", ALPHA, "duration").tolist() == [2.0, 6.0, 10.0]


def test_a_kind_never_seen_on_a_worker_is_told_by_the_kind_and_the_workers_speed() -> None:
    history = HistoryPredictor.learn([record("sort", "alpha", 8.0)])
    assert history.quantiles("sort", FAST, "duration").tolist() == [4.0, 4.0, 4.0]
    assert history.quantiles("sort", FAST, "memory").tolist() == [1e6, 1e6, 1e6]


def test_an_unknown_kind_is_told_by_everything_and_nothing_by_the_default() -> None:
    history = HistoryPredictor.learn([record("sort", "alpha", 8.0)])
    assert history.quantiles("new", ALPHA, "duration")[1] == 8.0
    empty = HistoryPredictor.learn([])
    assert np.array_equal(empty.quantiles("new", ALPHA, "cpu"), DEFAULT.quantities["cpu"])


def test_failed_attempts_do_not_count_as_durations() -> None:
    crashed = record("sort", "alpha", 0.1, outcome=Outcome.FAILED)
    history = HistoryPredictor.learn([record("sort", "alpha", 8.0), crashed])
    assert history.quantiles("sort", ALPHA, "duration")[1] == 8.0


def test_the_risk_moves_from_the_prior_to_what_was_seen() -> None:
    crashed = [record("sort", "alpha", 1.0, outcome=Outcome.FAILED)] * 1000
    assert HistoryPredictor.learn([]).risk("sort", "alpha") == pytest.approx(PRIOR_RISK)
    assert 0.9 < HistoryPredictor.learn(crashed).risk("sort", "alpha") < 1.0
    assert HistoryPredictor.learn(crashed[:1]).risk("sort", "alpha") < 0.6


def test_cancelled_attempts_say_nothing_about_the_risk() -> None:
    stopped = [record("sort", "alpha", 1.0, outcome=Outcome.CANCELLED)] * 50
    assert HistoryPredictor.learn(stopped).risk("sort", "alpha") == pytest.approx(PRIOR_RISK)


def test_affinity_prefers_the_worker_of_least_expected_cost() -> None:
    workers = [Worker(name=name, cores=4, memory=2**30) for name in ("alpha", "beta", "weak")]
    tasks = Workflow("x", [Task(id="s", kind="sort"), Task(id="a", kind="align")])
    forecast = HistoryPredictor.learn(logs(600)).predict(tasks, Cluster("c", workers))
    assert [workers[j].name for j in forecast.affinity.argmax(1)] == ["alpha", "beta"]


def test_twice_the_cost_has_a_sixteenth_of_the_affinity() -> None:
    affinity = from_cost(np.array([[1.0, 2.0]]), np.array([[True, True]]))
    assert affinity[0, 1] / affinity[0, 0] == pytest.approx(1 / 16)


def test_memory_that_was_never_measured_is_what_the_owner_asks_for() -> None:
    task = Task(id="t", kind="new", memory=123)
    forecast = HistoryPredictor.learn(logs(30)).predict(
        Workflow("x", [task]), Cluster("c", [ALPHA])
    )
    assert forecast.memory.ravel().tolist() == [123.0] * 3


def test_a_record_without_a_worker_still_tells_of_its_kind() -> None:
    lonely = attempt(0, "sort", "alpha", 2.0, rng=np.random.default_rng(0))
    history = HistoryPredictor.learn([TaskRecord(**(vars(lonely) | {"worker": None}))])
    assert history.quantiles("sort", ALPHA, "duration")[1] == lonely.duration
