"""Fast adaptive multi-task optimisation."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from learner.weighting.base import ByLoss, torchjd


class FastAdaptive(ByLoss):
    """All losses are to fall at the same relative rate (Liu et al. 2023, algorithm 1).

    It looks at the losses of the same batch again after each step, one more pass forward.
    """

    def made(self) -> Any:
        """One logit for each target, learned by the scalarizer itself."""
        return torchjd("scalarization", "FAMO")(len(self.targets))

    def after(self, again: Callable[[], Tensor]) -> None:
        """Moves weight to losses that fell less."""
        self.scalarizer.update(self._known(again()))

    def wake(self) -> None:
        """One look back over ones: the scalarizer makes its optimiser at the first one."""
        ones = self._known(torch.ones(len(self.targets)))
        self.scalarizer(ones)
        self.scalarizer.update(ones)
