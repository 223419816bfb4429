"""Median, offset, lines and trees together, each as loud as it was right about the kind."""

from collections.abc import Collection, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from learner.arms.base import Arm, Arrays, Floats, errors_by_kind, head_of
from learner.examples import Examples
from learner.features import Inputs
from learner.mixture import Mixture, fit_mixture, groups_of
from learner.offsets import Offsets
from learner.targets import targets
from learner.targets.quantities import MIDDLE, Quantity


class MixtureArm(Arm):
    """The mixture's median, and around it the quantiles of its error on rows left out.

    Targets without quantiles stay with the offset. Shape: errors: by quantity, kinds x quantiles,
    as a head says them.
    """

    name = "mixture"

    def __init__(
        self, mixtures: Mapping[str, Mixture], errors: Mapping[str, Floats], offsets: Offsets
    ) -> None:
        self.mixtures, self.errors, self.offsets = mixtures, errors, offsets

    @classmethod
    def fit(cls, examples: Examples, offsets: Offsets, *, seed: int = 0) -> Self:
        """Fits on the training rows, oldest first."""
        rows, kinds = examples.split.train, len(examples.columns.kinds)
        inputs, groups = examples.inputs.take(rows), groups_of(examples.columns)
        mixtures, errors = {}, {}
        for name, scale in _scales(offsets).items():
            truth, base = examples.truth[name][rows], offsets.apart[name] * scale
            mixtures[name], said = fit_mixture(inputs, truth, base, groups, kinds=kinds, seed=seed)
            errors[name] = _by_kind((truth - said) / scale, inputs.kind, kinds)
        return cls(mixtures, errors, offsets)

    def raw(self, inputs: Inputs, targets: Collection[str]) -> dict[str, Floats]:
        """How far the mixture is from the offset, and its quantiles; zero where there is none."""
        return {
            name: self._said(name, inputs) if name in self.mixtures else np.zeros((len(inputs), 1))
            for name in targets
        }

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of each mixture, of the errors around it, and of the offset under it."""
        found = {f"offsets/{n}": np.asarray(a) for n, a in self.offsets.as_arrays().items()}
        for name, mixture in self.mixtures.items():
            found |= {f"mixtures/{name}/{n}": a for n, a in mixture.as_arrays().items()}
        return found | {f"errors/{name}": each for name, each in self.errors.items()}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The arm that `as_arrays` wrote; AllotError where it has trees and LightGBM is missing."""
        mixtures = {
            name: Mixture.from_arrays(_under(f"mixtures/{name}/", arrays))
            for name in _under("errors/", arrays)
        }
        offsets = Offsets.from_arrays(_under("offsets/", arrays))
        return cls(mixtures, _under("errors/", arrays), offsets)

    def _said(self, name: str, inputs: Inputs) -> Floats:
        base, scale = self.offsets.under(name, inputs), self.offsets.scale(name)
        said = self.errors[name][inputs.kind]
        said[:, MIDDLE] = self.mixtures[name].at(inputs, base * scale) / scale - base
        return said


def _scales(offsets: Offsets) -> dict[str, float]:
    wanted = (name for name, each in targets().items() if isinstance(each, Quantity))
    return {name: offsets.scale(name) for name in wanted if name in offsets.apart}


def _under(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}


def _by_kind(miss: Floats, kind: NDArray[np.int64], kinds: int) -> Floats:
    """The quantiles of errors of each kind, shrunk to those of all by its number of rows."""
    table = errors_by_kind(miss, kind, kinds)
    table[:, MIDDLE] = np.clip(0.0, table[:, MIDDLE - 1], table[:, MIDDLE + 1])
    return head_of(np.sort(table, axis=1), MIDDLE)
