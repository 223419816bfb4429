"""The seam for loss weighting: how much each target counts."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from scheduler.errors import InvalidInput

LEAST = 1e-6  # no target is left out altogether, and no loss counts as nothing
RATE = 0.025  # of what a weighting learns by itself, with Adam; FAMO's in its paper
EVERY = 4  # steps from one look at the gradients to the next


class Weighting(ABC):
    """Balances the targets of one training against each other, step by step.

    It may learn and remember. Each training worker has one of its own, and all are told the same
    losses and gradients of whole batches; what is drawn comes from `seed` alone. So all find the
    same weights, however many workers share a batch. `first` is the target that a method puts
    before all others; where it is None, equal losses with equal gradients get equal weights.
    """

    first: ClassVar[str | None] = None

    def __init__(self, targets: Sequence[str], *, seed: int = 0) -> None:
        self.targets, self.seed = tuple(targets), seed

    @abstractmethod
    def weights(self, losses: Tensor, gramian: Callable[[], Tensor]) -> Tensor:
        """The weight of each target's loss in this step.

        `gramian` is called where it is needed, since it costs a pass back from each target: the
        products of the targets' gradients with one another, each by what all targets read in
        common.

        Shape: losses: targets, without gradient, in the order of `targets`; gramian: targets x
        targets; the answer: targets, finite.
        """

    def after(self, again: Callable[[], Tensor]) -> None:  # noqa: B027  most do not look back
        """The step is done; `again` gives the losses of the same batch after it."""

    def end_epoch(self) -> None:  # noqa: B027  most know no epochs
        """An epoch is over."""

    def wake(self) -> None:  # noqa: B027  most have all their parts from the start
        """Makes the parts that the first steps would make, so that they can be given a state."""


class ByLoss(Weighting):
    """Weights from the losses alone, by one of TorchJD's scalarizers.

    A scalarizer turns all losses into one; its derivative by a loss is that loss's weight, and by
    the same derivative it learns what it has to learn. Weights are scaled to add up to the number
    of targets: they move the balance, not the rate. A loss of zero means that the batch held
    nothing of that target; then its last one counts.
    """

    def __init__(self, targets: Sequence[str], *, seed: int = 0) -> None:
        super().__init__(targets, seed=seed)
        self.scalarizer = self.made()
        self.known = torch.ones(len(self.targets))
        learned = list(self.scalarizer.parameters())
        self.optimiser = torch.optim.Adam(learned, lr=RATE) if learned else None

    @abstractmethod
    def made(self) -> Any:
        """The scalarizer."""

    def weights(self, losses: Tensor, gramian: Callable[[], Tensor]) -> Tensor:  # noqa: ARG002
        """The scalarizer's derivatives, positive."""
        values = self._known(losses).requires_grad_()
        self.scalarizer.zero_grad()
        self.scalarizer(values).backward()
        if self.optimiser is not None:
            self.optimiser.step()
        found: Tensor = values.grad if values.grad is not None else torch.ones_like(losses)
        return scaled(scaled(found).clamp_min(LEAST))

    def _known(self, losses: Tensor) -> Tensor:
        self.known = torch.where(losses > 0, losses, self.known).clamp_min(LEAST)
        return self.known.clone()


class ByGradient(Weighting):
    """Weights from how the targets' gradients agree; the last ones hold for EVERY steps.

    They are the method's own, whatever they add up to: a target with a short gradient may get a
    large weight, and all of them scaled by it would be slowed down. Some methods give a target
    nothing, or less: a step along its gradient would harm the others.
    """

    def __init__(self, targets: Sequence[str], *, seed: int = 0) -> None:
        super().__init__(targets, seed=seed)
        self.steps, self.latest = 0, torch.ones(len(self.targets))

    @abstractmethod
    def balance(self, gramian: Tensor, losses: Tensor) -> Tensor:
        """Weights from the products of the gradients, in double precision."""

    def weights(self, losses: Tensor, gramian: Callable[[], Tensor]) -> Tensor:
        """Those of the method, found anew in every EVERY-th step."""
        if self.steps % EVERY == 0:
            with torch.random.fork_rng(devices=[]):  # some methods draw the order of targets
                torch.manual_seed(self.seed + self.steps)
                found = self.balance(gramian().double(), losses.double())
            self.latest = found.to(losses.dtype)
        self.steps += 1
        return self.latest


class ByAggregator(ByGradient):
    """Weights from a function of the Gramian alone, over targets whose gradient is not zero.

    Without a gradient there is nothing to balance, and methods that look for the shortest mixture
    would find it there.
    """

    def __init__(self, targets: Sequence[str], *, seed: int = 0) -> None:
        super().__init__(targets, seed=seed)
        self.aggregate = self.made()

    @abstractmethod
    def made(self) -> Callable[[Tensor], Tensor]:
        """From a Gramian to weights."""

    def balance(self, gramian: Tensor, losses: Tensor) -> Tensor:
        """The weights where there are gradients, one elsewhere."""
        moved = gramian.diagonal() > 0
        found = torch.ones_like(losses)
        if moved.any():
            found[moved] = self.aggregate(gramian[moved][:, moved])
        return found


def scaled(weights: Tensor) -> Tensor:
    """Weights that add up to their number in absolute value; zeros stay zeros."""
    total = weights.abs().sum()
    return weights * (len(weights) / total) if total > 0 else weights


def torchjd(module: str, name: str) -> Any:
    """A part of TorchJD, which is an optional extra.

    Raises InvalidInput with what to install where it is missing.
    """
    try:
        return getattr(importlib.import_module(f"torchjd.{module}"), name)
    except ImportError:
        raise InvalidInput(
            f"The weighting by {name} needs TorchJD, which is not installed; "
            'install it with: pip install "allot[balance]"'
        ) from None
