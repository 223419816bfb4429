"""Meta-learning: a machine never seen, after four of its rows, by the protocol of `cold-start`."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import Goal, Part
from benchmarks.cold_start import FEW, TARGETS, Fold
from benchmarks.public import lotaru
from learner.adaptation import Reads, adapted
from learner.arms.network import NetworkArm
from learner.calibration import Calibration
from learner.examples import Examples, Split
from learner.learned import Learned
from learner.meta import taught
from learner.offsets import Offsets
from learner.targets.quantities import MIDDLE
from learner.training.settings import TrainingSettings
from scheduler.errors import NotFound

ROWS = 1500  # of the other machines, drawn by the seed
MACHINES = 3  # held out with each seed, one after the other
BEFORE, SHIFT, PRODUCT, META = "before", "median shift", "shrunken shift by kind", "meta-learned"
READS: Mapping[str, Reads] = {PRODUCT: adapted, META: taught}
Floats = NDArray[np.float64]


def part(data: Path | None, *, quick: bool) -> Part:
    """Errors on its rows of unseen inputs, all on the same network on offsets."""
    if data is None:
        raise NotFound("The part meta of the methods reads public logs; give --data DIR.")
    rows = lotaru.read(data)
    machines = sorted({str(row.record.worker) for row in rows})
    off: dict[str, list[Floats]] = {}
    for machine, seed in in_turn(machines, 1 if quick else 5):
        for name, each in _one(rows, machine, seed).items():
            off.setdefault(name, []).append(each)
    errors = {name: np.mean(each, axis=0) for name, each in off.items()}
    ratios = {
        f"meta: {target}, {META} over {other}": float(errors[META][i] / errors[other][i])
        for i, target in enumerate(TARGETS)
        for other in (BEFORE, SHIFT, PRODUCT)
    }
    worst = float(np.max(np.array(off[META]) / np.array(off[BEFORE])))
    share = ratios[f"meta: duration, {META} over {SHIFT}"]
    return Part(
        ours={
            f"meta: {name}": dict(zip(TARGETS, error.round(4).tolist(), strict=True))
            for name, error in errors.items()
        },
        ratios=ratios,
        goals=(
            Goal(
                f"meta: duration after {FEW} rows, share of the median shift",
                "< 1",
                f"{share:.3f}",
                share < 1,
            ),
            Goal(
                "meta: worst machine and target after few rows, share of before",
                "<= 1.05",
                f"{worst:.3f}",
                worst <= 1.05,
            ),
        ),
    )


def in_turn(machines: Sequence[str], seeds: int) -> list[tuple[str, int]]:
    """Which machine is held out with which seed: so many for each seed, all of them in turn."""
    pairs = product(range(seeds), range(MACHINES))
    return [(machines[(seed * MACHINES + i) % len(machines)], seed) for seed, i in pairs]


def _one(rows: Sequence[lotaru.Row], machine: str, seed: int) -> dict[str, Floats]:
    """Mean absolute logarithmic errors of each target, by who read the four rows."""
    fold, rng = Fold.of(rows, machine, split=seed % 3), np.random.default_rng(seed)
    revealed = rng.permutation(fold.own)[:FEW]
    taught_from = np.sort(rng.permutation(fold.known.train)[:ROWS])
    split = Split(taught_from, fold.known.validation, fold.known.test)
    examples = Examples.of([row.record for row in rows], split=split)
    offsets = Offsets.fit(examples)
    network = NetworkArm.fit(examples, offsets, TrainingSettings(seed=seed)).network
    learned = Learned(network, examples.columns, offsets, Calibration.none())
    inputs, asked = examples.inputs.take(split.test), examples.part(split.test)
    seen = examples.part(np.concatenate([split.train, split.validation, revealed]))
    told = learned.predict(inputs)
    first = learned.predict(examples.inputs.take(revealed))
    names = [r.kind for r in asked], [r.worker for r in asked]
    said = {BEFORE: _medians(told)}
    truth = _truth(examples, revealed)
    said[SHIFT] = said[BEFORE] + np.nan_to_num(np.nanmedian(truth - _medians(first), axis=0))
    for name, reads in READS.items():
        moved = reads(learned, seen).moved(told, inputs, kinds=names[0], workers=names[1])
        said[name] = _medians(moved)
    known = _truth(examples, split.test)
    return {name: np.nanmean(np.abs(each - known), axis=0) for name, each in said.items()}


def _medians(told: Mapping[str, Floats]) -> Floats:
    return np.stack([told[name][:, MIDDLE] for name in TARGETS], axis=1)


def _truth(examples: Examples, rows: NDArray[np.int64]) -> Floats:
    return np.stack([examples.truth[name][rows] for name in TARGETS], axis=1)
