"""A network that says what each worker costs, one output for each: any sharing, workers as targets.

With gates it is the mission's formula, worker by worker: `f_i(x) = sum_j g_ij(x) e_j(x)`.
"""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from learner.networks.base import Shape
from learner.networks.network import sharing_named
from learner.threads import threads

Floats = NDArray[np.float64]
RISE = 0.2  # the share of steps in which the rate rises


@dataclass(frozen=True, kw_only=True)
class PolicyNetworkSettings:
    """How to train; `held` is the share of rows that choose the best epoch.

    One thread is the fastest for networks as small as these.
    """

    sharing: str = "mmoe"
    shape: Shape = field(default_factory=lambda: Shape(depth=1, dropout=0.1))
    epochs: int = 30
    rate: float = 3e-3
    decay: float = 1e-2
    held: float = 0.2
    threads: int = 1

    def batch_of(self, rows: int) -> int:
        """Rows in one step: a sixteenth of them, from 32 to 256."""
        return int(min(max(rows // 16, 32), 256))


class PolicyNetwork(nn.Module):
    """Columns in, costs relative to the mean of all workers out.

    Shape: n x columns in; n x workers out.
    """

    def __init__(self, columns: int, workers: int, settings: PolicyNetworkSettings) -> None:
        super().__init__()
        self.names = tuple(f"worker {j + 1}" for j in range(workers))
        width = settings.shape.width
        made = sharing_named(settings.sharing)(columns, self.names, settings.shape)
        self.sharing = made
        self.weight = nn.Parameter(torch.randn(workers, width) * 0.1 / width**0.5)
        self.bias = nn.Parameter(torch.zeros(workers))

    def forward(self, x: Tensor) -> Tensor:
        shared = self.sharing(x)
        each = torch.stack([shared[name] for name in self.names], dim=1)
        return (each * self.weight).sum(-1) + self.bias

    @classmethod
    def fit(cls, x: Floats, cost: Floats, settings: PolicyNetworkSettings, *, seed: int) -> Self:
        """Least squares on costs relative to each row's mean, which are best told in units of
        their scatter; the weights are those of the epoch that did best on rows held back.

        Shape: x: n x columns, without NaN; cost: n x workers, without NaN.
        """
        with torch.random.fork_rng(devices=[]), threads(settings.threads):
            torch.manual_seed(seed)
            network = cls(x.shape[1], cost.shape[1], settings)
            network._learn(torch.from_numpy(x).float(), torch.from_numpy(cost).float(), settings)
        return network

    def costs(self, x: Floats) -> Floats:
        """The costs believed. Shape: n x workers."""
        self.eval()
        with torch.inference_mode():
            said: Floats = self(torch.from_numpy(x).float()).double().numpy()
        return said

    def _learn(self, x: Tensor, cost: Tensor, settings: PolicyNetworkSettings) -> None:
        checked, taught = torch.randperm(len(x)).split_with_sizes(_parts(len(x), settings.held))
        size = settings.batch_of(len(taught))
        optimiser = torch.optim.AdamW(
            self.parameters(), lr=settings.rate, weight_decay=settings.decay
        )
        steps = settings.epochs * -(-len(taught) // size)
        rate = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, settings.rate, total_steps=steps + 1, pct_start=RISE
        )
        least, best = torch.inf, self._copy()
        for _ in range(settings.epochs):
            self.train()
            for rows in torch.split(taught[torch.randperm(len(taught))], size):
                loss = self._miss(x[rows], cost[rows]) + self.sharing.penalty(x[rows])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                rate.step()
            self.eval()
            with torch.no_grad():
                miss = float(self._miss(x[checked], cost[checked]))
            if miss < least:
                least, best = miss, self._copy()
        self.load_state_dict(best)

    def _miss(self, x: Tensor, cost: Tensor) -> Tensor:
        miss: Tensor = ((self(x) - cost) ** 2).mean()
        return miss

    def _copy(self) -> dict[str, Tensor]:
        return {name: each.detach().clone() for name, each in self.state_dict().items()}


def _parts(n: int, held: float) -> list[int]:
    checked = max(1, int(n * held))
    return [checked, n - checked]
