"""The offset alone: nothing is added to what the offset explains but its usual error."""

from collections.abc import Collection
from typing import Self

import numpy as np
from numpy.typing import NDArray

from learner.arms.base import Arm, Arrays, Floats, errors_by_kind, head_of
from learner.examples import Examples
from learner.features import Inputs
from learner.offsets import Offsets
from learner.targets import targets
from learner.targets.quantities import MIDDLE, Quantity


class OffsetArm(Arm):
    """The offset's median, and around it the quantiles of its error by kind.

    A kind's quantiles are shrunk to those over all by its number of rows. Shape: `errors`: by
    quantity, kinds x quantiles, in units of the head.
    """

    name = "offset"

    def __init__(self, errors: dict[str, Floats]) -> None:
        self.errors = errors

    @classmethod
    def fit(cls, examples: Examples, offsets: Offsets) -> Self:
        """From the errors on the training rows."""
        rows = examples.split.train
        inputs = examples.inputs.take(rows)
        errors = {}
        for name, target in targets().items():
            if isinstance(target, Quantity):
                truth = examples.truth[name][rows] / offsets.scale(name)
                miss = truth - offsets.under(name, inputs)
                errors[name] = _by_kind(miss, inputs.kind, len(examples.columns.kinds))
        return cls(errors)

    def raw(self, inputs: Inputs, targets: Collection[str]) -> dict[str, Floats]:
        """Zero for targets without quantiles: the offset is all that is said."""
        said = {}
        for name in targets:
            found = self.errors.get(name)
            said[name] = np.zeros((len(inputs), 1)) if found is None else found[inputs.kind]
        return said

    def pairs(
        self,
        tasks: Inputs,
        workers: NDArray[np.int64],  # noqa: ARG002  it says the same on all of them
        targets: Collection[str],
    ) -> dict[str, Floats]:
        """The same, once for all workers: n x 1 x outputs."""
        return {name: each[:, None] for name, each in self.raw(tasks, targets).items()}

    def as_arrays(self) -> dict[str, Floats]:
        """The table of each quantity."""
        return dict(self.errors)

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The arm that `as_arrays` wrote."""
        return cls({name: np.asarray(each) for name, each in arrays.items()})


def _by_kind(miss: Floats, kind: np.ndarray, kinds: int) -> Floats:
    table = errors_by_kind(miss, kind, kinds)
    table -= table[:, [MIDDLE]]  # the median of the forecast is the offset's
    return head_of(table, MIDDLE)
