"""What a worker has free over time, once placements hold some of it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from scheduler.cluster import Worker
from scheduler.planning.problem import Floats
from scheduler.planning.schedule import Placement

CLOCK = 1e-9  # share of a time below which two moments are the same one
LEEWAY = 1e-9  # of a worker: cores are added and subtracted as floats


@dataclass(frozen=True, eq=False)
class Timeline:
    """Free cores and memory (bytes) from each of `times` on, the last for ever.

    Shape: times, cores and memory of one length; times rise from 0.
    """

    times: Floats
    cores: Floats
    memory: Floats

    @classmethod
    def of(cls, worker: Worker, placements: Iterable[Placement]) -> "Timeline":
        """The timeline of a worker that holds these placements and nothing else."""
        held = [
            (each.start, each.end, each.allocation.cores, each.allocation.memory)
            for each in placements
        ]
        start, end, cores, memory = np.array(held, dtype=np.float64).reshape(-1, 4).T
        moments = np.concatenate([[0.0], start, end])
        times, row = np.unique(moments, return_inverse=True)
        taken = np.concatenate([[[0.0, 0.0]], np.stack([cores, memory], axis=1)])
        change = np.concatenate([-taken, taken[1:]])
        free = np.zeros((len(times), 2))
        np.add.at(free, row, change)
        free = np.cumsum(free, axis=0) + np.array([worker.cores, worker.memory])
        return cls(times, free[:, 0], free[:, 1])

    def free_at(self, time: float) -> tuple[float, float]:
        """Cores and bytes of memory that are free at that moment."""
        row = int(np.searchsorted(self.times, time, side="right")) - 1
        return float(self.cores[row]), float(self.memory[row])

    def earliest(self, ready: float, duration: float, *, cores: float, memory: float) -> float:
        """The first moment from `ready` on at which that much stays free for the duration.

        Infinite when the idle worker has too little.
        """
        start = ready
        ends = np.append(self.times[1:], np.inf)
        least = cores - LEEWAY * self.cores[-1]  # in the end the worker is idle
        short = (self.cores < least) | (self.memory < memory)
        for row in np.flatnonzero(short & (ends > ready)):
            if self.times[row] >= (start + duration) * (1 - CLOCK):
                break
            start = float(ends[row])
        return start
