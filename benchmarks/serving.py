"""How fast forecasts of whole workflows are."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import Benchmark, Found, Goal
from learner.arms.network import NetworkArm
from learner.calibration import Calibration
from learner.examples import Examples
from learner.features import Inputs
from learner.learned import Learned
from learner.offsets import Offsets
from learner.predictor import NetworkPredictor
from learner.threads import threads
from learner.training.settings import TrainingSettings
from scheduler.cluster import Cluster, Worker
from scheduler.records import Outcome, TaskRecord
from scheduler.workflow import Dependency, Task, Workflow

KINDS, WORKERS, RECORDS = 20, 64, 12_000
SIZES = ("rows", "bytes", "files")
SMALL, LARGE = (1_000, 50), (100_000, 64)
REPEATS = 5
WORK = (
    "A network trained on 12,000 synthetic attempts of 20 kinds on 64 workers forecasts duration, "
    "memory, cpu, risk and affinity of every task on every worker, Workflow and Cluster in, "
    "Forecast out (least of five runs). Beside it the same network row by row, and LightGBM with "
    "one booster for each of the nine quantiles on the same encoded rows."
)


class Serving(Benchmark):
    """Forecasts of 1,000 x 50 and of 100,000 x 64."""

    title = "seconds for a forecast of every task on every worker"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        """Needs no data; raises where the fast pass says something else than row by row."""
        del data
        rng = np.random.default_rng(0)
        learned, examples = _learned(rng)
        predictor = NetworkPredictor(learned, "serving", threads=2)
        small = (_workflow(SMALL[0], rng), _cluster(SMALL[1]))
        _check(learned, predictor, *small)
        with threads(1):
            one = _least(lambda: predictor.predict(*small))
            rows = learned.columns.encode_pairs(*small)
            slow = _least(lambda: learned.predict(rows), repeats=1 if quick else 3)
            trees = _trees(examples, rows)
        ours: dict[str, Any] = {"1,000 x 50, one core (ms)": 1e3 * one}
        goals = [Goal("1,000 x 50 on one core", "<= 50 ms", f"{1e3 * one:.0f} ms", one <= 0.05)]
        if not quick:
            large = (_workflow(LARGE[0], rng), _cluster(LARGE[1]))
            with threads(2):
                many = _least(lambda: predictor.predict(*large))
            ours["100,000 x 64, two cores (s)"] = many
            goals.append(Goal("100,000 x 64 on two cores", "<= 1 s", f"{many:.2f} s", many <= 1))
        peers = {"row by row (ms)": 1e3 * slow, "LightGBM, nine boosters (ms)": 1e3 * trees}
        return Found(
            work=WORK,
            ours=ours,
            goals=tuple(goals),
            peers=peers,
            ratios={"row by row over ours": slow / one, "LightGBM over ours": trees / one},
        )


def _least(act: Callable[[], object], repeats: int = REPEATS) -> float:
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return min(found)


def _learned(rng: np.random.Generator) -> tuple[Learned, Examples]:
    speed = np.exp(rng.normal(0, 0.4, WORKERS))
    taste = np.exp(rng.normal(0, 0.2, (KINDS, WORKERS)))
    base, power = np.exp(rng.normal(3, 1, KINDS)), rng.uniform(0.3, 1.1, KINDS)
    records = []
    for i in range(RECORDS):
        kind, worker = int(rng.integers(KINDS)), int(rng.integers(WORKERS))
        sizes = _sizes(rng)
        grown = (sizes["bytes"] / 1e7) ** power[kind]
        seconds = base[kind] * grown / speed[worker] * taste[kind, worker]
        records.append(
            TaskRecord(
                run=f"run {i // 50}",
                task=f"task {i}",
                kind=f"kind {kind}",
                worker=f"worker {worker}",
                outcome=Outcome.SUCCEEDED,
                duration=float(seconds * np.exp(rng.normal(0, 0.15))),
                peak_memory=float(1e8 + 3 * sizes["bytes"] * np.exp(rng.normal(0, 0.1))),
                cpu=float(np.exp(rng.normal(0, 0.1))),
                sizes=sizes,
            )
        )
    examples = Examples.of(records)
    offsets = Offsets.fit(examples)
    network = NetworkArm.fit(examples, offsets, TrainingSettings(epochs=2)).network
    made = Learned(network, examples.columns, offsets, Calibration.none())
    return made.calibrated(examples), examples


def _sizes(rng: np.random.Generator) -> dict[str, float]:
    values = np.exp(rng.normal((12.0, 16.0, 2.0), (1.0, 1.2, 0.8)))
    return dict(zip(SIZES, values.tolist(), strict=True))


def _workflow(count: int, rng: np.random.Generator) -> Workflow:
    """Tasks with up to two predecessors each."""
    tasks = [
        Task(id=f"t{i}", kind=f"kind {int(rng.integers(KINDS))}", sizes=_sizes(rng))
        for i in range(count)
    ]
    edges = {(int(i * rng.random()), i) for i in range(1, count) for _ in range(2)}
    return Workflow("large", tasks, [Dependency(f"t{a}", f"t{b}") for a, b in sorted(edges)])


def _cluster(count: int) -> Cluster:
    return Cluster(
        "many", [Worker(name=f"worker {j}", cores=8, memory=2**36) for j in range(count)]
    )


def _check(learned: Learned, predictor: NetworkPredictor, tasks: Workflow, on: Cluster) -> None:
    told = predictor.predict(tasks, on)
    alone = learned.predict(learned.columns.encode_pairs(tasks, on))
    off = np.abs(np.log(told.duration).reshape(-1, 3) - alone["duration"]).max()
    assert off < 0.005, f"the fast pass differs from the rows by a factor of {np.exp(off)}"


def _trees(examples: Examples, rows: Inputs) -> float:
    """Seconds in which nine boosters of 200 rounds score the same rows."""
    import lightgbm

    def columns(inputs: Inputs) -> np.ndarray:
        return np.column_stack([inputs.numbers, inputs.kind, inputs.worker])

    taught, boosters = columns(examples.inputs), []
    for target in ("duration", "memory", "cpu"):
        for level in (0.1, 0.5, 0.9):
            settings = {"objective": "quantile", "alpha": level, "num_threads": 1, "verbose": -1}
            truth = lightgbm.Dataset(taught, examples.truth[target])
            boosters.append(lightgbm.train(settings, truth, 200))
    asked = columns(rows)
    return _least(lambda: [each.predict(asked) for each in boosters], repeats=1)
