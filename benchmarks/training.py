"""Training: our loop against a plain one, on Ray with two workers, and in how much memory."""

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.base import Benchmark, Found, Goal, Part, combined
from benchmarks.fitting import drawn, gpu
from benchmarks.fitting.on_ray import Timed, timed
from benchmarks.fitting.plain import fit_plainly
from learner.training.fit import fit
from learner.training.settings import TrainingSettings

PLAIN, TWICE, EQUAL, MEMORY = 0.95, 1.6, 1e-5, 2e9
BATCH = 4096  # rows in a step of the trainings on Ray, what a log of a million rows gets
LONG = 12  # epochs, while those around are started as much as they will be
CALM = 1e-6  # AdamW's epsilon with which rounding moves next to nothing
FREE = 0.5  # the load from which on the cores are not free
WORK = (
    "The default network (CGC, five targets) on drawn rows of 14 numbers, one thread a process. "
    "Speed of 0 workers: CPU seconds, best of {rounds}, in turns with a plain PyTorch loop of the "
    "same network, batches of {usual}, validation after each epoch in both. Workers on Ray: "
    "batches of 4,096 whatever their number, the fastest of 12 epochs after the first; losses of "
    "3 epochs. Load of the "
    "{cores} cores when it began: {load:.1f}; where they are not free the goal for two workers is "
    "held to the CPU seconds of an epoch, which is what two free cores would take, without "
    "waiting for each other."
)


class Training(Benchmark):
    """What the loop costs beside PyTorch itself, and what Ray adds."""

    title = "training: rows a second, workers, memory"

    def run(self, *, data: Path | None, quick: bool) -> Found:  # noqa: ARG002  rows are drawn
        """The figures; raises where losses of one and two workers are far apart."""
        load = os.getloadavg()[0]
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        rounds, rows = (2, 10_000) if quick else (5, 20_000)
        try:
            parts = [
                _against_plain(rows, rounds),
                _on_ray(20_000 if quick else 100_000, free=load < FREE),
                _in_memory(50_000 if quick else 1_000_000),
                gpu.measured(200_000),
            ]
        finally:
            torch.set_num_threads(threads)
        work = WORK.format(
            rounds=rounds,
            usual=TrainingSettings().batch_of(rows),
            cores=os.cpu_count(),
            load=load,
        )
        return combined(work, parts)


def _against_plain(rows: int, rounds: int) -> Part:
    lessons = {"train": drawn.lesson(rows, seed=1), "validation": drawn.lesson(rows // 5, seed=2)}
    settings, plan = TrainingSettings(epochs=2), drawn.plan()
    loops: dict[str, Callable[[], object]] = {
        "ours": lambda: fit(plan, lessons, settings),
        "plain": lambda: fit_plainly(plan, lessons, settings),
    }
    best = dict.fromkeys(loops, np.inf)
    for _ in range(rounds):
        for name, loop in loops.items():
            began = time.process_time()
            loop()
            best[name] = min(best[name], time.process_time() - began)
    speed = {name: settings.epochs * rows / seconds for name, seconds in best.items()}
    ratio = speed["ours"] / speed["plain"]
    goal = Goal("0 workers over a plain loop", f">= {PLAIN}", f"{ratio:.3f}", ratio >= PLAIN)
    return Part(
        ours={"0 workers": {"rows a CPU second": round(speed["ours"])}},
        peers={"plain PyTorch loop": {"rows a CPU second": round(speed["plain"])}},
        ratios={"0 workers over a plain loop": ratio},
        goals=(goal,),
    )


def _on_ray(rows: int, *, free: bool) -> Part:
    lessons = {"train": drawn.lesson(rows, seed=1), "validation": drawn.lesson(4096, seed=2)}
    settings, plan = TrainingSettings(epochs=3, batch=BATCH), drawn.plan(steady=True)
    found = {n: timed(plan, lessons, settings, workers=n) for n in (0, 1, 2)}
    longer = replace(settings, epochs=LONG, patience=LONG)
    paced = {n: timed(plan, lessons, longer, workers=n) for n in (0, 1, 2)}
    calmer = replace(settings, epsilon=CALM)
    calm = {n: timed(plan, lessons, calmer, workers=n) for n in (0, 2)}
    usual, apart = _apart(found), _apart(calm)
    if max(usual, apart) > 100 * EQUAL:
        raise AssertionError(f"Losses of 0, 1 and 2 workers must be equal, they are {usual} apart.")
    by_wall = paced[1].seconds / paced[2].seconds
    by_cpu = paced[1].cpu / paced[2].cpu
    twice = by_wall if free else by_cpu
    said = f"{by_wall:.2f} by the clock, {by_cpu:.2f} by CPU seconds"
    return Part(
        ours={f"on Ray, {n} workers": _row(each, rows) for n, each in paced.items()},
        ratios={"2 workers over 1, by the clock": by_wall, "2 workers over 1, by CPU": by_cpu},
        goals=(
            Goal("2 workers over 1", f">= {TWICE}", said, twice >= TWICE),
            Goal("losses of 0, 1, 2 workers apart", f"<= {EQUAL}", f"{usual:.1e}", usual <= EQUAL),
            Goal(f"with epsilon {CALM:g}", f"<= {EQUAL}", f"{apart:.1e}", apart <= EQUAL),
        ),
    )


def _apart(found: Mapping[int, Timed]) -> float:
    """The largest difference of any epoch's loss to that of 0 workers."""
    gaps = [np.subtract(each.losses, found[0].losses) for each in found.values()]
    return float(np.abs(gaps).max())


def _row(each: Timed, rows: int) -> dict[str, float]:
    return {
        "rows a second": round(rows / each.seconds),
        "rows a CPU second of one worker": round(rows / each.cpu),
        "seconds of start and end": round(each.around, 1),
        "peak memory MB": round(each.memory / 1e6),
    }


def _in_memory(rows: int) -> Part:
    """Two epochs over many rows, two workers, each with a peak of memory of its own."""
    with tempfile.TemporaryDirectory() as folder:
        train = drawn.lesson_in_files(rows, Path(folder) / "train", seed=1)
        lessons = {"train": train, "validation": drawn.lesson(20_000, seed=2)}
        settings = TrainingSettings(epochs=2, batch=BATCH)
        found = timed(drawn.plan(), lessons, settings, workers=2)
    name = f"{rows:,} rows, 2 workers"
    goal = Goal(
        f"{name}: memory of each", "< 2 GB", f"{found.memory / 1e9:.2f} GB", found.memory < MEMORY
    )
    return Part(ours={name: _row(found, rows)}, goals=(goal,))
