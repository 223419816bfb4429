"""Scarce labels: Lotaru with 3 % of the durations known, and the other targets known in full."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import Benchmark, Found, Goal
from benchmarks.bootstrap import interval
from benchmarks.public import lotaru
from benchmarks.rivals.pilot import Sharing, pilot
from benchmarks.rivals.pilot_work import Floats, Ints, Work, boosted, work_of
from learner.arms.network import NetworkArm
from learner.arms.offset import OffsetArm
from learner.arms.scratch import ScratchArm
from learner.calibration import Calibration
from learner.examples import Examples, Split
from learner.learned import Learned
from learner.offsets import Offsets
from learner.targets.quantities import MIDDLE
from learner.training.settings import TrainingSettings
from scheduler.errors import NotFound

SCARCE = "duration"
KEPT = 0.03  # of the labels, of those to learn from and of those to validate
EPOCHS = 25  # of the pilot's networks
MOST = 0.45
SHARINGS = ("cgc", "hard", "separate")
PILOTS: tuple[Sharing, ...] = ("hard", "cgc", "single")
GATED, HARD, BOOSTED = "cgc from scratch", "hard from scratch", "LightGBM"


class Scarce(Benchmark):
    """The error of the scarce target, by what its forecasts share with the others."""

    title = "Scarce labels"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        if data is None:
            raise NotFound("The benchmark scarce reads public logs; give --data DIR.")
        rows = lotaru.read(data)
        work, tally = work_of(rows), Tally()
        splits, seeds = (1, 1) if quick else (3, 5)
        for split, seed in product(range(splits), range(seeds)):
            parts = lotaru.unseen_inputs(rows, split)
            hidden = _hidden(parts, seed)
            groups = lotaru.groups_of(rows, parts.test)
            truth = work.only([SCARCE]).truth[parts.test]
            told = _ours(rows, parts, hidden, seed) | _rivals(work, parts, hidden, seed)
            for name, each in told.items():
                tally.note(name, split, np.abs(each[parts.test, None] - truth), groups)
        return _found(tally, splits, seeds)


@dataclass(frozen=True, eq=False)
class Tally:
    """Absolute errors of the scarce target, n x 1, with split and group of each row, by arm."""

    noted: dict[str, list[tuple[int, Floats, NDArray[np.str_]]]] = field(default_factory=dict)

    def note(self, arm: str, split: int, off: Floats, groups: NDArray[np.str_]) -> None:
        """Adds the errors of one fit."""
        self.noted.setdefault(arm, []).append((split, off, groups))

    def errors(self, arm: str) -> dict[str, float]:
        """The mean, its spread over fits, and the mean of each split."""
        each = [(split, float(off.mean())) for split, off, _ in self.noted[arm]]
        means = [mean for _, mean in each]
        found = {"error": float(np.mean(means)), "spread": float(np.std(means))}
        for split in sorted({split for split, _ in each}):
            found[f"split {split}"] = float(np.mean([m for s, m in each if s == split]))
        return {name: round(value, 4) for name, value in found.items()}

    def ratio(self, ours: str, theirs: str) -> tuple[float, float, float]:
        """The ratio of errors, with the 90 % interval of a bootstrap over groups."""
        (_, mine, groups), (_, other, _) = (
            [np.concatenate(each) for each in zip(*self._parts(arm), strict=True)]
            for arm in (ours, theirs)
        )
        low, high = interval(mine, other, groups)
        return float(mine.mean() / other.mean()), 1 - high, 1 - low

    def _parts(self, arm: str) -> list[tuple[Ints, Floats, NDArray[np.str_]]]:
        """Groups of unlike splits are resampled apart."""
        return [
            (np.full(len(off), split), off, np.char.add(f"{split}/", groups))
            for split, off, groups in self.noted[arm]
        ]


def _hidden(parts: Split, seed: int) -> Ints:
    """The rows whose durations nobody may see, but to judge."""
    rng = np.random.default_rng(seed)
    kept = [
        rng.choice(rows, max(round(KEPT * len(rows)), 1), replace=False)
        for rows in (parts.train, parts.validation)
    ]
    known = np.concatenate([parts.train, parts.validation])
    return np.setdiff1d(known, np.concatenate(kept))


def _ours(rows: Sequence[lotaru.Row], parts: Split, hidden: Ints, seed: int) -> dict[str, Floats]:
    """The product's offsets and networks, fitted as they are by default."""
    examples = _without(Examples.of([row.record for row in rows], split=parts), hidden)
    offsets, found = Offsets.fit(examples), {}
    for sharing in SHARINGS:
        settings = TrainingSettings(sharing=sharing, seed=seed)
        network = NetworkArm.fit(examples, offsets, settings).network
        learned = Learned(network, examples.columns, offsets, Calibration.none())
        found[f"{sharing} on offset"] = _median(learned, examples)
        scratch = dict.fromkeys(learned.serves, ScratchArm.fit(examples, offsets, settings))
        found[f"{sharing} from scratch"] = _median(replace(learned, arms=scratch), examples)
    alone = dict.fromkeys(learned.serves, OffsetArm.fit(examples, offsets))
    found["offset alone"] = _median(replace(learned, arms=alone), examples)
    return found


def _without(examples: Examples, hidden: Ints) -> Examples:
    truth = dict(examples.truth)
    truth[SCARCE] = truth[SCARCE].copy()
    truth[SCARCE][hidden] = np.nan
    return replace(examples, truth=truth)


def _median(learned: Learned, examples: Examples) -> Floats:
    return learned.predict(examples.inputs)[SCARCE][:, MIDDLE]


def _rivals(work: Work, parts: Split, hidden: Ints, seed: int) -> dict[str, Floats]:
    """LightGBM and the pilot's networks, none on a ridge: 3 % of the labels tell no slopes."""
    truth = work.truth.copy()
    place = work.targets.index(SCARCE)
    truth[hidden, place] = np.nan
    known = replace(work, truth=truth)
    alone = known.only([SCARCE])
    found = {BOOSTED: boosted(alone, parts, seed=seed, ridge=False)[0][:, 0]}
    for sharing in PILOTS:
        seen, column = (alone, 0) if sharing == "single" else (known, place)
        made = pilot(seen, parts, sharing=sharing, epochs=EPOCHS, seed=seed, ridge=False)
        found[f"pilot {sharing}"] = made.told[:, column]
    return found


def _found(tally: Tally, splits: int, seeds: int) -> Found:
    told = {arm: tally.errors(arm) for arm in tally.noted}
    rivals = {arm for arm in told if arm == BOOSTED or arm.startswith("pilot")}
    against_boosted, against_hard = tally.ratio(GATED, BOOSTED), tally.ratio(GATED, HARD)
    return Found(
        work=(
            f"Lotaru, {splits} splits by workflow input x {seeds} seeds, {KEPT:.0%} of the labels "
            f"of {SCARCE} kept; its mean absolute logarithmic error on unseen inputs"
        ),
        ours={arm: each for arm, each in told.items() if arm not in rivals},
        peers={arm: each for arm, each in told.items() if arm in rivals},
        ratios={"gated / LightGBM": against_boosted[0], "gated / hard": against_hard[0]},
        goals=(
            _goal("gated, share of LightGBM's error", MOST, against_boosted),
            _goal("gated, share of hard sharing's error", 1.0, against_hard),
        ),
    )


def _goal(name: str, most: float, ratio: tuple[float, float, float]) -> Goal:
    found, low, high = ratio
    return Goal(name, f"<= {most}", f"{found:.3f} ({low:.3f} to {high:.3f})", found <= most)
