"""Workers and kinds that a version never saw, from the few attempts that newer logs hold of them.

Nothing is trained: a learned network stays as it is, and what the new logs say of a worker moves
its forecasts as far as so few attempts can. `docs/decisions/adaptation.md` says why.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from learner.examples import LEAST, Examples, Split
from learner.features import UNKNOWN, Inputs
from learner.habits import Floats, Habits, Ints, Recall, works_of
from learner.learned import Learned
from learner.targets import targets
from learner.targets.quantities import MIDDLE, Quantity
from scheduler.predictors.affinity import TEMPERATURE
from scheduler.records import TaskRecord
from scheduler.store import Store

SEED = 0  # of the draws that tell how far shifts are worth making
ALIKE = 32  # attempts beyond which a shift is as sure as with these
NEWEST = 256  # attempts of one new worker that are looked at
MOST = 20_000  # attempts, the newest, that tell how unlike known workers are
Reads = Callable[[Learned, Sequence[TaskRecord]], "Adaptation"]


@dataclass(frozen=True, eq=False)
class Adaptation:
    """What to add to forecasts for names that a version does not know.

    Shape
    - shift: by target and worker, one logarithm for each kind
    - decided: by worker, for each kind how far its rows replace a declared speed, 0 to 1
    - recall: by target, what is left of the forecast for works done before
    - kinds: by target and kind, one logarithm
    """

    learned: Learned
    shift: Mapping[str, Mapping[str, Floats]] = field(default_factory=dict)
    decided: Mapping[str, Floats] = field(default_factory=dict)
    recall: Mapping[str, Recall] = field(default_factory=dict)
    kinds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def news(self) -> bool:
        """Whether there is a worker or a kind that the version did not know."""
        return any(self.shift.values()) or any(self.kinds.values())

    def moved(
        self,
        told: Mapping[str, Floats],
        inputs: Inputs,
        *,
        kinds: Sequence[str],
        workers: Sequence[str | None],
    ) -> dict[str, Floats]:
        """What `Learned.predict` told of these rows, moved for the workers and kinds met since.

        `kinds` and `workers` name those of each row. Rows of workers and kinds that the version
        knows stay as they are.
        """
        moves = {name: self.move(name, inputs, kinds=kinds, workers=workers) for name in self.shift}
        found = {n: each + moves[n][:, None] if n in moves else each for n, each in told.items()}
        if "assignment" in found and "duration" in moves:
            found["assignment"] = found["assignment"] - moves["duration"] / TEMPERATURE
        return found

    def move(
        self, target: str, inputs: Inputs, *, kinds: Sequence[str], workers: Sequence[str | None]
    ) -> Floats:
        """What to add to each row's logarithm of one target."""
        move = np.zeros(len(inputs))
        told = self.kinds.get(target, {})
        for i in np.flatnonzero(inputs.kind == UNKNOWN).tolist():
            move[i] = told.get(kinds[i], 0.0)
        shift = self.shift.get(target, {})
        unmet = np.flatnonzero(inputs.worker == UNKNOWN).tolist()
        met = [i for i in unmet if workers[i] in shift]
        if met:
            rows = inputs.take(np.array(met))
            move[met] += self.recall[target].at(works_of(rows, self.learned.columns))
            move[met] += [shift[str(workers[i])][inputs.kind[i]] for i in met]
        return move

    def decides(self, inputs: Inputs, workers: Sequence[str | None]) -> Floats:
        """How far what its worker did replaces the speed that it declares, for each row: 0 to 1."""
        share = np.zeros(len(inputs))
        if self.decided:
            for i in np.flatnonzero(inputs.worker == UNKNOWN).tolist():
                if (each := self.decided.get(workers[i] or "")) is not None:
                    share[i] = each[inputs.kind[i]]
        return share


def adapted(learned: Learned, records: Sequence[TaskRecord]) -> Adaptation:
    """What these records say of workers and kinds that the network does not know.

    `records` are those that it learned from, which tell how unlike workers are, and newer ones.
    Only quantities move; without a new name nothing does.
    """
    if len(records) < LEAST:
        return Adaptation(learned)
    every = np.arange(len(records))
    split = Split(every, every[:0], every[:0])
    examples = Examples.of(records, split=split, columns=learned.columns)
    rows = examples.inputs
    names, kinds = ([getattr(r, name) for r in records] for name in ("worker", "kind"))
    fresh = _places(names, rows.worker, rows.kind != UNKNOWN)
    strange = _places(kinds, rows.kind, rows.worker != UNKNOWN)
    if not fresh and not strange:
        return Adaptation(learned)
    return _Residuals(learned, examples).adaptation(fresh, strange)


def met_since(learned: Learned, store: Store, reads: Reads = adapted) -> Adaptation:
    """What the store's records say of workers and kinds that the network does not know, as
    `reads` reads them.

    Where there are none, no record is read; those of sources on hold never are.
    """
    seen = store.kinds()
    workers, kinds = set(learned.columns.workers), set(learned.columns.kinds)
    if all(each.kind in kinds and (each.worker or "") in workers for each in seen):
        return Adaptation(learned)
    return reads(learned, deque(store.records(trusted=True), maxlen=MOST))


@dataclass(frozen=True, eq=False)
class _Residuals:
    """Rows with what is left of forecasts that know their names, and of those that do not."""

    learned: Learned
    examples: Examples

    def adaptation(self, fresh: Mapping[str, Ints], strange: Mapping[str, Ints]) -> Adaptation:
        rows, none = self.examples.inputs, np.full(len(self.examples), UNKNOWN)
        plain = self.learned.predict(rows)
        unmet = self.learned.predict(rows.on(none))
        nameless = self.learned.predict(_of_kind(rows, none)) if strange else {}
        shift: dict[str, dict[str, Floats]] = {}
        decided: dict[str, Floats] = {}
        recall, kinds = {}, {}
        for name, target in targets().items():
            if not isinstance(target, Quantity):
                continue
            truth = self.examples.truth[name]
            shift[name], recall[name], sure = self._workers(truth, plain[name], unmet[name], fresh)
            decided = sure if name == "duration" else decided
            if strange:
                kinds[name] = self._kinds(truth - nameless[name][:, MIDDLE], strange)
        return Adaptation(self.learned, shift, decided, recall, kinds)

    def _workers(
        self, truth: Floats, plain: Floats, unmet: Floats, fresh: Mapping[str, Ints]
    ) -> tuple[dict[str, Floats], Recall, dict[str, Floats]]:
        rows = self.examples.inputs
        works = np.array(works_of(rows, self.learned.columns), dtype=object)
        known = (rows.worker != UNKNOWN) & (rows.kind != UNKNOWN) & ~np.isnan(truth)
        recall = Recall.learn((truth - plain[:, MIDDLE])[known], list(works[known]))
        left = truth - unmet[:, MIDDLE] - recall.at(list(works))
        habits = Habits.learn(
            left[known],
            rows.worker[known],
            rows.kind[known],
            own=recall.own(list(works[known])),
            kinds=len(self.learned.columns.kinds),
        )
        shift, sure = {}, {}
        shares: dict[int, float] = {}
        for name, places in fresh.items():
            seen = places[~np.isnan(left[places])][-NEWEST:]
            if not len(seen):
                continue
            count = min(len(seen), ALIKE)
            if count not in shares:
                told = left[known], rows.worker[known], rows.kind[known]
                shares[count] = habits.share(*told, rows=count, rng=np.random.default_rng(SEED))
            moved, trust = habits.met(left[seen], rows.kind[seen])
            shift[name], sure[name] = shares[count] * moved, shares[count] * trust
        return shift, recall, sure

    def _kinds(self, left: Floats, strange: Mapping[str, Ints]) -> dict[str, float]:
        """A shift for each new kind: known kinds tell how far kinds are off one without a name."""
        rows = self.examples.inputs
        known = (rows.worker != UNKNOWN) & (rows.kind != UNKNOWN) & ~np.isnan(left)
        one = np.zeros(int(known.sum()), dtype=np.int64)
        habits = Habits.learn(left[known], rows.kind[known], one, own=np.zeros(len(one)), kinds=1)
        found = {}
        for name, places in strange.items():
            seen = places[~np.isnan(left[places])][-NEWEST:]
            if len(seen):
                shift, _ = habits.met(left[seen], np.zeros(len(seen), dtype=np.int64))
                found[name] = float(shift[0])
        return found


def _places(names: Sequence[str | None], known: Ints, able: NDArray[np.bool_]) -> dict[str, Ints]:
    """Where each name stands that is UNKNOWN, among rows that are otherwise known."""
    found: dict[str, list[int]] = {}
    for i in np.flatnonzero((known == UNKNOWN) & able).tolist():
        if (name := names[i]) is not None:
            found.setdefault(name, []).append(i)
    return {name: np.array(places) for name, places in found.items()}


def _of_kind(rows: Inputs, kind: Ints) -> Inputs:
    return Inputs(kind, rows.worker, rows.workflow, rows.numbers, rows.missing)
