"""What each kind takes as a line in its numbers, by least absolute deviations.

A kind that hardly varies keeps its median, whatever the numbers say: a line is taken only where it
told rows better that it was not fitted to. Everything is closed form, and numpy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from learner.features import UNKNOWN, Inputs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # on slopes, in rows that say "as usual"
BLOCKS = 4  # stretches of time, each told by the others
FEWEST = 8  # rows of a kind that carry a line
GAIN = 0.05  # by how much a line must be better than the median, relatively
ROUNDS = 12  # in which the weights of rows settle
NEWEST = 4000  # rows of a kind that are looked at
NEAR = 0.05  # of the usual deviation: rows nearer than that weigh no more
FINEST = 1e-4  # the deviation (of a logarithm) below which kinds are not told apart
BEYOND = 1.5  # standard deviations within the kind, beyond the numbers seen, where lines end


class Line(NamedTuple):
    """One kind's line: the level at `centre`, the slopes, and the numbers between which it holds.

    Shape: centre, slopes, low, high: columns.
    """

    level: float
    centre: Floats
    slopes: Floats
    low: Floats
    high: Floats

    def at(self, numbers: Floats) -> Floats:
        """The value of each row; NaN counts as the kind's usual number."""
        apart = np.nan_to_num(numbers - self.centre)
        told: Floats = self.level + np.clip(apart, self.low, self.high) @ self.slopes
        return told


@dataclass(frozen=True, eq=False)
class Lines:
    """A line for each kind; the first is for UNKNOWN and for kinds never observed.

    Shape: level: kinds; centre, slopes, low, high: kinds x columns.
    """

    level: Floats
    centre: Floats
    slopes: Floats
    low: Floats
    high: Floats

    def at(self, inputs: Inputs) -> Floats:
        """The value of each row."""
        kind, numbers = inputs.kind, _numbers(inputs)
        apart = np.nan_to_num(numbers - self.centre[kind])
        inside = np.clip(apart, self.low[kind], self.high[kind])
        told: Floats = self.level[kind] + (inside * self.slopes[kind]).sum(1)
        return told

    def as_arrays(self) -> dict[str, Floats]:
        """Plain arrays from which `Lines(**arrays)` makes the same lines."""
        return dict(vars(self))


def fit_lines(
    inputs: Inputs, values: Floats, *, kinds: int, groups: Sequence[Ints]
) -> tuple[Lines, Floats]:
    """A line for each kind through logarithms (NaN where not observed), rows oldest first.

    For each kind, the columns (one of `groups`) and the penalty are those that tell best what they
    were not fitted to: each stretch of time by the others. Also returned is what is said so of
    each row by the choice made, NaN where the kind has too few.

    Shape: values: n; the answer: the lines, and n values.
    """
    seen = np.flatnonzero(~np.isnan(values))
    rows, y, numbers = inputs.kind[seen], values[seen], _numbers(inputs)[seen]
    scale = _spread_within(numbers, rows)
    apart = np.full(len(values), np.nan)
    whole = _level(y, numbers.shape[1])
    lines = [whole] * kinds
    for kind in np.unique(rows):
        mine = np.flatnonzero(rows == kind)[-NEWEST:]
        if kind != UNKNOWN:
            lines[kind], apart[seen[mine]] = _best(numbers[mine], y[mine], scale, groups)
    return Lines(*(np.array(each) for each in zip(*lines, strict=True))), apart


def _best(x: Floats, y: Floats, scale: Floats, groups: Sequence[Ints]) -> tuple[Line, Floats]:
    """The line to take, and what it says of each stretch of time by the others."""
    level = _level(y, x.shape[1])
    if len(y) < FEWEST:
        return level, np.full(len(y), np.nan)
    block = np.arange(len(y)) * BLOCKS // len(y)
    usual = _apart(x, y, block, lambda a, b: _level(b, a.shape[1]))
    width = float(np.median(np.abs(y - usual))) + FINEST
    best, found, said = (1 - GAIN) * badness(y - usual, width), level, usual
    for columns in groups:
        for penalty in PENALTIES:
            fit = partial(_line, scale=scale, columns=columns, penalty=penalty)
            told = _apart(x, y, block, fit)
            if (worth := badness(y - told, width)) < best:
                best, said, found = worth, told, fit(x, y)
    return found, said


def badness(off: Floats, width: float) -> float:
    """The mean of |off| / (|off| + width): how often, rather than how far, one is off."""
    return float((np.abs(off) / (np.abs(off) + width)).mean())


def _apart(x: Floats, y: Floats, block: Ints, fit: Callable[[Floats, Floats], Line]) -> Floats:
    told = np.zeros(len(y))
    for each in range(BLOCKS):
        out = block == each
        told[out] = fit(x[~out], y[~out]).at(x[out])
    return told


def _level(y: Floats, columns: int) -> Line:
    zeros = np.zeros(columns)
    return Line(float(np.median(y)) if len(y) else 0.0, zeros, zeros, zeros, zeros)


def _line(x: Floats, y: Floats, *, scale: Floats, columns: Ints, penalty: float) -> Line:
    """Least absolute deviations with a ridge on the slopes, by reweighted least squares
    (Schlossmacher 1973; the weights are bounded)."""
    centre = _medians(x)
    apart = np.nan_to_num(x - centre)
    design = np.column_stack([np.ones(len(x)), apart[:, columns] / scale[columns]])
    ridge = np.diag([1e-9, *[penalty] * len(columns)])
    found = np.zeros(len(columns) + 1)
    found[0] = np.median(y)
    usual = max(float(np.median(np.abs(y - found[0]))), FINEST)
    for _ in range(ROUNDS):
        weight = usual / np.maximum(np.abs(y - design @ found), NEAR * usual)
        weighted = design * weight[:, None]
        found = np.asarray(np.linalg.solve(weighted.T @ design + ridge, weighted.T @ y))
    slopes = np.zeros(x.shape[1])
    slopes[columns] = found[1:] / scale[columns]
    reach = BEYOND * scale
    return Line(float(found[0]), centre, slopes, apart.min(0) - reach, apart.max(0) + reach)


def _numbers(inputs: Inputs) -> Floats:
    return np.where(inputs.missing > 0, np.nan, inputs.numbers)


def _medians(x: Floats) -> Floats:
    """The median of each column; zero where nothing is known."""
    known = ~np.isnan(x)
    return np.array(
        [np.median(c[k]) if k.any() else 0.0 for c, k in zip(x.T, known.T, strict=True)]
    )


def _spread_within(x: Floats, kind: Ints) -> Floats:
    """The standard deviation of each column within kinds, over all of them; never zero."""
    off = np.zeros_like(x)
    for each in np.unique(kind):
        mine = kind == each
        off[mine] = np.nan_to_num(x[mine] - _medians(x[mine]))
    known = np.maximum((~np.isnan(x)).sum(0), 1)
    spread = np.sqrt((off**2).sum(0) / known)
    return np.where(spread > 1e-6, spread, 1.0)
