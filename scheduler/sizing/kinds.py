"""What is remembered of one kind, and what its beliefs say of one of its tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scheduler.sizing.beliefs import LEAST_SCALE, LEVEL, Belief, Past, Told, beliefs, with_tail
from scheduler.sizing.kinship import Codes, grouped

Array = NDArray[np.float64]
_MEASURED = 0.01  # by which peaks of the same work on a worker differ, as a share
_BEYOND_PAST = 0.5  # of a size's way beyond all sizes seen, in logarithms, is added
_BEYOND_TOLD = 0.2  # the same to a forecast, which has gone part of the way itself


@dataclass(frozen=True)
class Asked:
    """What is known of a task: logarithms of sizes, lineage of its subject, worker, forecast."""

    sizes: Mapping[str, float]
    lineage: tuple[str, ...]
    worker: str | None
    told: Told | None


@dataclass
class Points:
    """Beliefs about one task: rows of points and weights with their tails."""

    held: tuple[Belief, ...]
    memory: Array
    weight: Array


@dataclass
class Kind:
    """The latest attempts of one kind, in order, and what each belief was charged so far."""

    memory: list[float] = field(default_factory=list)
    duration: list[float] = field(default_factory=list)
    sizes: dict[str, list[float]] = field(default_factory=dict)
    lineages: list[tuple[str, ...]] = field(default_factory=list)
    workers: list[str | None] = field(default_factory=list)
    charges: dict[Belief, float] = field(default_factory=lambda: {LEVEL: 0.0})
    judged: int = 0
    asked: tuple[Asked, Points] | None = None  # since the last observation

    def remember(self, asked: Asked, memory: float, duration: float, keep: int) -> None:
        """Adds an observation, and forgets all but the latest."""
        for name in asked.sizes:
            self.sizes.setdefault(name, [np.nan] * len(self.memory))
        for name, values in self.sizes.items():
            values.append(asked.sizes.get(name, np.nan))
        self.memory.append(memory)
        self.duration.append(duration)
        self.lineages.append(asked.lineage)
        self.workers.append(asked.worker)
        for values in (self.memory, self.duration, *self.sizes.values()):
            del values[:-keep]
        del self.lineages[:-keep], self.workers[:-keep]
        self.asked = None


def points_of(past: Kind, asked: Asked) -> Points:
    """Kept until the next observation: whoever allocates will mostly observe the same task."""
    if past.asked is None or past.asked[0] != asked:
        past.asked = asked, _fresh_points(past, asked)
    return past.asked[1]


def _fresh_points(past: Kind, asked: Asked) -> Points:
    memory, duration = np.array(past.memory), np.array(past.duration)
    unknown, groups = np.full(len(memory), np.nan), _groups(past, asked)
    by_size = {
        name: Past(memory, duration, np.array(values), asked.sizes.get(name, np.nan), groups)
        for name, values in past.sizes.items()
    }
    plain = Past(memory, duration, unknown, np.nan, groups)
    held = beliefs(tuple(past.sizes), kin=bool(groups))
    rows = [each.points(by_size[each.of] if each.of else plain) for each in held]
    least = LEAST_SCALE if asked.worker is None else _MEASURED
    points, weights = with_tail(*(np.array(each) for each in zip(*rows, strict=True)), least=least)
    beyond = _beyond(past, asked)
    if asked.worker is not None:
        points *= np.exp(_BEYOND_PAST * beyond)
    if asked.told is None:
        return Points(held, points, weights)
    said, likely = asked.told.points(points.shape[1])
    said *= np.exp(_BEYOND_TOLD * beyond)
    together = np.vstack([points, said]), np.vstack([weights, likely])
    return Points((*held, asked.told.belief), *together)


def _beyond(past: Kind, asked: Asked) -> float:
    """How far the task's sizes lie outside those of the kind's past, in logarithms."""
    ways = [0.0]
    for name, at in asked.sizes.items():
        known = [each for each in past.sizes.get(name, ()) if np.isfinite(each)]
        if known:
            ways += [min(known) - at, at - max(known)]
    return max(ways)


def _groups(past: Kind, asked: Asked) -> tuple[Codes, ...]:
    """Who belongs together: by the worker, then by the subject."""
    workers = () if asked.worker is None else grouped(_alone(past.workers), (asked.worker,))
    return (*workers, *grouped(past.lineages, asked.lineage))


def _alone(workers: Sequence[str | None]) -> list[tuple[str, ...]]:
    return [() if each is None else (each,) for each in workers]
