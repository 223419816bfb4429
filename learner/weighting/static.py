"""Fixed weights: the default, and hard to beat (Xin et al. 2022; Kurin et al. 2022)."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from learner.weighting.base import Weighting


class Static(Weighting):
    """Every target counts what is given, or else one."""

    def __init__(
        self,
        targets: Sequence[str],
        *,
        seed: int = 0,
        given: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(targets, seed=seed)
        self.fixed = torch.tensor([float((given or {}).get(name, 1.0)) for name in self.targets])

    def weights(self, losses: Tensor, gramian: Callable[[], Tensor]) -> Tensor:  # noqa: ARG002
        """The same in every step."""
        return self.fixed
