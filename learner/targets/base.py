"""The seam for targets: what is predicted, what a miss costs, and how good a prediction is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from scheduler.records import TaskRecord

Floats = NDArray[np.float64]
Scores = Mapping[str, float | None]


class Target(ABC):
    """One thing that the network predicts.

    `outputs` is how many numbers its head gives. A target `sees` attempts, one row each, or
    choices, the same piece of work on several workers. An `auxiliary` target is never forecast: a
    network learns it along with the others where logs measure it, for what it says of them.
    """

    name: ClassVar[str]
    outputs: ClassVar[int]
    sees: ClassVar[Literal["attempts", "choices"]] = "attempts"
    auxiliary: ClassVar[bool] = False

    @abstractmethod
    def read(self, raw: Tensor, offset: Tensor) -> Tensor:
        """What a head says, with the offset under it.

        Shape: raw: rows (x workers) x outputs; offset: rows (x workers).
        """

    @abstractmethod
    def loss(self, predicted: Tensor, truth: Tensor, at_least: Tensor | None = None) -> Tensor:
        """The cost of each row; exactly zero, and without gradient, where nothing was observed.

        Shape: predicted: what `read` gave; truth: rows (x workers), NaN where not observed;
        at_least: like truth, bounds below truths that were cut off, NaN elsewhere. Targets that
        know no bounds take no notice of them.
        """

    @abstractmethod
    def observed(self, truth: Tensor) -> Tensor:
        """Which rows count: a truth to compare with was observed."""

    @abstractmethod
    def score(self, predicted: Floats, truth: Floats, baseline: Floats) -> Scores:
        """How good predictions are on rows never learned from.

        Holds at least `error`, `baseline_error` (the naive baseline on the same rows) and `rows`;
        None where no row can tell.
        """


class AttemptTarget(Target):
    """A target with one truth for each attempt."""

    @abstractmethod
    def truth(self, record: TaskRecord) -> float:
        """What the attempt says on the target's own scale; NaN where it was not observed."""

    def at_least(self, record: TaskRecord) -> float:  # noqa: ARG002  most targets know no bound
        """A bound below the truth where only that was observed (a time-out); NaN otherwise."""
        return float("nan")
