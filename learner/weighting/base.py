"""The seam for loss weighting: how much each target counts."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor


class Weighting(ABC):
    """Balances the targets against each other, step by step."""

    @abstractmethod
    def weights(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A positive weight for each target's loss, equal for equal losses.

        Shape: losses: scalars over the whole batch, whatever the number of training workers,
        without gradient.
        """
