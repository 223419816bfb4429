"""Drifts that are planted, false alarms where there are none, and alarms on public logs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import Benchmark, Found, Goal, Part, combined
from benchmarks.looping.drifting import NOISES, DriftWorld, Planted
from benchmarks.looping.quick import learned
from benchmarks.public import sizey
from learner.drift import Drifted, drifts
from learner.examples import Examples, Split
from learner.residuals import seen_by

REFERENCE, BEFORE, LATEST = 1000, 1000, 300
PLANTED = {
    "a worker 1.5 times as slow": Planted("duration", "", "w3", 1.5, BEFORE),
    "a worker 1.5 times as fast": Planted("duration", "", "w3", 1 / 1.5, BEFORE),
    "a kind 1.5 times as slow": Planted("duration", "k2", "", 1.5, BEFORE),
    "a kind on a worker twice as slow": Planted("duration", "k2", "w3", 2.0, BEFORE),
    "a kind with 1.5 times the memory": Planted("memory", "k2", "", 1.5, BEFORE),
    "a worker that fails 5 times as often": Planted("failure", "", "w3", 5.0, BEFORE),
}
ASKED = "a worker 1.5 times as slow"
WORK = (
    "six kinds on eight workers, 1,000 attempts as reference and forecasts that are off by kind "
    "and worker; drifts planted after 1,000 further attempts; noise of logarithms 0.15 to 0.6 by "
    "kind, normal, Student's with three degrees, with stragglers, and partly shared by all "
    "attempts of a run"
)


class Drift(Benchmark):
    """How soon drifts are found and named, and how often where there are none."""

    title = "where observation leaves the forecast"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        """Planted drifts by seed and noise, clean worlds, and public logs where there are some."""
        seeds, clean = (5, 20_000) if quick else (20, 60_000)
        parts = [self._planted(seeds), self._clean(seeds, clean)]
        if data is not None:
            parts.append(_public(data, quick=quick))
        return combined(WORK, parts)

    def _planted(self, seeds: int) -> Part:
        rows, goals = {}, []
        for words, planted in PLANTED.items():
            for noise in NOISES:
                met = [_met(planted, noise, seed) for seed in range(seeds)]
                rows[f"{words}, {noise}"] = _row(met)
                if words == ASKED:
                    soon = sum(each.delay is not None and each.delay <= LATEST for each in met)
                    goals.append(
                        Goal(
                            f"{words}, {noise}: named within {LATEST} of its records",
                            f"{seeds} of {seeds} seeds",
                            f"{soon} of {seeds}",
                            soon == seeds,
                        )
                    )
        return Part(ours=rows, goals=tuple(goals))

    def _clean(self, seeds: int, count: int) -> Part:
        rows, goals = {}, []
        for noise in NOISES:
            began, alarms = time.process_time(), 0
            for seed in range(seeds):
                rng = np.random.default_rng([seed, 1])
                world = DriftWorld.drawn(rng, noise)
                reference = world.attempts(REFERENCE, rng, name="before ")
                alarms += len(drifts(reference, world.attempts(count, rng)))
            total = seeds * count
            spent = time.process_time() - began
            rows[f"no drift, {noise}"] = {
                "records": total,
                "false alarms": alarms,
                "records a second": round(total / spent),
            }
            allowed = total / 20_000
            goals.append(
                Goal(
                    f"no drift, {noise}: false alarms",
                    "<= 1 in 20,000 records",
                    f"{alarms} in {total:,}",
                    alarms <= allowed,
                )
            )
        return Part(ours=rows, goals=tuple(goals))


def _public(data: Path, *, quick: bool) -> Part:
    """Alarms on Sizey's traces, in the order of submission: nobody knows whether they are right.

    An offset learns from the first 40 %, the next 20 % are the reference.
    """
    rows = {}
    for name in sizey.workflows(data)[: 2 if quick else None]:
        records = sizey.read(data, name).records
        first, second = round(0.4 * len(records)), round(0.6 * len(records))
        places = np.arange(len(records))
        split = Split(places[:first], places[first:second], places[second:])
        seen = seen_by(learned(Examples.of(records, split=split)), records)
        found = drifts(seen.take(split.validation), seen.take(split.test))
        rows[f"{name}, public"] = {
            "records": len(split.test),
            "alarms": len(found),
            "of workers": sum(bool(each.worker) for each in found),
            "of kinds": sum(bool(each.kind) for each in found),
        }
    return Part(ours=rows, goals=())


@dataclass(frozen=True)
class Met:
    """After how many of its records a planted drift was named; what else was said before."""

    delay: int | None
    effect: float | None
    others: int


def _met(planted: Planted, noise: str, seed: int) -> Met:
    rng = np.random.default_rng([seed, 0])
    world = DriftWorld.drawn(rng, noise)
    reference = world.attempts(REFERENCE, rng, name="before ")
    new = planted.into(world.attempts(BEFORE + 5000, rng), rng)
    found = drifts(reference, new)
    named = next((each for each in found if _names(each, planted)), None)
    if named is None:
        return Met(None, None, len(found))
    others = sum(each.last < named.last for each in found)
    return Met(int(planted.inside(new)[: named.last + 1].sum()), named.effect, others)


def _names(each: Drifted, planted: Planted) -> bool:
    same = (each.target, each.kind, each.worker) == (planted.target, planted.kind, planted.worker)
    return same and each.last >= planted.first and (each.effect > 1) == (planted.effect > 1)


def _row(met: list[Met]) -> Mapping[str, Any]:
    delays = [each.delay for each in met if each.delay is not None]
    effects = [each.effect for each in met if each.effect is not None]
    return {
        "named": f"{len(delays)} of {len(met)}",
        "median records": float(np.median(delays)) if delays else "",
        "most records": max(delays, default=0),
        "effect told": round(float(np.median(effects)), 2) if effects else "",
        "other alarms before": sum(each.others for each in met),
    }
