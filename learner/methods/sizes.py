"""Batches with other sizes: what the network reads and the offset under it move together."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learner.features import REQUESTS, Columns, Inputs
from learner.methods.teaching import inputs_of, pairs_of, standing
from learner.networks.network import Rows
from learner.offsets import Offsets
from learner.targets import target_named
from learner.training.lesson import Batch, Lesson

STEP = 0.2  # of the logarithm of a size, in which the slope of an offset is measured


@dataclass(frozen=True, eq=False)
class Sizes:
    """How a lesson answers to its sizes, near where they are.

    Shape
    - columns: k places of sizes among the numbers; requests and the context are none
    - scale: k, logarithms in one unit of the column
    - slopes: by target, units of the head for one unit of each logarithm: n x k; choices c x w x k
    """

    columns: Tensor
    scale: Tensor
    slopes: Mapping[str, Tensor]

    @classmethod
    def of(cls, lesson: Lesson, columns: Columns, offsets: Offsets) -> "Sizes":
        """Measured on both sides of every size; a size that a row lacks moves nothing."""
        sizes = enumerate(columns.numbers[: columns.sizes])
        places = [j for j, number in sizes if number.name not in REQUESTS]
        scale = np.array([columns.numbers[j].scale for j in places])
        attempts, pairs = inputs_of(lesson.attempts), pairs_of(lesson)
        slopes = {}
        for name in lesson.truth:
            chooses = target_named(name).sees == "choices"
            rows = pairs if chooses else attempts
            found = _slopes(rows, name, offsets, places=places, scale=scale)
            shape = (*lesson.workers.shape, len(places)) if chooses else found.shape
            slopes[name] = torch.from_numpy(found.reshape(shape)).float()
        return cls(torch.tensor(places, dtype=torch.long), torch.from_numpy(scale).float(), slopes)

    def known(self, rows: Rows) -> Tensor:
        """Which sizes rows have: rows x k, one or zero."""
        return 1.0 - rows.missing[:, self.columns.to(rows.missing.device)]

    def moved(self, batch: Batch, by: Tensor) -> Batch:
        """The batch with the logarithms of its sizes moved; gradients flow through `by`.

        Shape: by: rows of the batch x k.
        """
        by = by * self.known(batch.rows)
        columns, scale = self.columns.to(by.device), self.scale.to(by.device)
        numbers = batch.rows.numbers.index_add(1, columns, by / scale)
        offset = {}
        for name, under in batch.offset.items():
            sees = target_named(name).sees
            slope = standing(self.slopes[name], batch.places[sees])
            if sees == "choices":
                offset[name] = under + (slope * by[batch.attempts :, None]).sum(-1)
            else:
                offset[name] = under + (slope * by[: batch.attempts]).sum(-1)
        return replace(batch, rows=batch.rows._replace(numbers=numbers), offset=offset)


def _slopes(
    rows: Inputs,
    target: str,
    offsets: Offsets,
    *,
    places: list[int],
    scale: NDArray[np.float64],
) -> NDArray[np.float64]:
    found = np.zeros((len(rows), len(places)))
    for i, (place, unit) in enumerate(zip(places, scale, strict=True)):
        known = rows.missing[:, place] == 0
        if known.any():
            near = rows.take(known)
            above, below = (_shifted(near, place, s / unit) for s in (STEP, -STEP))
            rise = offsets.under(target, above) - offsets.under(target, below)
            found[known, i] = rise / (2 * STEP)
    return found


def _shifted(rows: Inputs, place: int, by: float) -> Inputs:
    numbers = rows.numbers.copy()
    numbers[:, place] += by
    return replace(rows, numbers=numbers)
