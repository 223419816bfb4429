"""Examples laid out for learning: tensors, and the batches of each epoch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property

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
from learner.targets.base import AttemptTarget
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

    def to(self, device: torch.device) -> "Lesson":
        """The same lesson in the memory of a device."""

        def moved(by_target: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: each.to(device) for name, each in by_target.items()}

        if self.workers.device == device:
            return self
        attempts, works = (Rows(*(each.to(device) for each in r)) for r in self.rows)
        numbers = (moved(each) for each in (self.truth, self.at_least, self.offset, self.weight))
        return Lesson(attempts, works, self.workers.to(device), *numbers)

    @property
    def rows(self) -> tuple[Rows, Rows]:
        """The attempts, and the works of the choices."""
        return self.attempts, self.works

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

    def told(self) -> dict[str, object]:
        """All that it holds, for a fingerprint."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @property
    def taught(self) -> tuple[str, ...]:
        """The targets of which the rows say something."""
        return tuple(name for name, each in self.telling.items() if each[1].any())

    @property
    def choices(self) -> int:
        """How many choices there are."""
        return len(self.weight["assignment"])

    @cached_property
    def telling(self) -> dict[str, tuple[Floats, NDArray[np.bool_]]]:
        """By target, what each row counts, and whether it says something: what the target was, or
        that it was more than a bound."""
        found = {}
        for name, truth in self.truth.items():
            target = target_named(name)
            tells = target.observed(truth)
            if target.sees == "attempts":
                tells = tells | ~torch.isnan(self.at_least[name])
            counted = (self.weight[name] * tells).cpu().double().numpy()
            found[name] = counted, tells.cpu().numpy()
        return found

    def batches(
        self, size: int, *, seed: int, forget: float, rank: int = 0, world: int = 1
    ) -> Iterator[Batch]:
        """The batches of one epoch, in an order drawn from the seed.

        Each training worker gets its share of each batch; what is drawn and counted is the same
        for all, so that their number changes nothing.
        """
        rng = default_rng(seed)
        order, others = rng.permutation(len(self)), rng.permutation(self.choices)
        lost = torch.from_numpy(rng.random((2, len(self))) < forget).to(self.workers.device)
        most = max(size // 2, 1)  # choices add half a batch at most
        yield from self._dealt(order, others, size, most=most, lost=lost, rank=rank, world=world)

    def parts(self, size: int, *, rank: int = 0, world: int = 1) -> Iterator[Batch]:
        """Everything once, in order and with nothing forgotten, in batches of so many attempts."""
        order, others = np.arange(len(self)), np.arange(self.choices)
        lost = torch.zeros((2, len(self)), dtype=torch.bool, device=self.workers.device)
        every = len(others)
        yield from self._dealt(order, others, size, most=every, lost=lost, rank=rank, world=world)

    def whole(self) -> Batch:
        """Everything in one batch, nothing forgotten."""
        return next(self.parts(max(len(self), 1)))

    def shown(self, most: int) -> Rows:
        """The first rows of both sorts, so many of each at most."""
        pairs = zip(*self.rows, strict=True)
        return Rows(*(torch.cat([one[:most], two[:most]]) for one, two in pairs))

    def _dealt(
        self,
        order: Ints,
        others: Ints,
        size: int,
        *,
        most: int,
        lost: Tensor,
        rank: int,
        world: int,
    ) -> Iterator[Batch]:
        """Batches in the order of the attempts, each with its part of the other choices."""
        steps = max(-(-len(order) // size), 1)
        counts = self._counts(order, size)
        device = self.workers.device
        attempts, choices = (torch.from_numpy(each).to(device) for each in (order, others))
        for step in range(steps):
            begin = step * len(others) // steps
            end = min((step + 1) * len(others) // steps, begin + most)
            mine = slice(step * size + rank, (step + 1) * size, world)
            chosen = self.telling["assignment"][0][others[begin:end]].sum()
            share = {"attempts": attempts[mine], "choices": choices[begin + rank : end : world]}
            counted = {
                name: float(counts[name][step] if name in counts else chosen) for name in self.truth
            }
            yield self._batch(share, lost[:, mine], counted)

    def _counts(self, order: Ints, size: int) -> dict[str, Floats]:
        """By target that sees attempts, what the rows of each batch count together."""
        starts = np.arange(0, max(len(order), 1), size)
        return {
            name: np.add.reduceat(each[order], starts) if len(order) else np.zeros(1)
            for name, (each, _) in self.telling.items()
            if target_named(name).sees == "attempts"
        }

    def _batch(
        self, share: Mapping[str, Tensor], lost: Tensor, counts: Mapping[str, float]
    ) -> Batch:
        """The share of one training worker in a batch; `counts` are those of the whole batch."""
        truth, at_least, offset, weight = {}, {}, {}, {}
        variant = lost[0].long() + 2 * lost[1].long()
        for name in self.truth:
            sees = target_named(name).sees
            mine = share[sees]
            truth[name] = self.truth[name].index_select(0, mine)
            at_least[name] = self.at_least[name].index_select(0, mine)
            weight[name] = self.weight[name].index_select(0, mine)
            offset[name] = self.offset[name][variant if sees == "attempts" else 0, mine]
        attempts = _forgetting(self.attempts.take(share["attempts"]), lost)
        together = zip(attempts, self.works.take(share["choices"]), strict=True)
        both = Rows(*(torch.cat(each) for each in together))
        workers, size = self.workers[share["choices"]], len(attempts.kind)
        return Batch(both, size, workers, truth, at_least, offset, weight, counts, dict(share))


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

    `along` are the truths of auxiliary targets to learn too; they get offsets of their own. Where
    the examples are a sample of a larger log, the training rows are all of that log's.
    """
    offsets = with_along(offsets, examples, along or {})
    parts = {"train": examples.split.train, "validation": examples.split.validation}
    rng = default_rng(seed)
    lessons = {
        name: Lesson.of(
            examples, rows, offsets, choices_of(examples, rows, offsets, rng=rng), along=along
        )
        for name, rows in parts.items()
    }
    if examples.beyond is not None and examples.beyond.split is examples.split:
        lessons["train"] = examples.beyond.lesson(lessons["train"], offsets)
    return lessons


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
