"""A store that is away is waited for, within bounds, by a clock that is never set."""

import pytest

from scheduler.errors import StoreAway, StoreError
from scheduler.outlasting import Outlast


class Away:
    """A clock that only sleeping moves, and a store that is away until a moment of it."""

    def __init__(self, until: float) -> None:
        self.now, self.until, self.tries = 0.0, until, 0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def ask(self) -> str:
        self.tries += 1
        if self.now < self.until:
            raise StoreAway("locked")
        return "here"


def test_what_failed_is_tried_again_until_the_store_is_back() -> None:
    store = Away(until=20.0)
    assert Outlast(lambda: store.now, store.sleep)(store.ask) == "here"
    assert 20.0 <= store.now < 22.1  # a pause at most too late
    assert store.tries < 20  # the pauses grow


def test_nothing_is_tried_after_the_bound() -> None:
    store = Away(until=1000.0)
    with pytest.raises(StoreAway, match="locked"):
        Outlast(lambda: store.now, store.sleep, most=60.0)(store.ask)
    assert 60.0 <= store.now < 62.1


def test_what_will_not_pass_is_not_tried_again() -> None:
    tries = []

    def broken() -> None:
        tries.append(1)
        raise StoreError("no such table")

    with pytest.raises(StoreError, match="no such table"):
        Outlast(lambda: 0.0, lambda _: None)(broken)
    assert len(tries) == 1
