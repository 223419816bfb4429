"""The same piece of work on several workers: what each cost, or would have cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from learner.examples import Examples, work_of
from learner.features import UNKNOWN, Inputs
from learner.offsets import Offsets, burden
from scheduler.predictors.history import failed
from scheduler.records import TaskRecord

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST_WORKERS = 8  # compared in one choice
DEAREST = 10.0  # how many usual choices one may count, however dear it was
Cells = Mapping[str | None, Sequence[TaskRecord]]


@dataclass(frozen=True, eq=False)
class Choices:
    """Pieces of work, each with the workers that might do it.

    Shape
    - inputs: c rows, one for each piece of work, on no worker
    - workers: c x w places in the vocabulary of workers
    - names: c lists of the workers' names
    - cost: c x w expected seconds, NaN where nothing is known (or there is no such worker)
    - measured: c x w, whether the cost was observed there
    - weight: c, the share of the known costs that was observed, times how much dearer than believed
      all of them are together: the loss compares shares, and so comes to tell expected costs
    """

    inputs: Inputs
    workers: Ints
    names: tuple[tuple[str, ...], ...]
    cost: Floats
    measured: NDArray[np.bool_]
    weight: Floats

    def __len__(self) -> int:
        return len(self.weight)

    def pairs(self) -> Inputs:
        """Each piece of work on each of its workers: row `i * w + j`."""
        width = self.workers.shape[1]
        return self.inputs.take(np.repeat(np.arange(len(self)), width)).on(self.workers.ravel())

    def observed_costs(self) -> Floats:
        """The costs without those that were only imputed."""
        return np.where(self.measured, self.cost, np.nan)


def choices_of(examples: Examples, rows: Ints, offsets: Offsets, *, rng: Generator) -> Choices:
    """The choices that some rows hold.

    A cost was observed where the work succeeded there: its mean seconds, times the burden of the
    attempts that failed. Where it only failed, the duration believed counts as many times as a
    failure does. On other workers that are known to do this kind of work it is imputed: the
    duration believed there, times how much longer than believed the work took where it was
    observed, times the burden of the risk there. Workers that never did this kind stay unknown.
    """
    works = _works(examples, rows)
    doers = _doers(examples)
    cells = [cell for _, cell in works]
    chosen = [_candidates(cell, doers[examples.records[i].kind], rng) for i, cell in works]
    width = max((len(names) for names in chosen), default=0)
    inputs = examples.inputs.take(np.array([i for i, _ in works], dtype=np.int64))
    workers = _places(chosen, width, examples.columns.workers)
    there = np.array([[j < len(names) for j in range(width)] for names in chosen], dtype=bool)
    there = there.reshape(len(works), width)
    seconds, good, bad = _observed(cells, chosen, width)
    believed, risk = _believed(inputs, workers, offsets)
    surprise = _row_mean(np.log(seconds) - np.log(believed))
    imputed = believed * np.exp(surprise)[:, None]
    tried = good + bad
    observed = np.where(good > 0, seconds, imputed) * burden(bad / np.maximum(tried, 1))
    measured = there & (np.isfinite(seconds) | ((good == 0) & (bad > 0)))
    cost = np.where(measured, observed, np.where(there, imputed * burden(risk), np.nan))
    usual = np.where(there, believed * burden(risk), np.nan)
    weight = measured.sum(1) / np.maximum(there.sum(1), 1) * _dearer(cost, usual)
    return Choices(inputs, workers, tuple(chosen), cost, measured, weight)


def _works(examples: Examples, rows: Ints) -> list[tuple[int, dict[str | None, list[TaskRecord]]]]:
    """Each piece of work with its first row, and its attempts by worker."""
    works: dict[tuple[object, ...], tuple[int, dict[str | None, list[TaskRecord]]]] = {}
    for i in rows:
        record = examples.records[i]
        if record.worker is None or failed(record) is None:
            continue
        _, cell = works.setdefault(work_of(record), (int(i), {}))
        cell.setdefault(record.worker, []).append(record)
    return list(works.values())


def _doers(examples: Examples) -> dict[str, set[str]]:
    doers: dict[str, set[str]] = {record.kind: set() for record in examples.records}
    for record in examples.part(examples.split.train):
        if record.worker is not None and record.worker in examples.columns.workers:
            doers[record.kind].add(record.worker)
    return doers


def _candidates(cell: Cells, doers: set[str], rng: Generator) -> tuple[str, ...]:
    """Those that did the work, then others that could have, drawn where there are too many."""
    tried = sorted(str(worker) for worker in cell)[:MOST_WORKERS]
    others = sorted(doers - set(tried))
    room = MOST_WORKERS - len(tried)
    if len(others) > room:
        others = sorted(str(each) for each in rng.choice(others, room, replace=False))
    return (*tried, *others)


def _places(chosen: Sequence[Sequence[str]], width: int, workers: Sequence[str]) -> Ints:
    place = {name: i for i, name in enumerate(workers)}
    found = np.full((len(chosen), width), UNKNOWN)
    for i, names in enumerate(chosen):
        found[i, : len(names)] = [place.get(name, UNKNOWN) for name in names]
    return found


def _observed(
    cells: Sequence[Cells], chosen: Sequence[Sequence[str]], width: int
) -> tuple[Floats, Ints, Ints]:
    """Mean seconds of what succeeded (NaN without), how often it did, and how often it failed."""
    seconds = np.full((len(cells), width), np.nan)
    good, bad = np.zeros((2, len(cells), width), dtype=np.int64)
    for i, (cell, names) in enumerate(zip(cells, chosen, strict=True)):
        for j, name in enumerate(names):
            attempts = cell.get(name, ())
            well = [each for each in attempts if failed(each) is False]
            took = [each.duration for each in well if each.duration]
            good[i, j], bad[i, j] = len(well), len(attempts) - len(well)
            if took:
                seconds[i, j] = max(sum(took) / len(took), 1e-3)
    return seconds, good, bad


def _believed(inputs: Inputs, workers: Ints, offsets: Offsets) -> tuple[Floats, Floats]:
    width = workers.shape[1]
    pairs = inputs.take(np.repeat(np.arange(len(inputs)), width)).on(workers.ravel())
    seconds = np.exp(offsets.ridges["duration"].at(pairs))
    risk = offsets.risk[pairs.kind, pairs.worker]
    return seconds.reshape(workers.shape), risk.reshape(workers.shape)


def _dearer(cost: Floats, usual: Floats) -> Floats:
    """What all workers cost together over what was believed of them, within DEAREST."""
    ratio = np.nansum(cost, axis=1) / np.maximum(np.nansum(usual, axis=1), 1e-9)
    return np.asarray(np.clip(ratio, 1 / DEAREST, DEAREST))


def _row_mean(values: Floats) -> Floats:
    seen = np.isfinite(values)
    total = np.where(seen, values, 0.0).sum(1)
    mean: Floats = total / np.maximum(seen.sum(1), 1)
    return mean
