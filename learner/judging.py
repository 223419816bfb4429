"""A saved version before the newest records of a store, and a challenger before the champion."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from learner.approval import policy, put, withdraw
from learner.examples import Examples, in_order, split_by_time
from learner.features import Inputs
from learner.learned import Learned
from learner.metrics import evaluate
from learner.promotion import PROMOTED, REFUSED, UNDECIDED, Compared, Decision, decide, weigh
from learner.registry import Registry
from learner.rehearsal import regrets
from learner.targets import targets
from learner.targets.base import Scores
from learner.targets.quantities import MIDDLE, Quantity
from scheduler.errors import CorruptVersion, InvalidInput, NotFound
from scheduler.records import TaskRecord
from scheduler.store import Store
from scheduler.store.values import ModelVersion

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FEWEST = 30  # attempts of proven sources that judge alone
NEAR, SPREAD = 0.05, 0.5  # how near a size lies to what it tells, where that varies by so much
Attempt = tuple[str, str, int]
Settle = Callable[[Store, ModelVersion, Decision, datetime], None]


def judge(store: Store, version: ModelVersion) -> dict[str, Scores]:
    """Scores by target on the held-out rows of the store as it is now.

    They are of the fit that was judged when the version was trained: the one in use has seen rows
    that are held out here.

    Raises InvalidInput for a store without records, CorruptVersion for changed files.
    """
    learned = Registry(store.folder).load(version, judged=True)
    records = in_order(list(store.records(trusted=True)))
    if not records:
        raise InvalidInput("There are no records to judge by; read logs with: allot ingest")
    examples = Examples.of(records, split=split_by_time(records), columns=learned.columns)
    return evaluate(learned, examples)


def verdict(
    store: Store, challenger: Learned, examples: Examples, scores: Mapping[str, Scores]
) -> Decision:
    """Whether a challenger becomes champion, by attempts of which neither has learned.

    `challenger` is the fit that was judged, `scores` are its on the test rows of the examples.
    Attempts of sources that came after the champion, and that nobody has called trusted, do not
    judge where there are enough others. Without a champion whose files can be trusted the naive
    baseline is the rival.
    """
    if (leak := leaking(examples.records)) is not None:
        return Decision(False, (leak,), REFUSED)
    rival = rival_of(store)
    if rival is None:
        return decide(scores)
    rows = judges(examples, unproven(store))
    if not len(rows):
        return Decision(False, ("no held-out attempt can tell how good it is",), UNDECIDED)
    return weigh(compared(challenger, rival, examples, rows))


def settle(
    store: Store, version: ModelVersion, decision: Decision, at: datetime, *, by: str = "learner"
) -> None:
    """Promotes a version, refuses it, or lets it stay as challenger, with the reasons.

    Where people must approve of a promotion it stays challenger, and they are asked; what they were
    asked of the challenger before it is answered.
    """
    if decision.verdict == PROMOTED and (why := policy(store, version, decision)):
        store.challenge(version.id, reason="; ".join((*why, str(decision))), by=by, at=at)
        put(store, version, why=(*why, *decision.reasons), at=at)
        withdraw(store, version, by=by, at=at)
        return
    act = {PROMOTED: store.promote, REFUSED: store.refuse}.get(decision.verdict, store.challenge)
    act(version.id, reason=str(decision), by=by, at=at)
    if decision.verdict not in (PROMOTED, REFUSED):
        withdraw(store, version, by=by, at=at)


def leaking(records: Sequence[TaskRecord]) -> str | None:
    """The size that tells what was measured only afterwards, in words; None without one.

    Of all kinds and workers it lies, up to its unit, within a few percent of what was observed.
    """
    for name in sorted({size for each in records for size in each.sizes}):
        for field in ("duration", "peak_memory", "cpu"):
            pairs = [
                (size, value)
                for each in records
                if (size := each.sizes.get(name)) and (value := getattr(each, field))
            ]
            if len(pairs) < FEWEST or len({each.kind for each in records}) < 2:
                continue
            size, value = np.log(np.array(pairs, dtype=np.float64)).T
            near = 1.4826 * float(np.median(np.abs(size - value - np.median(size - value))))
            if near < NEAR and float(value.std()) > SPREAD:
                return (
                    f"the size {name!r} tells the {field} of every attempt: it cannot be known "
                    "before a task starts"
                )
    return None


def rival_of(store: Store) -> Learned | None:
    """The fit of the champion that was judged; None without one whose files can be trusted."""
    if "champion" not in store.aliases():
        return None
    try:
        return Registry(store.folder).load(store.version("champion"), judged=True)
    except (CorruptVersion, NotFound):
        return None  # a champion that cannot forecast must not keep a new one from the title


def compared(
    challenger: Learned,
    rival: Learned,
    examples: Examples,
    rows: Ints,
    *,
    planning: bool = True,
) -> Compared:
    """The losses of both on some rows and, when `planning`, the regrets of plans for them."""
    records = examples.part(rows)
    mine, theirs = (losses(each, examples, rows) for each in (challenger, rival))
    return Compared(
        losses={name: np.stack([mine[name], theirs[name]], axis=1) for name in mine},
        run=np.array([each.run for each in records], dtype=str),
        kind=np.array([each.kind for each in records], dtype=str),
        worker=np.array([each.worker or "" for each in records], dtype=str),
        regrets=regrets((challenger, rival), records) if planning else np.zeros((0, 2)),
    )


def losses(learned: Learned, examples: Examples, rows: Ints) -> dict[str, Floats]:
    """By target, |log error| of the median or the Brier score of each row, NaN where unknown."""
    told, found = learned.predict(_inputs(learned, examples).take(rows)), {}
    for name, target in targets().items():
        if name not in examples.truth or target.auxiliary:
            continue
        truth = examples.truth[name][rows]
        if isinstance(target, Quantity):
            found[name] = np.abs(truth - told[name][:, MIDDLE])
        elif name == "failure":
            odds = np.asarray(told[name], dtype=np.float64).reshape(-1)
            found[name] = (1 / (1 + np.exp(-odds)) - truth) ** 2
    return found


def _inputs(learned: Learned, examples: Examples) -> Inputs:
    """All rows of the examples in the columns of a version."""
    if learned.columns is examples.columns:
        return examples.inputs
    if examples.beyond is not None:
        return examples.beyond.seen_by(learned.columns, examples).inputs
    return learned.columns.encode_records(examples.records)


def judges(examples: Examples, without: frozenset[Attempt]) -> Ints:
    """The test rows, those of unproven sources left out where enough others remain."""
    rows = examples.split.test
    kept = [i for i in rows.tolist() if attempt_of(examples.records[i]) not in without]
    return np.array(kept, dtype=np.int64) if len(kept) >= FEWEST else rows


def unproven(store: Store) -> frozenset[Attempt]:
    """The attempts of sources that came after the champion had learned, and nobody called trusted.

    Allot's own runs are proven.
    """
    through = learned_through(store, store.version("champion"))
    new = {
        each.name
        for each in store.sources()
        if each.name and each.state == "new" and each.first > through
    }
    if not new:
        return frozenset()
    return frozenset(
        attempt_of(record)
        for _, source, record in store.sourced_records(after=through)
        if source in new
    )


def attempt_of(record: TaskRecord) -> Attempt:
    """What names an attempt."""
    return record.run, record.task, record.attempt


def learned_through(store: Store, version: ModelVersion) -> int:
    """The number of the newest record that a version may have learned from."""
    if version.training is None:
        return store.newest_record()
    try:
        settings = store.training(version.training, now=version.created).settings
    except NotFound:  # a training may be deleted, its version stays
        return store.newest_record()
    return int(settings["through"])
