"""The place of one process among those that train together."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Team:
    """Which of how many this process is, and on what it computes.

    `together` adds a tensor up over all of them, `each` gives everybody's in the order of the
    ranks; `wrapped` makes a network average its gradients. With `mixed` a network computes in half
    precision (bfloat16) where that loses nothing; losses and weights stay in single precision.
    """

    rank: int = 0
    size: int = 1
    together: Callable[[Tensor], Tensor] = lambda values: values
    each: Callable[[Tensor], list[Tensor]] = lambda values: [values]
    wrapped: Callable[[nn.Module], nn.Module] = lambda network: network
    device: torch.device = CPU
    mixed: bool = False

    def agreed(self, wanted: bool) -> bool:
        """Whether any of them wants it: the same answer for all."""
        told = torch.tensor(float(wanted), device=self.device)
        return bool(self.together(told) > 0)
