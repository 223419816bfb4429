"""Learning from sizes as they might have been told: augmentation by noise."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from learner.methods.base import Method, Scene, Steering
from learner.methods.sizes import Sizes
from learner.methods.teaching import standing
from learner.networks.network import Network
from learner.training.lesson import Batch
from learner.training.losses import losses
from scheduler.errors import InvalidInput

FEWEST = 4096  # rows of noise at least, so that small lessons do not meet the same noise again
STRIDE = 1_000_003  # more than the steps of a training, and a prime


@dataclass(frozen=True)
class Jitter(Method):
    """Each step learns from its rows twice: as they are, and with noise in their sizes.

    Training with noise in the inputs (Bishop 1995, eq. 7). `size` 0.2 draws every size between 0.8
    and 1.2 of itself, each by itself; `weight` is the noisy rows' share of the loss. The offset
    answers to the noise as it would in a forecast, so the network learns to put it right.
    """

    size: float = 0.2
    weight: float = 0.5

    def __post_init__(self) -> None:
        for name in ("size", "weight"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise InvalidInput(f"The option {name} of jitter lies in 0..1, found {value!r}.")

    def steering(self, scene: Scene) -> Steering:
        """The slopes of the offsets and the noise, drawn from the seed."""
        lesson = scene.lessons["train"]
        sizes = Sizes.of(lesson, scene.examples.columns, scene.offsets)
        drawn = torch.Generator().manual_seed(scene.settings.seed)
        rows = max(len(lesson), FEWEST)
        uniform = torch.rand((rows, len(sizes.columns)), generator=drawn)
        return Jittered(sizes, torch.log1p(self.size * (2 * uniform - 1)), self.weight)


class Jittered(Steering):
    """The mean of the loss and of the loss with noise; the step says which row has which."""

    def __init__(self, sizes: Sizes, noise: Tensor, weight: float) -> None:
        self.sizes, self.noise, self.weight = sizes, noise, weight

    def told(self) -> object:
        """The noise and the slopes."""
        return ("jitter", self.noise, dict(self.sizes.slopes), self.weight)

    def losses(
        self, network: Network, batch: Batch, plain: Mapping[str, Tensor], progress: float
    ) -> Mapping[str, Tensor]:
        """Both losses, by their weights."""
        places = torch.cat([batch.places["attempts"], batch.places["choices"]])
        drawn = (places + math.floor(progress * STRIDE)) % len(self.noise)
        by = standing(self.noise, drawn)
        noisy = losses(network, self.sizes.moved(batch, by))
        return {n: (1 - self.weight) * each + self.weight * noisy[n] for n, each in plain.items()}
