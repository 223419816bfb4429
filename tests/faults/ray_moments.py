"""Moments in the life of an attempt on Ray at which a fault can be made, and the work that it does.

A nursery that finds this module's `install` in its start-up waits at the moment that was asked
for, says which processes carry the attempt, and goes on when it is told to.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BEFORE, AFTER, CODE, DONE = "before its claim", "after its claim", "in its code", "after its code"
SLEEP = 0.02


def work(_place: object, *, folder: str, name: str, seconds: float, gate: str | None) -> None:
    """Leaves its mark before anything else, then takes its time; a gate waits until it is open."""
    begun = f"{name} {os.environ.get('ALLOT_ATTEMPT', 0)} {time.monotonic():.3f}\n"
    descriptor = os.open(f"{folder}/marks", os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(descriptor, begun.encode())
    os.close(descriptor)
    Moments(Path(folder)).come(name, CODE)
    while gate is not None and not Path(gate).exists():
        time.sleep(SLEEP)
    time.sleep(seconds)


class Moments:
    """Where it is asked for moments of tasks, and answered that they have come."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ask(self, task: str, moment: str) -> None:
        """Has the next attempt of the task wait at this moment."""
        _write(self._folder / f"{task}.wanted", moment)

    def come(self, task: str, moment: str) -> None:
        """Waits where that was asked for, once."""
        wanted = self._folder / f"{task}.wanted"
        if not wanted.exists() or wanted.read_text() != moment:
            return
        carried = {
            "nursery": os.getppid() if moment == CODE else os.getpid(),
            "ray": _RAY,
        }
        wanted.unlink()
        _write(self._folder / f"{task}.here", json.dumps(carried))
        while not (self._folder / f"{task}.go").exists():
            time.sleep(SLEEP)

    def here(self, task: str) -> dict[str, int] | None:
        """The processes that carry the attempt which waits; None before its moment has come."""
        file = self._folder / f"{task}.here"
        return json.loads(file.read_text()) if file.exists() else None

    def go_on(self, task: str) -> None:
        """Lets it go on, if it still can."""
        (self._folder / f"{task}.go").touch()


_RAY = os.getppid()  # of the nursery, before it leaves whoever started it


def install(folder: Path) -> None:
    """In a nursery: has moments around claims."""
    if "scheduler.execution.nursery" not in sys.orig_argv:
        return
    from scheduler.execution.claims import Claims

    Claims.take = _around(Claims.take, folder, BEFORE, AFTER)  # type: ignore[method-assign]
    Claims.end = _around(Claims.end, folder, DONE, None)  # type: ignore[method-assign]


def _around(
    what: Callable[..., Any], folder: Path, before: str, after: str | None
) -> Callable[..., Any]:
    def around(claims: Any, name: Any, *args: Any, **more: Any) -> Any:
        run = Moments(folder / name.task.partition(":")[0])
        run.come(name.task, before)
        found = what(claims, name, *args, **more)
        if after is not None:
            run.come(name.task, after)
        return found

    return around


def _write(file: Path, text: str) -> None:
    draft = file.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(file)
