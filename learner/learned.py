"""A trained network with all that it needs to forecast, and the arms that serve in its place."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from learner.arms.base import Arm
from learner.arms.network import NetworkArm
from learner.calibration import Calibration
from learner.examples import Examples
from learner.features import Columns, Inputs
from learner.neighbours import Neighbours
from learner.networks.network import Network
from learner.offsets import Offsets
from learner.targets import targets
from learner.targets.quantities import Quantity

Floats = NDArray[np.float64]
LARGEST = 1e15


@dataclass(frozen=True, eq=False)
class Learned:
    """The network, the names of its columns, the offset under it and the correction over it.

    `arms` are by target, for those that another arm than the network serves. `neighbours` say what
    kinds never seen borrow; `predict` takes no notice of names.
    """

    network: Network
    columns: Columns
    offsets: Offsets
    calibration: Calibration
    arms: Mapping[str, Arm] = field(default_factory=dict)
    neighbours: Neighbours | None = None

    @property
    def serves(self) -> dict[str, str]:
        """The name of the arm behind each target."""
        forecast = (name for name in self.network.plan.targets if name in targets())
        names = dict.fromkeys(forecast, NetworkArm.name)
        return names | {name: arm.name for name, arm in self.arms.items()}

    def predict(self, inputs: Inputs) -> dict[str, Floats]:
        """What is believed of each row, in natural units of each target's scale.

        Shape: quantities: n x quantiles, logarithms, rising; failure: n logits; assignment: n
        scores.
        """
        return {name: self._read(name, said, inputs) for name, said in self._raw(inputs).items()}

    def gates(self, inputs: Inputs) -> dict[str, Floats]:
        """The weight of each expert: n x experts, by target, for those that the network serves."""
        own = [name for name, arm in self.serves.items() if arm == NetworkArm.name]
        return NetworkArm(self.network).gates(inputs, own) if own else {}

    def calibrated(self, examples: Examples) -> "Learned":
        """The same, corrected on the validation rows."""
        rows = examples.split.validation
        inputs = examples.inputs.take(rows)
        plain = replace(self, calibration=Calibration.none()).quantities(inputs)
        truth = {name: examples.truth[name][rows] for name in plain}
        return replace(self, calibration=self.correction(plain, truth, inputs))

    def correction(
        self,
        predicted: Mapping[str, Floats],
        truth: Mapping[str, Floats],
        inputs: Inputs,
        *,
        late: NDArray[np.bool_] | None = None,
    ) -> Calibration:
        """The calibration that such predictions of rows never learned from ask for."""
        kinds, workers = len(self.columns.kinds), len(self.columns.workers)
        return Calibration.fit(predicted, truth, inputs, kinds=kinds, workers=workers, late=late)

    def quantities(self, inputs: Inputs) -> dict[str, Floats]:
        """The predicted quantiles, logarithms, without the targets that have none."""
        told = self.predict(inputs)
        return {n: told[n] for n, each in targets().items() if isinstance(each, Quantity)}

    def _raw(self, inputs: Inputs) -> dict[str, Floats]:
        own = [name for name, arm in self.serves.items() if arm == NetworkArm.name]
        said = NetworkArm(self.network).raw(inputs, own) if own else {}
        for arm in set(self.arms.values()):
            said |= arm.raw(inputs, [name for name, each in self.arms.items() if each is arm])
        return {name: said[name] for name in self.serves}

    def _read(self, name: str, raw: Floats, inputs: Inputs) -> Floats:
        target, offset = targets()[name], self.offsets.under(name, inputs)
        said = target.read(torch.from_numpy(raw), torch.from_numpy(offset)).numpy()
        if not isinstance(target, Quantity):
            return np.asarray(said)
        logs = self.calibration.correct(name, said * self.offsets.scale(name), inputs)
        return np.clip(logs, np.log(target.floor), np.log(LARGEST))


def as_arrays(learned: Learned) -> dict[str, NDArray[Any]]:
    """All numbers of a learned network, by name."""
    arms = {arm.name: arm for arm in (NetworkArm(learned.network), *learned.arms.values())}
    found = {f"{n}.{part}": a for n, arm in arms.items() for part, a in arm.as_arrays().items()}
    found |= {f"offsets.{n}": np.asarray(a) for n, a in learned.offsets.as_arrays().items()}
    if learned.neighbours is not None:
        found |= {f"neighbours.{n}": a for n, a in learned.neighbours.as_arrays().items()}
    found |= {f"kinds.{n}": a for n, a in learned.calibration.shifts.items()}
    return found | {f"workers.{n}": a for n, a in learned.calibration.workers.items()}


def parts_of(arrays: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    """The arrays under one of the names that `as_arrays` gives."""
    prefix = f"{name}."
    return {n.removeprefix(prefix): array for n, array in arrays.items() if n.startswith(prefix)}
