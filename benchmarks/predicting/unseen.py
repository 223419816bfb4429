"""Lotaru's tasks on workflow inputs that were never seen: mean absolute logarithmic error."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import Goal, Part
from benchmarks.bootstrap import interval
from benchmarks.predicting.ours import learned
from benchmarks.public import lotaru
from benchmarks.rivals.pilot import Sharing, pilot
from benchmarks.rivals.pilot_work import boosted, ridge_under, work_of
from learner.examples import Split
from learner.training.settings import TrainingSettings

Floats = NDArray[np.float64]
SPLITS, SEEDS, PILOT_SEEDS = 3, 5, 2
PILOT_EPOCHS = 30  # on what a ridge leaves over
TARGETS = {
    "duration": "duration",
    "memory": "memory",
    "cpu": "cpu",
    "read": "bytes_read",
    "written": "bytes_written",
}
OURS, ALONE = "unseen inputs: network on offset (cgc)", "unseen inputs: offset alone"
TREES, SINGLES = "unseen inputs: LightGBM on ridge", "unseen inputs: five single nets on ridge"
CGC = "unseen inputs: CGC on ridge"
NETS: Mapping[str, Sharing] = {CGC: "cgc", SINGLES: "single"}


@dataclass(eq=False)
class Arm:
    """What one way to predict did: by split, for each seed the absolute errors of the test rows,
    n x targets; and what it cost the last time."""

    off: dict[int, list[Floats]] = field(default_factory=dict)
    parameters: int = 0
    seconds: float = 0.0

    @property
    def error(self) -> Floats:
        """By target, the mean over seeds and splits."""
        return np.asarray(
            np.mean([np.nanmean(each, axis=(0, 1)) for each in self._stacked], axis=0)
        )

    @property
    def rows(self) -> Floats:
        """The mean over seeds of each test row of all splits: n x targets."""
        return np.concatenate([each.mean(0) for each in self._stacked])

    @property
    def _stacked(self) -> list[Floats]:
        return [np.stack(each) for each in self.off.values()]

    def told(self) -> dict[str, Any]:
        """What the results page tells of it."""
        found: dict[str, Any] = dict(zip(TARGETS, self.error.tolist(), strict=True))
        spread = np.mean([np.nanmean(each, axis=1).std(0) for each in self._stacked])
        cost = {"parameters": self.parameters or "-", "CPU s": round(self.seconds, 1)}
        return found | {"spread over seeds": float(spread)} | cost


def part(data: Path, *, quick: bool) -> Part:
    """All arms on the same splits."""
    rows = lotaru.read(data)
    work, arms = work_of(rows), dict[str, Arm]()
    groups = []
    for number in range(1 if quick else SPLITS):
        split = lotaru.unseen_inputs(rows, number)
        groups.append(np.char.add(f"{number} ", lotaru.groups_of(rows, split.test)))

        def note(name: str, said: Floats, cost: tuple[int, float], at: Split = split) -> None:
            arm = arms.setdefault(name, Arm())
            arm.off.setdefault(len(groups), []).append(np.abs(said - work.truth)[at.test])
            arm.parameters, arm.seconds = cost

        for seed in range(1 if quick else SEEDS):
            settings = TrainingSettings(seed=seed, auxiliary=True)
            told = learned([row.record for row in rows], split, settings)
            note(OURS, _columns(told.network), (told.parameters, told.seconds))
            if seed == 0:
                note(ALONE, _columns(told.offset), (0, 0.0))
        note("unseen inputs: ridge per kind", ridge_under(work, split.train), (0, 0.0))
        for ridge in (False, True):
            said, seconds = boosted(work, split, seed=0, ridge=ridge)
            note(TREES if ridge else "unseen inputs: LightGBM", said, (0, seconds))
        for name, sharing in NETS.items():
            for seed in range(1 if quick else PILOT_SEEDS):
                net = pilot(
                    work, split, sharing=sharing, epochs=PILOT_EPOCHS, seed=seed, ridge=True
                )
                note(name, net.told, (net.parameters, net.seconds))
    return _part(arms, np.concatenate(groups))


def _columns(medians: Mapping[str, Floats]) -> Floats:
    return np.stack([medians[each] for each in TARGETS.values()], axis=1)


def _part(arms: Mapping[str, Arm], groups: NDArray[np.str_]) -> Part:
    ours, trees, singles = arms[OURS], arms[TREES], arms[SINGLES]
    duration, memory = ours.error[:2]
    ratios: dict[str, float] = {}
    for name in (TREES, SINGLES, CGC):
        low, high = interval(ours.rows, arms[name].rows, groups)
        against = name.removeprefix("unseen inputs: ")
        ratios |= {
            f"unseen inputs: gain over {against}": _gain(ours, arms[name]),
            f"unseen inputs: gain over {against}, 5 % of draws below": low,
            f"unseen inputs: gain over {against}, 5 % of draws above": high,
        }
    worse = float((ours.error / singles.error).max()) - 1
    return Part(
        ours={name: arms[name].told() for name in (OURS, ALONE)},
        peers={name: arm.told() for name, arm in arms.items() if name not in (OURS, ALONE)},
        ratios=ratios,
        goals=(
            _at_most("unseen inputs: duration", 0.149, duration),
            _at_most("unseen inputs: peak memory", 0.140, memory),
            _at_least("unseen inputs: mean gain over LightGBM on ridge", 0.15, _gain(ours, trees)),
            _at_least("unseen inputs: mean gain over five single nets", 0.03, _gain(ours, singles)),
            _at_most("unseen inputs: worst target over the single nets", 0.01, worse),
            _at_most(
                "unseen inputs: parameters over the single nets'",
                0.60,
                ours.parameters / singles.parameters,
            ),
            _at_most(
                "unseen inputs: CPU over the single nets'", 0.60, ours.seconds / singles.seconds
            ),
        ),
    )


def _gain(ours: Arm, theirs: Arm) -> float:
    return float((1 - ours.error / theirs.error).mean())


def _at_most(name: str, goal: float, found: float) -> Goal:
    return Goal(name, f"<= {goal:g}", f"{found:.3f}", bool(found <= goal))


def _at_least(name: str, goal: float, found: float) -> Goal:
    return Goal(name, f">= {goal:g}", f"{found:.3f}", bool(found >= goal))
