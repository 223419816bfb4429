"""Logs of a world whose truth is known: each kind has its law, each worker its skill.

With x the size in megabytes, an attempt takes `seconds * x ** power * slowness(kind, worker)`
seconds (more where x is beyond the worker's cache), holds `memory * x` bytes and keeps `cores`
busy. On `weak` everything of kind `solve` fails beyond four megabytes.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import torch

from learner.calibration import Calibration
from learner.examples import Examples
from learner.learned import Learned
from learner.networks.base import Shape
from learner.networks.network import Network, Plan
from learner.offsets import Offsets
from learner.training.fit import fit
from learner.training.lesson import lessons_of
from learner.training.settings import TrainingSettings
from scheduler.records import Outcome, TaskRecord
from scheduler.store import Store

KINDS = ("sort", "align", "solve", "merge")
WORKERS = ("alpha", "beta", "weak")
SECONDS = {"sort": 2.0, "align": 30.0, "solve": 8.0, "merge": 0.5}
POWER = {"sort": 1.0, "align": 0.8, "solve": 1.2, "merge": 0.5}
MEMORY = {"sort": 2e7, "align": 3e8, "solve": 8e7, "merge": 4e6}
SLOWNESS = {
    ("sort", "alpha"): 1.0, ("sort", "beta"): 2.5, ("sort", "weak"): 4.0,
    ("align", "alpha"): 3.0, ("align", "beta"): 1.0, ("align", "weak"): 3.5,
    ("solve", "alpha"): 1.0, ("solve", "beta"): 1.6, ("solve", "weak"): 2.0,
    ("merge", "alpha"): 1.0, ("merge", "beta"): 1.2, ("merge", "weak"): 0.6,
}  # fmt: skip
MORNING = datetime(2026, 1, 5, 8, tzinfo=UTC)
SMALL = TrainingSettings(epochs=12, shape=Shape(width=32, experts=3))


def seconds(kind: str, worker: str, megabytes: float) -> float:
    """The true duration."""
    crowded = 2.5 if megabytes > 6 and worker != "alpha" else 1.0
    return SECONDS[kind] * megabytes ** POWER[kind] * SLOWNESS[kind, worker] * crowded


def best_worker(kind: str, megabytes: float) -> str:
    """The worker with the least expected cost."""
    able = [w for w in WORKERS if not fails(kind, w, megabytes)]
    return min(able, key=lambda worker: seconds(kind, worker, megabytes))


def fails(kind: str, worker: str, megabytes: float) -> bool:
    """Whether an attempt fails."""
    return (kind, worker) == ("solve", "weak") and megabytes > 4


def attempt(
    i: int, kind: str, worker: str, megabytes: float, *, rng: np.random.Generator, task: str = ""
) -> TaskRecord:
    """One attempt as a log would tell it, a minute after the one before."""
    bad, noise = fails(kind, worker, megabytes), np.exp(rng.normal(0, 0.08, 3)).tolist()
    took = seconds(kind, worker, megabytes) * noise[0]
    ended = MORNING + timedelta(minutes=i)
    return TaskRecord(
        run=f"run-{i // 50}",
        task=task or f"task-{i}",
        kind=kind,
        worker=worker,
        workflow="nightly",
        outcome=Outcome.OUT_OF_MEMORY if bad else Outcome.SUCCEEDED,
        started=ended - timedelta(seconds=took),
        ended=ended,
        duration=took / 3 if bad else took,
        peak_memory=MEMORY[kind] * megabytes * noise[1],
        cpu=1.5 * noise[2],
        requested_cores=2.0,
        sizes={"input_bytes": megabytes * 1e6},
        measured={"bytes_read": megabytes * 1.1e6},
    )


def logs(n: int, *, seed: int = 0) -> list[TaskRecord]:
    """Attempts of random kinds and sizes on random workers."""
    rng = np.random.default_rng(seed)
    drawn = zip(
        rng.choice(KINDS, n), rng.choice(WORKERS, n), rng.lognormal(0.8, 0.8, n), strict=True
    )
    return [attempt(i, str(k), str(w), float(x), rng=rng) for i, (k, w, x) in enumerate(drawn)]


def compared_logs(works: int, *, seed: int = 0) -> list[TaskRecord]:
    """Every piece of work once on every worker."""
    rng, found = np.random.default_rng(seed), []
    for kind, x in zip(rng.choice(KINDS, works), rng.lognormal(0.8, 0.8, works), strict=True):
        for worker in WORKERS:
            found.append(attempt(len(found), str(kind), worker, float(x), rng=rng))
    return found


def filled(store: Store, records: Sequence[TaskRecord]) -> Store:
    """The store with these records in it."""
    store.add_records(list(_keyed(records)), "world")
    return store


def learn(records: Sequence[TaskRecord], settings: TrainingSettings = SMALL) -> Learned:
    """A network that learned from records, in this process."""
    torch.set_num_threads(1)  # more threads fight for the cores of a busy machine
    examples = Examples.of(records)
    offsets = Offsets.fit(examples)
    plan = Plan.over(examples.columns, settings.sharing, settings.shape)
    network = Network(plan)
    lessons = lessons_of(examples, offsets, seed=settings.seed)
    network.load_state_dict(dict(fit(plan, lessons, settings).weights))
    plain = Learned(network, examples.columns, offsets, Calibration.none())
    return plain.calibrated(examples)


@cache
def one_world() -> tuple[TaskRecord, ...]:
    """Logs that several tests look at."""
    return tuple(compared_logs(150))


@cache
def one_learned() -> Learned:
    """The network that learned from `one_world`; nobody changes it."""
    return learn(one_world())


def _keyed(records: Sequence[TaskRecord]) -> Iterator[tuple[str, TaskRecord]]:
    return ((record.key(), record) for record in records)
