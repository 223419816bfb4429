"""A sparse gate that can be differentiated: each target uses a few of the shared experts."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from learner.networks.base import Shape, Sharing
from learner.networks.blocks import Experts

CHOSEN = 2
STEP = 1.0
STRENGTH = 0.001


class Sparse(Sharing):
    """A mixture of at most CHOSEN experts a target and row: DSelect-k (Hazimeh et al. 2021).

    f_i(x) = sum_j q_ij(x) e_j(x), where q_i mixes CHOSEN selectors, each of which spells the number
    of one expert in bits. The penalty is the entropy of the selectors, as in the paper: it drives
    each of them to one expert.
    """

    def __init__(self, inputs: int, targets: Sequence[str], shape: Shape) -> None:
        super().__init__(inputs, targets, shape)
        self.experts = tuple(f"shared {j + 1}" for j in range(shape.experts))
        self.pool = Experts(shape.experts, inputs, shape)
        self.gate = SelectingGates(inputs, len(self.targets), shape.experts)

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        mixed = torch.bmm(self.gate(rows), self.pool(rows))
        return {target: mixed[:, i] for i, target in enumerate(self.targets)}

    def gates(self, rows: Tensor) -> dict[str, Tensor]:
        weights = self.gate(rows)
        return {target: weights[:, i] for i, target in enumerate(self.targets)}

    def penalty(self, rows: Tensor) -> Tensor:
        """How undecided the selectors are: their entropy, averaged over rows and summed."""
        said = self.gate.selectors(rows)
        entropy = -(said * said.clamp_min(1e-12).log()).sum(-1)
        return STRENGTH * entropy.sum() / max(len(rows), 1)


class SelectingGates(nn.Module):
    """For each target a softmax over CHOSEN selectors of one expert each.

    Bits come from a smooth step, which reaches zero and one exactly, and so do the weights. Where
    the number of experts is no power of two, the codes left over mean the first experts again: then
    every code is an expert, and weights always add up to one.

    Shape: n x inputs in; n x targets x experts out.
    """

    codes: Tensor
    meant: Tensor

    def __init__(self, inputs: int, targets: int, experts: int) -> None:
        super().__init__()
        self.bits = max(math.ceil(math.log2(experts)), 1)
        self.targets = targets
        self.spell = nn.Linear(inputs, targets * CHOSEN * self.bits)
        self.mix = nn.Linear(inputs, targets * CHOSEN)
        for linear in (self.spell, self.mix):
            nn.init.normal_(linear.weight, std=0.1 / math.sqrt(inputs))
            nn.init.uniform_(linear.bias, -0.01, 0.01)
        numbers = torch.arange(2**self.bits)
        codes = (numbers[:, None] >> torch.arange(self.bits)) % 2 == 1
        self.register_buffer("codes", codes, persistent=False)
        meant = nn.functional.one_hot(numbers % experts, experts).float()
        self.register_buffer("meant", meant, persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        shares = self.mix(rows).view(len(rows), self.targets, CHOSEN).softmax(-1)
        weights: Tensor = (shares[..., None] * self.selectors(rows)).sum(-2)
        return weights

    def selectors(self, rows: Tensor) -> Tensor:
        """What each selector chooses: n x targets x CHOSEN x experts, the last adding up to one."""
        bits = smooth_step(self.spell(rows)).view(len(rows), self.targets, CHOSEN, 1, self.bits)
        spelt = torch.where(self.codes, bits, 1 - bits).prod(-1)
        return torch.matmul(spelt, self.meant)


def smooth_step(numbers: Tensor) -> Tensor:
    """From zero to one in a cubic between -STEP / 2 and STEP / 2, flat outside."""
    inside = (numbers / STEP).clamp(-0.5, 0.5)
    return 0.5 + 1.5 * inside - 2 * inside**3
