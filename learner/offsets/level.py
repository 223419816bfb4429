"""Offsets that say the same of every row: for networks that learn everything themselves."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from learner.examples import Examples
from learner.offsets.offsets import Offsets
from learner.offsets.ridge import without_rows
from learner.targets import target_named
from learner.targets.quantities import Quantity

Floats = NDArray[np.float64]


def levels(
    examples: Examples, offsets: Offsets, *, along: Mapping[str, Floats] | None = None
) -> Offsets:
    """The median and the spread of each quantity over the training rows, in place of its offset.

    `along` are truths of auxiliary targets, n each, that get a level too. The risk stays.
    """
    rows, ranges = examples.split.train, next(iter(offsets.ridges.values())).ranges
    truths = {name: examples.truth[name] for name in offsets.ridges} | dict(along or {})
    ridges = {}
    for name, truth in truths.items():
        target, seen = target_named(name), truth[rows][~np.isnan(truth[rows])]
        if isinstance(target, Quantity):
            nothing = without_rows(target, examples.columns, ranges)
            usual = np.full_like(nothing.intercept, np.median(seen)) if len(seen) else None
            scale = max(float(seen.std()), 0.01) if len(seen) else 1.0
            level = nothing.intercept if usual is None else usual
            ridges[name] = replace(nothing, intercept=level, scale=scale)
    return Offsets(ridges, offsets.risk)
