"""How good a version is on each kind and each worker, from attempts that were held out."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learner.examples import Examples
from learner.judging import losses
from learner.learned import Learned

MOST = 400  # pairs that are told: those with the most attempts
Floats = NDArray[np.float64]


def by_kind_and_worker(learned: Learned, examples: Examples) -> list[dict[str, Any]]:
    """Of each kind on each worker: its attempts, and by target the mean loss of those that tell.

    On the test rows of the examples, as JSON values: |log error| of a median, Brier score of a
    failure. The pairs with the most attempts come first.
    """
    rows = examples.split.test
    if not len(rows):
        return []
    found, records = losses(learned, examples, rows), examples.part(rows)
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, each in enumerate(records):
        places[each.kind, each.worker or ""].append(place)
    most = sorted(places, key=lambda pair: (-len(places[pair]), pair))[:MOST]
    return [
        {"kind": kind, "worker": worker, "attempts": len(places[kind, worker]),
         "errors": _means(found, places[kind, worker])}
        for kind, worker in most
    ]  # fmt: skip


def _means(found: Mapping[str, Floats], rows: list[int]) -> dict[str, float]:
    known = {name: each[rows][~np.isnan(each[rows])] for name, each in found.items()}
    return {name: float(each.mean()) for name, each in known.items() if each.size}
