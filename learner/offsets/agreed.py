"""Offsets that clusters agree on without showing a record: each tells what it would forecast.

Each site draws attempts that never were, with sizes like those of its own, and says what its own
offset forecasts of them; what was said by all is fitted as if it had been logged. That is federated
distillation (Li and Wang 2019, FedMD) with drawn inputs for public ones. A group of fewer than
FEWEST attempts tells nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from learner.examples import Examples
from learner.features import UNKNOWN, Columns, Inputs
from learner.offsets.offsets import Offsets
from learner.offsets.ridge import fit_ridge
from learner.targets import targets
from learner.targets.quantities import Quantity
from scheduler.predictors.history import PRIOR_RISK, Belief

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FEWEST = 3  # attempts of a kind on a worker below which they are not told apart, nor told at all
MOST = 64  # drawn attempts of a kind on a worker
TIMES = 2  # drawn attempts for one that was logged
REACH = 1.75  # standard deviations to which sizes are drawn


@dataclass(frozen=True, eq=False)
class Said:
    """What one site forecasts of drawn attempts for one quantity, and how far off it is on its own.

    Shape: kind, worker, values: n; numbers, missing: n x columns. `squares` is the sum of squares
    of what its forecasts leave over of `count` attempts.
    """

    kind: Ints
    worker: Ints
    numbers: Floats
    missing: Floats
    values: Floats
    squares: Floats
    count: Floats


@dataclass(frozen=True, eq=False)
class Tried:
    """How often a kind was tried on a worker and failed; UNKNOWN stands for workers too rare to
    tell. Shape: n each."""

    kind: Ints
    worker: Ints
    tried: Floats
    failed: Floats


def said_by(examples: Examples, rng: Generator) -> dict[str, Said]:
    """By quantity, what the examples' site says. The examples have the columns that were agreed."""
    rows = examples.split.train
    inputs = examples.inputs.take(rows)
    found = {}
    for name, target in targets().items():
        if isinstance(target, Quantity):
            truth = examples.truth[name][rows]
            own, apart = fit_ridge(inputs, truth, target, examples.columns)
            left = (truth - apart)[~np.isnan(truth)]
            drawn = _drawn(inputs.take(~np.isnan(truth)), rng)
            found[name] = Said(
                drawn.kind,
                drawn.worker,
                drawn.numbers,
                drawn.missing,
                own.at(drawn),
                np.array([float((left**2).sum())]),
                np.array([float(len(left))]),
            )
    return found


def tried_by(examples: Examples) -> Tried:
    """How often attempts were tried, and failed."""
    rows = examples.split.train
    failed = examples.truth["failure"][rows]
    inputs = examples.inputs.take(rows[~np.isnan(failed)])
    failed = failed[~np.isnan(failed)]
    pairs, place, count = _pairs(inputs.kind, _common(inputs))
    kept = count >= FEWEST
    lost: Floats = np.bincount(place, failed, len(pairs)).astype(np.float64)
    return Tried(pairs[kept, 0], pairs[kept, 1], count[kept].astype(np.float64), lost[kept])


def offsets_with(
    examples: Examples, said: Mapping[str, Sequence[Said]], tried: Sequence[Tried]
) -> Offsets:
    """The offsets of a site: its own records, beside what other sites said of drawn attempts.

    `tried` are the counts of all sites. The units of the heads are the same at all sites where
    `said` holds what the site itself said last.
    """
    rows = examples.split.train
    inputs, ridges, apart = examples.inputs.take(rows), {}, {}
    for name, parts in said.items():
        target = targets()[name]
        if isinstance(target, Quantity):
            others = parts[:-1]
            both = _joined([inputs, *map(_inputs, others)])
            truth = np.concatenate([examples.truth[name][rows], *(e.values for e in others)])
            ridge, told = fit_ridge(both, truth, target, examples.columns)
            ridges[name] = replace(ridge, scale=_spread(parts))
            apart[name] = told[: len(rows)] / ridges[name].scale
    return Offsets(ridges, _risk(tried, examples.columns), apart)


def _spread(parts: Sequence[Said]) -> float:
    """What forecasts leave over at all sites: the root of the mean square."""
    squares = sum(float(each.squares.sum()) for each in parts)
    count = sum(float(each.count.sum()) for each in parts)
    return max(float(np.sqrt(squares / max(count, 1.0))), 0.01)


def _inputs(said: Said) -> Inputs:
    nowhere = np.zeros_like(said.kind)
    return Inputs(said.kind, said.worker, nowhere, said.numbers, said.missing)


def _joined(parts: Sequence[Inputs]) -> Inputs:
    columns = zip(*(vars(each).values() for each in parts), strict=True)
    return Inputs(*(np.concatenate(each) for each in columns))


def _drawn(inputs: Inputs, rng: Generator) -> Inputs:
    """Attempts that never were: of every kind on every worker that the site knows, about TIMES as
    many as there are, with sizes of the kind's mean and covariance.

    All workers get the same sizes, as where one work is done on several.
    """
    workers, count = np.unique(inputs.worker, return_counts=True)
    workers = workers[(count >= FEWEST) & (workers != UNKNOWN)]
    workers = workers if len(workers) else np.array([UNKNOWN])
    kept = [inputs.take(slice(0, 0))]
    for kind in np.unique(inputs.kind):
        mine = inputs.kind == kind
        if mine.sum() >= FEWEST:
            many = min(-(-TIMES * int(mine.sum()) // len(workers)), MOST)
            sizes, missing = _like(inputs.numbers[mine], inputs.missing[mine], many, rng)
            kept += [_rows(int(kind), int(each), sizes, missing) for each in workers]
    return _joined(kept)


def _like(numbers: Floats, missing: Floats, many: int, rng: Generator) -> tuple[Floats, Floats]:
    """Drawn sizes; a size that most of a kind's attempts lack is missing."""
    lacking = missing.mean(0) > 0.5
    known = np.where(missing > 0, np.nan, numbers)
    centre = np.where(lacking, 0.0, np.nanmean(np.where(lacking, 0.0, known), axis=0))
    away = np.where(np.isnan(known) | lacking, 0.0, known - centre)
    _, spread, axes = np.linalg.svd(away / np.sqrt(max(len(away) - 1, 1)), full_matrices=False)
    drawn = np.clip(rng.normal(size=(many, len(spread))), -REACH, REACH)
    sizes: Floats = centre + (drawn * spread) @ axes
    return sizes, np.tile(lacking.astype(np.float64), (many, 1))


def _rows(kind: int, worker: int, sizes: Floats, missing: Floats) -> Inputs:
    n = len(sizes)
    return Inputs(np.full(n, kind), np.full(n, worker), np.zeros(n, dtype=np.int64), sizes, missing)


def _common(inputs: Inputs) -> Ints:
    """The worker of each row, UNKNOWN where it did the row's kind less than FEWEST times."""
    _, place, count = _pairs(inputs.kind, inputs.worker)
    return np.where(count[place] >= FEWEST, inputs.worker, UNKNOWN)


def _pairs(kind: Ints, worker: Ints) -> tuple[Ints, Ints, Ints]:
    pairs, place, count = np.unique(
        np.stack([kind, worker], axis=1), axis=0, return_inverse=True, return_counts=True
    )
    return pairs.reshape(-1, 2), place.ravel(), count


def _risk(parts: Sequence[Tried], columns: Columns) -> Floats:
    """The share of attempts that failed, each level shrunk to the wider one: kinds x workers."""
    shape = len(columns.kinds), len(columns.workers)
    tried, failed = np.zeros(shape), np.zeros(shape)
    for each in parts:
        np.add.at(tried, (each.kind, each.worker), each.tried)
        np.add.at(failed, (each.kind, each.worker), each.failed)
    overall = _shrunk(tried.sum(), failed.sum(), PRIOR_RISK)
    found = np.full(shape, overall)
    for kind in range(1, shape[0]):
        usual = _shrunk(tried[kind].sum(), failed[kind].sum(), overall)
        found[kind] = [_shrunk(t, f, usual) for t, f in zip(tried[kind], failed[kind], strict=True)]
        found[kind, UNKNOWN] = usual
    capped: Floats = np.minimum(found, 0.999)
    return capped


def _shrunk(tried: float, failed: float, prior: float) -> float:
    return Belief({}, round(float(tried)), round(float(failed))).risk(prior)
