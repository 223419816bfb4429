"""A trained network with all that it needs to forecast."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from learner.calibration import Calibration
from learner.examples import Examples
from learner.features import Columns, Inputs
from learner.networks.network import Network, Rows
from learner.offsets import Offsets
from learner.targets import targets
from learner.targets.quantities import Quantity

Floats = NDArray[np.float64]
CHUNK = 16_384  # rows in one pass, to bound memory
LARGEST = 1e15


@dataclass(frozen=True, eq=False)
class Learned:
    """The network, the names of its columns, the offset under it and the correction over it."""

    network: Network
    columns: Columns
    offsets: Offsets
    calibration: Calibration

    def predict(self, inputs: Inputs) -> dict[str, Floats]:
        """What is believed of each row, in natural units of each target's scale.

        Shape: quantities: n x quantiles, logarithms, rising; failure: n logits; assignment: n
        scores.
        """
        raw = self._raw(inputs)
        return {name: self._read(name, raw[name], inputs) for name in raw}

    def gates(self, inputs: Inputs) -> dict[str, Floats]:
        """The weight of each expert by target: n x experts."""
        self.network.eval()
        with torch.inference_mode():
            parts = [self.network.gates(Rows.of(each)) for each in _chunks(inputs)]
        return _joined(parts)

    def calibrated(self, examples: Examples) -> "Learned":
        """The same, corrected on the validation rows."""
        rows = examples.split.validation
        inputs = examples.inputs.take(rows)
        plain = replace(self, calibration=Calibration.none()).predict(inputs)
        quantities = {
            n: plain[n] for n, target in targets().items() if isinstance(target, Quantity)
        }
        truth = {name: examples.truth[name][rows] for name in quantities}
        kinds = len(self.columns.kinds)
        fitted = Calibration.fit(quantities, truth, inputs.kind, kinds=kinds)
        return replace(self, calibration=fitted)

    def _raw(self, inputs: Inputs) -> dict[str, Floats]:
        self.network.eval()
        with torch.inference_mode():
            return _joined([self.network(Rows.of(each)) for each in _chunks(inputs)])

    def _read(self, name: str, raw: Floats, inputs: Inputs) -> Floats:
        target, offset = targets()[name], self.offsets.under(name, inputs)
        said = target.read(torch.from_numpy(raw), torch.from_numpy(offset)).numpy()
        if not isinstance(target, Quantity):
            return np.asarray(said)
        logs = self.calibration.correct(name, said * self.offsets.scale(name), inputs.kind)
        return np.clip(logs, np.log(target.floor), np.log(LARGEST))


def _chunks(inputs: Inputs) -> list[Inputs]:
    starts = range(0, max(len(inputs), 1), CHUNK)
    return [inputs.take(slice(start, start + CHUNK)) for start in starts]


def _joined(parts: list[dict[str, torch.Tensor]]) -> dict[str, Floats]:
    return {name: torch.cat([part[name] for part in parts]).double().numpy() for name in parts[0]}


def as_arrays(learned: Learned) -> dict[str, NDArray[Any]]:
    """All numbers of a learned network, by name."""
    weights = {f"network.{n}": t.numpy() for n, t in learned.network.state_dict().items()}
    offsets = {f"offsets.{n}": np.asarray(a) for n, a in learned.offsets.as_arrays().items()}
    shifts = {f"calibration.{n}": a for n, a in learned.calibration.shifts.items()}
    return {**weights, **offsets, **shifts}


def parts_of(arrays: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    """The arrays under one of the names that `as_arrays` gives."""
    prefix = f"{name}."
    return {n.removeprefix(prefix): array for n, array in arrays.items() if n.startswith(prefix)}
