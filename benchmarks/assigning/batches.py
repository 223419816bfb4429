"""Lotaru batches: tasks larger than any learned from, listed on unlike machines.

Learned from the two down-scaled inputs on all machines; 100 batches of 200 of the full-size tasks
that were measured on three of them, one slot a machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.assigning.lists import Batches, told
from benchmarks.base import Goal, Part
from benchmarks.predicting.ours import learned
from benchmarks.public import lotaru
from benchmarks.rivals import batches_simple as rivals
from benchmarks.rivals.pilot_work import work_of
from learner.examples import Examples, Split
from learner.offsets import Offsets
from learner.stand_ins import pace, stand_in
from learner.training.settings import TrainingSettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MACHINES = ("local", "asok01", "c2")
NEVER = ("c2", "asok01")  # left out of learning, one at a time
BATCHES, LONG, SEEDS, CHECKED = 100, 200, 5, 0.15
OFFSET, NETWORK = "batches: offset", "batches: network on offset"


def part(data: Path, quick: bool) -> Part:
    """All arms on the same batches; quick leaves the network out."""
    rows = lotaru.read(data)
    train = np.array([i for i, row in enumerate(rows) if row.label != "test"])
    cells = full_size(rows)
    seconds = np.array([row.record.duration for row in rows], dtype=float)
    rng = np.random.default_rng(0)
    batches = Batches(
        seconds[cells], [rng.choice(len(cells), LONG) for _ in range(BATCHES)], np.arange(3)
    )
    found = {name: _row(each, batches, cells) for name, each in _ours(rows, train, quick).items()}
    never = {name: _row(_unmeasured(data, rows, train, name), batches, cells) for name in NEVER}
    peers = _peers(data, rows, train)
    named = {f"batches: offset, {name} never measured": each for name, each in never.items()}
    return Part(
        ours=found | named,
        peers={f"batches: {n}": _row(each, batches, cells) for n, each in peers.items()},
        goals=_goals(found[OFFSET], max(each["mean"] for each in never.values())),
    )


def full_size(rows: Sequence[lotaru.Row]) -> Ints:
    """The full-size tasks measured on all three machines, by kind and input size: tasks x 3."""
    cells: dict[tuple[str, float, str], dict[str, int]] = {}
    for i, row in enumerate(rows):
        if row.label == "test":
            size = row.record.sizes["workflowinputsize"]
            key = (row.record.kind, size, row.group)
            cells.setdefault(key, {})[str(row.record.worker)] = i
    whole = [cells[key] for key in sorted(cells) if cells[key].keys() >= set(MACHINES)]
    return np.array([[cell[machine] for machine in MACHINES] for cell in whole])


def _ours(rows: Sequence[lotaru.Row], train: Ints, quick: bool) -> dict[str, list[Floats]]:
    """The product's offset on all training rows; its network needs some of them to stop."""
    records = [row.record for row in rows]
    held = np.setdiff1d(np.arange(len(rows)), train)
    examples = Examples.of(records, split=Split(train, held, held))
    ours = {OFFSET: [Offsets.fit(examples).ridges["duration"].at(examples.inputs)]}
    if not quick:
        ours[NETWORK] = [
            learned(records, _checked(rows, train, seed), TrainingSettings(seed=seed)).network[
                "duration"
            ]
            for seed in range(SEEDS)
        ]
    return ours


def _checked(rows: Sequence[lotaru.Row], train: Ints, seed: int) -> Split:
    """A share of the training inputs, drawn by the seed, to stop by."""
    groups = np.array([rows[i].group for i in train])
    names = np.unique(groups)
    drawn = np.random.default_rng(seed).permutation(names)[: int(CHECKED * len(names))]
    held = np.isin(groups, drawn)
    return Split(train[~held], train[held], np.setdiff1d(np.arange(len(rows)), train))


def _unmeasured(data: Path, rows: Sequence[lotaru.Row], train: Ints, machine: str) -> list[Floats]:
    """The offset learned without a machine, which then stands on its benchmark scores alone."""
    records = [row.record for row in rows]
    known = np.array([i for i in train if records[i].worker != machine])
    held = np.setdiff1d(np.arange(len(rows)), known)
    workers = lotaru.workers(data, {str(record.worker) for record in records})
    other = stand_in(workers.pop(machine), list(workers.values()), ())
    if other is None:
        raise AssertionError(f"No machine has scores to compare with those of {machine}.")
    faster = pace(lotaru.workers(data, {machine})[machine], other, "", ())
    acting = [
        replace(record, worker=other.name) if record.worker == machine else record
        for record in records
    ]
    examples = Examples.of(acting, split=Split(known, held, held))
    said = Offsets.fit(examples).ridges["duration"].at(examples.inputs)
    new = np.array([record.worker == machine for record in records])
    return [said - faster * new]


def _peers(data: Path, rows: Sequence[lotaru.Row], train: Ints) -> dict[str, list[Floats]]:
    work = work_of(rows).only(["duration"])
    scores = lotaru.workers(data, {str(row.record.worker) for row in rows})
    cpu = np.array([scores[str(row.record.worker)].scores["cpu"] for row in rows])
    trees, power = rivals.trees(work, train), rivals.power_law(work, train)
    return {
        "all tasks equal": [rivals.nothing(work)],
        "mean of the kind over cpu_score": [rivals.scored(work, train, cpu)],
        "mean per kind and machine": [rivals.mean_of_pair(work, train)],
        "ridge per kind, log-log": [rivals.ridge(work, train)],
        "LightGBM": [trees],
        "power law + start-up cost": [power],
        "mean of logs: LightGBM, power law": [(trees + power) / 2],
    }


def _row(said: Sequence[Floats], batches: Batches, cells: Ints) -> dict[str, Any]:
    """Means over seeds of what is told of each."""
    told_of = [_one(np.exp(each[cells]), batches) for each in said]
    return {name: float(np.mean([each[name] for each in told_of])) for name in told_of[0]}


def _one(predicted: Floats, batches: Batches) -> dict[str, float]:
    off = np.log(predicted / batches.times)
    beside = np.abs(np.expm1(off - off.mean(1, keepdims=True)))
    errors = {
        "MdAPE": float(np.median(np.abs(np.expm1(off)))),
        "error of relative speeds": float(np.median(beside)),
    }
    return told(batches.regret(predicted)) | errors


def _goals(ours: Mapping[str, float], never: float) -> tuple[Goal, ...]:
    asked = (
        ("batches: makespan / oracle, mean", ours["mean"], 1.025),
        ("batches: makespan / oracle, p90", ours["p90"], 1.05),
        ("batches: MdAPE", ours["MdAPE"], 0.08),
        ("batches: machine never measured, mean of the worse", never, 1.10),
    )
    return tuple(Goal(n, f"<= {goal:g}", f"{v:.3f}", v <= goal) for n, v, goal in asked)
