import time

import numpy as np
import pytest
from logged_worlds import KINDS, WORKERS, best_worker, filled, one_learned, one_world, seconds

from learner.predictor import NetworkPredictor, champion
from scheduler.cluster import Cluster, Worker
from scheduler.store import Store
from scheduler.workflow import Task, Workflow

CLUSTER = Cluster("three", [Worker(name=name, cores=4, memory=2**34) for name in WORKERS])


def workflow(*megabytes: float) -> Workflow:
    tasks = [
        Task(id=f"{kind} {size}", kind=kind, sizes={"input_bytes": size * 1e6}, cores=2.0)
        for kind in KINDS
        for size in megabytes
    ]
    return Workflow("nightly", tasks)


@pytest.fixture
def predictor() -> NetworkPredictor:
    return NetworkPredictor(one_learned(), "cgc-1")


def test_the_median_is_near_the_truth_on_every_worker(predictor: NetworkPredictor) -> None:
    tasks = workflow(1.0, 2.0, 4.0)
    told = predictor.predict(tasks, CLUSTER).duration[..., 1]
    sizes = [task.sizes["input_bytes"] / 1e6 for task in tasks.tasks]
    truth = [
        [seconds(t.kind, w, s) for w in WORKERS] for t, s in zip(tasks.tasks, sizes, strict=True)
    ]
    assert np.abs(np.log(told / truth)).mean() < 0.15


def test_the_affinity_names_the_best_worker(predictor: NetworkPredictor) -> None:
    affinity = predictor.predict(workflow(2.0), CLUSTER).affinity
    assert [WORKERS[j] for j in affinity.argmax(1)] == [best_worker(kind, 2.0) for kind in KINDS]


def test_the_risk_is_high_where_attempts_fail_and_low_elsewhere(predictor) -> None:
    tasks = workflow(1.0, 15.0)
    risk = predictor.predict(tasks, CLUSTER).failure
    failing = risk[tasks.index["solve 15.0"], WORKERS.index("weak")]
    assert failing > 0.5
    assert risk[tasks.index["solve 15.0"], WORKERS.index("alpha")] < 0.2
    assert risk[tasks.index["sort 15.0"], WORKERS.index("weak")] < 0.2


def test_gates_are_told_for_every_target_and_pair(predictor: NetworkPredictor) -> None:
    forecast = predictor.predict(workflow(2.0), CLUSTER)
    assert set(forecast.gates) == {"duration", "memory", "cpu", "failure", "assignment"}
    for weights in forecast.gates.values():
        assert weights.shape == (4, 3, len(forecast.experts))
        np.testing.assert_allclose(weights.sum(-1), 1.0, atol=1e-5)


def test_a_forecast_does_not_depend_on_the_other_tasks(predictor: NetworkPredictor) -> None:
    many, one = workflow(1.0, 2.0, 3.0), workflow(2.0)
    row = many.index["align 2.0"]
    alone = predictor.predict(one, CLUSTER).duration[one.index["align 2.0"]]
    np.testing.assert_allclose(predictor.predict(many, CLUSTER).duration[row], alone, rtol=1e-5)


def test_a_thousand_tasks_on_ten_workers_take_less_than_two_seconds(predictor) -> None:
    cluster = Cluster("ten", [Worker(name=f"w{i}", cores=4, memory=2**34) for i in range(10)])
    tasks = workflow(*np.linspace(1, 9, 250))
    began = time.process_time()
    predictor.predict(tasks, cluster)
    assert time.process_time() - began < 2.0


def test_a_store_without_a_champion_offers_no_predictor(tmp_path) -> None:
    with filled(Store.open(f"sqlite:///{tmp_path}/allot.db"), one_world()) as store:
        assert champion(store) is None
