"""Dynamic weight average."""

from typing import Any

from learner.weighting.base import ByLoss, torchjd


class DynamicAverage(ByLoss):
    """More weight for losses that fell less from one epoch to the next (Liu et al. 2019, eq. 7).

    Equal weights in the first two epochs; then a softmax of each loss's ratio over the two epochs
    before, at temperature 2.
    """

    def made(self) -> Any:
        """It remembers the mean losses of two epochs."""
        return torchjd("scalarization", "DWA")()

    def end_epoch(self) -> None:
        """Closes the mean of this epoch."""
        self.scalarizer.step()
