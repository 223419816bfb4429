"""Attempts and forecasts of a world that we know, with a drift planted or none.

Forecasts are wrong as forecasts are: each kind on each worker is off by a factor of its own that
stays, bands are too narrow or too wide by kind, risks are too high or too low.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from learner.drift import Seen

Floats = NDArray[np.float64]
QUANTITIES = ("duration", "memory")
NOISES = ("normal", "heavy", "stragglers", "shared")
TOGETHER = 50  # attempts of one run
BAND = 2.5631


@dataclass(frozen=True, eq=False)
class DriftWorld:
    """Attempts of six kinds on eight workers.

    `noise` is of logarithms, 0.3 times 0.5 to 2 by kind: `normal`; `heavy`, Student's with three
    degrees; `stragglers`, one attempt in twenty takes 3 to 10 times as long; `shared`, normal, and
    half as much again that all attempts of a run have in common.
    Shape: off: by quantity, kinds x workers; scale, band, riskier: kinds; risk: kinds x workers.
    """

    noise: str
    off: dict[str, Floats]
    scale: Floats
    band: Floats
    risk: Floats
    riskier: Floats

    @classmethod
    def drawn(cls, rng: Generator, noise: str, *, kinds: int = 6, workers: int = 8) -> "DriftWorld":
        """A world of one seed."""
        return cls(
            noise=noise,
            off={name: rng.normal(0, 0.2, (kinds, workers)) for name in QUANTITIES},
            scale=0.3 * rng.uniform(0.5, 2, kinds),
            band=rng.uniform(0.5, 2, kinds),
            risk=np.clip(rng.exponential(0.03, (kinds, workers)), 0, 0.5),
            riskier=rng.uniform(0.5, 2, kinds),
        )

    def attempts(self, count: int, rng: Generator, *, name: str = "") -> Seen:
        """So many attempts without a drift; `name` tells their runs from others."""
        kind = rng.integers(0, len(self.scale), count)
        worker = rng.integers(0, self.risk.shape[1], count)
        run = np.arange(count) // TOGETHER
        risk = self.risk[kind, worker]
        return Seen(
            kind=np.array([f"k{each}" for each in kind.tolist()]),
            worker=np.array([f"w{each}" for each in worker.tolist()]),
            run=np.array([f"{name}{each}" for each in run.tolist()]),
            miss={
                quantity: off[kind, worker] + self.scale[kind] * self._drawn(run, rng)
                for quantity, off in self.off.items()
            },
            width=dict.fromkeys(QUANTITIES, BAND * 0.3 * self.band[kind]),
            failed=(rng.random(count) < risk).astype(np.float64),
            risk=np.clip(risk * self.riskier[kind], 1e-3, 0.9),
            time=np.full(count, None, dtype=object),
        )

    def _drawn(self, run: NDArray[np.int64], rng: Generator) -> Floats:
        plain: Floats = rng.normal(size=len(run))
        if self.noise == "heavy":
            return rng.standard_t(3, len(run))
        if self.noise == "stragglers":
            late = rng.random(len(run)) < 0.05
            return plain + late * rng.uniform(np.log(3), np.log(10), len(run)) / 0.3
        if self.noise == "shared":
            return plain + 0.5 * rng.normal(size=int(run.max()) + 1)[run]
        return plain


@dataclass(frozen=True)
class Planted:
    """A drift: of a target, of a kind (or all), of a worker (or all), from an attempt on.

    `effect` multiplies quantities, and the probability of failing.
    """

    target: str
    kind: str
    worker: str
    effect: float
    first: int

    def inside(self, seen: Seen) -> NDArray[np.bool_]:
        """The attempts that are touched."""
        there = np.arange(len(seen)) >= self.first
        for name, names in ((self.kind, seen.kind), (self.worker, seen.worker)):
            if name:
                there &= names == name
        return there

    def into(self, seen: Seen, rng: Generator) -> Seen:
        """The attempts with the drift."""
        there = self.inside(seen)
        if self.target == "failure":
            more = np.clip((self.effect - 1) * np.clip(seen.risk, 0.03, 1), 0, 0.9)
            failed = np.where(there & (rng.random(len(seen)) < more), 1.0, seen.failed)
            return replace(seen, failed=failed)
        moved = seen.miss[self.target] + there * np.log(self.effect)
        return replace(seen, miss={**seen.miss, self.target: moved})
