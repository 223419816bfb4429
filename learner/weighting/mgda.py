"""Multiple gradient descent."""

from collections.abc import Callable

from torch import Tensor

from learner.weighting.base import ByAggregator, torchjd


class MultipleGradient(ByAggregator):
    """The shortest mixture of the gradients, which harms none (Sener and Koltun 2018, algorithm 2).

    Targets with small gradients take the most weight, up to all of it."""

    def made(self) -> Callable[[Tensor], Tensor]:
        """TorchJD's, on the Gramian."""
        made: Callable[[Tensor], Tensor] = torchjd("aggregation", "MGDAWeighting")()
        return made
