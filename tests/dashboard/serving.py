"""Starts `allot dashboard` as its users do, in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = """
import sys, typer
from dashboard.cli import register
from scheduler.errors import AllotError
app = typer.Typer()
app.callback()(lambda: None)
register(app)
try:
    app()
except AllotError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(*arguments: str, folder: Path | None = None) -> "subprocess.Popen[str]":
    """The command with these arguments, started in a folder that has nothing to do with it."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "dashboard", "--no-browser", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def end(process: "subprocess.Popen[str]", signal_: int = signal.SIGINT) -> tuple[int, str, str]:
    """Ends it as Ctrl-C does; its exit code and what it said."""
    process.send_signal(signal_)
    said, words = process.communicate(timeout=20)
    return process.returncode, said, words


@contextmanager
def served(store: str, folder: Path) -> Iterator[str]:
    """The address of a dashboard on a store, as long as the block lasts."""
    port = free_port()
    process = start("--store", store, "--port", str(port), folder=folder)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("The dashboard is at "):
                break
        else:
            raise AssertionError("the dashboard ended before it was ready")
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)
