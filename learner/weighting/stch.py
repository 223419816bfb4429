"""Smooth Tchebycheff scalarization."""

from typing import Any

from learner.weighting.base import ByLoss, torchjd

SMOOTH = 0.1


class SmoothTchebycheff(ByLoss):
    """A softmax of the losses: nearly all weight for the worst (Lin et al. 2024, eq. 9)."""

    def made(self) -> Any:
        """It remembers nothing."""
        return torchjd("scalarization", "STCH")(mu=SMOOTH)
