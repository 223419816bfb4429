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
from learner.training.on_ray import resume, train
from learner.training.ray_nodes import FREE, GIVE_UP, STUCK, WAIT, Patience
from learner.training.settings import TrainingSettings
from scheduler.store import Store
from scheduler.store.values import ModelVersion

EPOCHS = 30  # of many more the errors on so few rows turn on rounding
# nothing is drawn while it learns, so that one worker or two learn the same
STEADY = Shape(width=8, experts=2, dropout=0.0, spare=0.0)
SETTINGS = TrainingSettings(epochs=EPOCHS, patience=EPOCHS, shape=STEADY, folds=0, refit=False)

# in a process of its own: a cluster of this one would share its token with other tests
SCRIPT = """
    import sys, threading, time
    from pathlib import Path
    from paused_training import Waiting, go_on, waits
    from ray.cluster_utils import Cluster
    from learner.training import ray_fit, ray_nodes
    from learner.training.on_ray import settings_of, train
    from scheduler.errors import AllotError
    from scheduler.store import Store

    kept, workers = Path(sys.argv[1]), tuple(map(int, sys.argv[2:]))
    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    second = cluster.add_node(num_cpus=1)
    ray_nodes.WAIT = 5.0  # seconds: here no node comes back
    ray_fit.Checkpoints = Waiting

    def lose_the_second_node():
        while not waits(kept):
            time.sleep(0.01)
        cluster.remove_node(second, allow_graceful=False)
        print("lost on the way", flush=True)
        go_on(kept)

    if __name__ == "__main__":
        losing = threading.Thread(target=lose_the_second_node, daemon=True)
        losing.start()
        with Store.open(f"sqlite:///{kept}/allot.db") as store:
            try:
                train(
                    store,
                    settings_of(store, 1),
                    workers=workers if len(workers) > 1 else workers[0],
                    address=cluster.address,
                )
            except AllotError as error:
                print("ended with", error, flush=True)
        losing.join(60)
        cluster.shutdown()
"""


def lost_on_the_way(folder: Path, *workers: int) -> str:
    """Trains with the settings of training 1, on two nodes and then on one; what was printed."""
    script = folder / "two_nodes.py"
    script.write_text(textwrap.dedent(SCRIPT))
    around = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_health_check_period_ms": "1000",  # else Ray believes in the lost node for long
        "RAY_health_check_failure_threshold": "3",
    }
    command = [sys.executable, str(script), str(folder), *map(str, workers)]
    done = subprocess.run(
        command, env=around, capture_output=True, text=True, check=False, timeout=560
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "lost on the way" in done.stdout
    return done.stdout


def told_epochs(store: Store) -> set[int]:
    return {m.epoch for m in store.training_metrics(2) if m.name == "validation_loss"}


def ends_like(found: ModelVersion, whole: ModelVersion) -> bool:
    """Whether the errors on the rows that were held out are within 1 %."""
    targets = whole.metrics["targets"]
    return {name: each["error"] for name, each in found.metrics["targets"].items()} == {
        name: pytest.approx(each["error"], rel=0.01) for name, each in targets.items()
    }


@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
def test_a_training_that_loses_a_node_goes_on_and_ends_with_the_same_error(tmp_path: Path) -> None:
    with filled(Store.open(f"sqlite:///{tmp_path}/allot.db"), compared_logs(40)) as store:
        whole = train(store, SETTINGS, workers=0)
        lost_on_the_way(tmp_path, 1, 2)
        assert store.training(2, now=datetime.now(UTC)).state == "succeeded"
        assert told_epochs(store) == set(range(EPOCHS))
        assert ends_like(next(each for each in store.versions() if each.training == 2), whole)


@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
def test_a_training_that_cannot_do_without_a_lost_node_says_so_and_goes_on_with_fewer(
    tmp_path: Path,
) -> None:
    with filled(Store.open(f"sqlite:///{tmp_path}/allot.db"), compared_logs(40)) as store:
        whole = train(store, SETTINGS, workers=0)
        printed = lost_on_the_way(tmp_path, 2)
        assert "ended with Ray's nodes have room for 1 training workers" in printed
        assert store.training(2, now=datetime.now(UTC)).state == "failed"
        before = told_epochs(store)
        assert ends_like(resume(store, 2, workers=0), whole)
        assert before < told_epochs(store) == set(range(EPOCHS))


def test_workers_that_wait_for_a_lost_node_are_let_go_and_those_that_train_never() -> None:
    patience = Patience(least=1)
    assert patience.see(["RESCHEDULING"], 1, now=0.0) is None
    assert patience.see(["RESCHEDULING"], 1, now=STUCK - 1) is None
    assert patience.see(["RESCHEDULING"], 1, now=STUCK) == FREE
    assert patience.see(["CREATED", "RESCHEDULING"], 1, now=STUCK) is None
    assert patience.see(["RESCHEDULING"], 1, now=STUCK + 1) is None  # counted anew


def test_too_few_nodes_are_waited_for_no_longer_than_nodes_take_to_come() -> None:
    patience = Patience(least=2)
    assert patience.see(["PENDING"], 1, now=0.0) is None
    assert patience.see(["REMOVED"], 1, now=WAIT - 1) is None
    assert patience.see(["PENDING"], 1, now=WAIT) == GIVE_UP
    assert patience.see(["PENDING"], 2, now=WAIT + 1) is None  # one came
    assert patience.see(["PENDING"], 1, now=WAIT + 2) is None  # counted anew


def test_cores_that_are_there_and_used_by_others_are_waited_for_without_end() -> None:
    patience = Patience(least=2)
    assert all(patience.see(["PENDING"], 2, now=i * WAIT) is None for i in range(9))
