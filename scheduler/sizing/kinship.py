"""What tasks of one group need more than others: on one worker, or on subjects that are akin.

The leading parts of a name often say what belongs together: a sample, a batch, a tool before.
"""

import re
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
_PARTS = re.compile(r"[^\W_]+")
_DEPTH = 3  # leading parts of a subject's name that may name a group
_LEAST_SHRINKAGE = 1e-6  # where nothing varies within a group
_FARTHEST = 100.0  # times what was seen


def lineage(subject: str | None, kind: str) -> tuple[str, ...]:
    """The leading parts of a subject's name, each with those before it, at most as deep as used.

    Parts of the kind's own name say nothing, so that the name of a task will do as well.

    >>> lineage("align-liver-03.rep2", "align")
    ('liver', 'liver 03', 'liver 03 rep2')
    """
    usual = set(_PARTS.findall(kind))
    parts = [each for each in _PARTS.findall(subject or "") if each not in usual]
    return tuple(accumulate(parts[:_DEPTH], "{} {}".format))


def grouped(lineages: Sequence[tuple[str, ...]], mine: tuple[str, ...]) -> tuple[Codes, ...]:
    """Who shares the leading parts, one by one; for each level that the task shares with anyone."""
    levels = []
    for depth in range(len(mine)):
        codes = {mine[depth]: 0}
        found = [
            codes.setdefault(each[depth] if len(each) > depth else f"\0{i}", len(codes))
            for i, each in enumerate(lineages)
        ]
        if 0 not in found:
            break
        levels.append(np.array([*found, 0]))
    return tuple(levels)


def related(memory: Array, groups: Sequence[Codes]) -> Array:
    """The past as if of the task's own groups: random effects, the finer after the coarser.

    An effect is shrunk by the ratio of the variances within and between groups, by the moments of
    a one-way analysis of variance (Searle, Casella and McCulloch 1992, chapter 3); what is left
    is taken without each observation's own part in it.
    """
    rest, effect = np.log(memory), 0.0
    for group in groups:
        more, rest = _effect(rest, group)
        effect += more
    return plausible(np.exp(rest + effect), memory)


def effects(memory: Array, group: Codes) -> Array:
    """By group, the logarithm of what it needs more than others; as above, of all there are."""
    logs = np.log(memory)
    apart, count = logs - logs.mean(), np.bincount(group).astype(np.float64)
    total: Array = np.bincount(group, apart, len(count)).astype(np.float64)
    shrunk = _shrinkage(apart, count, total)
    return total / (count + shrunk) if np.isfinite(shrunk) else np.zeros(len(count))


def _effect(logs: Array, group: Codes) -> tuple[float, Array]:
    """The effect of the last one's group, and what the others are without their groups' effects."""
    mine, middle = int(group[-1]), logs.mean()
    count = np.bincount(group).astype(np.float64)
    count[mine] -= 1  # the last one itself
    total: Array = np.bincount(group[:-1], logs - middle, len(count)).astype(np.float64)
    shrunk = _shrinkage(logs - middle, count, total)
    if not np.isfinite(shrunk):
        return 0.0, logs
    own = group[:-1]
    others = (total[own] - (logs - middle)) / (count[own] - 1 + shrunk)
    return float(total[mine] / (count[mine] + shrunk)), logs - others


def _shrinkage(apart: Array, count: Array, total: Array) -> float:
    """The variance within groups over that between them; infinite where none is between."""
    count, total = count[count > 0], total[count > 0]
    n, groups = count.sum(), len(count)
    if groups < 2 or groups == n:
        return np.inf
    between = (total**2 / count).sum() - total.sum() ** 2 / n
    within = ((apart**2).sum() - (total**2 / count).sum()) / (n - groups)
    usual = (n - (count**2).sum() / n) / (groups - 1)
    effects = (between / (groups - 1) - within) / usual
    return max(float(within / effects), _LEAST_SHRINKAGE) if effects > 0 else np.inf


def plausible(moved: Array, seen: Array) -> Array:
    """Few points can lead a line anywhere; nobody believes what is far from all that was seen."""
    return np.clip(moved, seen.min() / _FARTHEST, seen.max() * _FARTHEST)
