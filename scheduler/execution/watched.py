"""A child watched to its end: held to its time and memory, with all the processes it started."""

import contextlib
import os
import select
import signal
import time
from dataclasses import dataclass
from typing import Self

import psutil

SAMPLE_SECONDS = 0.005
SAMPLES_PER_SEARCH = 20  # a search for descendants reads every process of the machine


@dataclass(frozen=True)
class Watched:
    """How the watch ended: as what, when it was stopped, why, and the peak bytes that were seen."""

    ended_as: str | None
    message: str
    peak_memory: int


def watch(
    child: int, *, memory: int | None, timeout: float | None, began: float, caller: int
) -> Watched:
    """Waits until the child, which leads its own process group, ends; then ends its whole group.

    It is stopped above `memory` bytes (together with its descendants) or `timeout` seconds after
    `began` (monotonic clock), or when nobody holds the other end of the pipe `caller` any more.
    The child itself is left to be reaped by the caller.
    """
    family, peak = _Family(child), 0
    with contextlib.ExitStack() as at_end:
        at_end.callback(_kill_group, child)
        ended = at_end.enter_context(_End(child))
        while not ended.within(SAMPLE_SECONDS):
            used = family.resident()
            peak = max(peak, used)
            if timeout is not None and time.monotonic() - began > timeout:
                return Watched("timed_out", f"stopped after its time limit of {timeout:g} s", peak)
            if _hung_up(caller):
                return Watched("lost", "stopped as nobody waits for its answer", peak)
            if memory is not None and used > memory:
                over = f"stopped at {used / 1e6:.0f} MB, allocated {memory / 1e6:.0f} MB"
                return Watched("out_of_memory", over, peak)
    return Watched(None, "", peak)


class _End:
    """The end of a child, seen without reaping it; where the system allows, at once."""

    def __init__(self, child: int) -> None:
        self._child, self._descriptor = child, -1
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):  # a kernel without it: look again every sample
                self._descriptor = os.pidfd_open(child)

    def within(self, seconds: float) -> bool:
        """Whether the child has ended, or does in this time."""
        if self._descriptor >= 0:
            return bool(select.select([self._descriptor], [], [], seconds)[0])
        time.sleep(seconds)
        seen = os.waitid(os.P_PID, self._child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return seen is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


class _Family:
    """A child and its descendants, searched for now and then."""

    def __init__(self, child: int) -> None:
        self._child = psutil.Process(child)
        self._descendants: list[psutil.Process] = []
        self._samples = 0

    def resident(self) -> int:
        """Bytes that are resident in all of them; those that have ended count nothing."""
        self._samples += 1
        if self._samples % SAMPLES_PER_SEARCH == 0:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._descendants = self._child.children(recursive=True)
        return sum(_resident(each) for each in (self._child, *self._descendants))


def _hung_up(pipe: int) -> bool:
    poll = select.poll()
    poll.register(pipe, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def _kill_group(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)  # also when it has not come to lead its group yet
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left, or zombies
        os.killpg(child, signal.SIGKILL)
