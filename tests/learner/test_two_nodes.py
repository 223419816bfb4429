"""A training over two nodes of a Ray cluster of which one is lost on the way."""

import contextlib
import json
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from logged_worlds import compared_logs, filled
from ray.cluster_utils import Cluster

from learner.networks.base import Shape
from learner.training.on_ray import train
from learner.training.settings import TrainingSettings
from scheduler.store import Store

# nothing is drawn while it learns, so that one worker or two learn the same
STEADY = Shape(width=8, experts=2, dropout=0.0, spare=0.0)
SETTINGS = TrainingSettings(epochs=60, patience=60, shape=STEADY, folds=0, refit=False)


@contextlib.contextmanager
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Cluster, object]]:
    """A head and a second node, one core each, on this machine."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    options = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=options)
    try:
        yield cluster, cluster.add_node(num_cpus=1)
    finally:
        with contextlib.suppress(Exception):  # what is left of it may already be gone
            ray.shutdown()
        cluster.shutdown()


def kept_epoch(folder: Path) -> int:
    found = list(folder.glob("*-models/trainings/*-checkpoints/manifest.json"))
    return json.loads(found[0].read_text())["epoch"] if found else 0


@pytest.mark.ray
@pytest.mark.timeout(280)
@pytest.mark.filterwarnings("ignore")
def test_a_training_that_loses_a_node_ends_with_the_same_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[int] = []
    over = threading.Event()
    with two_nodes(monkeypatch) as (cluster, second):

        def lose_the_second_node() -> None:
            while not over.wait(0.01):
                if epoch := kept_epoch(tmp_path):
                    cluster.remove_node(second, allow_graceful=False)
                    lost.append(epoch)
                    return

        loser = threading.Thread(target=lose_the_second_node)
        with filled(Store.open(f"sqlite:///{tmp_path}/allot.db"), compared_logs(40)) as store:
            loser.start()
            try:
                version = train(store, SETTINGS, workers=(1, 2), address=cluster.address)
            finally:
                over.set()
                loser.join()
            told = [m for m in store.training_metrics(1) if m.name == "validation_loss"]
    assert lost
    assert lost[0] < SETTINGS.epochs
    assert {m.epoch for m in told} == set(range(SETTINGS.epochs))
    with filled(Store.open(f"sqlite:///{tmp_path}/o/whole.db"), compared_logs(40)) as store:
        whole = train(store, SETTINGS, workers=0)
    for name, scores in whole.metrics["targets"].items():
        assert version.metrics["targets"][name]["error"] == pytest.approx(scores["error"], rel=0.01)
