"""A linear mix of shared experts that is the same for every row."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from learner.networks.base import Shape, Sharing
from learner.networks.blocks import Experts


class LinearMix(Sharing):
    """f_i(x) = sum_j a_ij e_j(x), the a_ij learned numbers of any sign.

    What is left of the gated mixture when its gates may not look at the row (Ma et al. 2018, eq. 6,
    with constant gates), and a cross-stitch between experts and targets (Misra et al. 2016, eq. 1).
    With linear experts e_j(x) = W_j x: `Shape(depth=0)`.
    """

    def __init__(self, inputs: int, targets: Sequence[str], shape: Shape) -> None:
        super().__init__(inputs, targets, shape)
        self.experts = tuple(f"shared {j + 1}" for j in range(shape.experts))
        self.pool = Experts(shape.experts, inputs, shape)
        even = torch.full((len(self.targets), shape.experts), 1 / shape.experts)
        self.mix = nn.Parameter(even * (1 + 0.1 * torch.randn_like(even)))

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        mixed = torch.matmul(self.mix, self.pool(rows))
        return {target: mixed[:, i] for i, target in enumerate(self.targets)}

    def gates(self, rows: Tensor) -> dict[str, Tensor]:
        """The share of each expert in the sum of |a_ij|, the same in every row."""
        shares = self.mix.abs() / self.mix.abs().sum(-1, keepdim=True)
        return {t: shares[i].expand(len(rows), -1) for i, t in enumerate(self.targets)}
