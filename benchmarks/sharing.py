"""What targets share, compared: every sharing at the same budget, with and without offsets."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import Benchmark, Found, Goal
from benchmarks.public import lotaru
from learner.arms.network import NetworkArm
from learner.examples import Examples
from learner.networks.network import sharings
from learner.offsets import Offsets
from learner.offsets.level import levels
from learner.targets.quantities import MIDDLE
from learner.training.settings import TrainingSettings
from scheduler.errors import NotFound

Floats = NDArray[np.float64]
QUANTITIES = ("duration", "memory", "cpu")
LABELS = (1.0, 0.1, 0.03)  # the share of durations kept, of those to learn from and to validate
SEEDS = 3
SINGLE = "separate"  # towers that share nothing but the embedding
WORK = (
    "Lotaru, unseen inputs (split 0), {seeds} seeds, equal epochs, experts and width; all, 10 % or "
    "3 % of the durations known, the other targets in full. Mean absolute logarithmic errors on "
    "the test rows, with the product's offset under the network and without any. Delta is the mean "
    "over quantities of 1 - error / error of separate towers."
)


@dataclass(eq=False)
class Fits:
    """Errors of one sharing by seed, seeds x quantities, its weights, and its CPU seconds."""

    errors: list[Floats] = field(default_factory=list)
    parameters: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def mean(self) -> Floats:
        """By quantity, over seeds."""
        return np.asarray(np.mean(self.errors, axis=0))

    def told(self, single: "Fits") -> dict[str, Any]:
        """What the results page tells."""
        each = dict(zip(QUANTITIES, self.mean.round(4).tolist(), strict=True))
        spread = float(np.std(self.errors, axis=0).mean())
        return each | {
            "spread over seeds": round(spread, 4),
            "delta": round(_delta(self, single), 4),
            "parameters": self.parameters,
            "CPU s": round(float(np.mean(self.seconds)), 1),
        }


class SharingTable(Benchmark):
    """When gating pays, and when it does not."""

    title = "what targets share: every sharing at equal budget"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        """A table of sharings, labels and offsets."""
        if data is None:
            raise NotFound("The benchmark sharing reads public logs; give --data DIR.")
        rows = lotaru.read(data)
        examples = Examples.of([r.record for r in rows], split=lotaru.unseen_inputs(rows, 0))
        seeds, shares = (1, (1.0,)) if quick else (SEEDS, LABELS)
        names = ("cgc", "hard", SINGLE) if quick else tuple(sharings())
        tables: dict[tuple[float, bool], dict[str, Fits]] = {}
        for share, seed in product(shares, range(seeds)):
            known = _hidden(examples, share, seed)
            offsets = Offsets.fit(known)
            for under, name in product((True, False), names):
                base = offsets if under else levels(known, offsets)
                table = tables.setdefault((share, under), {})
                _fit(table.setdefault(name, Fits()), examples, known, base, name, seed)
        return _found(tables, seeds)


def _fit(
    fits: Fits, examples: Examples, known: Examples, base: Offsets, name: str, seed: int
) -> None:
    began = process_time()
    settings = TrainingSettings(sharing=name, seed=seed)
    arm = NetworkArm.fit(known, base, settings)
    fits.seconds.append(process_time() - began)
    fits.parameters = sum(each.numel() for each in arm.network.parameters())
    test = examples.split.test
    inputs = examples.inputs.take(test)
    said = arm.raw(inputs, QUANTITIES)
    off = [
        said[q][:, MIDDLE] * base.scale(q) + base.ridges[q].at(inputs) - examples.truth[q][test]
        for q in QUANTITIES
    ]
    fits.errors.append(np.array([np.nanmean(np.abs(each)) for each in off]))


def _hidden(examples: Examples, share: float, seed: int) -> Examples:
    """The same examples, with only a share of the durations known."""
    rng, truth = np.random.default_rng(seed), examples.truth["duration"].copy()
    for rows in (examples.split.train, examples.split.validation):
        gone = rng.permutation(rows)[max(round(share * len(rows)), 1) :]
        truth[gone] = np.nan
    return replace(examples, truth={**examples.truth, "duration": truth})


def _delta(ours: Fits, single: Fits) -> float:
    return float((1 - ours.mean / single.mean).mean())


def _found(tables: Mapping[tuple[float, bool], Mapping[str, Fits]], seeds: int) -> Found:
    ours: dict[str, Any] = {}
    ratios: dict[str, float] = {}
    for (share, under), table in tables.items():
        where = f"{'on offsets' if under else 'without offsets'}, {share:.0%} of durations"
        for name, fits in table.items():
            ours[f"{where}: {name}"] = fits.told(table[SINGLE])
        best = min(table, key=lambda name: float(table[name].mean[0]))
        ratios[f"{where}: duration, cgc over hard"] = _over(table, "cgc", "hard")
        ratios[f"{where}: duration, cgc over separate"] = _over(table, "cgc", SINGLE)
        ours[f"{where}: best on duration"] = {"sharing": best}
    return Found(work=WORK.format(seeds=seeds), ours=ours, goals=_goals(tables), ratios=ratios)


def _over(table: Mapping[str, Fits], ours: str, theirs: str) -> float:
    return float(table[ours].mean[0] / table[theirs].mean[0])


def _goals(tables: Mapping[tuple[float, bool], Mapping[str, Fits]]) -> tuple[Goal, ...]:
    """Gating must not lose to hard sharing anywhere, nor the mean to separate towers."""
    found = []
    for (share, under), table in tables.items():
        where = f"{'on offsets' if under else 'without offsets'}, {share:.0%} of durations"
        hard = _over(table, "cgc", "hard")
        found.append(Goal(f"{where}: cgc over hard, duration", "<= 1", f"{hard:.3f}", hard <= 1))
        delta = _delta(table["cgc"], table[SINGLE])
        found.append(
            Goal(f"{where}: cgc's delta over separate", ">= 0", f"{delta:+.3f}", delta >= 0)
        )
    return tuple(found)
