"""ASlib's scenarios: every solver on every instance, in the folds their authors set.

The files are ARFF (an attribute a line, then comma-separated values, `?` where missing).
"""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scheduler.errors import InvalidInput, NotFound

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PENALTY = 10.0  # cut-offs that a run without an answer counts (PAR10)


@dataclass(frozen=True, eq=False)
class Scenario:
    """Instances, what is known of them, and what each solver did with them.

    Shape
    - features: instances x features, NaN where the feature code gave none
    - seconds: instances x solvers, in the scenario's own unit, at most the cut-off
    - solved: instances x solvers
    - fold: instances, 1 to 10
    """

    name: str
    solvers: tuple[str, ...]
    cutoff: float
    features: Floats
    seconds: Floats
    solved: NDArray[np.bool_]
    fold: Ints

    def par10(self) -> Floats:
        """The time of each run, ten cut-offs where it gave no answer: instances x solvers."""
        return np.where(self.solved, self.seconds, PENALTY * self.cutoff)

    def folds(self) -> Iterator[tuple[Ints, Ints]]:
        """Rows to learn from and rows to choose for, fold by fold."""
        for fold in np.unique(self.fold):
            yield np.flatnonzero(self.fold != fold), np.flatnonzero(self.fold == fold)


def read(data: Path) -> list[Scenario]:
    """All scenarios, by name."""
    folders = sorted(file.parent for file in (data / "aslib").glob("*/algorithm_runs.arff.gz"))
    if not folders:
        raise NotFound(f"There are no scenarios at {data / 'aslib'}; give --data DIR.")
    return [_scenario(folder) for folder in folders]


def _scenario(folder: Path) -> Scenario:
    cutoff = _cutoff(folder / "description.txt")
    runs = [row for row in table(folder / "algorithm_runs.arff.gz") if row["repetition"] == "1"]
    folds = {
        row["instance_id"]: int(row["fold"])
        for row in table(folder / "cv.arff.gz")
        if row["repetition"] == "1"
    }
    solvers = sorted({row["algorithm"] for row in runs})
    row_of = {name: i for i, name in enumerate(folds)}
    column_of = {name: j for j, name in enumerate(solvers)}
    seconds = np.full((len(folds), len(solvers)), np.nan)
    solved = np.zeros(seconds.shape, dtype=bool)
    for run in runs:
        took = float(run["runtime"]) if run["runtime"] != "?" else cutoff
        cell = row_of[run["instance_id"]], column_of[run["algorithm"]]
        solved[cell] = run["runstatus"] == "ok" and took < cutoff
        seconds[cell] = min(took, cutoff)
    if np.isnan(seconds).any():
        raise InvalidInput(f"Every solver must have run every instance of {folder.name}.")
    return Scenario(
        name=folder.name,
        solvers=tuple(solvers),
        cutoff=cutoff,
        features=_features(folder / "feature_values.arff.gz", list(folds)),
        seconds=seconds,
        solved=solved,
        fold=np.array(list(folds.values())),
    )


def _features(file: Path, instances: list[str]) -> Floats:
    """Means over repetitions of the feature code."""
    found: dict[str, list[list[float]]] = {}
    for row in table(file):
        values = [v for name, v in row.items() if name not in ("instance_id", "repetition")]
        numbers = [np.nan if v == "?" else float(v) for v in values]
        found.setdefault(row["instance_id"], []).append(numbers)
    return np.array([np.mean(found[name], axis=0) for name in instances])


def _cutoff(file: Path) -> float:
    for line in file.read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name == "algorithm_cutoff_time":
            return float(value)
    raise InvalidInput(f"{file} must say algorithm_cutoff_time, and does not.")


def table(file: Path) -> Iterator[dict[str, str]]:
    """The rows of an ARFF file, by attribute."""
    names: list[str] = []
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            word = line.split(None, 1)[0].lower() if line.strip() else ""
            if word == "@attribute":
                names.append(line.split()[1].strip("'\""))
            if word == "@data":
                break
        quote = "'"
        for values in csv.reader(lines, quotechar=quote, skipinitialspace=True):
            if values and not values[0].startswith("%"):
                yield dict(zip(names, (v.strip().strip('"') for v in values), strict=True))
