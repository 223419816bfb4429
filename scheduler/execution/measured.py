"""One attempt carried out and measured in a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Self

from scheduler.execution.events import Observation, Output
from scheduler.execution.orders import APART, STOP
from scheduler.execution.place import THREADS
from scheduler.records import Outcome

SECONDS_TO_LEAVE = 5.0
_PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR", "TEMP", "TMP", "LANG"),
    *("LANGUAGE", "PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "VIRTUAL_ENV", "LD_LIBRARY_PATH"),
    *("DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "XDG_RUNTIME_DIR", "SSL_CERT_FILE"),
    *("SSL_CERT_DIR", "SYSTEMROOT", "ALLOT_RUNS"),
)


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """What an attempt gets to know of an environment: what programs need, and nothing else."""
    return {
        name: value
        for name, value in environment.items()
        if name in _PASSED_ON or name.startswith("LC_")
    }


class Nursery:
    """A running nursery: its children use `threads` threads, one at a time.

    It leads a session of its own: what ends this process or its terminal does not end it. One that
    is `apart` is not even a child of this process.
    """

    def __init__(self, threads: int, *, apart: bool = False) -> None:
        self.threads, self._apart, self._over = threads, apart, False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scheduler.execution.nursery", *([APART] if apart else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=passed_on(os.environ) | dict.fromkeys(THREADS, str(threads)),
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders, self._answers = self._process.stdin, self._process.stdout

    def fileno(self) -> int:
        """What is readable when there is an answer, or nobody is left to give one."""
        return self._answers.fileno()

    def carry_out(self, order: Mapping[str, Any]) -> Observation:
        """Runs an order to its end; an attempt whose nursery died is lost."""
        self.begin(order)
        return self.answer()

    def begin(self, order: Mapping[str, Any]) -> None:
        """Sends an order and returns at once; `answer` tells what came of it."""
        with contextlib.suppress(BrokenPipeError):  # told by the answer that does not come
            self._orders.write(json.dumps(order).encode() + b"\n")
            self._orders.flush()

    def stop(self) -> None:
        """Stops the attempt that runs, if one does."""
        with contextlib.suppress(BrokenPipeError):  # nothing runs any more
            self._orders.write(STOP.encode() + b"\n")
            self._orders.flush()

    def answer(self) -> Observation:
        """Waits for the end of the order that was sent last."""
        line = self._answers.readline()
        if not line.endswith(b"\n"):
            self._over = True
            code = "" if self._apart else f" with code {self._process.wait()}"
            return Observation(
                Outcome.LOST, message=f"the process that ran the attempt ended{code}"
            )
        return observation(json.loads(line))

    @property
    def alive(self) -> bool:
        """Whether it can take another order."""
        if self._apart:
            return not self._over
        return self._process.poll() is None

    def close(self) -> None:
        """Ends it, and the child that may still run."""
        self.stop()
        self.hang_up()
        try:
            self._process.wait(SECONDS_TO_LEAVE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()

    def let_go(self) -> None:
        """Leaves it: it ends when nothing runs in it that survives."""
        self.hang_up()
        self._answers.close()
        if self._apart:
            self._process.wait()  # the one that has started it ends at once

    def hang_up(self) -> None:
        """Gives no more orders; whoever waits for an answer goes on waiting."""
        with contextlib.suppress(BrokenPipeError):  # an order that nobody will read any more
            self._orders.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def observation(answer: Mapping[str, Any]) -> Observation:
    """What a nursery's answer tells."""
    outputs = tuple(Output(**each) for each in answer.get("outputs", ()))
    return Observation(**{**answer, "outcome": Outcome(answer["outcome"]), "outputs": outputs})
