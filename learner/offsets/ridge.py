"""One quantity of all kinds: a growth law, a smooth curve around it, and bounds outside."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learner.features import UNKNOWN, Columns, Inputs
from learner.kernel import LENGTHS, Curves, fit_curves
from learner.offsets.growth import Growth, line, plain, powers
from learner.offsets.pooled import Pooled
from learner.targets.quantities import MIDDLE, Quantity
from scheduler.predictors.history import DEFAULT

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FARTHEST = float(np.log(1000.0))  # how far beyond the sizes seen the growth goes on
FEW = 12.0  # rows of a kind up to which only the median of its readings is believed
LEAST = 0.02  # a share below which that median is left out
PLACES = ("first", "worker")  # arrays of whole numbers


@dataclass(frozen=True, eq=False)
class Ranges:
    """The sizes seen of each kind, standardised; of all kinds for UNKNOWN.

    Shape: kinds x columns each; spread: columns, natural logarithms in one standardised unit;
    middle: columns, the logarithm at zero.
    """

    low: Floats
    high: Floats
    centre: Floats
    spread: Floats
    middle: Floats

    @classmethod
    def of(cls, rows: Inputs, columns: Columns) -> "Ranges":
        """The ranges of some rows; zero for what a kind never gave."""
        present = rows.missing == 0
        shape = (len(columns.kinds), rows.numbers.shape[1])
        low, high, total, count = (np.full(shape, v) for v in (np.inf, -np.inf, 0.0, 0.0))
        for kind in (rows.kind, np.full(len(rows), UNKNOWN)):
            np.minimum.at(low, kind, np.where(present, rows.numbers, np.inf))
            np.maximum.at(high, kind, np.where(present, rows.numbers, -np.inf))
            np.add.at(total, kind, rows.numbers * present)
            np.add.at(count, kind, present)
        never = count == 0
        low[never], high[never] = 0.0, 0.0
        spread = np.array([0.0 if each.context else each.scale for each in columns.numbers])
        middle = np.array([each.centre for each in columns.numbers])
        return cls(low, high, total / np.maximum(count, 1), spread, middle)

    def filled(self, inputs: Inputs) -> Floats:
        """Sizes with what is missing at its kind's mean."""
        sizes: Floats = np.where(inputs.missing > 0, self.centre[inputs.kind], inputs.numbers)
        return sizes

    def natural(self, sizes: Floats) -> Floats:
        """The logarithms behind standardised sizes."""
        natural: Floats = sizes * self.spread + self.middle
        return natural

    def excess(self, sizes: Floats, kind: Ints) -> tuple[Floats, Floats]:
        """How far each row lies below and above what its kind has seen, in logarithms: n each.

        Columns without a spread are no sizes, and do not count.
        """
        if not sizes.shape[1]:
            return np.zeros(len(sizes)), np.zeros(len(sizes))
        below = (np.maximum(self.low[kind] - sizes, 0) * self.spread).max(1)
        above = (np.maximum(sizes - self.high[kind], 0) * self.spread).max(1)
        return below, above


@dataclass(frozen=True, eq=False)
class Ridge:
    """What is believed of one quantity; `growth` bounds how it goes on outside the sizes seen.

    The mean of a kind is that of its two laws (`laws`, `lines`), or where it has none what all
    kinds share (`slopes`); `curves` add what the kind's rows say beyond that. Where a kind has few
    rows, the median of the four readings is believed (`few`): of both laws, the plain line, curve.

    Shape: intercept, few: kinds; slopes: kinds x columns; worker: workers.
    """

    intercept: Floats
    slopes: Floats
    worker: Floats
    laws: Growth
    lines: Growth
    plain: Growth
    few: Floats
    curves: Curves
    ranges: Ranges
    growth: float
    scale: float

    def at(self, inputs: Inputs) -> Floats:
        """The logarithm believed for each row.

        Inside the sizes seen of the kind, what law and curve say. Outside, what they say at the
        border, and how they go on: never against the size, at most like size ** growth, and at
        most a factor of a thousand.
        """
        sizes, kind = self.ranges.filled(inputs), inputs.kind
        below, above = self.ranges.excess(sizes, kind)
        inside = np.clip(sizes, self.ranges.low[kind], self.ranges.high[kind])
        value = self._smooth(inputs, inside)
        out = np.flatnonzero((below > 0) | (above > 0))
        if len(out) and self.growth > 0:
            onward = self._smooth(inputs.take(out), sizes[out]) - value[out]
            bounded = np.clip(onward, -self.growth * below[out], self.growth * above[out])
            value[out] += np.clip(bounded, -FARTHEST, FARTHEST)
        return value

    def base(self, inputs: Inputs, sizes: Floats) -> Floats:
        """The mean that the curves stand on."""
        kind = inputs.kind
        shared = self.intercept[kind] + (sizes * self.slopes[kind]).sum(1)
        grown = self.ranges.natural(sizes)
        law = (self.laws.at(grown, kind) + self.lines.at(grown, kind)) / 2
        mean: Floats = shared + law + self.worker[inputs.worker]
        return mean

    def _smooth(self, inputs: Inputs, sizes: Floats) -> Floats:
        curve = self.curves.at(inputs.kind, inputs.worker, sizes)
        return self.shrunk(inputs, sizes, self.base(inputs, sizes) + curve)

    def shrunk(self, inputs: Inputs, sizes: Floats, said: Floats) -> Floats:
        """What is said, moved to the median of all readings where a kind has few rows."""
        few = self.few[inputs.kind]
        mine = np.flatnonzero(few > 0)
        worker = self.worker[inputs.worker[mine]]
        shrunk, own = said.copy(), said[mine] - worker
        low, middle, high = self.readings(sizes[mine], inputs.kind[mine])
        shrunk[mine] += few[mine] * (median(own, low, middle, high) - own)
        return shrunk

    def readings(self, sizes: Floats, kind: Ints) -> tuple[Floats, Floats, Floats]:
        """What the two laws and the plain line say on no worker, in order: n each."""
        grown = self.ranges.natural(sizes)
        said = [each.at(grown, kind) for each in (self.laws, self.lines, self.plain)]
        low, middle, high = np.sort(said, axis=0)
        return low, middle, high

    def as_arrays(self) -> dict[str, Floats]:
        """Plain arrays from which `from_arrays` makes the same."""
        arrays: dict[str, Floats] = {}
        for name, value in vars(self).items():
            parts = vars(value) if isinstance(value, Growth | Curves | Ranges) else {"": value}
            arrays |= {f"{name}.{n}".rstrip("."): np.asarray(each) for n, each in parts.items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> "Ridge":
        """What `as_arrays` wrote."""
        fields: dict[str, dict[str, Floats]] = {}
        for name, array in arrays.items():
            field, _, part = name.partition(".")
            fields.setdefault(field, {})[part] = array
        own = {name: each[""] for name, each in fields.items() if "" in each}
        growth, scale = float(own["growth"].item()), float(own["scale"].item())
        return cls(
            **{name: own[name] for name in ("intercept", "slopes", "worker", "few")},
            laws=Growth(**_typed(fields["laws"])),
            lines=Growth(**_typed(fields["lines"])),
            plain=Growth(**_typed(fields["plain"])),
            curves=Curves(**_typed(fields["curves"])),
            ranges=Ranges(**fields["ranges"]),
            growth=growth,
            scale=scale,
        )


def fit_ridge(
    inputs: Inputs, truth: Floats, target: Quantity, columns: Columns
) -> tuple[Ridge, Floats]:
    """Fits one quantity, and says of each row what the rows of other works say of it.

    Shape: truth: n logarithms, NaN where not observed; the answer's second part: n.
    """
    seen = ~np.isnan(truth)
    rows, values = inputs.take(seen), truth[seen]
    kinds, workers = len(columns.kinds), len(columns.workers)
    ranges = Ranges.of(rows, columns)
    sizes = ranges.filled(rows)
    if not len(values):
        nothing = without_rows(target, columns, ranges)
        return nothing, nothing.at(inputs)
    pooled = Pooled.fit(sizes, values, rows, kinds=kinds, workers=workers)
    grown = ranges.natural(sizes)[:, : _sizes(columns)], values - pooled.worker[rows.worker]
    laws, lines, straight = (
        Growth.fit(*grown, rows.kind, kinds=kinds, read=read) for read in (powers, line, plain)
    )
    lawful = laws.lawful()
    slopes = np.where(lawful[:, None], 0.0, pooled.slopes)
    intercept = np.where(lawful, 0.0, pooled.mean)
    count = np.bincount(rows.kind, minlength=kinds)
    few = np.minimum(2 / (1 + (count / FEW) ** 4), 1.0)
    few = np.where(lawful & (few > LEAST), few, 0.0)
    flat = Ridge(
        intercept,
        slopes,
        pooled.worker,
        laws,
        lines,
        straight,
        few,
        _flat(columns),
        ranges,
        target.growth,
        1.0,
    )
    filled = ranges.filled(inputs)
    base = flat.base(inputs, filled)
    whole = replace(inputs, numbers=filled, missing=np.zeros_like(inputs.missing))
    curves, apart = fit_curves(
        whole,
        {"": truth - base},
        works(inputs, _sizes(columns)),
        kinds=kinds,
        workers=workers,
        bent=_sizes(columns),
    )[""]
    made = replace(flat, curves=curves)
    apart = made.shrunk(inputs, filled, base + apart)
    told = np.where(np.isnan(apart), made.at(inputs), apart)
    spread = max(float((truth - told)[seen].std()), 0.01)
    return replace(made, scale=spread), told


def median(value: Floats, low: Floats, middle: Floats, high: Floats) -> Floats:
    """The median of four of which three are in order: the mean of the two in the middle."""
    found: Floats = (middle + np.clip(value, low, high)) / 2
    return found


def works(inputs: Inputs, sizes: int) -> Ints:
    """The number of each row's piece of work: its kind, and its sizes to about one percent.

    `sizes` is how many of the first columns are sizes.
    """
    told = inputs.numbers[:, :sizes], inputs.missing[:, :sizes]
    rounded = np.column_stack([inputs.kind, np.round(told[0], 2), told[1]])
    number: Ints = np.unique(rounded, axis=0, return_inverse=True)[1].ravel()
    return number


def _sizes(columns: Columns) -> int:
    """How many of the first columns are sizes, and not what the context says."""
    return sum(not each.context for each in columns.numbers)


def without_rows(target: Quantity, columns: Columns, ranges: Ranges) -> Ridge:
    """What is believed of a quantity that was never observed: what is usual anywhere."""
    kinds, width = len(columns.kinds), len(columns.numbers)
    known = DEFAULT.quantities.get(target.name)
    usual = 0.0 if known is None else float(np.log(known[MIDDLE]))
    empty = np.zeros((0, width)), np.zeros(0), np.zeros(0, dtype=np.int64)
    none = Growth.fit(*empty, kinds=kinds, read=powers)
    return Ridge(
        np.full(kinds, usual),
        np.zeros((kinds, width)),
        np.zeros(len(columns.workers)),
        none,
        none,
        none,
        np.zeros(kinds),
        _flat(columns),
        ranges,
        target.growth,
        1.0,
    )


def _flat(columns: Columns) -> Curves:
    """Curves that say nothing."""
    kinds, width = len(columns.kinds), len(columns.numbers)
    return Curves(
        intercept=np.zeros(kinds),
        slopes=np.zeros((kinds, width)),
        habit=np.zeros((kinds, len(columns.workers))),
        width=np.ones(kinds),
        first=np.zeros(kinds + 1, dtype=np.int64),
        sizes=np.zeros((0, width)),
        worker=np.zeros(0, dtype=np.int64),
        bend=np.zeros((0, len(LENGTHS))),
        whim=np.zeros((0, len(LENGTHS))),
    )


def _typed(arrays: Mapping[str, Floats]) -> dict[str, Any]:
    """The arrays, those that hold places as whole numbers."""
    return {n: each.astype(np.int64) if n in PLACES else each for n, each in arrays.items()}
