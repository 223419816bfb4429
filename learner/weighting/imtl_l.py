"""Impartial learning by losses."""

from typing import Any

from learner.weighting.base import ByLoss, torchjd


class ImpartialLosses(ByLoss):
    """exp(s_i) with a scale s_i learned for each target (Liu et al. 2021, IMTL-L).

    The loss that is learned with is sum_i (exp(s_i) L_i - s_i): all scaled losses tend to one.
    """

    def made(self) -> Any:
        """One scale for each target."""
        return torchjd("scalarization", "IMTLL")(len(self.targets))
