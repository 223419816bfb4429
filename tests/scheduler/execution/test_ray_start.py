import socket
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from scheduler.errors import AllotError
from scheduler.execution.executors.ray_start import ray_running


@pytest.mark.parametrize(
    "address", ["nonsense", "ray://here:10001", "a b:1", "here:", "here:99999999"]
)
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with (
        pytest.raises(AllotError, match="must be local, auto or host:port"),
        ray_running(address=address),
    ):
        pass


def never(*_: object, **__: object) -> None:
    """In the place of Ray's own start, which would try for minutes."""
    raise AssertionError("Ray is asked to find what is not there")


def test_an_address_at_which_nobody_is_is_refused_before_ray_looks_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray, "init", never)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(AllotError, match="Nobody answers"), ray_running(address=address):
            pass


def test_auto_without_a_ray_says_how_to_start_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(AllotError, match="ray start --head"), ray_running(address="auto"):
        pass


def test_auto_does_not_wait_for_a_ray_that_was_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "ray_current_cluster").write_text(address, encoding="utf-8")
        with pytest.raises(AllotError, match=address), ray_running(address="auto"):
            pass


LATE = Exception("The current node timed out during startup. This could happen because")


def test_a_ray_that_does_not_come_up_in_time_is_started_again_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left: list[subprocess.Popen[bytes]] = []

    def too_slow_once(*_: object, **__: object) -> None:
        if not left:
            home = str(Path(ray.__file__).parent)
            sleeping = [sys.executable, "-c", "import time; time.sleep(600)", f"{home}/raylet"]
            left.append(subprocess.Popen(sleeping))
            raise LATE

    with subprocess.Popen(["sleep", "600"]) as other:
        try:
            monkeypatch.setattr(ray, "init", too_slow_once)
            with ray_running():
                pass
            left[0].wait(100)
            assert other.poll() is None
        finally:
            other.kill()


def test_a_ray_that_never_comes_up_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_slow(*_: object, **__: object) -> None:
        raise LATE

    monkeypatch.setattr(ray, "init", too_slow)
    with pytest.raises(AllotError, match="too much else runs"), ray_running():
        pass


def test_what_else_goes_wrong_as_ray_starts_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = list[object]()

    def broken(*_: object, **__: object) -> None:
        tries.append(1)
        raise OSError("no memory")

    monkeypatch.setattr(ray, "init", broken)
    with pytest.raises(OSError, match="no memory"), ray_running():
        pass
    assert len(tries) == 1


PRIVATE = """
from scheduler.execution.executors.ray_start import ray_running
with ray_running():
    print("running", flush=True)
    input()
"""


def test_auto_does_not_take_the_ray_that_another_program_keeps_for_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with subprocess.Popen(
        [sys.executable, "-c", PRIVATE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "running\n"
            monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
            monkeypatch.setattr(ray, "init", never)
            with pytest.raises(AllotError, match="ray start --head"), ray_running(address="auto"):
                pass
        finally:
            other.communicate("\n", timeout=100)  # it ends its Ray itself
