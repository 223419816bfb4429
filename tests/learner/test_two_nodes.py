"""A training over two nodes of a Ray cluster of which one is lost on the way."""

import os
import secrets
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pytest
from logged_worlds import compared_logs, filled

from learner.networks.base import Shape
from learner.training.on_ray import train
from learner.training.settings import TrainingSettings
from scheduler.store import Store
from scheduler.store.values import ModelVersion

EPOCHS = 60
# nothing is drawn while it learns, so that one worker or two learn the same
STEADY = Shape(width=8, experts=2, dropout=0.0, spare=0.0)
SETTINGS = TrainingSettings(epochs=EPOCHS, patience=EPOCHS, shape=STEADY, folds=0, refit=False)

# in a process of its own: a cluster of this one would share its token with other tests
SCRIPT = """
    import sys, threading, time
    from pathlib import Path
    from ray.cluster_utils import Cluster
    from learner.training.on_ray import settings_of, train
    from scheduler.store import Store

    url, kept = sys.argv[1], Path(sys.argv[2])
    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    second = cluster.add_node(num_cpus=1)

    def lose_the_second_node():
        while not list(kept.glob("*-models/trainings/*-checkpoints/manifest.json")):
            time.sleep(0.01)
        with Store.open(url) as store:
            told = store.training_metrics(2)
        print("lost after", max((m.epoch for m in told), default=0), flush=True)
        cluster.remove_node(second, allow_graceful=False)

    if __name__ == "__main__":
        threading.Thread(target=lose_the_second_node, daemon=True).start()
        with Store.open(url) as store:
            train(store, settings_of(store, 1), workers=(1, 2), address=cluster.address)
        cluster.shutdown()
"""


def lost_on_the_way(folder: Path, url: str) -> int:
    """Trains with the settings of training 1; after how many epochs the second node went."""
    script = folder / "two_nodes.py"
    script.write_text(textwrap.dedent(SCRIPT))
    around = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    command = [sys.executable, str(script), url, str(folder)]
    done = subprocess.run(
        command, env=around, capture_output=True, text=True, check=False, timeout=270
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout.split("lost after")[1].split()[0])


@pytest.mark.ray
@pytest.mark.timeout(280)
@pytest.mark.filterwarnings("ignore")
def test_a_training_that_loses_a_node_ends_with_the_same_error(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/allot.db"
    with filled(Store.open(url), compared_logs(40)) as store:
        whole = train(store, SETTINGS, workers=0)
        assert lost_on_the_way(tmp_path, url) < EPOCHS - 1
        told = [m.epoch for m in store.training_metrics(2) if m.name == "validation_loss"]
        assert set(told) == set(range(EPOCHS))
        assert store.training(2, now=datetime.now(UTC)).state == "succeeded"
        broken = next(each for each in store.versions() if each.training == 2)
    for name, error in errors(whole).items():
        assert errors(broken)[name] == pytest.approx(error, rel=0.01)


def errors(version: ModelVersion) -> dict[str, float]:
    return {name: each["error"] for name, each in version.metrics["targets"].items()}
