"""How much is in use over time: pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dashboard.arrays import Spans

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Usage:
    """What is in use of cores or memory: from each of the times on, until the next one."""

    name: str
    capacity: float
    planned: tuple[Floats, Floats]
    actual: tuple[Floats, Floats]

    @property
    def peak(self) -> float:
        """The most that is ever in use."""
        return max(float(each.max(initial=0.0)) for _, each in (self.planned, self.actual))


def steps(spans: Spans, amount: Floats) -> tuple[Floats, Floats]:
    """The sum of the amounts that are held, as times and what holds from each on.

    What ends at a moment is given back before what starts then takes it.
    """
    times = np.concatenate([spans.start, spans.end])
    change = np.concatenate([amount, -amount])
    moments, where = np.unique(times, return_inverse=True)
    changes = np.bincount(where, weights=change, minlength=len(moments)).astype(np.float64)
    held: Floats = np.cumsum(changes)
    rounding = 1e-9 * float(amount.sum())
    held[np.abs(held) <= rounding] = 0.0
    return moments, held


def usages(planned: Spans, actual: Spans, *, cores: float, memory: float) -> tuple[Usage, ...]:
    """Cores and memory (bytes) in use, of so much that there is."""
    return tuple(
        Usage(name, capacity, *(steps(each, getattr(each, name)) for each in (planned, actual)))
        for name, capacity in (("cores", cores), ("memory", memory))
    )
