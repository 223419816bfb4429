"""Gradient-boosted trees on what the offset leaves: LightGBM, an optional extra.

Ke et al. 2017; one model for each quantile of each quantity, with the pinball loss.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from learner.arms.base import Arm, Arrays, Floats, head_of
from learner.examples import Examples
from learner.features import Inputs
from learner.offsets import Offsets
from learner.targets import targets
from learner.targets.quantities import MIDDLE, Quantity
from scheduler.errors import AllotError
from scheduler.forecast import QUANTILES
from scheduler.predictors.affinity import TEMPERATURE

if TYPE_CHECKING:
    from lightgbm import Booster

ROUNDS, PATIENCE = 1000, 50
FEWEST = 20  # rows below which trees have nothing to divide
FARTHEST = 8.0  # units of the head beyond which an error counts no more
SETTINGS: Mapping[str, Any] = {
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 10,
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
}
Part = tuple[Floats, Floats, Floats | None]
MISSING = "LightGBM is not installed, so trees were not tried: pip install 'allot[boosted]'"


def installed() -> bool:
    """Whether this arm can be had here."""
    return find_spec("lightgbm") is not None


class BoostedArm(Arm):
    """LightGBM models by target: one for each quantile, or one that gives a logit.

    A worker's score is the offset's, corrected by what the trees say of the duration there. Targets
    for which there were too few rows stay with the offset. `pace` is what one unit of the
    duration's head takes off a worker's score.
    """

    name = "boosted"

    def __init__(self, models: "Mapping[str, tuple[Booster, ...]]", pace: float) -> None:
        self.models, self.pace = models, pace

    @classmethod
    def fit(
        cls,
        examples: Examples,
        offsets: Offsets,
        *,
        seed: int = 0,
        threads: int = 1,
        like: Self | None = None,
    ) -> Self:
        """Fits on the training rows, for as many rounds as the validation rows say.

        With `like`, for as many rounds as that one has, and no validation rows are looked at.
        """
        settings = {**SETTINGS, "seed": seed, "num_threads": threads}
        known = (examples.split.train, examples.split.validation)[: 1 if like else 2]
        models = {}
        for name, target in targets().items():
            rounds = like.rounds(name) if like else (None,) * target.outputs
            if target.sees == "choices" or not rounds:
                continue
            parts = [_rows(examples, offsets, name, rows) for rows in known]
            if min(len(truth) for _, truth, _ in parts) < FEWEST:
                continue
            goals = zip(_goals(isinstance(target, Quantity)), rounds, strict=True)
            models[name] = tuple(_fitted(parts, settings | goal, r) for goal, r in goals)
        return cls(models, offsets.scale("duration") / TEMPERATURE)

    def rounds(self, target: str) -> tuple[int, ...]:
        """How many trees each model of a target has."""
        return tuple(max(model.num_trees(), 1) for model in self.models.get(target, ()))

    def raw(self, inputs: Inputs, targets: Collection[str]) -> dict[str, Floats]:
        """The error of the offset, as a head would say it; zero where there is no model."""
        features = _features(inputs)
        return {name: self._said(name, features) for name in targets}

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """LightGBM's own text of each model, as bytes."""
        texts = {
            f"{name}/{i}": np.frombuffer(model.model_to_string().encode(), dtype=np.uint8)
            for name, models in self.models.items()
            for i, model in enumerate(models)
        }
        return {**texts, "pace": np.array(self.pace)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The arm that `as_arrays` wrote; AllotError where LightGBM is not installed."""
        if not installed():
            raise AllotError(
                "This version has trees, and LightGBM, which reads them, is not installed here; "
                "install it with: pip install 'allot[boosted]'"
            )
        from lightgbm import Booster

        models: dict[str, tuple[Booster, ...]] = {}
        for key in sorted(arrays.keys() - {"pace"}):
            name, _, _ = key.partition("/")
            model = Booster(model_str=arrays[key].tobytes().decode())
            models[name] = (*models.get(name, ()), model)
        return cls(models, arrays["pace"].item())

    def _said(self, name: str, features: Floats) -> Floats:
        target, models = targets()[name], self.models.get(name, ())
        if target.sees == "choices" and "duration" in self.models:
            longer = np.asarray(self.models["duration"][MIDDLE].predict(features))
            return -self.pace * longer[:, None]
        if not models:
            return np.zeros((len(features), target.outputs))
        told = [np.asarray(each.predict(features, raw_score=True)) for each in models]
        said = np.column_stack(told)
        return head_of(said, MIDDLE) if isinstance(target, Quantity) else said


def _features(inputs: Inputs) -> Floats:
    """Numbers, missing ones as NaN, then kind, worker and workflow as categories."""
    numbers = np.where(inputs.missing > 0, np.nan, inputs.numbers)
    return np.column_stack([numbers, inputs.kind, inputs.worker, inputs.workflow])


def _rows(examples: Examples, offsets: Offsets, target: str, rows: NDArray[np.int64]) -> Part:
    """Features, goals, and for logits what boosting starts from, of the rows that were observed."""
    truth = examples.truth[target][rows]
    rows, truth = rows[~np.isnan(truth)], truth[~np.isnan(truth)]
    inputs = examples.inputs.take(rows)
    offset, features = offsets.under(target, inputs), _features(inputs)
    if not isinstance(targets()[target], Quantity):
        return features, truth, offset
    miss = truth / offsets.scale(target) - offset
    return features, np.clip(miss, -FARTHEST, FARTHEST), None


def _goals(quantity: bool) -> Iterator[dict[str, Any]]:
    if not quantity:
        yield {"objective": "binary"}
        return
    for level in QUANTILES:
        yield {"objective": "quantile", "alpha": level}


def _fitted(parts: Sequence[Part], settings: Mapping[str, Any], rounds: int | None) -> "Booster":
    """One model: for so many rounds, or until the second part has not improved for a while."""
    from lightgbm import Dataset, early_stopping, train

    width = parts[0][0].shape[1]
    places = [width - 3, width - 2, width - 1]
    taught = Dataset(*parts[0][:2], init_score=parts[0][2], categorical_feature=places)
    if rounds is not None:
        return train(dict(settings), taught, rounds)
    checked = Dataset(*parts[1][:2], init_score=parts[1][2], reference=taught)
    stop = early_stopping(PATIENCE, verbose=False)
    return train(dict(settings), taught, ROUNDS, valid_sets=[checked], callbacks=[stop])
