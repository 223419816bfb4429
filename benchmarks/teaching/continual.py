"""Continual learning: new kinds are learned, and old ones must not be forgotten.

A third of Lotaru's kinds, drawn by the seed, are new: the champion learned from the others. The
retraining learns from the rows of the new kinds, and with a memory from a tenth of the old rows;
the epoch is chosen on rows of new kinds. Offsets are fitted on all rows in any case: they are
solved in one step and forget nothing.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import Goal, Part
from benchmarks.public import lotaru
from benchmarks.teaching.ground import UNDER, Errors, Ground, Ledger, lotaru_rows, mean, seeds
from learner.examples import Split
from learner.training.settings import TrainingSettings

NEW = 1 / 3  # of the kinds
CHAMPION, NAIVE = "champion", "new rows alone"
OURS = "method"
ARMS: Mapping[str, Mapping[str, float]] = {
    NAIVE: {"memory": 0.0, "weight": 0.0},
    "distillation alone": {"memory": 0.0},
    "replay alone": {"weight": 0.0},
    OURS: {},
}
MOST = 1.02


def part(data: Path | None, *, quick: bool) -> Part:
    """Errors on old and on new kinds, before and after."""
    rows = lotaru_rows(data, "continual")
    ours: dict[str, Mapping[str, float]] = {}
    goals: list[Goal] = []
    ratios: dict[str, float] = {}
    for under in (True, False):
        old, new = Ledger(), Ledger()
        for seed in seeds(quick):
            _learn(rows, seed, (old, new), under=under)
        where = f"continual, {UNDER[under]}"
        ours |= old.told(f"{where}, old kinds") | new.told(f"{where}, new kinds")
        shares = {arm: mean(old.share(arm, CHAMPION)) for arm in ARMS}
        ratios |= {f"{where}: old kinds, {a}, share of champion": s for a, s in shares.items()}
        ratios[f"{where}: new kinds, method, share of new rows alone"] = mean(
            new.share(OURS, NAIVE)
        )
        goals.append(
            Goal(
                f"{where}: error on old kinds after learning new ones, share of before",
                f"<= {MOST}",
                f"{shares[OURS]:.3f} (new rows alone {shares[NAIVE]:.3f})",
                shares[OURS] <= MOST,
            )
        )
    return Part(ours=ours, goals=tuple(goals), ratios=ratios)


def _learn(
    rows: list[lotaru.Row], seed: int, ledgers: tuple[Ledger, Ledger], *, under: bool
) -> None:
    records, split = [row.record for row in rows], lotaru.unseen_inputs(rows, 0)
    fresh = new_among(np.array([record.kind for record in records]), seed)
    train, validation, test = split.train, split.validation, split.test
    first = Split(train[~fresh[train]], validation[~fresh[validation]], test)
    then = Split(train, validation[fresh[validation]], test)
    before = Ground.of(records, first, under=under)
    after = Ground.of(records, then, under=under)
    plain = TrainingSettings(seed=seed)
    champion, _ = before.fitted(plain)
    old, new = ledgers
    old.note(CHAMPION, _quantities(before.errors(champion, test[~fresh[test]])))
    for arm, options in ARMS.items():
        learned, _ = after.fitted(replace(plain, methods={"continual": options}), champion)
        old.note(arm, _quantities(after.errors(learned, test[~fresh[test]])))
        new.note(arm, _quantities(after.errors(learned, test[fresh[test]])))


def new_among(kinds: NDArray[np.str_], seed: int) -> NDArray[np.bool_]:
    """Which rows are of new kinds."""
    names = np.unique(kinds)
    drawn = np.random.default_rng(seed).permutation(names)[: round(NEW * len(names))]
    return np.isin(kinds, drawn)


def _quantities(errors: Errors) -> Errors:
    """Without the seconds of choices: those of two kinds do not compare."""
    return {name: each for name, each in errors.items() if name != "assignment"}
