import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

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


def test_an_address_at_which_nobody_is_is_refused_within_seconds() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    began = time.monotonic()
    with pytest.raises(AllotError, match="Nobody answers"), ray_running(address=address):
        pass
    assert time.monotonic() - began < 10


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
            began = time.monotonic()
            with pytest.raises(AllotError, match="ray start --head"), ray_running(address="auto"):
                pass
            assert time.monotonic() - began < 10
        finally:
            other.communicate("\n", timeout=60)  # it ends its Ray itself
