"""Impartial learning by gradients."""

from collections.abc import Callable

from torch import Tensor

from learner.weighting.base import ByAggregator, torchjd


class ImpartialGradients(ByAggregator):
    """The direction that projects equally on all gradients (Liu et al. 2021, IMTL-G, eq. 5)."""

    def made(self) -> Callable[[Tensor], Tensor]:
        """TorchJD's, on the Gramian."""
        made: Callable[[Tensor], Tensor] = torchjd("aggregation", "IMTLGWeighting")()
        return made
