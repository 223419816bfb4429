"""Which allocation of memory wastes least, learned online from what attempts needed.

Each kind holds several beliefs about a task (`beliefs.py`). Each belief is charged the wastage that
its own cheapest ladder would have caused on every attempt observed, before it learned from that
attempt; weights fall exponentially with the charges (Hedge; Freund and Schapire 1997, section 3).
The ladder given is the one that is cheapest for the mixture of the beliefs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scheduler.errors import InvalidInput
from scheduler.numbers import at_least_one, not_negative, positive
from scheduler.records import Outcome, TaskRecord
from scheduler.sizing.beliefs import LEVEL, Belief, Past, beliefs, with_tail
from scheduler.sizing.ladder import Ladder, Terms, cheapest, wastage

Array = NDArray[np.float64]
_FEW = 5  # observations of a kind below which other kinds say how much it may vary
_TYPICAL_SPREAD = 0.1  # of the largest over the median, before any kind is known
_RATE = 5.0  # of the weights in the charges, which are in units of the memory-time used
_NEGLIGIBLE = 0.02  # weight over the largest, below which a belief is left out


@dataclass
class _Points:
    """Beliefs about one task: rows of points and weights with their tails."""

    held: tuple[Belief, ...]
    memory: Array
    weight: Array


@dataclass
class _Kind:
    memory: list[float] = field(default_factory=list)
    duration: list[float] = field(default_factory=list)
    sizes: dict[str, list[float]] = field(default_factory=dict)
    charges: dict[Belief, float] = field(default_factory=lambda: {LEVEL: 0.0})
    asked: tuple[Mapping[str, float], _Points] | None = None  # since the last observation


class MemorySizing:
    """Allocates memory so that expected memory-time wasted is least, retries included.

    `keep` is how many of a kind's latest attempts are remembered. One allocation costs about a
    millisecond for each named size.
    """

    def __init__(self, terms: Terms | None = None, *, keep: int = 1000) -> None:
        at_least_one(keep, "MemorySizing: keep", InvalidInput)
        self._terms, self._keep = terms or Terms(), max(keep, _FEW)
        self._kinds: dict[str, _Kind] = {}

    def learn(self, records: Iterable[TaskRecord]) -> None:
        """Observes attempts that succeeded and whose peak and duration were measured."""
        for each in records:
            measured = each.peak_memory and each.duration
            if each.outcome is Outcome.SUCCEEDED and measured:
                self.observe(
                    each.kind,
                    memory=each.peak_memory or 0.0,
                    duration=each.duration or 0.0,
                    sizes=each.sizes,
                )

    def allocate(
        self,
        kind: str,
        *,
        sizes: Mapping[str, float] | None = None,
        request: float | None = None,
        limit: float | None = None,
    ) -> Ladder:
        """The allocations for a task's attempts, none above `limit` (bytes of the worker).

        `sizes` are those known before the start, in any unit. A kind never seen gets its
        `request`, else the largest peak of any kind, else the limit; raises InvalidInput when none
        of these is known.
        """
        for name, value in (("request", request), ("limit", limit)):
            if value is not None:
                positive(value, f"Sizing of {kind!r}: {name}", InvalidInput)
        known = _checked(kind, sizes)
        ladder = Ladder(self._allocations(kind, known, request, limit), growth=self._terms.growth)
        return ladder if limit is None else ladder.within(limit)

    def observe(
        self,
        kind: str,
        *,
        memory: float,
        duration: float,
        sizes: Mapping[str, float] | None = None,
    ) -> None:
        """Learns from an attempt that held: its peak in bytes, its duration in seconds."""
        positive(memory, f"Sizing of {kind!r}: memory", InvalidInput)
        positive(duration, f"Sizing of {kind!r}: duration", InvalidInput)
        known = _checked(kind, sizes)
        past = self._kinds.setdefault(kind, _Kind())
        if len(past.memory) >= _FEW:
            self._charge(past, known, memory, duration)
        for name in known:
            past.sizes.setdefault(name, [np.nan] * len(past.memory))
        for name, values in past.sizes.items():
            values.append(known.get(name, np.nan))
        past.memory.append(memory)
        past.duration.append(duration)
        for values in (past.memory, past.duration, *past.sizes.values()):
            del values[: -self._keep]
        past.asked = None

    def weights(self, kind: str) -> dict[Belief, float]:
        """How much each belief about a kind counts; they sum to one."""
        charges = self._kinds.get(kind, _Kind()).charges
        least = min(charges.values())
        raw = {each: float(np.exp(-_RATE * (cost - least))) for each, cost in charges.items()}
        total = sum(raw.values())
        return {each: value / total for each, value in raw.items()}

    def _allocations(
        self, kind: str, sizes: Mapping[str, float], request: float | None, limit: float | None
    ) -> tuple[float, ...]:
        past = self._kinds.get(kind)
        if past is None:
            return (self._unseen(kind, request, limit),)
        if len(past.memory) < _FEW:
            return (max(past.memory) * (1 + self._spread()),)
        points = _points(past, sizes)
        weights = self.weights(kind)
        share = np.array([weights.get(each, weights[LEVEL]) for each in points.held])
        kept = share > _NEGLIGIBLE * share.max()
        memory = points.memory[kept].ravel()
        weight = points.weight[kept]
        mixed = (weight / weight.sum(1, keepdims=True) * share[kept, None]).ravel()
        order = np.argsort(memory)
        return cheapest(memory[order][None], mixed[order][None], self._terms)[0]

    def _charge(
        self, past: _Kind, sizes: Mapping[str, float], memory: float, duration: float
    ) -> None:
        """Charges each belief its wastage over the memory-time that is usual for the kind."""
        points = _points(past, sizes)
        usual = float(np.mean(np.array(past.memory) * np.array(past.duration)))
        unit = duration / (memory * duration + usual)
        ladders = cheapest(points.memory, points.weight, self._terms)
        for each, allocations in zip(points.held, ladders, strict=True):
            given = Ladder(allocations, growth=self._terms.growth).attempts(memory)
            known = past.charges.get(each, past.charges[LEVEL])
            past.charges[each] = known + wastage(given, memory, self._terms) * unit

    def _unseen(self, kind: str, request: float | None, limit: float | None) -> float:
        if request is not None:
            return request
        largest = max((max(each.memory) for each in self._kinds.values()), default=limit)
        if largest is None:
            raise InvalidInput(
                f"Sizing of {kind!r}: nothing was ever observed; give a request or a limit."
            )
        return largest

    def _spread(self) -> float:
        """How far the largest lies above the median in a typical kind."""
        known = [each.memory for each in self._kinds.values() if len(each.memory) >= _FEW]
        spreads = [max(each) / float(np.median(each)) - 1 for each in known]
        return float(np.median(spreads)) if spreads else _TYPICAL_SPREAD


def _points(past: _Kind, sizes: Mapping[str, float]) -> _Points:
    """Kept until the next observation: whoever allocates will mostly observe the same task."""
    if past.asked is None or past.asked[0] != sizes:
        past.asked = sizes, _fresh_points(past, sizes)
    return past.asked[1]


def _fresh_points(past: _Kind, sizes: Mapping[str, float]) -> _Points:
    held = beliefs(tuple(past.sizes))
    memory, duration = np.array(past.memory), np.array(past.duration)
    by_size = {
        name: Past(memory, duration, np.array(values), sizes.get(name, np.nan))
        for name, values in past.sizes.items()
    }
    plain = Past(memory, duration, np.full(len(memory), np.nan), np.nan)
    rows = [each.points(by_size[each.of] if each.of else plain) for each in held]
    points, weights = (np.array(each) for each in zip(*rows, strict=True))
    return _Points(held, *with_tail(points, weights))


def _checked(kind: str, sizes: Mapping[str, float] | None) -> dict[str, float]:
    """The logarithms of the sizes."""
    for name, value in (sizes or {}).items():
        not_negative(value, f"Sizing of {kind!r}: size {name!r}", InvalidInput)
    return {name: float(np.log1p(value)) for name, value in (sizes or {}).items()}
