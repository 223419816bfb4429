"""One attempt carried out and measured in a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Self

from scheduler.execution.events import Observation
from scheduler.records import Outcome

SECONDS_TO_LEAVE = 5.0
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "ARROW_NUM_THREADS",
)


class Nursery:
    """A running nursery: its children use `threads` threads, one at a time."""

    def __init__(self, threads: int) -> None:
        environment = os.environ | dict.fromkeys(_THREADS, str(threads))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scheduler.execution.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders, self._answers = self._process.stdin, self._process.stdout

    def carry_out(self, order: Mapping[str, Any]) -> Observation:
        """Runs an order to its end; an attempt whose nursery died is lost."""
        try:
            self._orders.write(json.dumps(order) + "\n")
            self._orders.flush()
            line = self._answers.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self._process.wait()
            return Observation(
                Outcome.LOST, message=f"the process that ran the attempt ended with code {code}"
            )
        answer = json.loads(line)
        return Observation(**answer | {"outcome": Outcome(answer["outcome"])})

    @property
    def alive(self) -> bool:
        """Whether it can take another order."""
        return self._process.poll() is None

    def close(self) -> None:
        """Ends it, and the child that may still run: the end of its orders tells it to."""
        with contextlib.suppress(BrokenPipeError):  # an order that nobody will read any more
            self._orders.close()
        try:
            self._process.wait(SECONDS_TO_LEAVE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
