"""A child watched to its end: held to its time and memory, with all the processes it started."""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import psutil

from scheduler.execution.kept import Stream
from scheduler.execution.orders import Orders

SAMPLE_SECONDS = 0.005
SAMPLES_PER_SEARCH = 20  # a search for descendants reads files of each of them
GRACE_SECONDS = 2.0  # between asking an attempt to end and ending it
_TELLS_CHILDREN = any(Path("/proc/self/task").glob("*/children"))
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


@dataclass(frozen=True)
class Watched:
    """How the watch ended: as what, when it was stopped, why, and the peak bytes that were seen."""

    ended_as: str | None
    message: str
    peak_memory: int


@dataclass(frozen=True)
class Limits:
    """What an attempt is held to: bytes, together with all that it starts, and seconds.

    It is stopped where `cancelled` says so, and when nobody is left to give orders and `left` does
    not say that it goes on; both are asked a few times a second.
    """

    memory: int | None
    timeout: float | None
    left: Callable[[], bool]
    cancelled: Callable[[], bool]


def watch(
    child: int, limits: Limits, *, began: float, orders: Orders, streams: Sequence[Stream]
) -> Watched:
    """Waits until the child, which leads its own process group, ends; then ends all it started.

    `began` is on the monotonic clock. Over its memory it is killed at once; for any other reason
    it is asked to end first, and has a moment to do so. The child itself is left to be reaped by
    the caller.
    """
    family, peak = _Family(), 0
    stopped: tuple[str, str] | None = None
    kill_at = float("inf")
    with _End(child, streams) as ended:
        while not ended.within(SAMPLE_SECONDS):
            used = family.resident()
            peak = max(peak, used)
            reason = _over(limits, used, began) or _unwanted(limits, orders, family.samples)
            if reason is not None and (stopped is None or reason[0] == "out_of_memory"):
                stopped = stopped or reason
                over = reason[0] == "out_of_memory"
                kill_at = 0.0 if over else time.monotonic() + GRACE_SECONDS
                _signal_group(child, signal.SIGKILL if over else signal.SIGTERM)
            if time.monotonic() > kill_at:
                _signal_group(child, signal.SIGKILL)
    _end_rest(child)
    ended_as, message = stopped or (None, "")
    return Watched(ended_as, message, peak)


def adopt_orphans() -> None:
    """From now on what attempts leave behind becomes a child of this process, where it can be."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """In a child: it ends when its parent does, however that ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if sys.platform == "linux" and os.getppid() != parent:
        os._exit(1)


def _over(limits: Limits, used: int, began: float) -> tuple[str, str] | None:
    if limits.memory is not None and used > limits.memory:
        over = f"stopped at {used / 1e6:.0f} MB, allocated {limits.memory / 1e6:.0f} MB"
        return "out_of_memory", over
    if limits.timeout is not None and time.monotonic() - began > limits.timeout:
        return "timed_out", f"stopped after its time limit of {limits.timeout:g} s"
    return None


def _unwanted(limits: Limits, orders: Orders, samples: int) -> tuple[str, str] | None:
    if orders.stopped():
        return "cancelled", "stopped as asked"
    if samples % SAMPLES_PER_SEARCH:
        return None
    if orders.hung_up and not limits.left():
        return "lost", "stopped as nobody waits for its answer"
    return ("cancelled", "stopped as asked") if limits.cancelled() else None


class _End:
    """The end of a child, seen without reaping it; meanwhile its streams are taken in."""

    def __init__(self, child: int, streams: Sequence[Stream]) -> None:
        self._child, self._descriptor, self._streams = child, -1, streams
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):  # a kernel without it: look again every sample
                self._descriptor = os.pidfd_open(child)

    def within(self, seconds: float) -> bool:
        """Whether the child has ended, or does in this time."""
        until = time.monotonic() + seconds
        while True:
            poll = select.poll()
            for stream in self._streams:
                if stream.open:
                    poll.register(stream.reader, select.POLLIN)
            if self._descriptor >= 0:
                poll.register(self._descriptor, select.POLLIN)
            left = until - time.monotonic()
            ready = {each for each, _ in poll.poll(max(0.0, left) * 1000)}
            for stream in self._streams:
                if stream.reader in ready:
                    stream.drain()
            if self._over(ready):
                return True
            if left <= 0:
                return False

    def _over(self, ready: set[int]) -> bool:
        if self._descriptor >= 0:
            return self._descriptor in ready
        seen = os.waitid(os.P_PID, self._child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return seen is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


class _Family:
    """All that this process has started, and what that has started, searched for now and then."""

    def __init__(self) -> None:
        self._processes: list[int] = []
        self.samples = -1

    def resident(self) -> int:
        """Bytes that are resident in all of them; those that have ended count nothing."""
        self.samples += 1
        if self.samples % SAMPLES_PER_SEARCH == 0:
            self._processes = descendants(os.getpid())
        return sum(_resident(each) for each in self._processes)


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and that those have, as they are now."""
    found, unseen = list[int](), [pid]
    while unseen:
        children = list(_children(unseen.pop()))
        found += children
        unseen += children
    return found


def _children(pid: int) -> Iterator[int]:
    """Where the system tells the children of a process, no other process is looked at."""
    if not _TELLS_CHILDREN:
        with contextlib.suppress(psutil.NoSuchProcess):
            yield from (each.pid for each in psutil.Process(pid).children())
        return
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            file = Path(f"/proc/{pid}/task/{thread}/children")
            yield from map(int, file.read_text(encoding="ascii").split())


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def _signal_group(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)  # also when it has not come to lead its group yet
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left, or zombies
        os.killpg(child, number)


def _end_rest(child: int) -> None:
    """Ends what is left of its group, and what had left the group."""
    _signal_group(child, signal.SIGKILL)
    for _ in range(100):  # what is ended may have started something in its last moment
        rest = [pid for pid in descendants(os.getpid()) if pid != child]
        if not rest:
            return
        for each in rest:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(each, signal.SIGKILL)
        for each in rest:
            with contextlib.suppress(ChildProcessError):  # not ours: its parent reaps it
                os.waitpid(each, os.WNOHANG)
        time.sleep(0.001)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        _system().prctl(option, value, 0, 0, 0)


@cache
def _system() -> ctypes.CDLL:
    """Found once, before the first child is forked."""
    return ctypes.CDLL(None, use_errno=True)
