"""A worker never seen: Lotaru with one machine held out, and some of its rows revealed.

Inputs are unseen too: the rows to predict belong to workflow inputs of which no machine shows any,
and what is revealed of the machine belongs to inputs that other machines show.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import Benchmark, Found, Goal
from benchmarks.bootstrap import interval
from benchmarks.public import lotaru
from benchmarks.rivals.cold_machines import Rivals
from benchmarks.rivals.pilot_work import Floats, Ints, Work, work_of
from learner.adaptation import adapted
from learner.arms.network import NetworkArm
from learner.arms.offset import OffsetArm
from learner.calibration import Calibration
from learner.examples import Examples, Split
from learner.features import UNKNOWN
from learner.learned import Learned
from learner.offsets import Offsets
from learner.targets.quantities import MIDDLE
from learner.training.settings import TrainingSettings
from scheduler.errors import NotFound

TARGETS = ("duration", "memory", "cpu")
FEW = 4  # rows after which the goals are asked
BELOW_SHIFT, BELOW_BOOSTED = 0.9, 0.65
OURS, ALONE = "network on offset", "offset alone"
Cell = tuple[str, int, str]


class ColdStart(Benchmark):
    """Errors on a machine never seen, after 0, 4, 16 and 64 of its rows."""

    title = "A worker never seen"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        if data is None:
            raise NotFound("The benchmark cold-start reads public logs; give --data DIR.")
        rows = lotaru.read(data)
        machines = tuple(sorted({str(row.record.worker) for row in rows}))
        whole = Scope(machines, splits=3, seeds=5, known=(0, FEW, 16, 64))
        plan = Scope(machines[1:3], splits=1, seeds=1, known=(0, FEW)) if quick else whole
        work = work_of(rows)
        for machine, split in product(plan.machines, range(plan.splits)):
            fold = Fold.of(rows, machine, split=split)
            for seed in range(plan.seeds):
                _one(rows, work, fold, plan, seed)
        return _found(plan)


@dataclass(frozen=True, eq=False)
class Tally:
    """Absolute errors, n x targets, with the group of each row: by machine, rows known and arm."""

    noted: dict[Cell, list[tuple[Floats, NDArray[np.str_]]]] = field(default_factory=dict)

    def note(self, cell: Cell, off: Floats, groups: NDArray[np.str_]) -> None:
        """Adds the errors of one fit; NaN where the truth was not observed."""
        self.noted.setdefault(cell, []).append((off, groups))

    def error(self, cell: Cell) -> Floats:
        """The mean absolute logarithmic error of each target."""
        mean: Floats = np.nanmean(self._all(cell)[0], axis=0)
        return mean

    def ratio(self, ours: Cell, theirs: Cell) -> tuple[float, float, float]:
        """The ratio of errors of duration, with the 90 % interval of a bootstrap over groups."""
        (mine, groups), (other, _) = self._all(ours), self._all(theirs)
        low, high = interval(mine[:, :1], other[:, :1], groups)
        return float(np.nanmean(mine[:, 0]) / np.nanmean(other[:, 0])), 1 - high, 1 - low

    def _all(self, cell: Cell) -> tuple[Floats, NDArray[np.str_]]:
        off, groups = zip(*self.noted[cell], strict=True)
        return np.concatenate(off), np.concatenate(groups)


@dataclass(frozen=True, eq=False)
class Scope:
    """How much is run, and what was noted so far."""

    machines: tuple[str, ...]
    splits: int
    seeds: int
    known: tuple[int, ...]
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, eq=False)
class Fold:
    """One machine held out of one split: what may be learned from, and the machine's own rows."""

    machine: str
    known: Split
    own: Ints

    @classmethod
    def of(cls, rows: Sequence[lotaru.Row], machine: str, *, split: int) -> "Fold":
        """The machine's rows of unseen inputs to test; its rows of seen ones may be revealed."""
        whole = lotaru.unseen_inputs(list(rows), split)
        held = np.array([row.record.worker == machine for row in rows])
        train, validation, test = whole.train, whole.validation, whole.test
        known = Split(train[~held[train]], validation[~held[validation]], test[held[test]])
        return cls(machine, known, train[held[train]])


def _one(rows: list[lotaru.Row], work: Work, fold: Fold, plan: Scope, seed: int) -> None:
    """Every arm after each number of rows; what is revealed is drawn by the seed."""
    order = np.random.default_rng(seed).permutation(fold.own)
    ours = Ours.learn(rows, fold.known, seed=seed)
    rivals = Rivals.learn(work, fold.known, TARGETS, seed=seed)
    rest = fold.known.test
    groups, truth = lotaru.groups_of(rows, rest), work.only(TARGETS).truth[rest]
    for count in plan.known:
        told = ours.after(order[:count])
        told |= {name: each[rest] for name, each in rivals.after(order[:count]).items()}
        for name, each in told.items():
            off = np.abs(each - truth)
            plan.tally.note((fold.machine, count, name), off, groups)


@dataclass(frozen=True, eq=False)
class Ours:
    """The product's offsets and network, fitted as they are by default on the other machines."""

    learned: Mapping[str, Learned]
    examples: Examples

    @classmethod
    def learn(cls, rows: Sequence[lotaru.Row], split: Split, *, seed: int) -> "Ours":
        """Learns from the other machines' rows."""
        examples = Examples.of([row.record for row in rows], split=split)
        offsets = Offsets.fit(examples)
        network = NetworkArm.fit(examples, offsets, TrainingSettings(seed=seed)).network
        whole = Learned(network, examples.columns, offsets, Calibration.none())
        alone = dict.fromkeys(whole.serves, OffsetArm.fit(examples, offsets))
        return cls({OURS: whole, ALONE: replace(whole, arms=alone)}, examples)

    def after(self, revealed: Ints) -> dict[str, Floats]:
        """Medians of the rows to test, n x targets, before and after some of the machine's rows."""
        split = self.examples.split
        inputs, asked = self.examples.inputs.take(split.test), self.examples.part(split.test)
        if (inputs.worker != UNKNOWN).any():
            raise AssertionError("The machine held out must not be known.")
        seen = self.examples.part(np.concatenate([split.train, split.validation, revealed]))
        kinds, workers = [r.kind for r in asked], [r.worker for r in asked]
        found = {}
        for name, learned in self.learned.items():
            told = learned.predict(inputs)
            found[f"{name}, before"] = _medians(told)
            met = adapted(learned, seen)
            found[name] = _medians(met.moved(told, inputs, kinds=kinds, workers=workers))
        return found


def _medians(told: Mapping[str, Floats]) -> Floats:
    return np.stack([told[name][:, MIDDLE] for name in TARGETS], axis=1)


def _found(plan: Scope) -> Found:
    tally = plan.tally
    ours: dict[str, dict[str, float]] = {}
    peers: dict[str, dict[str, float]] = {}
    for cell in sorted(tally.noted):
        told = dict(zip(TARGETS, tally.error(cell).round(4).tolist(), strict=True))
        (ours if cell[2].startswith((OURS, ALONE)) else peers)[" / ".join(map(str, cell))] = told
    ratios: dict[str, float] = {}
    goals: list[Goal] = []
    for machine in plan.machines:
        found = list(_goals(tally, machine))
        ratios |= {goal.name: ratio for goal, ratio in found}
        goals += [goal for goal, _ in found]
    work = (
        f"Lotaru, each of {len(plan.machines)} machines held out of {plan.splits} splits by "
        f"workflow input, {', '.join(map(str, plan.known))} of its rows revealed, {plan.seeds} "
        "seeds; mean absolute logarithmic error on its rows of unseen inputs"
    )
    return Found(work=work, ours=ours, peers=peers, ratios=ratios, goals=tuple(goals))


def _goals(tally: Tally, machine: str) -> Iterator[tuple[Goal, float]]:
    """Against both rivals, and against the forecast before a row was revealed."""
    mine: Cell = (machine, FEW, OURS)
    for rival, most in (("shift", BELOW_SHIFT), ("boosted", BELOW_BOOSTED)):
        ratio, low, high = tally.ratio(mine, (machine, FEW, rival))
        name = f"{machine}: duration after {FEW} rows, share of {rival}"
        yield (
            Goal(name, f"<= {most}", f"{ratio:.3f} ({low:.3f} to {high:.3f})", ratio <= most),
            ratio,
        )
    after, before = tally.error(mine), tally.error((machine, FEW, f"{OURS}, before"))
    for target, now, then in zip(TARGETS, after.tolist(), before.tolist(), strict=True):
        name = f"{machine}: {target} after {FEW} rows, share of before"
        ratio = now / then
        yield Goal(name, "<= 1", f"{ratio:.3f}", ratio <= 1), ratio
