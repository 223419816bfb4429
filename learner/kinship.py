"""Which subjects are alike, told by the parts of their names."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SHARPNESS = 4  # the power of the likeness with which one subject speaks for another
FAINT = 1e-3  # a weight below which one subject says nothing of another
MOST_ALIKE = 256  # subjects that may speak for one
MOST_SHARED = 4096  # subjects with a part in common, beyond which it tells nobody apart
_NAMED = re.compile(r"\((.+)\)(?: \[[^\[\]]*\])?$", re.DOTALL)
_FILE_ENDING = re.compile(r"(\.[A-Za-z]+)+$")
_BETWEEN = re.compile(r"[^0-9A-Za-z]+")


def subject_of(task: str) -> str | None:
    """What a task works on, when its name says so: `KIND (subject)`, perhaps with ` [mark]`.

    So do Nextflow's names. A file and what it holds are one subject. None where nothing is said.
    """
    found = _NAMED.search(task)
    return _FILE_ENDING.sub("", found[1].strip()) or None if found else None


class Kinship:
    """How much each of some subjects says of another.

    The likeness of two names is the Jaccard index of their parts, rare parts counting more (inverse
    document frequency, Spärck Jones 1972). One subject speaks for another with the likeness to the
    power of SHARPNESS, so that a subject speaks for itself with weight 1, and hardly any other one
    does unless their names nearly agree.
    """

    def __init__(self, subjects: Sequence[str]) -> None:
        self.subjects = tuple(subjects)
        self._parts = [parts_of(each) for each in subjects]
        self._holders: dict[str, list[int]] = defaultdict(list)
        for i, parts in enumerate(self._parts):
            for part in parts:
                self._holders[part].append(i)
        counts = Counter({part: len(holders) for part, holders in self._holders.items()})
        self._rarity = {part: math.log((len(subjects) + 1) / n) for part, n in counts.items()}
        self._new = math.log(len(subjects) + 1)
        self._total = np.array([self._worth(parts) for parts in self._parts])
        self._told: dict[str, tuple[Ints, Floats]] = {}

    def alike(self, subject: str) -> tuple[Ints, Floats]:
        """The places of the subjects that speak for this one, and their weights."""
        if subject not in self._told:
            self._told[subject] = self._alike(subject)
        return self._told[subject]

    def _alike(self, subject: str) -> tuple[Ints, Floats]:
        parts = parts_of(subject)
        common = np.zeros(len(self.subjects))
        for part in parts:
            holders = self._holders.get(part, [])
            if len(holders) <= MOST_SHARED:
                common[holders] += self._rarity.get(part, 0.0)
        union = self._total + self._worth(parts) - common
        weight = (common / np.maximum(union, 1e-9)) ** SHARPNESS
        near = np.flatnonzero(weight > FAINT)
        near = near[np.argsort(-weight[near], kind="stable")][:MOST_ALIKE]
        return near, weight[near]

    def _worth(self, parts: Iterable[str]) -> float:
        return sum(self._rarity.get(part, self._new) for part in parts)


def parts_of(subject: str) -> frozenset[str]:
    """The words and numbers of a name."""
    return frozenset(part for part in _BETWEEN.split(subject) if part)
