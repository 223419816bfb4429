"""What every predictor keeps, known kinds or unknown, known workers or unknown."""

import numpy as np
import pytest
from logged_worlds import KINDS, WORKERS, one_learned, one_world

from learner.predictor import NetworkPredictor
from scheduler import predictors
from scheduler.cluster import Cluster, Worker
from scheduler.discover import implementations
from scheduler.forecast import QUANTITIES, Forecast
from scheduler.predictors.base import Predictor
from scheduler.predictors.history import HistoryPredictor
from scheduler.workflow import Task, Workflow

MAKERS = {
    "history": lambda: HistoryPredictor.learn(one_world()),
    "history of nothing": lambda: HistoryPredictor.learn([]),
    "network": lambda: NetworkPredictor(one_learned(), "cgc-1"),
}
SIZES = ({}, {"input_bytes": 0.0}, {"input_bytes": 3e6}, {"input_bytes": 1e15}, {"never_seen": 5.0})

every_predictor = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def workflow() -> Workflow:
    kinds = (*KINDS, "never seen")
    tasks = [
        Task(id=f"{kind}-{i}", kind=kind, sizes=sizes)
        for kind in kinds
        for i, sizes in enumerate(SIZES)
    ]
    return Workflow("nightly", tasks)


def cluster() -> Cluster:
    names = (*WORKERS, "never seen")
    return Cluster("four", [Worker(name=name, cores=4, memory=8 * 2**30) for name in names])


def forecast(make) -> Forecast:
    predictor: Predictor = make()
    return predictor.predict(workflow(), cluster())


def test_every_predictor_of_the_folder_is_under_contract() -> None:
    assert set(implementations(predictors, Predictor)) <= set(MAKERS)


@every_predictor
def test_every_task_is_answered_on_every_worker(make) -> None:
    found = forecast(make)
    assert found.tasks == tuple(workflow().index)
    assert found.workers == (*WORKERS, "never seen")


@every_predictor
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_quantiles_are_ordered_finite_and_positive(make, quantity: str) -> None:
    values = getattr(forecast(make), quantity)
    assert np.isfinite(values).all()
    assert (values > 0).all()
    assert (np.diff(values, axis=-1) >= 0).all()


@every_predictor
def test_affinity_is_a_distribution_over_workers(make) -> None:
    np.testing.assert_allclose(forecast(make).affinity.sum(1), 1.0)


@every_predictor
def test_a_worker_without_the_skill_gets_no_affinity(make) -> None:
    task = Task(id="t", kind="sort", skills=frozenset({"gpu"}))
    workers = [
        Worker(name="alpha", cores=4, memory=2**30),
        Worker(name="beta", cores=4, memory=2**30, skills=frozenset({"gpu"})),
    ]
    affinity = make().predict(Workflow("one", [task]), Cluster("two", workers)).affinity
    np.testing.assert_allclose(affinity, [[0.0, 1.0]])


@every_predictor
def test_an_unknown_worker_twice_as_fast_is_believed_to_take_half_the_time(make) -> None:
    workers = [
        Worker(name="new", cores=4, memory=2**30),
        Worker(name="new and fast", cores=4, memory=2**30, speed=2.0),
    ]
    tasks = Workflow("one", [Task(id="t", kind="sort", sizes={"input_bytes": 2e6})])
    duration = make().predict(tasks, Cluster("two", workers)).duration
    np.testing.assert_allclose(duration[:, 1], duration[:, 0] / 2)


@every_predictor
def test_the_same_question_gets_the_same_answer(make) -> None:
    one, two = forecast(make), forecast(make)
    assert np.array_equal(one.duration, two.duration)
    assert np.array_equal(one.affinity, two.affinity)
