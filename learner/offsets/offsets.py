"""The offsets of all quantities, and the risk and the cost that go with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from learner.examples import Examples
from learner.features import UNKNOWN, Inputs
from learner.offsets.ridge import Ridge, fit_ridge
from learner.targets import targets
from learner.targets.quantities import Quantity
from scheduler.predictors.affinity import TEMPERATURE
from scheduler.predictors.history import HistoryPredictor

Floats = NDArray[np.float64]
PENALTY = 10.0  # a failure costs as much as ten good attempts (PAR10)


@dataclass(frozen=True, eq=False)
class Offsets:
    """What is believed of each quantity, and the risk of each kind on each worker.

    Shape: risk: kinds x workers; apart: by quantity, for each training row what the rows of other
    works say of it, in the units of `under`. It is not written down.
    """

    ridges: Mapping[str, Ridge]
    risk: Floats
    apart: Mapping[str, Floats] = field(default_factory=dict)

    @classmethod
    def fit(cls, examples: Examples) -> "Offsets":
        """Fits on the training rows only."""
        rows = examples.split.train
        inputs, columns = examples.inputs.take(rows), examples.columns
        fitted = {
            name: fit_ridge(inputs, examples.truth[name][rows], target, columns)
            for name, target in targets().items()
            if isinstance(target, Quantity)
        }
        history = HistoryPredictor.learn(examples.part(rows))
        risk = [[history.risk(k, w or None) for w in columns.workers] for k in columns.kinds]
        return cls(
            ridges={name: ridge for name, (ridge, _) in fitted.items()},
            risk=np.array(risk),
            apart={name: told / ridge.scale for name, (ridge, told) in fitted.items()},
        )

    def under(self, target: str, inputs: Inputs) -> Floats:
        """The offset under one target, in the units in which its head speaks; zero without one."""
        if target in self.ridges:
            return self.ridges[target].at(inputs) / self.ridges[target].scale
        match target:
            case "failure":
                risk = self.risk[inputs.kind, UNKNOWN]
                odds: Floats = np.log(risk / (1 - risk))
                return odds
            case "assignment":
                return -np.log(self.cost(inputs)) / TEMPERATURE
            case _:
                return np.zeros(len(inputs))

    def cost(self, inputs: Inputs) -> Floats:
        """Expected seconds: the duration believed, times what the risk adds."""
        seconds: Floats = np.exp(self.ridges["duration"].at(inputs))
        return seconds * burden(self.risk[inputs.kind, inputs.worker])

    def scale(self, target: str) -> float:
        """Natural units in one unit of the target's head."""
        return self.ridges[target].scale if target in self.ridges else 1.0

    def as_arrays(self) -> dict[str, Floats]:
        """Plain arrays from which `from_arrays` makes the same offsets."""
        arrays = {"risk": self.risk}
        for name, ridge in self.ridges.items():
            arrays |= {f"{name}.{each}": array for each, array in ridge.as_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> "Offsets":
        """The offsets that `as_arrays` wrote."""
        fields: dict[str, dict[str, Floats]] = {}
        for name, array in arrays.items():
            target, _, each = name.partition(".")
            fields.setdefault(target, {})[each] = array
        risk = fields.pop("risk")[""]
        ridges = {name: Ridge.from_arrays(each) for name, each in fields.items()}
        return cls(ridges, risk)


def burden(risk: Floats) -> Floats:
    """How many good attempts one attempt costs: `1 - risk + PENALTY * risk`."""
    return 1 - risk + PENALTY * risk
