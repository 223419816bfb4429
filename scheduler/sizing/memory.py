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
from scheduler.sizing.beliefs import (
    FORECAST,
    LEVEL,
    Belief,
    Past,
    Told,
    beliefs,
    with_tail,
)
from scheduler.sizing.kinship import grouped, lineage
from scheduler.sizing.ladder import Ladder, Terms, cheapest, wastage

Array = NDArray[np.float64]
_FEW = 5  # observations of a kind below which other kinds say how much it may vary
_TYPICAL_SPREAD = 0.1  # of the largest over the median, before any kind is known
_TOLD_POINTS = 16
_RATE = 5.0  # of the weights in the charges, which are in units of the memory-time used
_NEGLIGIBLE = 0.02  # weight over the largest, below which a belief is left out


@dataclass(frozen=True)
class _Asked:
    """What is known of a task: logarithms of sizes, its subject's lineage, what is forecast."""

    sizes: Mapping[str, float]
    lineage: tuple[str, ...]
    told: Told | None


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
    lineages: list[tuple[str, ...]] = field(default_factory=list)
    charges: dict[Belief, float] = field(default_factory=lambda: {LEVEL: 0.0})
    asked: tuple[_Asked, _Points] | None = None  # since the last observation

    def remember(self, asked: _Asked, memory: float, duration: float, keep: int) -> None:
        """Adds an observation, and forgets all but the latest."""
        for name in asked.sizes:
            self.sizes.setdefault(name, [np.nan] * len(self.memory))
        for name, values in self.sizes.items():
            values.append(asked.sizes.get(name, np.nan))
        self.memory.append(memory)
        self.duration.append(duration)
        self.lineages.append(asked.lineage)
        for values in (self.memory, self.duration, *self.sizes.values()):
            del values[:-keep]
        del self.lineages[:-keep]
        self.asked = None


class MemorySizing:
    """Allocates memory so that expected memory-time wasted is least, retries included.

    `keep` is how many of a kind's latest attempts are remembered. One allocation costs about a
    millisecond for each named size.
    """

    def __init__(self, terms: Terms | None = None, *, keep: int = 1000) -> None:
        at_least_one(keep, "MemorySizing: keep", InvalidInput)
        self._terms, self._keep = terms or Terms(), max(keep, _FEW)
        self._kinds: dict[str, _Kind] = {}

    def learn(
        self, records: Iterable[TaskRecord], told: Mapping[tuple[str, str], Told] | None = None
    ) -> None:
        """Observes attempts that succeeded and whose peak and duration were measured.

        `told` is what was forecast before, by run and task.
        """
        said = told or {}
        for each in records:
            measured = each.peak_memory and each.duration
            if each.outcome is Outcome.SUCCEEDED and measured:
                self.observe(
                    each.kind,
                    memory=each.peak_memory or 0.0,
                    duration=each.duration or 0.0,
                    sizes=each.sizes,
                    subject=each.task,
                    told=said.get((each.run, each.task)),
                )

    def allocate(
        self,
        kind: str,
        *,
        sizes: Mapping[str, float] | None = None,
        subject: str | None = None,
        told: Told | None = None,
        request: float | None = None,
        limit: float | None = None,
    ) -> Ladder:
        """The allocations for a task's attempts, none above `limit` (bytes of the worker).

        `sizes` are those known before the start, in any unit; `subject` is the name of what the
        task works on: names that begin alike may need alike. `told` is what a predictor says; it
        counts as much as the kind's past, until it has been seen to be better or worse. A kind
        never seen gets what is told, else its `request`, else the largest peak of any kind, else
        the limit; raises InvalidInput when none of these is known.
        """
        for name, value in (("request", request), ("limit", limit)):
            if value is not None:
                positive(value, f"Sizing of {kind!r}: {name}", InvalidInput)
        asked = _Asked(_checked(kind, sizes), lineage(subject, kind), told)
        ladder = Ladder(self._allocations(kind, asked, request, limit), growth=self._terms.growth)
        return ladder if limit is None else ladder.within(limit)

    def observe(
        self,
        kind: str,
        *,
        memory: float,
        duration: float,
        sizes: Mapping[str, float] | None = None,
        subject: str | None = None,
        told: Told | None = None,
    ) -> None:
        """Learns from an attempt that held: its peak in bytes, its duration in seconds."""
        positive(memory, f"Sizing of {kind!r}: memory", InvalidInput)
        positive(duration, f"Sizing of {kind!r}: duration", InvalidInput)
        asked = _Asked(_checked(kind, sizes), lineage(subject, kind), told)
        past = self._kinds.setdefault(kind, _Kind())
        if len(past.memory) >= _FEW:
            self._charge(past, asked, memory, duration)
        past.remember(asked, memory, duration, self._keep)

    def groups(self, kind: str, subject: str) -> tuple[str, ...]:
        """The leading parts of a subject's name that the kind's past shares, coarse to fine."""
        past = self._kinds.get(kind, _Kind())
        known = {part for each in past.lineages for part in each}
        return tuple(part for part in lineage(subject, kind) if part in known)

    def weights(self, kind: str) -> dict[Belief, float]:
        """How much each belief about a kind counts; they sum to one."""
        charges = self._kinds.get(kind, _Kind()).charges
        least = min(charges.values())
        raw = {each: float(np.exp(-_RATE * (cost - least))) for each, cost in charges.items()}
        total = sum(raw.values())
        return {each: value / total for each, value in raw.items()}

    def _allocations(
        self, kind: str, asked: _Asked, request: float | None, limit: float | None
    ) -> tuple[float, ...]:
        past = self._kinds.get(kind)
        if past is None or len(past.memory) < _FEW:
            return self._early(kind, past, asked.told, request, limit)
        points = _points(past, asked)
        weights = self.weights(kind)
        share = np.array([weights.get(each, weights[LEVEL]) for each in points.held])
        kept = share > _NEGLIGIBLE * share.max()
        memory = points.memory[kept].ravel()
        weight = points.weight[kept]
        mixed = (weight / weight.sum(1, keepdims=True) * share[kept, None]).ravel()
        order = np.argsort(memory)
        return cheapest(memory[order][None], mixed[order][None], self._terms)[0]

    def _early(
        self,
        kind: str,
        past: _Kind | None,
        told: Told | None,
        request: float | None,
        limit: float | None,
    ) -> tuple[float, ...]:
        """By what is told, and never below a margin over the few that were seen."""
        seen = max(past.memory) * (1 + self._spread()) if past else None
        if told is None:
            return (self._unseen(kind, request, limit) if seen is None else seen,)
        memory, weight = with_tail(told.points(_TOLD_POINTS)[None], np.ones((1, _TOLD_POINTS)))
        ladder = cheapest(memory, weight, self._terms)[0]
        if seen is None or seen <= ladder[0]:
            return ladder
        return (seen, *(each for each in ladder if each > seen))

    def _charge(self, past: _Kind, asked: _Asked, memory: float, duration: float) -> None:
        """Charges each belief its wastage over the memory-time that is usual for the kind."""
        points = _points(past, asked)
        usual = float(np.mean(np.array(past.memory) * np.array(past.duration)))
        unit = duration / (memory * duration + usual)
        ladders = cheapest(points.memory, points.weight, self._terms)
        level, charged = past.charges[LEVEL], {}
        for each, allocations in zip(points.held, ladders, strict=True):
            given = Ladder(allocations, growth=self._terms.growth).attempts(memory)
            charged[each] = wastage(given, memory, self._terms) * unit
        for each in {**past.charges, **charged}:  # who said nothing is charged as the plain level
            spent = charged.get(each, charged[LEVEL])
            past.charges[each] = past.charges.get(each, level) + spent

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


def _points(past: _Kind, asked: _Asked) -> _Points:
    """Kept until the next observation: whoever allocates will mostly observe the same task."""
    if past.asked is None or past.asked[0] != asked:
        past.asked = asked, _fresh_points(past, asked)
    return past.asked[1]


def _fresh_points(past: _Kind, asked: _Asked) -> _Points:
    memory, duration = np.array(past.memory), np.array(past.duration)
    unknown, groups = np.full(len(memory), np.nan), grouped(past.lineages, asked.lineage)
    by_size = {
        name: Past(memory, duration, np.array(values), asked.sizes.get(name, np.nan), groups)
        for name, values in past.sizes.items()
    }
    plain = Past(memory, duration, unknown, np.nan, groups)
    held = beliefs(tuple(past.sizes), kin=bool(groups))
    rows = [each.points(by_size[each.of] if each.of else plain) for each in held]
    if asked.told is not None:
        held += (FORECAST,)
        rows.append((asked.told.points(len(memory)), np.full(len(memory), duration.mean())))
    points, weights = (np.array(each) for each in zip(*rows, strict=True))
    return _Points(held, *with_tail(points, weights))


def _checked(kind: str, sizes: Mapping[str, float] | None) -> dict[str, float]:
    """The logarithms of the sizes."""
    for name, value in (sizes or {}).items():
        not_negative(value, f"Sizing of {kind!r}: size {name!r}", InvalidInput)
    return {name: float(np.log1p(value)) for name, value in (sizes or {}).items()}
