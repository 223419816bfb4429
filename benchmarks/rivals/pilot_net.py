"""The layers of the pilot's networks."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, silu

WIDTHS, WAVES, PER_NUMBER = (16, 8, 4), 16, 8
EXPERTS, WIDTH, TRUNK, HEAD, DROPOUT = 4, 64, 128, 64, 0.05


class PilotNet(nn.Module):
    """Embeddings, experts, gates on the embedded row, and a head for each target."""

    def __init__(self, counts: tuple[int, ...], columns: int, targets: int, sharing: str) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(
            [nn.Embedding(count, width) for count, width in zip(counts, WIDTHS, strict=True)]
        )
        self.frequencies = nn.Parameter(torch.randn(columns, WAVES) * 0.1)
        self.waves = nn.Linear(2 * WAVES, PER_NUMBER)
        inputs = sum(WIDTHS) + columns * PER_NUMBER
        self.sharing, self.targets = sharing, targets
        self.shared = 1 if sharing == "hard" else EXPERTS
        width = TRUNK if sharing == "hard" else WIDTH
        own = targets if sharing == "cgc" else 0
        self.experts = _Side((inputs, width, width), self.shared + own)
        if sharing != "hard":
            self.gate = nn.Linear(inputs, targets * (self.shared + (own > 0)))
        self.dropout = nn.Dropout(DROPOUT)
        self.heads = _Heads((width, HEAD, 1), targets)

    @property
    def machines(self) -> nn.Parameter:
        """The embedding of machines: machines x width."""
        found = self.embeddings[1].weight
        assert isinstance(found, nn.Parameter)
        return found

    def forward(self, names: Tensor, numbers: Tensor) -> Tensor:
        angles = 2 * math.pi * self.frequencies * numbers[..., None]
        waves = self.waves(torch.cat([angles.sin(), angles.cos()], -1)).relu().flatten(1)
        embedded = [each(names[:, i]) for i, each in enumerate(self.embeddings)]
        rows = torch.cat([*embedded, waves], -1)
        said: Tensor = self.heads(self._mixed(rows))
        return said

    def _mixed(self, rows: Tensor) -> Tensor:
        """Shape: targets x n x width."""
        pool = self.dropout(self.experts(rows))
        if self.sharing == "hard":
            return torch.cat([pool] * self.targets)
        weights = self.gate(rows).view(len(rows), self.targets, -1).softmax(-1)
        mixed: Tensor = torch.einsum(
            "nte,enw->tnw", weights[..., : self.shared], pool[: self.shared]
        )
        if self.sharing == "cgc":
            mixed = mixed + weights[..., -1].T[..., None] * pool[self.shared :]
        return mixed


class _Side(nn.Module):
    """Networks of equal shape side by side, each layer linear, layer norm, SiLU."""

    def __init__(self, sizes: tuple[int, ...], count: int) -> None:
        super().__init__()
        pairs = list(pairwise(sizes))
        self.weights = nn.ParameterList(
            [(torch.rand(count, *pair) * 2 - 1) / math.sqrt(pair[0]) for pair in pairs]
        )
        self.biases = nn.ParameterList([torch.zeros(count, 1, out) for _, out in pairs])
        self.gains = nn.ParameterList([torch.ones(count, 1, out) for _, out in pairs])
        self.shifts = nn.ParameterList([torch.zeros(count, 1, out) for _, out in pairs])

    def forward(self, rows: Tensor) -> Tensor:
        layers = zip(self.weights, self.biases, self.gains, self.shifts, strict=True)
        for weight, bias, gain, shift in layers:
            rows = torch.matmul(rows, weight) + bias
            rows = silu(layer_norm(rows, rows.shape[-1:]) * gain + shift)
        return rows


class _Heads(nn.Module):
    """One small head for each target: targets x n x width in, n x targets out."""

    def __init__(self, sizes: tuple[int, int, int], count: int) -> None:
        super().__init__()
        pairs = list(pairwise(sizes))
        self.weights = nn.ParameterList(
            [(torch.rand(count, *pair) * 2 - 1) / math.sqrt(pair[0]) for pair in pairs]
        )
        self.biases = nn.ParameterList([torch.zeros(count, 1, out) for _, out in pairs])

    def forward(self, rows: Tensor) -> Tensor:
        hidden = silu(torch.matmul(rows, self.weights[0]) + self.biases[0])
        said: Tensor = torch.matmul(hidden, self.weights[1]) + self.biases[1]
        return said[..., 0].T
