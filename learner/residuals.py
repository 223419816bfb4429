"""What versions, or history alone, would have said of attempts, beside what was observed."""

from collections.abc import Sequence

import numpy as np

from learner.drift import QUANTITIES, Seen
from learner.examples import when
from learner.learned import Learned
from learner.targets import targets
from learner.targets.base import AttemptTarget
from learner.targets.quantities import MIDDLE
from scheduler.predictors.history import HistoryPredictor, failed
from scheduler.records import TaskRecord


def seen_by(learned: Learned, records: Sequence[TaskRecord]) -> Seen:
    """Attempts, in their order, with what a version forecasts of each."""
    told = learned.predict(learned.columns.encode_records(records))
    return _seen(
        records,
        middle={name: told[name][:, MIDDLE] for name in QUANTITIES},
        width={name: told[name][:, -1] - told[name][:, 0] for name in QUANTITIES},
        risk=1 / (1 + np.exp(-np.asarray(told["failure"], dtype=np.float64).reshape(-1))),
    )


def seen_by_history(records: Sequence[TaskRecord]) -> Seen:
    """The same by medians and rates of kinds on workers, of these very attempts."""
    history = HistoryPredictor.learn(records)
    pairs = sorted({(each.kind, each.worker or "") for each in records})
    quantiles = {
        name: {
            pair: np.log(
                history.pairs[pair[0], pair[1] or None].quantities.get(
                    name, history.quantiles(pair[0], None, name)
                )
            )
            for pair in pairs
        }
        for name in QUANTITIES
    }
    names = [(each.kind, each.worker or "") for each in records]
    told = {name: np.array([quantiles[name][pair] for pair in names]) for name in QUANTITIES}
    return _seen(
        records,
        middle={name: each[:, 1] for name, each in told.items()},
        width={name: each[:, -1] - each[:, 0] for name, each in told.items()},
        risk=np.array([history.risk(kind, worker or None) for kind, worker in names]),
    )


def _seen(
    records: Sequence[TaskRecord],
    *,
    middle: dict[str, np.ndarray],
    width: dict[str, np.ndarray],
    risk: np.ndarray,
) -> Seen:
    truth = {}
    for name in QUANTITIES:
        target = targets()[name]
        assert isinstance(target, AttemptTarget)
        truth[name] = np.array([target.truth(each) for each in records], dtype=np.float64)
    ended = [failed(each) for each in records]
    return Seen(
        kind=np.array([each.kind for each in records], dtype=str),
        worker=np.array([each.worker or "" for each in records], dtype=str),
        run=np.array([each.run for each in records], dtype=str),
        miss={name: truth[name] - middle[name] for name in QUANTITIES},
        width=width,
        failed=np.array([np.nan if each is None else float(each) for each in ended]),
        risk=np.clip(risk, 1e-3, 1 - 1e-3),
        time=np.array([when(each) for each in records] or [None], dtype=object)[: len(records)],
    )
