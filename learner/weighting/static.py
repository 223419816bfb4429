"""Fixed weights: the default, and hard to beat (Xin et al. 2022; Kurin et al. 2022)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from learner.weighting.base import Weighting


class Static(Weighting):
    """Every target counts one."""

    def weights(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One for each."""
        return {name: torch.ones_like(loss) for name, loss in losses.items()}
