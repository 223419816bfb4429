"""Actions that attempts in the tests run: each does one thing that can be measured."""

import os
import sys
import time
from pathlib import Path

from scheduler.execution.place import Place


def rest(place: Place, *, seconds: float) -> None:
    time.sleep(seconds)


def rest_until(place: Place, *, notes: list[str], seconds: float) -> None:
    """Rests until all these files are there, or for so long."""
    until = time.monotonic() + seconds
    while not all(os.path.exists(each) for each in notes) and time.monotonic() < until:
        time.sleep(0.02)


def spin(place: Place, *, seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def fill(place: Place, *, size: int) -> None:
    data = bytearray(os.urandom(4096)) * (size // 4096)
    data[-1] = 1


def fill_and_rest(place: Place, *, size: int, seconds: float) -> None:
    data = bytearray(os.urandom(4096)) * (size // 4096)
    time.sleep(seconds)
    data[-1] = 1


def break_down(place: Place, *, words: str) -> None:
    raise LookupError(words)


def leave(place: Place, *, code: int) -> None:
    os._exit(code)


def close_all_and_rest(place: Place, *, seconds: float) -> None:
    os.closerange(0, 256)
    time.sleep(seconds)


def leave_behind(place: Place, *, seconds: float, note: str) -> None:
    child = os.fork()
    if child == 0:
        time.sleep(seconds)
        os._exit(0)
    Path(note).write_text(str(child))


def note_and_rest(place: Place, *, seconds: float, note: str) -> None:
    Path(note).write_text(str(os.getpid()))
    time.sleep(seconds)


def fill_a_child(place: Place, *, size: int, seconds: float) -> None:
    """Rests when the child has filled its memory, and has not gone yet."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        data = bytearray(os.urandom(4096)) * (size // 4096)
        os.write(writer, b".")
        time.sleep(10 * seconds)
        data[-1] = 1
        os._exit(0)
    os.read(reader, 1)
    time.sleep(seconds)


def exit_with(place: Place, *, code: int | str | None) -> None:
    sys.exit(code)


def speak(place: Place, *, words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def expect_no_input(place: Place) -> None:
    assert os.read(0, 1) == b""
    assert sys.stdin.read() == ""


def expect_place(place: Place, *, worker: str, memory_bytes: int) -> None:
    told = (
        place.worker,
        os.environ["ALLOT_WORKER"],
        place.memory,
        os.environ["ALLOT_MEMORY_BYTES"],
    )
    assert told == (worker, worker, memory_bytes, str(memory_bytes))


def expect_no_secret(place: Place) -> None:
    assert "AGENTS_OWN_SECRET" not in os.environ
    assert b"AGENTS_OWN_SECRET" not in Path("/proc/self/environ").read_bytes()
