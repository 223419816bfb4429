"""Lessons drawn at random: laws that a network can learn, at any number of rows."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from learner.networks.base import Shape
from learner.networks.network import Plan, Rows
from learner.targets import target_named, targets
from learner.training.lesson import Lesson
from learner.training.mapped import arrays_of, kept

KINDS, WORKERS, NUMBERS = 40, 12, 14
WIDTH = 8  # workers that are compared in a choice
CHOICES = 0.2  # choices for each row
BLOCK = 50_000  # rows drawn at a time


def plan(*, steady: bool = False) -> Plan:
    """The network of the default settings; a steady one draws nothing while it learns."""
    shape = Shape(dropout=0.0, spare=0.0) if steady else Shape()
    return Plan(
        sharing="cgc",
        kinds=KINDS,
        workers=WORKERS,
        workflows=3,
        numbers=NUMBERS,
        targets={name: each.outputs for name, each in targets().items()},
        shape=shape,
    )


def lesson(rows: int, *, seed: int) -> Lesson:
    """So many attempts, and a choice for every fifth of them."""
    rng = np.random.default_rng(seed)
    attempts, works = _rows(rows, rng), _rows(int(rows * CHOICES), rng)
    workers = torch.from_numpy(rng.integers(1, WORKERS, (len(works.kind), WIDTH)))
    truth, at_least, offset, weight = {}, {}, {}, {}
    for place, name in enumerate(targets()):
        if target_named(name).sees == "choices":
            cost = np.exp(rng.normal(2.0, 0.5, workers.shape))
            truth[name], offset[name] = _told(cost), torch.zeros(1, *workers.shape)
        else:
            said = attempts.numbers[:, place].numpy() + rng.normal(0, 0.1, rows)
            truth[name] = _told(said > 1.5 if name == "failure" else said)
            offset[name] = torch.zeros(4, rows)
        at_least[name] = torch.full_like(truth[name], torch.nan)
        weight[name] = torch.ones(len(truth[name]))
    return Lesson(attempts, works, workers, truth, at_least, offset, weight)


def lesson_in_files(rows: int, folder: Path, *, seed: int) -> Lesson:
    """The same in files, drawn block by block, so that memory never holds it."""
    folder.mkdir(parents=True)
    files = {}
    for name, one in arrays_of(lesson(2, seed=0)).items():
        shape = _shape(name, tuple(one.shape), rows)
        file = folder / f"{name}.npy"
        files[name] = open_memmap(file, mode="w+", dtype=one.numpy().dtype, shape=shape)
    for begin in range(0, rows, BLOCK):
        block = lesson(min(BLOCK, rows - begin), seed=seed + begin)
        for name, tensor in arrays_of(block).items():
            start = begin if _of_attempts(name) else int(begin * CHOICES)
            axis = 1 if name.startswith("offset") and _of_attempts(name) else 0
            _put(files[name], tensor, start, axis)
    for each in files.values():
        each.flush()
    return kept(folder)


def _rows(count: int, rng: Generator) -> Rows:
    kind, worker, workflow = (
        torch.from_numpy(rng.integers(0, most, count)) for most in (KINDS, WORKERS, 3)
    )
    missing = rng.random((count, NUMBERS)) < 0.1
    numbers = np.where(missing, 0.0, rng.normal(0, 1, (count, NUMBERS)))
    return Rows(kind, worker, workflow, _told(numbers), _told(missing))


def _told(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(values).float()


def _of_attempts(name: str) -> bool:
    return not name.startswith(("works", "workers")) and not name.endswith("assignment")


def _shape(name: str, one: tuple[int, ...], rows: int) -> tuple[int, ...]:
    if name == "offset-assignment":
        return (1, int(rows * CHOICES), WIDTH)
    if _of_attempts(name):
        return (4, rows) if name.startswith("offset") else (rows, *one[1:])
    return (int(rows * CHOICES), *one[1:])


def _put(file: NDArray[Any], tensor: Tensor, start: int, axis: int) -> None:
    if file.ndim == 3 or axis:  # the offset of choices, or one of each way of forgetting
        file[:, start : start + tensor.shape[1]] = tensor.numpy()
    else:
        file[start : start + len(tensor)] = tensor.numpy()
