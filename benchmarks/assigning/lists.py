"""Lists of tasks placed by predicted times, and what they truly take."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Batches:
    """Draws of tasks with known times, and machines of each sort.

    Shape: times: tasks x sorts, seconds; draws: places of tasks; sort: machines.
    """

    times: Floats
    draws: Sequence[Ints]
    sort: Ints

    def regret(self, predicted: Floats) -> Floats:
        """Each draw's makespan over that of the same list with true times: draws long.

        Shape: predicted: tasks x sorts, seconds.
        """
        told = [self.makespan(predicted[draw], self.times[draw]) for draw in self.draws]
        true = [self.makespan(self.times[draw], self.times[draw]) for draw in self.draws]
        return np.asarray(np.array(told) / np.array(true), dtype=np.float64)

    def makespan(self, predicted: Floats, times: Floats) -> float:
        """In falling predicted mean time, each to the machine of the earliest predicted finish."""
        free, busy = np.zeros((2, len(self.sort)))
        for task in np.argsort(-predicted.mean(1), kind="stable"):
            machine = int(np.argmin(free + predicted[task, self.sort]))
            free[machine] += predicted[task, self.sort[machine]]
            busy[machine] += times[task, self.sort[machine]]
        return float(busy.max())


def told(regret: Floats) -> dict[str, float]:
    """The mean and the ninth decile of makespan over the oracle's."""
    return {"mean": float(regret.mean()), "p90": float(np.quantile(regret, 0.9))}
