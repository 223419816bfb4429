"""Lotaru's own protocol: at most twelve small local runs of a task tell of full runs elsewhere.

Nothing of the other machines is known but their benchmark scores. Twelve rows a kind are too few
for a network, so that our arm is the offset alone, as the product fits it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import Goal, Part
from benchmarks.public import lotaru
from benchmarks.rivals import lotaru_runs as rivals
from learner.examples import Examples, Split
from learner.offsets import Offsets
from learner.stand_ins import pace
from scheduler.cluster import Worker

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
HERE, ELSEWHERE = "local", ("asok01", "c2")
RUNS = 6  # of each training label, in the order of the file
LABELS = {0: ("train-1", "train-2"), 1: ("train-1",), 2: ("train-2",)}
SIZE = "taskinputsizeuncompressed"
OURS, LINED = "local runs: offset", "local runs: mean of logs, offset and Lotaru's line"


def part(data: Path, *, quick: bool) -> Part:
    """Our arms and Lotaru's on the first experiment, and on the other two when there is time."""
    rows = lotaru.read(data)
    machines = lotaru.workers(data, {HERE, *ELSEWHERE})
    ours: dict[str, Any] = {}
    peers: dict[str, Any] = {}
    for experiment in list(LABELS)[: 1 if quick else 3]:
        mark = f", experiment {experiment}" if experiment else ""
        train, test = runs(rows, experiment)
        told = _ours(rows, train, test, machines) | _theirs(rows, train, test, data)
        found = {name: _row(said, rows, test) for name, said in told.items()}
        ours |= {name + mark: found[name] for name in (OURS, LINED)}
        rest = {name: each for name, each in found.items() if name not in (OURS, LINED)}
        peers |= {f"local runs: {name}{mark}": each for name, each in rest.items()}
    return Part(ours=ours, peers=peers, goals=_goals(ours[OURS]))


def runs(rows: Sequence[lotaru.Row], experiment: int) -> tuple[Ints, Ints]:
    """The first local runs of each task and label, and every full-size run on any machine."""
    taken: dict[tuple[str, str], list[int]] = {}
    for i, row in enumerate(rows):
        if row.record.worker == HERE and row.label in LABELS[experiment]:
            taken.setdefault((row.record.kind, row.label), []).append(i)
    train = sorted(i for each in taken.values() for i in each[:RUNS])
    test = [i for i, row in enumerate(rows) if row.label == "test"]
    return np.array(train), np.array(test)


def _ours(
    rows: Sequence[lotaru.Row], train: Ints, test: Ints, machines: Mapping[str, Worker]
) -> dict[str, Floats]:
    """The offset of local runs; a machine never seen is as much faster as its scores say."""
    examples = Examples.of([row.record for row in rows], split=Split(train, test[:1], test))
    ridge = Offsets.fit(examples).ridges["duration"]
    local = np.exp(ridge.at(examples.inputs.take(test)))
    kinds = {row.record.kind for row in rows}
    faster = np.array(
        [
            pace(machines[str(row.record.worker)], machines[HERE], row.record.kind, kinds)
            for row in (rows[i] for i in test)
        ]
    )
    line = _by_task(rows, train, test, lambda *runs: rivals.lotaru(*runs)[0])
    return {OURS: local / np.exp(faster), LINED: np.sqrt(local * line) / np.exp(faster)}


def _theirs(rows: Sequence[lotaru.Row], train: Ints, test: Ints, data: Path) -> dict[str, Floats]:
    line = _by_task(rows, train, test, lambda *runs: rivals.lotaru(*runs)[0])
    scaled = _by_task(
        rows, train, test, lambda *runs: np.full(len(runs[2]), rivals.lotaru(*runs)[1])
    )
    general, each = _factors(rows, test, data)
    return {
        "Lotaru-G": line * np.where(scaled > 0, general, 1.0),
        "Lotaru-A": line * np.where(scaled > 0, each, 1.0),
        "Online-M": _by_task(rows, train, test, rivals.online),
        "Naive": _by_task(rows, train, test, rivals.naive),
    }


def _factors(rows: Sequence[lotaru.Row], test: Ints, data: Path) -> tuple[Floats, Floats]:
    """Factors G and A of each row."""
    scores, seconds = lotaru.benchmarks(data), lotaru.timed(data)
    here = scores[HERE]
    general = {
        name: float(np.mean([here[0] / each[0], here[1] / each[1]]))
        for name, each in scores.items()
    }
    tasks = {name: rivals.factors_of_tasks(seconds[name], seconds[HERE]) for name in ELSEWHERE}
    machines = [str(rows[i].record.worker) for i in test]
    kinds = [rows[i].record.kind for i in test]
    own = [
        1.0 if machine == HERE else tasks[machine].get(kind, tasks[machine][""])
        for machine, kind in zip(machines, kinds, strict=True)
    ]
    return np.array([general[machine] for machine in machines]), np.array(own)


def _by_task(
    rows: Sequence[lotaru.Row],
    train: Ints,
    test: Ints,
    rival: Callable[[Floats, Floats, Floats], Floats],
) -> Floats:
    """What a rival, fitted for each task on its own, says of the test rows."""
    kind = np.array([row.record.kind for row in rows])
    size = np.array([row.record.sizes[SIZE] for row in rows])
    seconds = np.array([row.record.duration for row in rows], dtype=float)
    said = np.empty(len(test))
    for each in np.unique(kind[test]):
        known, asked = train[kind[train] == each], kind[test] == each
        said[asked] = rival(size[known], seconds[known], size[test[asked]])
    return said


def _row(said: Floats, rows: Sequence[lotaru.Row], test: Ints) -> dict[str, float]:
    """The median relative error: on the local machine, elsewhere, and on each machine there."""
    seconds = np.array([rows[i].record.duration for i in test], dtype=float)
    machine = np.array([rows[i].record.worker for i in test])
    off = np.abs(said - seconds) / seconds
    found = {"local": off[machine == HERE], "elsewhere": off[machine != HERE]}
    found |= {name: off[machine == name] for name in ELSEWHERE}
    return {name: float(np.median(each)) for name, each in found.items()}


def _goals(ours: Mapping[str, float]) -> tuple[Goal, ...]:
    asked = {"local": 0.050, "elsewhere": 0.120}
    return tuple(
        Goal(
            f"local runs: median relative error, {name}",
            f"<= {goal:g}",
            f"{ours[name]:.3f}",
            ours[name] <= goal,
        )
        for name, goal in asked.items()
    )
