"""What a network's answers to a batch cost, by target."""

from collections.abc import Callable, Mapping

from torch import Tensor

from learner.networks.network import Rows
from learner.targets import target_named
from learner.training.lesson import Batch

Says = Callable[[Rows, Tensor], Mapping[str, Tensor]]


def losses(network: Says, batch: Batch) -> dict[str, Tensor]:
    """Each target's share in the mean loss of the whole batch, in single precision."""
    said = network(batch.rows, batch.workers)
    found = {}
    for name, truth in batch.truth.items():
        target = target_named(name)
        predicted = target.read(said[name].float(), batch.offset[name])
        cost = target.loss(predicted, truth, batch.at_least[name])
        found[name] = (cost * batch.weight[name]).sum() / max(batch.counts[name], 1e-9)
    return found
