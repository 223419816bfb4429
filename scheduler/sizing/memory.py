"""Which allocation of memory wastes least, learned online from what attempts needed.

Each kind holds several beliefs about a task (`beliefs.py`). Each belief is charged the wastage that
its own cheapest ladder would have caused on every attempt observed, before it learned from that
attempt; weights fall exponentially with the charges (Hedge; Freund and Schapire 1997, section 3).
The ladder given is the one that is cheapest for the mixture of the beliefs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.errors import InvalidInput
from scheduler.numbers import at_least_one, not_negative, positive
from scheduler.records import Outcome, TaskRecord
from scheduler.sizing.beliefs import FORECAST, LEVEL, Belief, Told
from scheduler.sizing.kinds import Asked, Kind, Points, points_of
from scheduler.sizing.kinship import effects, lineage
from scheduler.sizing.ladder import Ladder, Terms, cheapest, expected_wastage, wastage

Array = NDArray[np.float64]
Saying = Callable[[TaskRecord], Told | None]
_FEW = 5  # observations of a kind below which other kinds say how much it may vary
_TYPICAL_SPREAD = 0.1  # of the largest over the median, before any kind is known
_TOLD_POINTS = 48
_ON_TRUST = 20  # attempts for which a forecast is believed in what it says of itself
_RATE = 5.0  # of the weights in the charges, which are in units of the memory-time used
_NEGLIGIBLE = 0.02  # weight over the largest, below which a belief is left out


class MemorySizing:
    """Allocates memory so that expected memory-time wasted is least, retries included.

    `keep` is how many of a kind's latest attempts are remembered. One allocation costs about a
    millisecond for each named size.
    """

    def __init__(self, terms: Terms | None = None, *, keep: int = 1000) -> None:
        at_least_one(keep, "MemorySizing: keep", InvalidInput)
        self._terms, self._keep = terms or Terms(), max(keep, _FEW)
        self._kinds: dict[str, Kind] = {}

    def learn(self, records: Iterable[TaskRecord], told: Saying = lambda _: None) -> None:
        """Observes attempts that succeeded and whose peak and duration were measured.

        `told` gives what was forecast of an attempt before it began.
        """
        for each in records:
            measured = each.peak_memory and each.duration
            if each.outcome is Outcome.SUCCEEDED and measured:
                self.observe(
                    each.kind,
                    memory=each.peak_memory or 0.0,
                    duration=each.duration or 0.0,
                    sizes=each.sizes,
                    subject=each.task,
                    worker=each.worker,
                    told=told(each),
                )

    def allocate(
        self,
        kind: str,
        *,
        sizes: Mapping[str, float] | None = None,
        subject: str | None = None,
        worker: str | None = None,
        told: Told | None = None,
        request: float | None = None,
        limit: float | None = None,
        held: float = 0.0,
    ) -> Ladder:
        """The allocations for a task's attempts, none above `limit` (bytes of the worker).

        `sizes` are those known before the start, in any unit; `subject` is the name of what the
        task works on: names that begin alike may need alike. `told` is what a predictor says of
        the task on the `worker`; it counts by how it did so far, and by what it says of itself
        before it was judged. A miss wastes at least `held` bytes: what nobody else could use
        meanwhile. A kind never seen gets what is told, else its `request`, else the largest peak
        of any kind, else the limit; raises InvalidInput when none of these is known.
        """
        for name, value in (("request", request), ("limit", limit)):
            if value is not None:
                positive(value, f"Sizing of {kind!r}: {name}", InvalidInput)
        not_negative(held, f"Sizing of {kind!r}: held", InvalidInput)
        asked = Asked(_checked(kind, sizes), lineage(subject, kind), worker, told)
        first = self._allocations(kind, asked, request, limit, held)
        ladder = Ladder(first, growth=self._terms.growth)
        return ladder if limit is None else ladder.within(limit)

    def observe(
        self,
        kind: str,
        *,
        memory: float,
        duration: float,
        sizes: Mapping[str, float] | None = None,
        subject: str | None = None,
        worker: str | None = None,
        told: Told | None = None,
    ) -> None:
        """Learns from an attempt that held: its peak in bytes, its duration in seconds."""
        positive(memory, f"Sizing of {kind!r}: memory", InvalidInput)
        positive(duration, f"Sizing of {kind!r}: duration", InvalidInput)
        asked = Asked(_checked(kind, sizes), lineage(subject, kind), worker, told)
        past = self._kinds.setdefault(kind, Kind())
        if len(past.memory) >= _FEW:
            self._charge(past, asked, memory, duration)
        past.remember(asked, memory, duration, self._keep)

    def groups(self, kind: str, subject: str) -> tuple[str, ...]:
        """The leading parts of a subject's name that the kind's past shares, coarse to fine."""
        past = self._kinds.get(kind, Kind())
        known = {part for each in past.lineages for part in each}
        return tuple(part for part in lineage(subject, kind) if part in known)

    def needs_of(self, kind: str) -> Mapping[str, float]:
        """By worker, the logarithm of what the kind's past needed there more than elsewhere."""
        past = self._kinds.get(kind, Kind())
        named = [each for each in past.workers if each is not None]
        if len(past.memory) < _FEW or len(set(named)) < 2:
            return {}
        of = {name: i for i, name in enumerate(dict.fromkeys(named))}
        known = np.array([each is not None for each in past.workers])
        found = effects(np.array(past.memory)[known], np.array([of[each] for each in named]))
        return dict(zip(of, found.tolist(), strict=True))

    def weights(self, kind: str) -> dict[Belief, float]:
        """How much each belief about a kind counts; they sum to one."""
        charges = self._kinds.get(kind, Kind()).charges
        return dict(zip(charges, _weights(list(charges.values())).tolist(), strict=True))

    def _allocations(
        self, kind: str, asked: Asked, request: float | None, limit: float | None, held: float
    ) -> tuple[float, ...]:
        past = self._kinds.get(kind)
        if past is None or len(past.memory) < _FEW:
            return self._early(kind, past, asked.told, request, limit, held)
        points = points_of(past, asked)
        share = _weights(self._charged(past, points))
        kept = share > _NEGLIGIBLE * share.max()
        memory = points.memory[kept].ravel()
        weight = points.weight[kept]
        mixed = (weight / weight.sum(1, keepdims=True) * share[kept, None]).ravel()
        order = np.argsort(memory)
        return cheapest(memory[order][None], mixed[order][None], self._terms, held=held)[0]

    def _early(
        self,
        kind: str,
        past: Kind | None,
        told: Told | None,
        request: float | None,
        limit: float | None,
        held: float,
    ) -> tuple[float, ...]:
        """By what is told, and never below a margin over the few that were seen."""
        seen = max(past.memory) * (1 + self._spread()) if past else None
        if told is None:
            return (self._unseen(kind, request, limit) if seen is None else seen,)
        memory, weight = told.points(_TOLD_POINTS)
        ladder = cheapest(memory[None], weight[None], self._terms, held=held)[0]
        if seen is None or seen <= ladder[0]:
            return ladder
        return (seen, *(each for each in ladder if each > seen))

    def _charge(self, past: Kind, asked: Asked, memory: float, duration: float) -> None:
        """Charges each belief its wastage over the memory-time that is usual for the kind."""
        points = points_of(past, asked)
        usual = float(np.mean(np.array(past.memory) * np.array(past.duration)))
        unit = duration / (memory * duration + usual)
        ladders = cheapest(points.memory, points.weight, self._terms)
        spent, begun = {}, dict(zip(points.held, self._charged(past, points), strict=True))
        for each, allocations in zip(points.held, ladders, strict=True):
            given = Ladder(allocations, growth=self._terms.growth).attempts(memory)
            spent[each] = wastage(given, memory, self._terms) * unit
        past.charges = {  # who said nothing is charged as the plain level
            each: so_far + spent.get(each, spent[LEVEL])
            for each, so_far in {**past.charges, **begun}.items()
        }
        past.judged += 1

    def _charged(self, past: Kind, points: Points) -> list[float]:
        """What each belief was charged; a new one as much as the plain level.

        A forecast by somebody who was never judged is charged as if some attempts had shown it to
        be as good, beside the best belief, as it says of itself.
        """
        level = past.charges[LEVEL]
        found = [past.charges.get(each, level) for each in points.held]
        if points.held[-1].of == FORECAST.of and points.held[-1] not in past.charges:
            found[-1] = least = min(past.charges.values())
            if past.judged:
                says = self._says_of_itself(past, points)
                found[-1] += min(past.judged, _ON_TRUST) * (says - least / past.judged)
        return found

    def _says_of_itself(self, past: Kind, points: Points) -> float:
        """The charge for one attempt that the last belief expects."""
        memory, weight = points.memory[-1:], points.weight[-1:]
        ladder = cheapest(memory, weight, self._terms)[0]
        used = np.array(past.memory) * np.array(past.duration)
        usual = float(used.mean()) / float(np.mean(past.duration))
        each = expected_wastage(ladder, memory[0], self._terms) / (memory[0] + usual)
        return float(np.average(each, weights=weight[0]))

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


def _weights(charges: Sequence[float]) -> Array:
    raw = np.exp(-_RATE * (np.array(charges) - min(charges)))
    return np.asarray(raw / raw.sum())


def _checked(kind: str, sizes: Mapping[str, float] | None) -> dict[str, float]:
    """The logarithms of the sizes."""
    for name, value in (sizes or {}).items():
        not_negative(value, f"Sizing of {kind!r}: size {name!r}", InvalidInput)
    return {name: float(np.log1p(value)) for name, value in (sizes or {}).items()}
