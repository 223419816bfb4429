"""Gavel: training jobs on three kinds of GPU, each job known on the slowest kind only.

Leave one job out: it is learned from all other jobs on all kinds, and from its own time on the
K80. 200 batches of 60 jobs, one step each, on two GPUs of each kind.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.assigning.lists import Batches, told
from benchmarks.base import Goal, Part
from benchmarks.public import gavel
from benchmarks.public.gavel import GPUS, Job
from benchmarks.rivals import gavel_simple as rivals
from learner.examples import Examples, Split
from learner.offsets import Offsets
from scheduler.records import Outcome, TaskRecord

Floats = NDArray[np.float64]
BATCHES, JOBS, COPIES = 200, 60, 2
TABLES = {"": gavel.TABLE, " (simulation table)": "simulation_throughputs"}
PEERS: dict[str, Callable[[Floats, float], Floats]] = {
    "mean of each GPU": rivals.mean_of_gpu,
    "K80 by mean speed-up": rivals.mean_speedup,
    "K80 by mean log ratio": rivals.mean_log_ratio,
}
OURS = "accelerators: offset, time on the K80 as a size"
ATTEMPT = "accelerators: offset per family, scaled by the surprise on the K80"


def part(data: Path, quick: bool) -> Part:
    """All arms on the same batches; quick leaves the second table and the first attempt out."""
    ours: dict[str, Any] = {}
    peers: dict[str, Any] = {}
    for mark, table in list(TABLES.items())[: 1 if quick else 2]:
        jobs = gavel.read(data, table)
        times = np.array([job.seconds for job in jobs])
        rng = np.random.default_rng(0)
        draws = [rng.choice(len(jobs), JOBS) for _ in range(BATCHES)]
        batches = Batches(times, draws, np.repeat(np.arange(len(GPUS)), COPIES))
        arms = {OURS: by_size(jobs)} | ({} if quick else {ATTEMPT: by_surprise(jobs)})
        ours |= {name + mark: _row(said, batches) for name, said in arms.items()}
        peers |= {
            f"accelerators: {name}{mark}": _row(_left_out(each, times), batches)
            for name, each in PEERS.items()
        }
    mean = ours[OURS]["mean"]
    goal = Goal("accelerators: makespan / oracle, mean", "<= 1.1", f"{mean:.3f}", mean <= 1.10)
    return Part(ours=ours, peers=peers, goals=(goal,))


def by_size(jobs: Sequence[Job]) -> Floats:
    """All jobs as one kind, with two sizes: the batch, and the milliseconds of a step on the K80.

    Shape: the answer: jobs x GPUs, seconds.
    """
    said = np.array([job.seconds for job in jobs])
    records = [_sized(job, place) for job in jobs for place in (1, 2)]
    for i in range(len(jobs)):
        mine = np.array([2 * i, 2 * i + 1])
        said[i, 1:] = _learned(records, np.delete(np.arange(len(records)), mine), mine)
    return said


def by_surprise(jobs: Sequence[Job]) -> Floats:
    """A kind for each family with its batch as size; what the job took on the K80 beyond what was
    believed there it takes elsewhere too."""
    said = np.array([job.seconds for job in jobs])
    records = [_of_family(job, place) for job in jobs for place in range(3)]
    for i, job in enumerate(jobs):
        mine = np.arange(3 * i, 3 * i + 3)
        believed = _learned(records, np.delete(np.arange(len(records)), mine[1:]), mine)
        said[i, 1:] = believed[1:] * job.seconds[0] / believed[0]
    return said


def _learned(records: Sequence[TaskRecord], train: NDArray[np.int64], asked: Any) -> Floats:
    examples = Examples.of(records, split=Split(train, asked[:1], asked))
    ridge = Offsets.fit(examples).ridges["duration"]
    seconds: Floats = np.exp(ridge.at(examples.inputs.take(asked)))
    return seconds


def _sized(job: Job, place: int) -> TaskRecord:
    sizes = {"milliseconds_on_k80": 1e3 * job.seconds[0]}
    return _record(job, place, "training", sizes | ({"batch": job.batch} if job.batch else {}))


def _of_family(job: Job, place: int) -> TaskRecord:
    return _record(job, place, job.family, {"batch": job.batch} if job.batch else {})


def _record(job: Job, place: int, kind: str, sizes: dict[str, float]) -> TaskRecord:
    return TaskRecord(
        run=job.name,
        task=f"{job.name}/{GPUS[place]}",
        kind=kind,
        worker=GPUS[place],
        outcome=Outcome.SUCCEEDED,
        duration=job.seconds[place],
        sizes=sizes,
    )


def _left_out(rival: Callable[[Floats, float], Floats], times: Floats) -> Floats:
    """What a rival says of each job from the others; its known time stays as it is."""
    said = [rival(np.delete(times, i, axis=0), float(row[0])) for i, row in enumerate(times)]
    return np.array(said)


def _row(said: Floats, batches: Batches) -> dict[str, float]:
    off = np.abs(np.log(said / batches.times))[:, 1:]
    return told(batches.regret(said)) | {"mean |log error|": float(off.mean())}
