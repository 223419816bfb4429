"""What is believed before starting: quantiles of each target, for every task on every worker."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from scheduler.errors import InvalidInput

Array = NDArray[np.float64]
QUANTILES = (0.1, 0.5, 0.9)
QUANTITIES = ("duration", "memory", "cpu")
PROBABILITIES = ("failure", "affinity")


@dataclass(frozen=True)
class Forecast:
    """Beliefs about `tasks` x `workers`.

    Shape
    - duration (seconds), memory (bytes), cpu (cores): n tasks x m workers x q quantiles, rising
    - failure: n x m, the probability that an attempt fails
    - affinity: n x m, the probability that the worker is the right one, each row summing to one
    - allocations: n x m x attempts, the bytes that attempts should get in turn, never falling and
      whatever the worker has; None where no policy has chosen them
    - rows: n, where tasks that are alike share their beliefs; all arrays then have k rows in place
      of n, and what is believed of task i stands in row rows[i]
    - gates: by target, n x m x experts, the weight of each expert in the prediction (may be empty)

    `source` says who forecasts: `history`, or the ModelVersion. Raises InvalidInput where a shape
    is wrong, a value is not finite, a quantity is not positive, or quantiles cross.
    """

    tasks: tuple[str, ...]
    workers: tuple[str, ...]
    duration: Array
    memory: Array
    cpu: Array
    failure: Array
    affinity: Array
    quantiles: tuple[float, ...] = QUANTILES
    source: str = "history"
    gates: Mapping[str, Array] = field(default_factory=dict)
    experts: tuple[str, ...] = ()
    allocations: Array | None = None
    rows: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        pairs = (len(self.tasks), len(self.workers))
        if self.rows is not None:
            pairs = (len(self.duration), len(self.workers))
            _check_rows(self.rows, len(self.tasks), len(self.duration))
        for name in QUANTITIES:
            _check_quantity(name, getattr(self, name), (*pairs, len(self.quantiles)))
        for name in PROBABILITIES:
            _check_probability(name, getattr(self, name), pairs)
        if self.allocations is not None:
            _check_allocations(self.allocations, pairs)

    def at(self, quantity: str, level: float) -> Array:
        """One quantity at a quantile level, n x m (or k x m), interpolated between levels known.

        Outside the known levels the nearest one is given.
        """
        values: Array = getattr(self, quantity)
        levels = np.asarray(self.quantiles)
        upper = int(np.clip(np.searchsorted(levels, level), 1, len(levels) - 1))
        low, high = levels[upper - 1], levels[upper]
        share = float(np.clip((level - low) / (high - low), 0.0, 1.0))
        return values[..., upper - 1] * (1 - share) + values[..., upper] * share

    def by_task(self) -> "Forecast":
        """The same beliefs with a row for each task, whether tasks shared rows or not."""
        if self.rows is None:
            return self
        each = {name: getattr(self, name)[self.rows] for name in (*QUANTITIES, *PROBABILITIES)}
        kept = None if self.allocations is None else self.allocations[self.rows]
        gates = {name: values[self.rows] for name, values in self.gates.items()}
        return replace(self, **each, gates=gates, allocations=kept, rows=None)


def uniform_affinity(n: int, m: int) -> Array:
    """The affinity of somebody who knows nothing: the same for every worker."""
    return np.full((n, m), 1.0 / m)


def _check_rows(rows: NDArray[np.int64], tasks: int, count: int) -> None:
    if rows.shape != (tasks,) or not np.issubdtype(rows.dtype, np.integer):
        raise InvalidInput(
            f"Forecast: rows must be one whole number for each of {tasks} tasks, found "
            f"{rows.dtype} of the shape {rows.shape}."
        )
    if not 0 <= rows.min(initial=0) <= rows.max(initial=0) < count:
        raise InvalidInput(
            f"Forecast: rows must lie in 0..{count - 1}, found {rows.min()}..{rows.max()}."
        )


def _check_quantity(name: str, values: Array, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise InvalidInput(f"Forecast: {name} must have the shape {shape}, found {values.shape}.")
    ends = (values.min(initial=1.0), values.max(initial=1.0))  # NaN if there is one
    if not (ends[0] > 0 and ends[1] < np.inf):
        raise InvalidInput(
            f"Forecast: {name} must be finite and above zero, found {_worst(values)}."
        )
    if (values[..., 1:] < values[..., :-1]).any():
        raise InvalidInput(f"Forecast: the quantiles of {name} must not cross.")


def _check_allocations(values: Array, pairs: tuple[int, int]) -> None:
    if values.ndim != 3 or values.shape[:2] != pairs or not values.shape[2]:
        raise InvalidInput(
            f"Forecast: allocations must have the shape {pairs[0]} x {pairs[1]} x attempts, found "
            f"{values.shape}."
        )
    if not np.isfinite(values).all() or (values <= 0).any() or (np.diff(values) < 0).any():
        raise InvalidInput(
            f"Forecast: allocations must be finite, above zero and never fall, found "
            f"{_worst(values)}."
        )


def _check_probability(name: str, values: Array, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise InvalidInput(f"Forecast: {name} must have the shape {shape}, found {values.shape}.")
    if not (values.min(initial=0.0) >= 0 and values.max(initial=0.0) <= 1):  # nor with NaN
        raise InvalidInput(f"Forecast: {name} must lie in 0..1, found {_worst(values)}.")


def _worst(values: Array) -> float:
    broken = values[~np.isfinite(values)]
    return float(broken[0]) if broken.size else float(values.min())
