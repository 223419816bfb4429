"""Examples laid out for learning: tensors, and the batches of each epoch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.random import default_rng
from numpy.typing import NDArray
from torch import Tensor

from learner.choices import Choices, choices_of
from learner.examples import Examples
from learner.features import UNKNOWN, Inputs
from learner.networks.network import Rows
from learner.offsets import Offsets
from learner.offsets.ridge import fit_ridge
from learner.targets import auxiliaries, target_named, targets
from learner.targets.base import AttemptTarget, Target
from learner.targets.quantities import Quantity

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MEASURED = 0.1  # the share of training rows from which on an auxiliary target is learned
FORGETTING = ((False, False), (True, False), (False, True), (True, True))


@dataclass(frozen=True, eq=False)
class Batch:
    """One step: attempts first, then the pieces of work of the choices.

    Shape: workers: choices x w, places of the workers that might do each piece of work.

    `truth`, `at_least`, `offset` and `weight` are by target, in the units of the heads. `places`
    says where in the lesson the `attempts` and the `choices` of this share stand.
    """

    rows: Rows
    attempts: int
    workers: Tensor
    truth: Mapping[str, Tensor]
    at_least: Mapping[str, Tensor]
    offset: Mapping[str, Tensor]
    weight: Mapping[str, Tensor]
    counts: Mapping[str, float]
    places: Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Lesson:
    """One part of the examples, ready for learning.

    Shape
    - attempts: n rows; works: c rows; workers: c x w, who might do each piece of work
    - truth, weight: by target, n values, or for choices c x w and c
    - at_least: like truth, bounds below truths that were cut off, NaN elsewhere
    - offset: by target, 4 x n, one row for each of FORGETTING; for choices 1 x c x w
    """

    attempts: Rows
    works: Rows
    workers: Tensor
    truth: Mapping[str, Tensor]
    at_least: Mapping[str, Tensor]
    offset: Mapping[str, Tensor]
    weight: Mapping[str, Tensor]

    @classmethod
    def of(
        cls,
        examples: Examples,
        rows: Ints,
        offsets: Offsets,
        choices: Choices,
        *,
        along: Mapping[str, Floats] | None = None,
    ) -> "Lesson":
        """The lesson of some rows of the examples, and of their choices.

        `along` are truths of auxiliary targets, for all examples, that the offsets know.
        """
        known = {**examples.truth, **(along or {})}
        unbounded = np.full(len(examples), np.nan)
        inputs, pairs = examples.inputs.take(rows), choices.pairs()
        width = choices.cost.shape
        taught = np.array_equal(rows, examples.split.train)
        truth, at_least, offset, weight = {}, {}, {}, {}
        for name in (*targets(), *(along or {})):
            if target_named(name).sees == "choices":
                truth[name] = choices.cost
                at_least[name] = np.full(width, np.nan)
                offset[name] = offsets.under(name, pairs).reshape(1, *width)
                weight[name] = choices.weight
            else:
                truth[name] = known[name][rows] / offsets.scale(name)
                bound = examples.at_least.get(name, unbounded)
                at_least[name] = bound[rows] / offsets.scale(name)
                under = [offsets.under(name, forget(inputs, *each)) for each in FORGETTING]
                if taught and name in offsets.apart:  # the offset saw these rows: ask the others
                    under[0] = offsets.apart[name]
                offset[name] = np.stack(under)
                weight[name] = np.ones(len(rows))
        numbers = (_tensors(each) for each in (truth, at_least, offset, weight))
        works, workers = Rows.of(choices.inputs), torch.from_numpy(choices.workers)
        return cls(Rows.of(inputs), works, workers, *numbers)

    def __len__(self) -> int:
        return len(self.attempts.kind)

    def take(self, rows: Tensor, choices: Tensor) -> "Lesson":
        """The lesson of some of the attempts and some of the choices."""
        mine = {n: choices if target_named(n).sees == "choices" else rows for n in self.truth}
        return Lesson(
            attempts=self.attempts.take(rows),
            works=self.works.take(choices),
            workers=self.workers[choices],
            truth={n: each[mine[n]] for n, each in self.truth.items()},
            at_least={n: each[mine[n]] for n, each in self.at_least.items()},
            offset={n: each[:, mine[n]] for n, each in self.offset.items()},
            weight={n: each[mine[n]] for n, each in self.weight.items()},
        )

    @property
    def taught(self) -> tuple[str, ...]:
        """The targets of which the rows say something."""
        every = torch.arange(len(self)), torch.arange(self.choices)
        return tuple(
            name
            for name in self.truth
            if self._telling(target_named(name), every[target_named(name).sees == "choices"]).any()
        )

    @property
    def choices(self) -> int:
        """How many choices there are."""
        return len(self.weight["assignment"])

    def batches(
        self, size: int, *, seed: int, forget: float, rank: int = 0, world: int = 1
    ) -> Iterator[Batch]:
        """The batches of one epoch, in an order drawn from the seed.

        Each training worker gets its share of each batch; what is drawn and counted is the same
        for all, so that their number changes nothing.
        """
        rng = default_rng(seed)
        order, others = rng.permutation(len(self)), rng.permutation(self.choices)
        steps = max(-(-len(self) // size), 1)
        most = max(size // 2, 1)  # choices add half a batch at most
        for step in range(steps):
            mine = order[step * size : (step + 1) * size]
            chosen = others[step * len(others) // steps : (step + 1) * len(others) // steps][:most]
            forgotten = rng.random((2, len(mine))) < forget
            yield self.batch(mine, chosen, forgotten=forgotten, rank=rank, world=world)

    def whole(self) -> Batch:
        """Everything in one batch, nothing forgotten."""
        rows, choices = np.arange(len(self)), np.arange(self.choices)
        return self.batch(rows, choices, forgotten=np.zeros((2, len(rows)), dtype=bool))

    def batch(
        self,
        rows: Ints,
        choices: Ints,
        *,
        forgotten: NDArray[np.bool_],
        rank: int = 0,
        world: int = 1,
    ) -> Batch:
        """The share of one training worker in a batch; `counts` are those of the whole batch."""
        every = {"attempts": torch.from_numpy(rows), "choices": torch.from_numpy(choices)}
        share = {name: each[rank::world] for name, each in every.items()}
        lost = torch.from_numpy(forgotten[:, rank::world])
        variant = lost[0].long() + 2 * lost[1].long()
        truth, at_least, offset, weight, counts = {}, {}, {}, {}, {}
        for name in self.truth:
            target = target_named(name)
            mine, everyone = share[target.sees], every[target.sees]
            truth[name], at_least[name] = self.truth[name][mine], self.at_least[name][mine]
            weight[name] = self.weight[name][mine]
            forgets = target.sees == "attempts"
            offset[name] = self.offset[name][variant if forgets else 0, mine]
            telling = self._telling(target, everyone)
            counts[name] = float((self.weight[name][everyone] * telling).sum())
        attempts = _forgetting(self.attempts.take(share["attempts"]), lost)
        together = zip(attempts, self.works.take(share["choices"]), strict=True)
        both = Rows(*(torch.cat(each) for each in together))
        workers, size = self.workers[share["choices"]], len(attempts.kind)
        return Batch(both, size, workers, truth, at_least, offset, weight, counts, share)

    def _telling(self, target: Target, rows: Tensor) -> Tensor:
        """Which rows say something of a target: what it was, or that it was more than a bound."""
        seen = target.observed(self.truth[target.name][rows])
        bounded = ~torch.isnan(self.at_least[target.name][rows])
        return seen if target.sees == "choices" else seen | bounded


def measured_along(examples: Examples) -> dict[str, Floats]:
    """The truths of the auxiliary targets that a tenth of the training rows measure, by name.

    Shape: n, a value for each example, NaN where it was not observed.
    """
    found = {}
    for name, target in auxiliaries().items():
        if isinstance(target, AttemptTarget):
            truth = np.array([target.truth(record) for record in examples.records])
            if (~np.isnan(truth[examples.split.train])).mean() >= MEASURED:
                found[name] = truth
    return found


def lessons_of(
    examples: Examples,
    offsets: Offsets,
    *,
    seed: int,
    along: Mapping[str, Floats] | None = None,
) -> dict[str, Lesson]:
    """The parts that a training sees: `train` and `validation`.

    `along` are the truths of auxiliary targets to learn too; they get offsets of their own.
    """
    offsets = with_along(offsets, examples, along or {})
    parts = {"train": examples.split.train, "validation": examples.split.validation}
    rng = default_rng(seed)
    return {
        name: Lesson.of(
            examples, rows, offsets, choices_of(examples, rows, offsets, rng=rng), along=along
        )
        for name, rows in parts.items()
    }


def with_along(offsets: Offsets, examples: Examples, along: Mapping[str, Floats]) -> Offsets:
    """The same offsets, and one under each auxiliary target, fitted on the training rows."""
    rows = examples.split.train
    ridges, apart = dict(offsets.ridges), dict(offsets.apart)
    for name, truth in along.items():
        target = target_named(name)
        if isinstance(target, Quantity) and name not in ridges:
            inputs = examples.inputs.take(rows)
            ridges[name], told = fit_ridge(inputs, truth[rows], target, examples.columns)
            apart[name] = told / ridges[name].scale
    return replace(offsets, ridges=ridges, apart=apart)


def forget(inputs: Inputs, kind: bool, worker: bool) -> Inputs:
    """The same rows with their kind, or their worker, or both shown as UNKNOWN."""
    return Inputs(
        np.full_like(inputs.kind, UNKNOWN) if kind else inputs.kind,
        np.full_like(inputs.worker, UNKNOWN) if worker else inputs.worker,
        inputs.workflow,
        inputs.numbers,
        inputs.missing,
    )


def _forgetting(rows: Rows, lost: Tensor) -> Rows:
    kind, worker = (
        rows.kind.masked_fill(lost[0], UNKNOWN),
        rows.worker.masked_fill(lost[1], UNKNOWN),
    )
    return rows._replace(kind=kind, worker=worker)


def _tensors(arrays: Mapping[str, Floats]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(a)).float() for name, a in arrays.items()}
