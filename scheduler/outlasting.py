"""Outlasting a store that is away for some seconds: locked, full, restarted, or cut off."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from scheduler.errors import StoreAway

MOST = 60.0  # seconds after which nothing is tried again
FIRST, LONGEST = 0.05, 2.0  # seconds between two tries

T = TypeVar("T")


@dataclass(frozen=True)
class Outlast:
    """Tries again what failed because the store was away, for `most` seconds at most.

    `seconds` is a clock that is never set, `sleep` waits. Only for what may be done twice.
    """

    seconds: Callable[[], float]
    sleep: Callable[[float], None]
    most: float = MOST

    def __call__(self, do: Callable[[], T]) -> T:
        """What `do` returns; raises StoreAway where the store was away for longer."""
        began, pause = self.seconds(), FIRST
        while True:
            try:
                return do()
            except StoreAway:
                if self.seconds() - began >= self.most:
                    raise
            self.sleep(pause)
            pause = min(2 * pause, LONGEST)

    def once(self, do: Callable[[], object], done: Callable[[], bool]) -> None:
        """Does what may not be done twice: where `done` finds a try to be kept after all, no more.

        For whatever was sent, and not answered, `done` is asked before it is tried again.
        """
        tried = False

        def attempt() -> None:
            nonlocal tried
            again, tried = tried, True
            if not (again and done()):
                do()

        self(attempt)
