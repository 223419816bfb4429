from dataclasses import replace

import numpy as np
import pytest
from logged_worlds import KINDS, one_learned

from learner.predictor import NetworkPredictor
from learner.stand_ins import pace, stand_in
from scheduler.cluster import Cluster, Worker
from scheduler.workflow import Task, Workflow


def worker(name: str, **scores: float) -> Worker:
    return Worker(name=name, cores=4, memory=2**34, scores=scores)


ALPHA, BETA = worker("alpha", cpu=400, io=400), worker("beta", cpu=200, io=300)
TASKS = Workflow(
    "nightly", [Task(id=kind, kind=kind, sizes={"input_bytes": 2e6}) for kind in KINDS]
)


def test_the_known_worker_with_the_nearest_scores_stands_in() -> None:
    assert stand_in(worker("new", cpu=220, io=310), [ALPHA, BETA], KINDS) is BETA
    assert stand_in(worker("new", cpu=410, io=380), [ALPHA, BETA], KINDS) is ALPHA


def test_nobody_stands_in_where_no_score_can_be_compared() -> None:
    assert stand_in(worker("new", gpu=3), [ALPHA, BETA], KINDS) is None
    assert stand_in(worker("new", sort=3), [replace(ALPHA, scores={"sort": 2})], KINDS) is None


def test_the_pace_is_the_geometric_mean_of_the_scores() -> None:
    assert np.exp(pace(ALPHA, BETA, "sort", KINDS)) == pytest.approx(np.sqrt(2 * 400 / 300))


def test_a_score_of_the_kind_goes_halfway() -> None:
    one, other = worker("a", cpu=400, sort=9), worker("b", cpu=400, sort=1)
    assert np.exp(pace(one, other, "sort", KINDS)) == pytest.approx(3)
    assert pace(one, other, "merge", KINDS) == 0


def test_a_worker_that_no_log_knows_is_forecast_like_its_stand_in_and_as_much_faster() -> None:
    new = worker("new", cpu=800, io=800)
    told = NetworkPredictor(one_learned(), "v").predict(TASKS, Cluster("c", [ALPHA, BETA, new]))
    np.testing.assert_allclose(told.duration[:, 2], told.duration[:, 0] / 2)
    np.testing.assert_allclose(told.memory[:, 2], told.memory[:, 0])


def test_without_scores_its_speed_counts() -> None:
    plain = Worker(name="new", cores=4, memory=2**34)
    pair = Cluster("c", [plain, replace(plain, name="fast", speed=2.0)])
    told = NetworkPredictor(one_learned(), "v").predict(TASKS, pair)
    np.testing.assert_allclose(told.duration[:, 1], told.duration[:, 0] / 2)


def test_scores_of_known_workers_change_nothing() -> None:
    bare = [replace(each, scores={}) for each in (ALPHA, BETA)]
    predictor = NetworkPredictor(one_learned(), "v")
    one, two = (predictor.predict(TASKS, Cluster("c", each)) for each in ((ALPHA, BETA), bare))
    assert np.array_equal(one.duration, two.duration)
