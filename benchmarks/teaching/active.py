"""Active learning: measurements chosen for what they would tell, against measurements by chance."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import Goal, Part
from benchmarks.public import lotaru
from learner.examples import Examples, Split
from learner.labels import most_helpful
from learner.offsets.ridge import fit_ridge
from learner.targets import targets
from learner.targets.quantities import Quantity
from scheduler.errors import NotFound

FIRST, CANDIDATES, ASKED = 40, 1000, 400
STEPS = (40, 60, 80, 100, 120, 140, 160, 200, 240, 280, 320, 400, 480, 640)  # labels in all
CHOSEN = (80, 120, 160, 240, 320)
QUANTITIES = ("duration", "memory")
SPLITS, SEEDS = 3, 5
Floats = NDArray[np.float64]
Curve = dict[int, Floats]


def part(data: Path | None, *, quick: bool) -> Part:
    """The labels that chance needs for the error that chosen labels reach."""
    if data is None:
        raise NotFound("The part active of the methods reads public logs; give --data DIR.")
    rows = lotaru.read(data)
    records = [row.record for row in rows]
    chosen: list[Curve] = []
    chance: list[Curve] = []
    for seed in range(1 if quick else SEEDS):
        examples = Examples.of(records, split=lotaru.unseen_inputs(rows, seed % SPLITS))
        mine, other = _curves(examples, np.random.default_rng(seed))
        chosen.append(mine)
        chance.append(other)
    ours, theirs = _mean(chosen), _mean(chance)
    needed = {count: _labels_for(ours[count], theirs) for count in CHOSEN}
    share = float(np.mean([count / each for count, each in needed.items()]))
    told = {
        f"active: {count} labels, {name}": dict(zip(QUANTITIES, each.tolist(), strict=True))
        for name, curve in (("chosen", ours), ("by chance", theirs))
        for count, each in curve.items()
        if count in CHOSEN
    }
    return Part(
        ours=told
        | {f"active: labels by chance for the error of {c}": n for c, n in needed.items()},
        ratios={"active: labels for the same error, share of chance": share},
        goals=(
            Goal(
                "active: labels for the same error, share of random choice",
                "< 1",
                f"{share:.2f}",
                share < 1,
            ),
        ),
    )


def _curves(examples: Examples, rng: np.random.Generator) -> tuple[Curve, Curve]:
    """Errors on unseen inputs by the number of labels, chosen and by chance; both begin alike."""
    order = rng.permutation(examples.split.train)
    first, rest = order[:FIRST], order[FIRST:]
    pool = rest[:CANDIDATES]
    asked = rng.permutation(rest)[:ASKED]
    places, _ = most_helpful(
        examples.inputs.take(first),
        examples.inputs.take(pool),
        examples.inputs.take(asked),
        examples.columns,
        count=max(CHOSEN) - FIRST,
    )
    mine = {n: _error(examples, np.concatenate([first, pool[places[: n - FIRST]]])) for n in CHOSEN}
    return mine, {n: _error(examples, order[:n]) for n in STEPS}


def _error(examples: Examples, labelled: NDArray[np.int64]) -> Floats:
    """Mean absolute logarithmic errors of the product's offsets that saw only these labels."""
    known = replace(examples, split=Split(np.sort(labelled), *_rest(examples)))
    inputs, test = known.inputs.take(known.split.train), known.split.test
    found = []
    for name in QUANTITIES:
        target = targets()[name]
        assert isinstance(target, Quantity)
        ridge, _ = fit_ridge(inputs, known.truth[name][known.split.train], target, known.columns)
        off = np.abs(ridge.at(known.inputs.take(test)) - known.truth[name][test])
        found.append(float(np.nanmean(off)))
    return np.array(found)


def _rest(examples: Examples) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return examples.split.validation, examples.split.test


def _mean(curves: list[Curve]) -> Curve:
    return {count: np.mean([each[count] for each in curves], axis=0) for count in curves[0]}


def _labels_for(error: Floats, chance: Mapping[int, Floats]) -> float:
    """How many labels by chance reach these errors, read between those tried; the mean over
    quantities, and the most that was tried where even that does not reach them."""
    counts = np.array(sorted(chance), dtype=np.float64)
    found = []
    for place, least in enumerate(error.tolist()):
        curve = np.minimum.accumulate([chance[int(n)][place] for n in counts])
        at = np.interp(-np.log(least), -np.log(curve), np.log(counts))
        found.append(float(np.exp(at)))
    return float(np.mean(found))
