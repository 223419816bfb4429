"""What would have been said of rows that were not learned from: by folds, and by time.

Calibrating on what one small validation part tells leaves kinds and workers with few rows each;
training rows tell as much once each has been predicted without it (cross-conformal prediction,
Vovk 2015). `docs/decisions/choice.md` has the figures.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from learner.arms.network import NetworkArm
from learner.examples import Examples, Split, when, work_of
from learner.features import UNKNOWN
from learner.learned import Learned
from learner.lineup import Lineup, Serves
from learner.methods import methods
from learner.targets import targets
from learner.targets.quantities import Quantity
from learner.training.settings import TrainingSettings
from scheduler.forecast import QUANTILES
from scheduler.records import TaskRecord

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ENOUGH = 5000  # validation rows that suffice without folds
FAMILIAR = 0.8  # the share of rows whose kind must be known when their fold is left out
BLOCKS = 5  # stretches of the log in each fold, where nothing else tells rows apart


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Quantiles of rows predicted without them, by quantity, n x quantiles, NaN for all others.

    `strange` are the rows whose kind was unknown to who predicted them; `late` are those that came
    after all that was learned from.
    """

    predicted: dict[str, Floats]
    strange: NDArray[np.bool_]
    late: NDArray[np.bool_]

    @classmethod
    def of(cls, lineup: Lineup, settings: TrainingSettings, serves: Serves) -> "HeldOut":
        """By the lineup for validation rows; training rows by arms fitted without their fold."""
        examples, split = lineup.examples, lineup.examples.split
        size = (len(examples), len(QUANTILES))
        names = [name for name, each in targets().items() if isinstance(each, Quantity)]
        nowhere = np.zeros(size[0], dtype=bool)
        empty = {name: np.full(size, np.nan) for name in names}
        held = cls(empty, nowhere, _after(examples))
        held.note(lineup.learned(serves), examples, split.validation)
        if len(split.validation) < ENOUGH and settings.folds > 1:
            needed = {serves[name] for name in names}
            like, cold = _cold(lineup, settings)
            for rest, fold in _folds(examples, settings.folds):
                part = replace(examples, split=Split(rest, split.validation, fold))
                fitted = Lineup.fit(part, cold, like=like, names=needed)
                held.note(fitted.learned(serves), part, fold)
        return held

    def note(self, learned: Learned, examples: Examples, rows: Ints) -> None:
        """Keeps what is said of rows that the arms did not learn from."""
        inputs = examples.inputs.take(rows)
        seen = np.unique(examples.inputs.kind[examples.split.train])
        self.strange[rows] = ~np.isin(inputs.kind, seen)
        inputs = replace(inputs, kind=np.where(self.strange[rows], UNKNOWN, inputs.kind))
        for name, said in learned.quantities(inputs).items():
            self.predicted[name][rows] = said

    def calibrate(self, learned: Learned, examples: Examples) -> Learned:
        """The same, corrected by all that was held out; its columns may be others."""
        inputs = examples.inputs
        inputs = replace(inputs, kind=np.where(self.strange, UNKNOWN, inputs.kind))
        said = ~np.isnan(next(iter(self.predicted.values()))).any(1)
        late = self.late & said
        found = learned.correction(
            self.predicted, examples.truth, inputs, late=late if late.any() else None
        )
        return replace(learned, calibration=found)


def _cold(lineup: Lineup, settings: TrainingSettings) -> tuple[Lineup, TrainingSettings]:
    """Who fits without a fold begins with no champion either, who has seen it."""
    known = methods()
    plain = {name: o for name, o in settings.methods.items() if not known[name].from_champion}
    if len(plain) == len(settings.methods):
        return lineup, settings
    as_long = NetworkArm(lineup.network.network, settings.epochs)
    return replace(lineup, network=as_long), replace(settings, methods=plain)


def _after(examples: Examples) -> NDArray[np.bool_]:
    """Rows later than every training row; none where the log has no times."""
    times = [when(record) for record in examples.records]
    learned = [time for i in examples.split.train if (time := times[i]) is not None]
    if not learned:
        return np.zeros(len(times), dtype=bool)
    latest = max(learned)
    return np.array([time is not None and time > latest for time in times])


def fold_of(records: Sequence[TaskRecord], count: int) -> Ints:
    """The fold of each record, such that a fold tells as little as can be of another.

    Records stay together that share a run or a piece of work, directly or through others; where
    that binds nearly all, those of one run; else those of one piece of work; else stretches of
    the log.
    """
    ways: tuple[Callable[[Sequence[TaskRecord]], Ints], ...] = (_joined, _runs, _works)
    for way in ways:
        folds = _dealt(way(records), count)
        if _usable(records, folds, count):
            return folds
    stretch = np.arange(len(records)) * count * BLOCKS // max(len(records), 1)
    return stretch % count


def _folds(examples: Examples, count: int) -> Iterator[tuple[Ints, Ints]]:
    """The other training rows, and the rows of one fold."""
    rows = examples.split.train
    of = fold_of(examples.part(rows), count)
    for each in range(count):
        if (of == each).any() and (of != each).any():
            yield rows[of != each], rows[of == each]


def _usable(records: Sequence[TaskRecord], folds: Ints, count: int) -> bool:
    sizes = np.bincount(folds, minlength=count)
    if sizes.max() > 2 * len(records) / count or not sizes.all():
        return False
    kinds = np.unique([record.kind for record in records], return_inverse=True)[1]
    there = np.zeros((int(kinds.max()) + 1, count), dtype=np.int64)
    np.add.at(there, (kinds, folds), 1)
    elsewhere = there.sum(1)[kinds] - there[kinds, folds]
    return bool((elsewhere > 0).mean() >= FAMILIAR)


def _dealt(groups: Ints, count: int) -> Ints:
    """Groups to folds, the largest first, each to the fold that has least."""
    sizes = np.bincount(groups)
    filled, fold = np.zeros(count), np.zeros(len(sizes), dtype=np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fold[group] = filled.argmin()
        filled[fold[group]] += sizes[group]
    return fold[groups]


def _runs(records: Sequence[TaskRecord]) -> Ints:
    return np.unique([record.run for record in records], return_inverse=True)[1]


def _works(records: Sequence[TaskRecord]) -> Ints:
    return np.unique([repr(work_of(record)) for record in records], return_inverse=True)[1]


def _joined(records: Sequence[TaskRecord]) -> Ints:
    """Which records hang together: a walk over runs and pieces of work."""
    places: dict[object, list[int]] = {}
    keys = [(("run", r.run), ("work", *work_of(r))) for r in records]
    for i, pair in enumerate(keys):
        for key in pair:
            places.setdefault(key, []).append(i)
    group, found = np.full(len(records), -1), 0
    for first in range(len(records)):
        if group[first] >= 0:
            continue
        waiting = [first]
        while waiting:
            i = waiting.pop()
            if group[i] < 0:
                group[i] = found
                waiting += [j for key in keys[i] for j in places.pop(key, ())]
        found += 1
    return group
