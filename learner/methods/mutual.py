"""Mutual learning: networks that begin unlike each other learn together and from each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from learner.methods.base import Method, Scene, Steering
from learner.networks.network import Network, Plan
from learner.targets import target_named
from learner.training.lesson import Batch
from scheduler.errors import InvalidInput
from scheduler.numbers import finite, positive

PEERS = "peers"  # where a network keeps those that learn with it


@dataclass(frozen=True)
class Mutual(Method):
    """Deep mutual learning (Zhang, Xiang, Hospedales and Lu 2018, eq. 5-8), for quantiles too.

    `peers` networks learn beside the one that will serve. Each is drawn to the mean of what the
    others say of a row, measured or not, with a `weight` against the truth that rises from zero
    after the share `start` of the steps to the last one. The peers are left behind when the
    training ends: serving costs what it did, training about (2 + peers) times as much.
    """

    peers: float = 1
    weight: float = 1.0
    start: float = 0.0

    def __post_init__(self) -> None:
        finite(self.peers, "peers", InvalidInput)
        if self.peers != int(self.peers) or self.peers < 1:
            raise InvalidInput(f"peers must be a whole number from 1 on, found {self.peers!r}.")
        positive(self.weight, "weight", InvalidInput)
        if not 0 <= self.start < 1:
            raise InvalidInput(f"start must lie in 0..1, below 1, found {self.start!r}.")

    def steering(self, scene: Scene) -> Steering:
        """Peers of the same plan, each begun by chance."""
        return _Together(scene.plan, int(self.peers), self.weight, self.start)


class _Together(Steering):
    """Adds the peers' losses, and how far each is from what the others say."""

    def __init__(self, plan: Plan, peers: int, weight: float, start: float) -> None:
        self.plan, self.peers, self.weight, self.start = plan, peers, weight, start

    def told(self) -> object:
        """What it depends on, the plan as plain values."""
        return ("mutual", self.plan.as_plain(), self.peers, self.weight, self.start)

    def begin(self, network: Network) -> None:
        """The peers become part of the network, so that they learn and are kept with it."""
        made = nn.ModuleList(Network(self.plan) for _ in range(self.peers))
        network.add_module(PEERS, made)

    def losses(
        self, network: Network, batch: Batch, plain: Mapping[str, Tensor], progress: float
    ) -> Mapping[str, Tensor]:
        """The losses of all, and of each what it is off the mean of the others."""
        peers = network.get_submodule(PEERS)
        everybody = [network, *(each for each in peers.children())]
        said = [_read(each, batch) for each in everybody]
        weight = self.weight * max(progress - self.start, 0.0) / (1 - self.start)
        found = {}
        for name, own in plain.items():
            told = [each[name] for each in said]
            cost = own + sum(_cost(name, each, batch) for each in told[1:])
            found[name] = cost + weight * _apart(name, told, batch)
        return found


def _read(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    said = network(batch.rows, batch.workers)
    return {n: target_named(n).read(said[n], batch.offset[n]) for n in batch.truth}


def _cost(name: str, told: Tensor, batch: Batch) -> Tensor:
    """A peer's share in the mean loss of the whole batch."""
    each = target_named(name).loss(told, batch.truth[name], batch.at_least[name])
    return (each * batch.weight[name]).sum() / max(batch.counts[name], 1e-9)


def _apart(name: str, told: Sequence[Tensor], batch: Batch) -> Tensor:
    """How far each is from the mean of the others, who are not moved by it.

    Rows without a truth count too: there the others are all that a network can learn from.
    """
    every = torch.stack([each.detach() for each in told])
    total, others = every.sum(0), len(told) - 1
    sees = target_named(name).sees
    rows = max(n for each, n in batch.counts.items() if target_named(each).sees == sees)
    known = torch.where(torch.isnan(batch.weight[name]), 0.0, batch.weight[name])
    found = total.new_zeros(())
    for own in told:
        mean = (total - own.detach()) / others
        off = smooth_l1_loss(own, mean, reduction="none")
        off = off if off.dim() == known.dim() else off.mean(-1)
        found = found + (off * known).sum() / max(rows, 1e-9)
    return found
