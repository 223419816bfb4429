"""Where the gradients of the targets meet, and how they agree there."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from learner.networks.base import Sharing
from learner.networks.blocks import Experts

DEAD = 0.01  # an output of an expert that never gets farther from zero says nothing


class Meeting:
    """The last representation that all targets read: gradients by it tell who is in whose way.

    It is the last layer of experts that every target reads, without those experts that one target
    has for itself; where there is none, the embedded rows. It watches what passes through a
    sharing, so ask before the next pass, and for gradients before the graph is freed. They need a
    pass back through heads and gates alone.
    """

    def __init__(self, sharing: Sharing, together: Callable[[Tensor], Tensor]) -> None:
        self.together = together
        self.passed: list[Tensor] = []
        self.chosen: tuple[int, Tensor] | None = None
        sharing.register_forward_pre_hook(self._enter)
        for part in sharing.modules():
            if isinstance(part, Experts):
                part.register_forward_hook(self._keep)

    def gramian(self, losses: Sequence[Tensor]) -> Tensor:
        """The products of the gradients over the whole batch: targets x targets.

        Shape: losses: this worker's shares in the losses of the batch, scalars with a graph.
        """
        self.chosen = self.chosen or self._choose(losses)
        place, shared = self.chosen
        flat = _by_expert(losses, self.passed[place])[:, shared].flatten(1)
        return self.together(flat @ flat.T)

    def dead_units(self) -> float:
        """The share of the experts' outputs that stay near zero in all rows of the last pass."""
        largest = [each.detach().abs().amax(0).flatten() for each in self.passed[1:] if len(each)]
        return float((torch.cat(largest) < DEAD).float().mean()) if largest else 0.0

    def forget(self) -> None:
        """Lets go of the last pass."""
        self.passed.clear()

    def _choose(self, losses: Sequence[Tensor]) -> tuple[int, Tensor]:
        """The place, and which of its experts are read by more than one target."""
        moved = self._reached(losses, 0).any(1)
        for place in reversed(range(1, len(self.passed))):
            reached = self._reached(losses, place)
            shared = reached.sum(0) >= min(2, int(moved.sum()))
            if shared.any() and torch.equal(reached[:, shared].any(1), moved):
                return place, shared
        return 0, torch.ones(1, dtype=torch.bool)

    def _reached(self, losses: Sequence[Tensor], place: int) -> Tensor:
        """Whether a target reads an expert, the same on every worker: targets x experts."""
        found = (_by_expert(losses, self.passed[place]) != 0).any(-1)
        return self.together(found.double()) > 0

    def _enter(self, module: nn.Module, given: tuple[Tensor, ...]) -> None:  # noqa: ARG002
        self.passed = [given[0]]

    def _keep(self, module: nn.Module, given: tuple[Tensor, ...], said: Tensor) -> None:  # noqa: ARG002
        self.passed.append(said)


def cosines(gramian: Tensor) -> Tensor:
    """The cosine of each pair of gradients; NaN for those that are zero: targets x targets."""
    lengths = gramian.diagonal().clamp_min(0.0).sqrt()
    return (gramian / (lengths[:, None] * lengths)).clamp(-1.0, 1.0)


def _by_expert(losses: Sequence[Tensor], by: Tensor) -> Tensor:
    """Gradients, with rows that have no experts as if of one: targets x experts x (rows, width)."""
    found = [
        torch.autograd.grad(loss, by, retain_graph=True, materialize_grads=True)[0]
        for loss in losses
    ]
    all_of_them = torch.stack(found)
    if by.ndim < 3:
        return all_of_them.flatten(1).unsqueeze(1)
    return all_of_them.movedim(-2, 1).flatten(2)
