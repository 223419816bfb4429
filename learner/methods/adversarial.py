"""Learning from sizes as they would mislead most: adversarial training."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from learner.methods.base import Method, Scene, Steering
from learner.methods.sizes import Sizes
from learner.networks.network import Network
from learner.training.lesson import Batch
from learner.training.losses import losses
from scheduler.errors import InvalidInput

LEAST = 1e-12  # a gradient shorter than this has no direction


@dataclass(frozen=True)
class Adversarial(Method):
    """Each step learns from its rows twice: as they are, and as their sizes would mislead most.

    The fast gradient method (Miyato, Dai and Goodfellow 2017, eq. 5) with the logarithms of the
    sizes in place of word embeddings: `size * g / |g|` for each row, where g is the gradient of its
    losses, through the network and through the offset under it. `weight` is the misled rows' share
    of the loss.
    """

    size: float = 0.2
    weight: float = 0.5

    def __post_init__(self) -> None:
        for name in ("size", "weight"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise InvalidInput(
                    f"The option {name} of adversarial lies in 0..1, found {value!r}."
                )

    def steering(self, scene: Scene) -> Steering:
        """The slopes of the offsets."""
        columns, lesson = scene.examples.columns, scene.lessons["train"]
        return Misled(Sizes.of(lesson, columns, scene.offsets), self.size, self.weight)


class Misled(Steering):
    """The mean of the loss and of the loss where sizes mislead."""

    def __init__(self, sizes: Sizes, size: float, weight: float) -> None:
        self.sizes, self.size, self.weight = sizes, size, weight

    def told(self) -> object:
        """The slopes, and how far sizes mislead."""
        return ("adversarial", dict(self.sizes.slopes), self.size, self.weight)

    def losses(
        self, network: Network, batch: Batch, plain: Mapping[str, Tensor], progress: float
    ) -> Mapping[str, Tensor]:
        """Both losses, by their weights."""
        del progress
        misled = losses(network, self.sizes.moved(batch, self.worst(network, batch)))
        return {n: (1 - self.weight) * each + self.weight * misled[n] for n, each in plain.items()}

    def worst(self, network: Network, batch: Batch) -> Tensor:
        """The move of each row's sizes along which its losses rise fastest: rows x k."""
        shape = len(batch.rows.kind), len(self.sizes.columns)
        nowhere = batch.rows.numbers.new_zeros(shape).requires_grad_()
        found = losses(network, self.sizes.moved(batch, nowhere))
        total = torch.stack(list(found.values())).sum()
        (rise,) = torch.autograd.grad(total, nowhere)
        length: Tensor = rise.norm(dim=1, keepdim=True)
        return self.size * rise / length.clamp_min(LEAST)
