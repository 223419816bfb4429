"""Starts `allot dashboard` as its users do, in a process of its own."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0  # seconds after which something will not come any more, on a busy machine
PORTS = range(20_000, 32_000)  # below those that the system gives to whoever asks for any
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
    """A port that nobody listens at, and that nobody is given unless they ask for it."""
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no port is free")


def until(true: Callable[[], object], what: str) -> None:
    """Waits until something is true, however long that takes on a busy machine."""
    limit = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < limit, what
        time.sleep(0.05)


def start(*arguments: str, folder: Path | None = None) -> "subprocess.Popen[str]":
    """The command with these arguments, started in a folder that has nothing to do with it."""
    return subprocess.Popen(
        _command(*arguments), text=True, cwd=folder, env=_environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def end(process: "subprocess.Popen[str]", signal_: int = signal.SIGINT) -> tuple[int, str, str]:
    """Ends it as Ctrl-C does; its exit code and what it said."""
    process.send_signal(signal_)
    said, words = process.communicate(timeout=PATIENCE)
    return process.returncode, said, words


@dataclass
class Server:
    """A dashboard on a store; one that was stopped is started anew at the same address.

    What it says goes into a file: a pipe that nobody empties stops it once it is full.
    """

    store: str
    folder: Path
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> Path:
        return self.folder / f"said-{self.port}"

    def start(self) -> None:
        asked = _command("--store", self.store, "--port", str(self.port))
        with self.said.open("w") as words:
            self._process = subprocess.Popen(
                asked, cwd=self.folder, env=_environment(), stdout=words, stderr=words
            )
        until(self._ready, f"the dashboard is ready; it said {self.said.read_text()}")

    def _ready(self) -> bool:
        words = self.said.read_text()
        assert self._process.poll() is None, f"the dashboard ended before it was ready: {words}"
        return "The dashboard is at " in words

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()  # nothing is left, whatever the test says of it


@contextmanager
def served(store: str, folder: Path) -> Iterator[str]:
    """The address of a dashboard on a store, as long as the block lasts."""
    server = Server(store, folder)
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", COMMAND, "dashboard", "--no-browser", *arguments]


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}
