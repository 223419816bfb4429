"""The allocations that the attempts of one task get in turn, and the cheapest such ladder."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scheduler.errors import Infeasible, InvalidInput
from scheduler.numbers import finite, not_negative, positive

Array = NDArray[np.float64]
_CANDIDATES = 48  # allocations that are weighed against each other
_DENSER_ABOVE = 3.0  # most of them lie near the top, where the choice is decided


@dataclass(frozen=True)
class Terms:
    """What a miss costs.

    A missed attempt wastes its whole allocation for `time_to_failure` of the task's run time;
    `retry_price` adds, as a share of that memory-time, what a retry costs beyond it: queueing
    again, and everybody who waits. Above the last planned allocation each is `growth` times the
    one before.
    """

    time_to_failure: float = 1.0
    retry_price: float = 0.4
    growth: float = 2.0

    def __post_init__(self) -> None:
        not_negative(self.retry_price, "Terms: retry_price", InvalidInput)
        positive(self.time_to_failure, "Terms: time_to_failure", InvalidInput)
        finite(self.growth, "Terms: growth", InvalidInput)
        if self.time_to_failure > 1 or self.growth <= 1:
            raise InvalidInput(
                "Terms: time_to_failure must be at most 1 and growth above 1, found "
                f"{self.time_to_failure!r} and {self.growth!r}."
            )


@dataclass(frozen=True)
class Ladder:
    """Allocations in bytes, rising: the first attempt's, then what follows each miss.

    No attempt gets more than `limit` bytes. Raises InvalidInput where the allocations do not rise
    or leave the limit.
    """

    allocations: tuple[float, ...]
    limit: float | None = None
    growth: float = 2.0

    def __post_init__(self) -> None:
        for each in self.allocations:
            positive(each, "Ladder: an allocation", InvalidInput)
        if not self.allocations or any(b <= a for a, b in pairwise(self.allocations)):
            raise InvalidInput(f"Ladder: allocations must rise, found {self.allocations!r}.")
        if self.limit is not None and self.allocations[-1] > self.limit:
            raise InvalidInput(
                f"Ladder: allocations must stay within {self.limit!r} bytes, found "
                f"{self.allocations[-1]!r}."
            )

    @property
    def first(self) -> float:
        """What the first attempt gets."""
        return self.allocations[0]

    def after(self, failed: float) -> float | None:
        """What follows an allocation that was too small; None when there is no more to give."""
        place = bisect_right(self.allocations, failed)
        if place < len(self.allocations):
            return self.allocations[place]
        grown = failed * self.growth
        if self.limit is None or grown <= self.limit:
            return grown
        return self.limit if failed < self.limit else None

    def attempts(self, peak: float) -> tuple[float, ...]:
        """The allocations of all attempts that a task with this peak takes.

        Raises Infeasible when the limit is below the peak.
        """
        given = [self.first]
        while given[-1] < peak:
            larger = self.after(given[-1])
            if larger is None:
                needed, held = f"{peak / 1e9:.3g}", f"{given[-1] / 1e9:.3g}"
                raise Infeasible([f"needs {needed} GB, and no attempt may get more than {held} GB"])
            given.append(larger)
        return tuple(given)

    def within(self, limit: float) -> "Ladder":
        """The same ladder where no attempt gets more than `limit` bytes."""
        kept = tuple(each for each in self.allocations if each < limit)
        last = () if len(kept) == len(self.allocations) else (limit,)
        return Ladder(kept + last, limit, self.growth)


def wastage(allocations: tuple[float, ...], peak: float, terms: Terms) -> float:
    """Bytes reserved and unused, for each second that the task runs, over all its attempts.

    The last allocation held, those before it missed.
    """
    return sum(allocations[:-1]) * terms.time_to_failure + allocations[-1] - peak


def expected_wastage(allocations: tuple[float, ...], memory: Array, terms: Terms) -> Array:
    """The same of each of these peaks, none of which is above the last allocation."""
    given = np.array(allocations)
    missed = np.concatenate([[0.0], np.cumsum(given[:-1]) * terms.time_to_failure])
    place = np.searchsorted(given, memory)
    return np.asarray(missed[place] + given[place] - memory)


def cheapest(
    memory: Array, weight: Array, terms: Terms, *, held: float = 0.0
) -> list[tuple[float, ...]]:
    """For each belief the allocations of least expected wastage.

    A miss wastes its allocation, and at least `held` bytes. Shape: `memory` and `weight` are
    beliefs x points, memory rising; the result has one rising tuple for each belief. What follows
    a miss is chosen for those points alone that lie above the allocation that missed (backward
    induction over the points, as in Bellman's equation).
    """
    picked = _candidates(memory.shape[1])
    below, used = np.cumsum(weight, 1), np.cumsum(weight * memory, 1)
    above = below[:, -1:] - below[:, picked]
    missed = terms.time_to_failure + terms.retry_price
    given, below, used = memory[:, picked], below[:, picked], used[:, picked]
    start = below * given - used + above * np.maximum(given, held) * missed
    step = start[:, None, :] - below[:, :, None] * given[:, None, :] + used[:, :, None]
    count = len(picked)
    step = np.where(np.triu(np.ones((count, count), bool), 1), step, np.inf)
    ahead = step[:, :, -1].copy()
    ahead[:, -1] = 0.0
    following = np.full(ahead.shape, count - 1)
    for _ in range(count):  # one more retry each time, until another one saves nothing
        total, before = step + ahead[:, None, :], ahead
        following = total.argmin(2)
        ahead = np.take_along_axis(total, following[:, :, None], 2)[:, :, 0]
        ahead[:, -1] = 0.0
        if np.array_equal(ahead, before):
            break
    first = (start + ahead).argmin(1)
    return [_read(*each) for each in zip(given, following, first, strict=True)]


def _candidates(points: int) -> NDArray[np.int64]:
    if points <= _CANDIDATES:
        return np.arange(points)
    share = 1 - (1 - np.linspace(0, 1, _CANDIDATES)) ** _DENSER_ABOVE
    return np.unique(np.round((points - 1) * share).astype(np.int64))


def _read(given: Array, following: NDArray[np.int64], first: int) -> tuple[float, ...]:
    place, found = int(first), [float(given[first])]
    while place < len(given) - 1:
        place = int(following[place])
        if given[place] > found[-1]:  # equal points are one allocation
            found.append(float(given[place]))
    return tuple(found)
