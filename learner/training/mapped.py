"""Lessons in files that all training workers of a machine read from the same memory."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from learner.networks.network import Rows
from learner.training.lesson import Lesson

BY_TARGET = ("truth", "at_least", "offset", "weight")
SIDES = ("attempts", "works")
SMALL = 4096  # bytes up to which a file is read at once; an array without values cannot be mapped


def keep(lesson: Lesson, folder: Path) -> None:
    """Writes a lesson into a new folder, one file for each of its arrays."""
    folder.mkdir(parents=True)
    for name, tensor in arrays_of(lesson).items():
        np.save(folder / f"{name}.npy", tensor.numpy())


def kept(folder: Path) -> Lesson:
    """The lesson of a folder, read page by page as it is used; nothing that is changed is kept."""
    found = {
        file.stem: torch.from_numpy(
            np.load(file, mmap_mode="c" if file.stat().st_size > SMALL else None)
        )
        for file in sorted(folder.glob("*.npy"))
    }
    rows = [Rows(*(found[f"{side}-{name}"] for name in Rows._fields)) for side in SIDES]
    parts = ({n: found[f"{p}-{n}"] for n in _targets(found, p)} for p in BY_TARGET)
    return Lesson(rows[0], rows[1], found["workers"], *parts)


def arrays_of(lesson: Lesson) -> dict[str, Tensor]:
    """Every array of a lesson, by the name of its file."""
    found = {"workers": lesson.workers}
    for side, rows in zip(SIDES, lesson.rows, strict=True):
        found |= {f"{side}-{name}": each for name, each in rows._asdict().items()}
    for part in BY_TARGET:
        found |= {f"{part}-{name}": each for name, each in getattr(lesson, part).items()}
    return found


def _targets(found: dict[str, Tensor], part: str) -> list[str]:
    return [name.partition("-")[2] for name in found if name.startswith(f"{part}-")]
