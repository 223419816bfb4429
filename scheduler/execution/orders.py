"""The channel by which a nursery gets orders, read without ever waiting while an attempt runs."""

import os
import select
from collections.abc import Iterator
from dataclasses import dataclass, field

STOP = "stop"  # a line of its own, while an attempt runs
APART = "apart"  # the argument of a nursery that is to be no child of whoever starts it


@dataclass
class Orders:
    """Lines that come through a descriptor."""

    descriptor: int
    hung_up: bool = False
    _rest: bytes = field(default=b"", init=False)

    def __iter__(self) -> Iterator[str]:
        """Line after line, until nobody is left to send one; a stop that came late is none."""
        while True:
            line = self._line()
            if line is None:
                if self.hung_up:
                    return
                self._read()
            elif line != STOP:
                yield line

    def stopped(self) -> bool:
        """Whether a stop has come by now; also finds out whether the other side has hung up."""
        if not self.hung_up and _readable(self.descriptor):
            self._read()
        return self._line() == STOP

    def _line(self) -> str | None:
        line, end, rest = self._rest.partition(b"\n")
        if not end:
            return None
        self._rest = rest
        return line.decode()

    def _read(self) -> None:
        data = os.read(self.descriptor, 65536)
        self._rest += data
        self.hung_up = not data


def _readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
