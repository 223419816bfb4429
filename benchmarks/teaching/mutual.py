"""Mutual learning: a network that learned with a peer, against networks that learned alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import Goal, Part
from benchmarks.cold_start import TARGETS
from benchmarks.public import lotaru
from learner.arms.network import NetworkArm
from learner.examples import Examples, Split
from learner.offsets import Offsets
from learner.offsets.level import levels
from learner.targets.quantities import MIDDLE
from learner.training.settings import TrainingSettings
from scheduler.errors import NotFound

ROWS = 500  # to learn from, drawn by the seed
UNDER = {"on offsets": True, "without offsets": False}
ALONE, MUTUAL = "alone", "mutual"
Floats = NDArray[np.float64]


def part(data: Path | None, *, quick: bool) -> Part:
    """Errors on unseen inputs; the peers that learn alone are those of two further seeds."""
    if data is None:
        raise NotFound("The part mutual of the methods reads public logs; give --data DIR.")
    rows = lotaru.read(data)
    ours: dict[str, dict[str, float]] = {}
    ratios, goals = {}, []
    for under in UNDER:
        found = [_one(rows, seed, under) for seed in range(1 if quick else 5)]
        mean = {name: np.mean([each[name] for each in found], axis=0) for name in found[0]}
        ours |= {
            f"mutual, {under}: {name}": dict(zip(TARGETS, each.round(4).tolist(), strict=True))
            for name, each in mean.items()
        }
        share = float((mean[MUTUAL] / mean[ALONE]).mean())
        ratios[f"mutual, {under}: error over that of each alone"] = share
        name = f"mutual, {under}: error over each alone, mean of targets"
        goals.append(Goal(name, "< 1", f"{share:.3f}", share < 1))
    return Part(ours=ours, ratios=ratios, goals=tuple(goals))


def _one(rows: Sequence[lotaru.Row], seed: int, under: str) -> dict[str, Floats]:
    """Mean absolute logarithmic errors of each target."""
    whole, rng = lotaru.unseen_inputs(list(rows), seed % 3), np.random.default_rng(seed)
    train = np.sort(rng.permutation(whole.train)[:ROWS])
    checked = np.sort(rng.permutation(whole.validation)[: ROWS // 3])
    split = Split(train, checked, whole.test)
    examples = Examples.of([row.record for row in rows], split=split)
    fitted = Offsets.fit(examples)
    offsets = fitted if UNDER[under] else levels(examples, fitted)
    plain = TrainingSettings(seed=seed)
    together = replace(plain, methods={"mutual": {}})
    alone = [_error(examples, offsets, replace(plain, seed=each)) for each in (seed, seed + 100)]
    return {ALONE: np.mean(alone, axis=0), MUTUAL: _error(examples, offsets, together)}


def _error(examples: Examples, offsets: Offsets, settings: TrainingSettings) -> Floats:
    rows = examples.split.test
    inputs = examples.inputs.take(rows)
    said = NetworkArm.fit(examples, offsets, settings).raw(inputs, TARGETS)
    found = []
    for name in TARGETS:
        middle = said[name][:, MIDDLE] + offsets.under(name, inputs)
        off = np.abs(middle * offsets.scale(name) - examples.truth[name][rows])
        found.append(float(np.nanmean(off)))
    return np.array(found)
