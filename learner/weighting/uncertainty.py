"""Uncertainty weighting."""

from typing import Any

from learner.weighting.base import ByLoss, torchjd


class Uncertainty(ByLoss):
    """exp(-s_i) / 2 with a log-variance s_i learned for each target (Kendall et al. 2018, eq. 10).

    The loss that is learned with is sum_i (exp(-s_i) L_i + s_i) / 2.
    """

    def made(self) -> Any:
        """One log-variance for each target."""
        return torchjd("scalarization", "UW")(len(self.targets))
