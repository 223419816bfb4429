"""The pieces that networks are made of."""

import math
from itertools import pairwise

import torch
from rtdl_num_embeddings import PeriodicEmbeddings
from torch import Tensor, nn
from torch.nn.functional import layer_norm, silu

from learner.networks.base import Shape


class Experts(nn.Module):
    """Networks of equal shape, side by side, as batched matrix products.

    Each layer is linear, layer norm and SiLU, with dropout after the last; with depth 0 an expert
    is a matrix.

    Shape: n x inputs in, or experts x n x inputs where each reads something of its own; n x experts
    x width out.
    """

    def __init__(self, count: int, inputs: int, shape: Shape) -> None:
        super().__init__()
        sizes = [inputs, *[shape.width] * max(shape.depth, 1)]
        pairs = list(pairwise(sizes))
        self.weights = nn.ParameterList([_spread(torch.empty(count, *pair)) for pair in pairs])
        self.linear = shape.depth == 0
        made = [] if self.linear else pairs
        self.biases = nn.ParameterList([torch.zeros(count, 1, out) for _, out in made])
        self.gains = nn.ParameterList([torch.ones(count, 1, out) for _, out in made])
        self.shifts = nn.ParameterList([torch.zeros(count, 1, out) for _, out in made])
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, rows: Tensor) -> Tensor:
        if self.linear:
            return torch.matmul(rows, self.weights[0]).transpose(0, 1)
        hidden = rows.expand(len(self.weights[0]), *rows.shape[-2:])
        layers = zip(self.weights, self.biases, self.gains, self.shifts, strict=True)
        for weight, bias, gain, shift in layers:
            hidden = torch.baddbmm(bias, hidden, weight)
            hidden = layer_norm(hidden, hidden.shape[-1:]) * gain + shift
            hidden = silu(hidden)
        dropped: Tensor = self.dropout(hidden.transpose(0, 1))
        return dropped


class Gates(nn.Module):
    """One softmax gate for each target, linear on the embedded rows.

    Shape: n x inputs in; n x targets x experts out, the last adding up to one.
    """

    def __init__(self, inputs: int, targets: int, experts: int) -> None:
        super().__init__()
        self.targets, self.experts = targets, experts
        self.linear = nn.Linear(inputs, targets * experts)
        nn.init.normal_(self.linear.weight, std=0.1 / math.sqrt(inputs))
        nn.init.zeros_(self.linear.bias)

    def forward(self, rows: Tensor) -> Tensor:
        scores: Tensor = self.linear(rows)
        return scores.view(len(rows), self.targets, self.experts).softmax(-1)


class NumberEmbedding(nn.Module):
    """Periodic embedding of each number, then one small layer that all numbers share.

    Gorishniy, Rubachev and Babenko 2022, eq. 2, with the layer of their "lite" variant. The number
    itself goes along, so that what is monotone stays easy.

    Shape: n x columns in; n x (columns * (width + 1)) out.
    """

    def __init__(self, columns: int, *, width: int = 8, frequencies: int = 16) -> None:
        super().__init__()
        self.waves = PeriodicEmbeddings(
            columns, width, n_frequencies=frequencies, frequency_init_scale=0.1, lite=True
        )
        self.outputs = columns * (width + 1)

    def forward(self, numbers: Tensor) -> Tensor:
        return torch.cat([self.waves(numbers), numbers[..., None]], dim=-1).flatten(1)


class Head(nn.Module):
    """From a target's representation to its outputs; it begins by saying nothing (zeros).

    Shape: n x width in; n x outputs out.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.hidden, self.last = nn.Linear(width, width), nn.Linear(width, outputs)
        nn.init.zeros_(self.last.bias)
        nn.init.normal_(self.last.weight, std=0.01)

    def forward(self, representation: Tensor) -> Tensor:
        said: Tensor = self.last(silu(self.hidden(representation)))
        return said


def squash(numbers: Tensor, limit: float = 3.0) -> Tensor:
    """Smooth clipping: near zero nothing changes, nothing goes beyond the limit."""
    return numbers / torch.sqrt(1 + (numbers / limit) ** 2)


def _spread(weight: Tensor) -> Tensor:
    bound = 1 / math.sqrt(weight.shape[1])
    return nn.init.uniform_(weight, -bound, bound)
