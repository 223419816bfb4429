"""Which process is which: one that lives is told apart from a later one with the same number."""

import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import psutil

_PROC = Path("/proc")


def user() -> str:
    """Whom the operating system says this process belongs to; by number where that has no name."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # of a container that was given any number
        return f"user {os.getuid()}"


@dataclass(frozen=True)
class Identity:
    """A process of one host: its number, when it started, and since which start of the machine.

    `started` and `boot` are compared for equality only. Where the system has no /proc, `started`
    is the clock's time and `boot` is empty.
    """

    host: str
    boot: str
    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process of this number on this host; None where there is none, or a dead one."""
        started = _started(pid)
        return None if started is None else cls(socket.gethostname(), _boot(), pid, started)

    @classmethod
    def here(cls) -> Self:
        """This process."""
        found = cls.of(os.getpid())
        assert found is not None
        return found

    @classmethod
    def read(cls, plain: Mapping[str, object]) -> Self:
        """The one that `vars` wrote; raises KeyError, ValueError or TypeError for another."""
        pid = plain["pid"]
        if not isinstance(pid, int) or isinstance(pid, bool):
            raise TypeError(f"pid must be a whole number, found {pid!r}")
        return cls(str(plain["host"]), str(plain["boot"]), pid, str(plain["started"]))

    @property
    def local(self) -> bool:
        """Whether it is, or was, a process of this host."""
        return self.host == socket.gethostname()

    @property
    def lives(self) -> bool:
        """Whether it still runs; only to be asked on its own host."""
        return self.boot == _boot() and _started(self.pid) == self.started


@cache
def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When it started; None for one that is over, also where nobody has taken note of that yet."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(encoding="latin-1").rpartition(")")[2]
    except (FileNotFoundError, ProcessLookupError):
        return None if (_PROC / "self/stat").exists() else _started_by_the_clock(pid)
    state, started = fields.split()[0], fields.split()[19]
    return None if state in "ZX" else started


def _started_by_the_clock(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        return f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None
