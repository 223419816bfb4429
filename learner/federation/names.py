"""The columns that sites agree on: names that are common enough, and sums of logarithms."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from learner.features import MOST_NAMES, MOST_SIZES, Columns, Known, Number
from learner.offsets.agreed import FEWEST
from scheduler.records import TaskRecord

Plain = Mapping[str, Any]


def names_of(records: Sequence[TaskRecord]) -> dict[str, Any]:
    """Names that come at least FEWEST times with how often, and of each size the sums over all
    attempts: count, logarithms, and their squares."""
    rows = [Known.of_record(each) for each in records]
    names = {name: _often([getattr(row, name) for row in rows]) for name in MOST_NAMES}
    sizes: dict[str, list[float]] = {}
    for each in sorted({name for row in rows for name in row.numbers}):
        logs = np.log1p([row.numbers[each] for row in rows if each in row.numbers])
        if len(logs) >= FEWEST:
            sizes[each] = [len(logs), float(logs.sum()), float((logs**2).sum())]
    return {"names": names, "sizes": sizes}


def agreed(told: Sequence[Plain]) -> Columns:
    """The columns of all sites, from what `names_of` told of each; the rarest are left out."""
    vocabularies = {}
    for name, most in MOST_NAMES.items():
        counts: Counter[str] = sum((Counter(each["names"][name]) for each in told), Counter())
        first = sorted(counts, key=lambda key, counts=counts: (-counts[key], key))[:most]  # type: ignore[misc]
        vocabularies[name] = ("", *sorted(first))
    sums: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = {}
    for each in told:
        for key, parts in each["sizes"].items():
            sums[key] = sums.get(key, np.zeros(3)) + np.array(parts)
    common = sorted(sorted(sums, key=lambda key: -sums[key][0])[:MOST_SIZES])
    kinds, workers, workflows = (vocabularies[name] for name in MOST_NAMES)
    return Columns(
        kinds, workers, workflows, numbers=tuple(_number(key, *sums[key]) for key in common)
    )


def _number(name: str, count: float, total: float, squares: float) -> Number:
    mean = float(total / count)
    spread = float(np.sqrt(max(squares / count - mean**2, 0.0)))
    return Number(name, mean, spread if spread > 1e-6 else 1.0)


def _often(names: Sequence[str | None]) -> dict[str, int]:
    counts = Counter(name for name in names if name is not None)
    return {name: count for name, count in counts.items() if count >= FEWEST}
