"""Independent component alignment."""

from collections.abc import Callable

from torch import Tensor

from learner.weighting.base import ByAggregator, torchjd


class Aligned(ByAggregator):
    """Gradients made orthogonal and of equal length (Senushkin et al. 2023, algorithm 1)."""

    def made(self) -> Callable[[Tensor], Tensor]:
        """TorchJD's, on the Gramian."""
        made: Callable[[Tensor], Tensor] = torchjd("aggregation", "AlignedMTLWeighting")()
        return made
