"""Gradient surgery."""

from collections.abc import Callable

from torch import Tensor

from learner.weighting.base import ByAggregator, torchjd


class ProjectedConflicts(ByAggregator):
    """Each gradient loses what points against another (Yu et al. 2020, algorithm 1)."""

    def made(self) -> Callable[[Tensor], Tensor]:
        """TorchJD's, on the Gramian."""
        made: Callable[[Tensor], Tensor] = torchjd("aggregation", "PCGradWeighting")()
        return made
