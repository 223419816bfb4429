"""A forest for the choice of a worker; for all else, nothing is added to the offset.

The forest learns from choices how many times what was believed of each worker its work cost, so
it says where workers trade places for reasons that no sum of effects can tell: ratios of sizes,
kinds and sizes together. `learner/policy_forest.py` has the papers.
"""

from collections.abc import Collection
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from learner.arms.base import Arm, Arrays, Floats, head_of
from learner.choices import Choices, choices_of
from learner.examples import Examples
from learner.features import UNKNOWN, Inputs
from learner.offsets import Offsets
from learner.policy_features import Encoding
from learner.policy_forest import Forest, ForestSettings
from learner.targets import target_named
from learner.targets.quantities import MIDDLE, Quantity
from scheduler.forecast import QUANTILES
from scheduler.predictors.affinity import TEMPERATURE

FEWEST = 20  # choices below which there is nothing to divide
MOST = 20.0  # times dearer, or cheaper, than believed: beyond, one accident would decide
SETTINGS = ForestSettings(trees=100, leaf=3, prescription=0.0)
CHUNK = 16_384  # rows in one pass, to bound memory
FOREST = "forest/"
ENCODING = "encoding/"


class ForestArm(Arm):
    """What workers cost beside what the offset believes of them.

    Without enough choices there is no forest, and nothing is added to the offset. Quantiles lie a
    unit of the head apart. Shape: `workers`: the places of those that the forest knows; `kinds` is
    how many the vocabulary has.
    """

    name = "forest"

    def __init__(
        self,
        kinds: int,
        workers: NDArray[np.int64],
        encoding: Encoding | None = None,
        forest: Forest | None = None,
    ) -> None:
        self.kinds, self.workers, self.encoding, self.forest = kinds, workers, encoding, forest

    @classmethod
    def fit(cls, examples: Examples, offsets: Offsets, *, seed: int = 0) -> Self:
        """From the choices that the training rows hold."""
        kinds = len(examples.columns.kinds)
        rng = np.random.default_rng(seed)
        choices = choices_of(examples, examples.split.train, offsets, rng=rng)
        table = _surprises(choices, offsets, len(examples.columns.workers))
        workers = np.flatnonzero(~np.isnan(table).all(0))
        if len(table) < FEWEST or len(workers) < 2:
            return cls(kinds, np.zeros(0, dtype=np.int64))
        features = _features(choices.inputs, kinds)
        encoding = Encoding.fit(features)
        known = np.where(np.isnan(table), 1.0, table)[:, workers]
        forest = Forest.fit(encoding.apply(features), known, SETTINGS, seed=seed)
        return cls(kinds, workers, encoding, forest)

    def raw(self, inputs: Inputs, targets: Collection[str]) -> dict[str, Floats]:
        """Minus the logarithm of how many times dearer than believed, as scores are."""
        said = {name: _nothing(name, len(inputs)) for name in targets}
        if "assignment" in said:
            place = self._places(inputs.worker)[:, None]
            said["assignment"] = np.take_along_axis(self._scores(inputs), place, axis=1)
        return said

    def pairs(
        self, tasks: Inputs, workers: NDArray[np.int64], targets: Collection[str]
    ) -> dict[str, Floats]:
        """The same; the forest is asked once for each task, whatever the number of workers."""
        said = {name: _nothing(name, len(tasks))[:, None] for name in targets}
        if "assignment" in said:
            said["assignment"] = self._scores(tasks)[:, self._places(workers), None]
        return said

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Those of the encoding and of the forest."""
        arrays: dict[str, NDArray[Any]] = {}
        if self.forest is not None and self.encoding is not None:
            arrays |= {f"{FOREST}{n}": each for n, each in self.forest.as_arrays().items()}
            arrays |= {f"{ENCODING}{n}": each for n, each in self.encoding.as_arrays().items()}
        return {**arrays, "workers": self.workers, "kinds": np.array([self.kinds])}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The arm that `as_arrays` wrote."""
        forest, encoding = _under(arrays, FOREST), _under(arrays, ENCODING)
        return cls(
            int(arrays["kinds"][0]),
            np.asarray(arrays["workers"]),
            Encoding.from_arrays(encoding) if encoding else None,
            Forest.from_arrays(forest) if forest else None,
        )

    def _scores(self, inputs: Inputs) -> Floats:
        """The score of each worker that the forest knows, and last zero, for all others."""
        scores = np.zeros((len(inputs), len(self.workers) + 1))
        if self.forest is not None and self.encoding is not None:
            for start in range(0, len(inputs), CHUNK):
                part = slice(start, start + CHUNK)
                known = self.encoding.apply(_features(inputs.take(part), self.kinds))
                times = np.clip(self.forest.costs(known), 1 / MOST, MOST)
                scores[part, :-1] = -np.log(times) / TEMPERATURE
        return scores

    def _places(self, workers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The columns of these workers among the scores."""
        table = dict(zip(self.workers.tolist(), range(len(self.workers)), strict=True))
        return np.array([table.get(each, len(table)) for each in workers.tolist()], dtype=np.int64)


def _nothing(target: str, rows: int) -> Floats:
    """What a head says that adds nothing to the offset."""
    if isinstance(target_named(target), Quantity):
        return head_of(np.tile(np.arange(len(QUANTILES)) - float(MIDDLE), (rows, 1)), MIDDLE)
    return np.zeros((rows, 1))


def _surprises(choices: Choices, offsets: Offsets, workers: int) -> Floats:
    """Costs over what the offset believes of them. Shape: choices x all workers, NaN if unknown."""
    believed = offsets.cost(choices.pairs()).reshape(choices.cost.shape)
    table = np.full((len(choices), workers), np.nan)
    row, column = np.nonzero(~np.isnan(choices.cost) & (choices.workers != UNKNOWN))
    times = choices.cost[row, column] / believed[row, column]
    table[row, choices.workers[row, column]] = np.clip(times, 1 / MOST, MOST)
    return table


def _features(inputs: Inputs, kinds: int) -> Floats:
    """Sizes, NaN where missing, and a column for each kind."""
    numbers = np.where(inputs.missing > 0, np.nan, inputs.numbers)
    return np.hstack([numbers, np.eye(kinds)[inputs.kind]])


def _under(arrays: Arrays, prefix: str) -> dict[str, NDArray[Any]]:
    return {n.removeprefix(prefix): each for n, each in arrays.items() if n.startswith(prefix)}
