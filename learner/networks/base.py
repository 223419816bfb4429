"""The seam for sharing: which parts of a network the targets have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How large the experts are: `experts` that may be shared, each of `depth` layers of `width`.

    Experts of depth 0 are linear maps. `spare` is how often, while it learns, a target has to do
    without the expert that is its own, where it has one.
    """

    experts: int = 3
    width: int = 32
    depth: int = 2
    dropout: float = 0.05
    spare: float = 0.5


class Sharing(nn.Module, ABC):
    """Turns embedded rows into one representation for each target.

    `experts` names what a gate weighs, the same for each target.
    """

    experts: tuple[str, ...]

    def __init__(self, inputs: int, targets: Sequence[str], shape: Shape) -> None:
        super().__init__()
        self.inputs, self.targets, self.shape = inputs, tuple(targets), shape

    @abstractmethod
    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        """Shape: rows: n x inputs; the answer, by target: n x width."""

    @abstractmethod
    def gates(self, rows: Tensor) -> dict[str, Tensor]:
        """The weight of each expert in each target's representation: n x experts, summing to one.

        Where nothing is chosen the only expert has the weight one.
        """

    def lower_gates(self, rows: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """The same of the level below, where a sharing has one: experts of the same names.

        By default no target has a gate there.
        """
        return {}

    def penalty(self, rows: Tensor) -> Tensor:
        """What the sharing itself adds to the loss, a mean over rows or free of them; by default 0.

        Shape: rows: n x inputs; the answer: a scalar, never below zero.
        """
        return rows.new_zeros(())
