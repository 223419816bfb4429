"""How much longer a kind takes on one worker than on another, by all that was ever logged."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import exp, log

import numpy as np

from scheduler.records import Outcome, TaskRecord

PRIOR = 4.0  # attempts that "as on a usual worker" counts for
ROUNDS = 5
SHORTEST = 1e-3  # seconds: what takes less says nothing of the worker


@dataclass(frozen=True, eq=False)
class Paces:
    """Logarithms of the time on a worker over the usual time of the kind.

    `workers` holds what is true of a worker for all kinds, `pairs` what a kind adds to it there.
    Both are shrunk: few observations say little.
    """

    workers: Mapping[str, float] = field(default_factory=dict)
    pairs: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @classmethod
    def learn(cls, records: Iterable[TaskRecord]) -> "Paces":
        """Of attempts that succeeded: kinds and workers are levelled in turn, in logarithms."""
        rows = [
            (each.kind, each.worker, log(each.duration))
            for each in records
            if each.outcome is Outcome.SUCCEEDED
            and each.worker is not None
            and each.duration is not None
            and each.duration >= SHORTEST
        ]
        pairs = defaultdict[tuple[str, str], list[float]](list)
        for kind, worker, seconds in rows:
            pairs[kind, worker].append(seconds)
        usual = {pair: (float(np.median(each)), len(each)) for pair, each in pairs.items()}
        of_kind, of_worker = dict[str, float](), dict.fromkeys((w for _, w in usual), 0.0)
        for _ in range(ROUNDS):
            of_kind = _levels(
                {(k, w): (v - of_worker[w], n) for (k, w), (v, n) in usual.items()}, 0
            )
            rest = {(k, w): (v - of_kind[k], n) for (k, w), (v, n) in usual.items()}
            of_worker = _levels(rest, 1, prior=PRIOR)
        return cls(
            of_worker,
            {
                (k, w): (v - of_kind[k] - of_worker[w]) * n / (n + PRIOR)
                for (k, w), (v, n) in usual.items()
            },
        )

    def ratio(self, kind: str, worker: str, instead_of: str) -> float:
        """The time on a worker over that on the other one; one for the same worker."""
        return exp(self._pace(kind, worker) - self._pace(kind, instead_of))

    def _pace(self, kind: str, worker: str) -> float:
        return self.workers.get(worker, 0.0) + self.pairs.get((kind, worker), 0.0)


def _levels(
    values: Mapping[tuple[str, str], tuple[float, int]], part: int, *, prior: float = 0.0
) -> dict[str, float]:
    """The mean by one part of the keys, weighted, and shrunk to nothing by `prior`."""
    total, weight = defaultdict[str, float](float), defaultdict[str, float](float)
    for key, (value, count) in values.items():
        total[key[part]] += value * count
        weight[key[part]] += count
    return {name: total[name] / (weight[name] + prior) for name in total}
