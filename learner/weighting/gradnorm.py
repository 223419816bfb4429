"""Gradient normalisation."""

from collections.abc import Sequence

import torch
from torch import Tensor

from learner.weighting.base import LEAST, RATE, ByGradient

RESTORING = 1.5  # alpha of the paper: how strongly slow targets are pushed


class GradNorm(ByGradient):
    """Gradients of like length, longer for targets that learn slowly (Chen et al. 2018, eq. 1-2).

    Weights w_i move by the derivative of sum_i |w_i n_i - G r_i ** alpha|, with n_i the length of
    the gradient, G the mean of w_i n_i, and r_i the share of its first loss that is left, over the
    mean of those shares. They stay positive.
    """

    def __init__(self, targets: Sequence[str], *, seed: int = 0) -> None:
        super().__init__(targets, seed=seed)
        self.learned = torch.ones(len(self.targets), dtype=torch.float64, requires_grad=True)
        self.optimiser = torch.optim.Adam([self.learned], lr=RATE)
        self.began = torch.zeros(len(self.targets), dtype=torch.float64)

    def balance(self, gramian: Tensor, losses: Tensor) -> Tensor:
        """One step of the weights; targets without a gradient keep theirs."""
        lengths = gramian.diagonal().clamp_min(0.0).sqrt()
        moved = lengths > 0
        if not moved.any():
            return self.learned.detach().clone()
        self.began = torch.where((self.began == 0) & (losses > 0), losses, self.began)
        left = losses.clamp_min(LEAST) / self.began.clamp_min(LEAST)
        pace = (left / left[moved].mean()) ** RESTORING
        reached = self.learned * lengths
        wanted = (reached[moved].mean() * pace).detach()
        self.optimiser.zero_grad()
        (reached - wanted)[moved].abs().sum().backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        with torch.no_grad():
            self.learned.clamp_(min=LEAST)
            self.learned.mul_(len(self.learned) / self.learned.sum())
        return self.learned.detach().clone()
