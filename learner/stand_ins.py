"""Workers that no log knows: each is believed to be like the known worker with the nearest scores.

Benchmark scores as machine factors are those of Bader et al. 2022 (Lotaru), section III-C, here
between any two workers, and averaged as logarithms.
"""

from collections.abc import Collection, Iterable

import numpy as np

from scheduler.cluster import Worker


def stand_in(worker: Worker, known: Iterable[Worker], kinds: Collection[str]) -> Worker | None:
    """The known worker whose scores are nearest; None where no score can be compared.

    Scores named as one of the `kinds` are not compared. Of equals the first is taken.
    """
    near = [(_far(worker, other, kinds), i, other) for i, other in enumerate(known)]
    able = [each for each in near if np.isfinite(each[0])]
    return min(able, key=lambda each: each[:2])[2] if able else None


def pace(worker: Worker, other: Worker, kind: str, kinds: Collection[str]) -> float:
    """The logarithm of how many times as fast a worker is as another, at one kind of task.

    That of the common scores, on the mean; where both have a score of that kind, halfway to it.
    """
    ratios = _ratios(worker, other, kinds)
    own = _log(worker.scores[kind], other.scores[kind]) if _both(worker, other, kind) else None
    usual = float(np.mean(ratios)) if ratios else own or 0.0
    return usual if own is None else (usual + own) / 2


def _far(worker: Worker, other: Worker, kinds: Collection[str]) -> float:
    ratios = _ratios(worker, other, kinds)
    return float(np.mean(np.abs(ratios))) if ratios else np.inf


def _ratios(worker: Worker, other: Worker, kinds: Collection[str]) -> list[float]:
    common = [n for n in worker.scores if n not in kinds and n in other.scores]
    return [_log(worker.scores[name], other.scores[name]) for name in common]


def _both(worker: Worker, other: Worker, kind: str) -> bool:
    return kind in worker.scores and kind in other.scores


def _log(score: float, other: float) -> float:
    return float(np.log(score / other))
