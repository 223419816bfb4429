"""Sizes that are told wrongly: what adversarial training and jitter bring, each beside the other.

Every size of the rows to judge is drawn between 0.8 and 1.2 of itself, each by itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.base import Goal, Part
from benchmarks.public import lotaru
from benchmarks.teaching.ground import UNDER, Ground, Ledger, lotaru_rows, seeds
from learner.features import Inputs
from learner.learned import Learned
from learner.targets.quantities import MIDDLE
from learner.training.settings import TrainingSettings
from scheduler.records import TaskRecord

QUANTITIES = ("duration", "memory", "cpu")
NOISE, DRAWS = 0.2, 3
PLAIN = "plain"
ARMS: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    PLAIN: {},
    "adversarial": {"adversarial": {}},
    "jitter": {"jitter": {}},
}
CUT, WORSE = 0.3, 1.005


def part(data: Path | None, *, quick: bool) -> Part:
    """Mean absolute logarithmic errors on sizes as they are, and how they grow with noise."""
    rows = lotaru_rows(data, "noise")
    ours: dict[str, Mapping[str, float]] = {}
    ratios: dict[str, float] = {}
    goals: list[Goal] = []
    for under in (True, False):
        where = f"noise, {UNDER[under]}"
        clean, growth = _measured(rows, seeds(quick), under=under)
        ours |= clean.told(f"{where}, clean") | growth.told(f"{where}, growth")
        for arm in (each for each in ARMS if each != PLAIN):
            worse, left = _total(clean, arm), _total(growth, arm)
            ratios |= {f"{where}: {arm}, clean": worse, f"{where}: {arm}, growth": left}
            goals.append(
                Goal(
                    f"{where}: {arm}, cut of the growth and clean error, share of plain",
                    f">= {CUT:.0%} at <= {WORSE}",
                    f"{1 - left:.0%} at {worse:.4f}",
                    1 - left >= CUT and worse <= WORSE,
                )
            )
    return Part(ours=ours, goals=tuple(goals), ratios=ratios)


def _total(ledger: Ledger, arm: str) -> float:
    """The sum over quantities as a share of the plain network's."""
    return sum(ledger.mean(arm).values()) / sum(ledger.mean(PLAIN).values())


def _measured(rows: list[lotaru.Row], over: range, *, under: bool) -> tuple[Ledger, Ledger]:
    clean, growth = Ledger(), Ledger()
    records = [row.record for row in rows]
    ground = Ground.of(records, lotaru.unseen_inputs(rows, 0), under=under)
    examples = ground.examples
    asked = examples.part(examples.split.test)
    drawn = [examples.columns.encode_records(list(noisy(asked, draw))) for draw in range(DRAWS)]
    for seed in over:
        for arm, methods in ARMS.items():
            learned, _ = ground.fitted(replace(TrainingSettings(seed=seed), methods=methods))
            exact = _errors(ground, learned, examples.inputs.take(examples.split.test))
            off = [_errors(ground, learned, each) for each in drawn]
            clean.note(arm, exact)
            growth.note(
                arm, {n: float(np.mean([o[n] for o in off])) - exact[n] for n in QUANTITIES}
            )
    return clean, growth


def noisy(records: Sequence[TaskRecord], seed: int) -> Iterator[TaskRecord]:
    """The records with each size between 0.8 and 1.2 of itself."""
    rng = np.random.default_rng(seed)
    for record in records:
        factor = 1 + rng.uniform(-NOISE, NOISE, len(record.sizes))
        told = zip(record.sizes.items(), factor.tolist(), strict=True)
        yield replace(record, sizes={name: size * by for (name, size), by in told})


def _errors(ground: Ground, learned: Learned, inputs: Inputs) -> dict[str, float]:
    examples, told = ground.examples, learned.predict(inputs)
    rows = examples.split.test
    return {
        name: float(np.nanmean(np.abs(told[name][:, MIDDLE] - examples.truth[name][rows])))
        for name in QUANTITIES
    }
