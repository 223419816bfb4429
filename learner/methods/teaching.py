"""What a teacher says of a lesson, and what it costs a student to say something else."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss

from learner.features import Inputs
from learner.networks.network import Network, Rows
from learner.targets import target_named
from learner.targets.quantities import Quantity
from learner.training.lesson import Batch, Lesson
from scheduler.predictors.affinity import TEMPERATURE

NEAR = 0.1  # units of the head within which a distance counts less and less
CHUNK = 16_384  # rows in one pass, to bound memory
Said = Mapping[str, Tensor]


def heads_of(network: Network, lesson: Lesson) -> dict[str, Tensor]:
    """What the heads say of a lesson as it is, no name forgotten.

    Shape: by target, n x outputs, or for choices c x w x outputs.
    """
    network.eval()
    with torch.no_grad():
        rows, works = lesson.attempts, lesson.works
        parts = [network(rows.take(each)) for each in _chunks(len(rows.kind))]
        chosen = [network(works.take(e), lesson.workers[e]) for e in _chunks(len(works.kind))]
    return {
        name: torch.cat([p[name] for p in (chosen if _chooses(name) else parts)])
        for name in lesson.truth
        if name in network.plan.targets
    }


def read(heads: Said, lesson: Lesson) -> dict[str, Tensor]:
    """The same above the offsets of the lesson: what was said, in the units of the heads."""
    return {n: target_named(n).read(each, lesson.offset[n][0]) for n, each in heads.items()}


def distance(name: str, predicted: Tensor, told: Tensor, truth: Tensor) -> Tensor:
    """What it costs to say something else of each row; zero where both say the same.

    Quantiles: half their mean distance, as the pinball loss counts it, rounded off near zero.
    Risks and shares of workers: the Kullback-Leibler divergence (Hinton, Vinyals and Dean 2015,
    eq. 2). Shape: predicted, told: as `Target.read` gives them; truth: for choices, NaN for
    workers that are not to be compared.
    """
    target = target_named(name)
    if isinstance(target, Quantity):
        return smooth_l1_loss(predicted, told, reduction="none", beta=NEAR).mean(-1) / 2
    if _chooses(name):
        best = told.amax(-1, keepdim=True)
        costs = torch.exp(TEMPERATURE * (best - told))
        return target.loss(predicted, torch.where(torch.isnan(truth), truth, costs))
    chance = torch.sigmoid(told)
    cost = binary_cross_entropy_with_logits(predicted, chance, reduction="none")
    return cost - binary_cross_entropy_with_logits(told, chance, reduction="none")


def relative(name: str, heads: Tensor, ratio: float = 1.0) -> Tensor:
    """What heads say without an offset, quantiles in units `ratio` times as large."""
    target = target_named(name)
    if not isinstance(target, Quantity):
        return heads
    return target.read(heads, heads.new_zeros(heads.shape[:-1])) * ratio


def distances_above(said: Said, told: Said, batch: Batch) -> dict[str, Tensor]:
    """Like `distances`, of what a teacher says above any offset: `relative`, for the lesson."""
    found = {}
    for name, table in told.items():
        target = target_named(name)
        under, mine = batch.offset[name], standing(table, batch.places[target.sees])
        quantity = isinstance(target, Quantity)
        found[name] = mine + under[..., None] if quantity else target.read(mine, under)
    return distances(said, found, batch)


def distances(said: Said, told: Said, batch: Batch) -> dict[str, Tensor]:
    """By target, this worker's share in the mean distance over the whole batch.

    Rows count that tell something of the target themselves, as in its loss. Shape: said: what the
    heads say of the batch; told: what the teacher says of its rows, read.
    """
    found = {}
    for name, taught in told.items():
        target, truth = target_named(name), batch.truth[name]
        predicted = target.read(said[name], batch.offset[name])
        seen = batch.weight[name] * target.observed(truth)
        off = distance(name, predicted, taught, truth) * seen
        found[name] = off.sum() / max(batch.counts[name], 1e-9)
    return found


def loss_of(name: str, told: Tensor, lesson: Lesson) -> float:
    """What the lesson costs who says this of it; not yet divided by what it counts."""
    target = target_named(name)
    each = target.loss(told, lesson.truth[name], lesson.at_least[name])
    return float((each * lesson.weight[name]).sum())


def inputs_of(rows: Rows) -> Inputs:
    """Rows of a lesson as those read them that are no networks."""
    numbers = rows.numbers.double().numpy(), rows.missing.double().numpy()
    return Inputs(rows.kind.numpy(), rows.worker.numpy(), rows.workflow.numpy(), *numbers)


def pairs_of(lesson: Lesson) -> Inputs:
    """Each piece of work of the choices on each of its workers: row `i * w + j`."""
    width, works = lesson.workers.shape[1], inputs_of(lesson.works)
    every = works.take(np.repeat(np.arange(len(works)), width))
    return every.on(lesson.workers.numpy().ravel())


def standing(table: Tensor, places: Tensor) -> Tensor:
    """The rows of a table that was computed beforehand, on the device of a batch."""
    return table[places.to(table.device)].to(places.device)


def _chooses(name: str) -> bool:
    return target_named(name).sees == "choices"


def _chunks(rows: int) -> list[Tensor]:
    return [torch.arange(s, min(s + CHUNK, rows)) for s in range(0, max(rows, 1), CHUNK)]
