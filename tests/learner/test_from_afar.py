"""A training asked of a cluster through Ray's client."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from logged_worlds import compared_logs, filled

from learner.training.from_afar import CALLS, _called, inside
from learner.training.on_ray import train
from scheduler.errors import AllotError, InvalidInput, NotFound
from scheduler.store import Store
from tests.dashboard.serving import free_port

RAY = str(Path(sys.executable).with_name("ray"))

# in a process of its own: Ray's client lives as long as its process, and so does the token
SCRIPT = """
    import sys
    from learner.training.on_ray import train
    from learner.training.settings import TrainingSettings
    from scheduler.store import Store

    if __name__ == "__main__":
        url, address = sys.argv[1:]
        told = []
        settings = TrainingSettings(epochs=3, folds=0, refit=False)
        with Store.open(url) as store:
            train(store, settings, workers=1, address=address, on_progress=told.append)
"""


def answers(port: int, *, within: float) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.2)
    return False


@pytest.fixture
def cluster() -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a head's client server, and the environment that knows its token."""
    pytest.importorskip("grpc", reason="needs the extra client")
    folder = tempfile.mkdtemp(dir="/tmp", prefix="afar")  # Ray's sockets want a short path
    around = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    port = free_port()
    command = [RAY, "start", "--head", "--block", "--num-cpus", "2", "--temp-dir", folder]
    command += ["--port", str(free_port()), "--include-dashboard=false"]
    command += ["--ray-client-server-port", str(port), "--min-worker-port=0"]
    command += ["--max-worker-port=0"]
    head = subprocess.Popen(
        command, env=around, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert answers(port, within=150), "the head's client server did not come up"
        yield f"ray://127.0.0.1:{port}", around
    finally:
        os.killpg(head.pid, signal.SIGKILL)  # asked politely it takes half a minute
        head.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_a_cluster_trains_for_somebody_outside_of_it(cluster, tmp_path: Path) -> None:
    address, around = cluster
    url = f"sqlite:///{tmp_path}/allot.db"
    filled(Store.open(url), compared_logs(40)).close()
    script = tmp_path / "afar.py"
    script.write_text(textwrap.dedent(SCRIPT))
    done = subprocess.run(
        [sys.executable, str(script), url, address],
        env=around, capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    with Store.open(url) as store:
        (version,) = store.versions()
        assert store.aliases()["champion"] == version.id
        assert {each.epoch for each in store.training_metrics(version.training)} == {0, 1, 2}


def test_a_head_that_once_fails_to_start_its_server_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[object] = [ConnectionAbortedError("Starting Ray client server failed."), "client"]

    def answer(*_: object, **__: object) -> object:
        told = answers.pop(0)
        if isinstance(told, Exception):
            raise told
        return told

    monkeypatch.setattr(ray, "init", answer)
    assert _called("ray://head:1") == "client"
    answers += [ConnectionAbortedError("no memory")] * CALLS
    with pytest.raises(AllotError, match=r"answers, but cannot serve: no memory"):
        _called("ray://head:1")
    assert answers == []


def test_a_cluster_that_sees_another_store_says_so(tmp_path: Path) -> None:
    place = (f"sqlite:///{tmp_path}/nowhere.db", str(tmp_path), 7)
    with pytest.raises(InvalidInput, match="there is no file"):
        inside(train, place, (), {})
    Store.open(f"sqlite:///{tmp_path}/empty.db").close()
    place = (f"sqlite:///{tmp_path}/empty.db", str(tmp_path), 7)
    with pytest.raises(InvalidInput, match="its newest record is 0"):
        inside(train, place, (), {})


def test_without_rays_client_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    with (
        Store.open(f"sqlite:///{tmp_path}/allot.db") as store,
        pytest.raises(NotFound, match=r"pip install 'allot\[client\]'"),
    ):
        train(store, workers=1, address="ray://127.0.0.1:1")
