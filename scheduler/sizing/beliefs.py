"""What is believed of the memory of one task: its kind's past, moved and weighed by its size.

Each belief turns the past into points with weights. What lies above all that was seen is as likely
as one more observation, and falls off exponentially at the scale of the upper half's own spread: a
kind that always needs the same gets a margin of hundredths of a percent, not a fixed one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scheduler.sizing.kinship import plausible, related

Array = NDArray[np.float64]
_FAR = 0.1  # the weight of something of quite another size, all of them together
_UPPER = 0.5  # the share of the points that says how far the unseen may lie
_TAIL = 0.25  # the scale of the tail over the mean excess of the upper points
_TAIL_POINTS = 8
_TOWARDS_TOP = 3
_LEAST_SPREAD = 0.01  # of the logarithm that a forecast tells, added to what it says
_SUREST = 0.995  # of a forecast: beyond that nobody knows
LEAST_SCALE = 1e-5
_LEAST_SIZED = 5  # observations with a size, before sizes say anything
_RIDGE = 0.5  # of the slope, in squared logarithms
_BEYOND = 0.7  # how far outside the sizes seen a line is followed, in logarithms
_MOST_LEVERAGE = 0.8


@dataclass(frozen=True)
class Past:
    """Observations of one kind: peaks (bytes), durations (seconds), logarithms of one size.

    `at` is the size of the task in question. A size that is not known is NaN. `groups` says who
    belongs together, coarse to fine: by the worker, then by the name of the subject; the task
    itself last. Shape: groups is levels x one more than the observations.
    """

    memory: Array
    duration: Array
    size: Array
    at: float
    groups: tuple[NDArray[np.int64], ...] = ()

    @property
    def sized(self) -> bool:
        """Whether the task's size and enough of the past's are known."""
        return bool(np.isfinite(self.at) and np.isfinite(self.size).sum() >= _LEAST_SIZED)


@dataclass(frozen=True)
class Belief:
    """A level or a line in the logarithm of the size `of`, from all of the past or what is near.

    `width` is how near in logarithms of size; `share` sets the width so that this share of the
    past is within it. `kin` moves each by what its worker and its subject's group need more than
    others. `by` is who forecasts.
    """

    of: str | None = None
    line: bool = False
    width: float | None = None
    share: float | None = None
    kin: bool = False
    by: str = ""

    def points(self, past: Past) -> tuple[Array, Array]:
        """Memory and weight, unsorted. Without a size it is the plain level of the kind."""
        if self.of is None or not past.sized:
            return related(past.memory, past.groups) if self.kin else past.memory, past.duration
        memory = _moved(past) if self.line else past.memory
        if self.kin:
            memory = related(memory, past.groups)
        return memory, past.duration * self._near(past)

    def _near(self, past: Past) -> Array:
        known = np.isfinite(past.size)
        far = _FAR / len(past.memory)
        apart = np.where(known, np.abs(past.size - past.at), np.inf)
        if self.width is not None:
            width = self.width
        elif self.share is not None:
            within = min(max(2, int(np.ceil(self.share * known.sum()))), int(known.sum()) - 1)
            width = max(float(np.partition(apart, within)[within]), 1e-3)
        else:
            return np.where(known, 1.0, far) if self.line else np.ones(len(apart))
        return np.maximum(np.exp(-0.5 * (apart / width) ** 2), far)


LEVEL = Belief()
FORECAST = Belief("forecast")  # what a predictor says of this very task, and no size of it


@dataclass(frozen=True)
class Told:
    """A predictor's quantiles of one task's memory: `levels` within 0..1 and bytes, both rising.

    `by` is who says so: each is judged by itself.
    """

    levels: tuple[float, ...]
    memory: tuple[float, ...]
    by: str = ""

    @property
    def belief(self) -> Belief:
        """Under which name it is judged."""
        return replace(FORECAST, by=self.by)

    def points(self, count: int) -> tuple[Array, Array]:
        """So many peaks, rising, and how likely they are, denser towards the top.

        Between and beyond the levels the logarithm is taken for a Student t: its tails are wider
        than those of a normal, since the levels told are estimates themselves.
        """
        edges = 1 - (1 - np.linspace(0, 1, count + 1)) ** _TOWARDS_TOP
        middle = np.minimum((edges[1:] + edges[:-1]) / 2, _SUREST)
        at, known = _student(middle), _student(np.array(self.levels))
        weight, logs = np.diff(edges), np.log(self.memory)
        if len(known) == 1:
            return np.full(count, self.memory[0]), weight
        logs = logs + _LEAST_SPREAD * known  # no two attempts need quite the same
        part = np.clip(np.searchsorted(known, at), 1, len(known) - 1)
        slope = np.diff(logs)[part - 1] / np.diff(known)[part - 1]
        return np.exp(logs[part] + slope * (at - known[part])), weight


def _student(level: Array) -> Array:
    """Quantiles of Student's t with four degrees of freedom (Shaw 2006, section 3)."""
    root = np.sqrt(4 * level * (1 - level))
    squared = np.maximum(np.cos(np.arccos(root) / 3) / root - 1, 0.0)  # else rounded below it
    found: Array = np.sign(level - 0.5) * 2 * np.sqrt(squared)
    return found


KINSHIP = Belief(kin=True)


def beliefs(sizes: Sequence[str], *, kin: bool = False) -> tuple[Belief, ...]:
    """The plain level, and for each size by name levels and lines, wide and narrow.

    With `kin`, also the level and the widest lines moved by what workers and groups need.
    """
    related = (KINSHIP, *(Belief(name, line=True, kin=True) for name in sizes)) if kin else ()
    return (LEVEL, *(belief for name in sizes for belief in _of(name)), *related)


def _of(name: str) -> Iterator[Belief]:
    yield from (Belief(name, width=width) for width in (0.5, 0.2, 0.05))
    yield from (Belief(name, share=share) for share in (0.25, 0.1))
    yield Belief(name, line=True)
    yield Belief(name, line=True, width=0.2)
    yield Belief(name, line=True, share=0.25)


def with_tail(memory: Array, weight: Array, *, least: float = LEAST_SCALE) -> tuple[Array, Array]:
    """Sorts each belief's points, and adds those that stand for what was never seen.

    `least` is how far these lie above the largest where all were equal, as a share of it.
    Shape: beliefs x points, two of at least; the result has a few more points.
    """
    order = np.argsort(memory, 1)
    memory, weight = np.take_along_axis(memory, order, 1), np.take_along_axis(weight, order, 1)
    total = weight.sum(1)
    effective = total**2 / (weight**2).sum(1)  # Kish's effective number of observations
    upper = min(max(3, int(np.ceil(_UPPER * memory.shape[1]))), memory.shape[1] - 1)
    excess = memory[:, -upper:] - memory[:, -upper - 1 : -upper]
    scale = (weight[:, -upper:] * excess).sum(1) / weight[:, -upper:].sum(1)
    scale = np.maximum(_TAIL * scale, least * memory[:, -1])
    levels = -np.log(1 - (np.arange(_TAIL_POINTS) + 0.5) / _TAIL_POINTS)
    beyond = memory[:, -1:] + scale[:, None] * levels
    unseen = np.repeat((total / effective / _TAIL_POINTS)[:, None], _TAIL_POINTS, 1)
    return np.concatenate([memory, beyond], 1), np.concatenate([weight, unseen], 1)


def _moved(past: Past) -> Array:
    """The past moved along a log-log line to the task's size, by leave-one-out residuals."""
    known = np.isfinite(past.size)
    size, memory = past.size[known], np.log(past.memory[known])
    middle, level = size.mean(), memory.mean()
    apart = size - middle
    squares = (apart**2).sum() + _RIDGE
    slope = (apart * (memory - level)).sum() / squares
    leverage = np.minimum(1 / len(size) + apart**2 / squares, _MOST_LEVERAGE)
    residual = (memory - level - slope * apart) / (1 - leverage)
    at = np.clip(past.at, size.min() - _BEYOND, size.max() + _BEYOND)
    moved = past.memory.copy()
    moved[known] = np.exp(level + slope * (at - middle) + residual)
    return plausible(moved, past.memory)
