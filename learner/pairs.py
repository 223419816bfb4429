"""What is believed of every task on every worker, in one pass.

A task's tower, its quantiles' steps and its bends are computed once; workers add a product and a
level. The same as `Learned.predict` row by row; of many tasks to half a percent.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from learner.arms.network import NetworkArm
from learner.calibration import Calibration
from learner.features import UNKNOWN, Inputs
from learner.learned import LARGEST, Learned
from learner.networks.network import Rows
from learner.offsets.offsets import burden
from learner.offsets.pairs import offset_pairs
from learner.targets import targets
from learner.targets.quantities import MIDDLE, Quantity
from scheduler.forecast import QUANTILES
from scheduler.predictors.affinity import TEMPERATURE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CHUNK = 4096  # tasks in one pass, to bound memory
FARTHEST = 300.0  # logarithms within which a median stays until its quantiles are told


@dataclass(frozen=True, eq=False)
class Told:
    """Beliefs about n tasks on m workers.

    Shape: quantities: by name, n x m x quantiles, natural units; failure: n x m logits;
    assignment: n x m scores; gates: by target, n x experts.
    """

    quantities: Mapping[str, Floats]
    failure: Floats
    assignment: Floats
    gates: Mapping[str, Floats]

    def part(self, rows: slice) -> "Told":
        """Views of some tasks."""
        return Told(
            {name: each[rows] for name, each in self.quantities.items()},
            self.failure[rows],
            self.assignment[rows],
            {name: each[rows] for name, each in self.gates.items()},
        )


def predict_pairs(learned: Learned, tasks: Inputs, workers: Ints, *, threads: int = 1) -> Told:
    """Every task on each of the workers, places in the vocabulary; `threads` share the tasks."""
    told = _empty(learned, len(tasks), len(workers))
    starts = range(0, len(tasks), CHUNK)
    if len(starts) <= 1:
        _tell(learned, tasks, workers, told)
        return told

    def tell(start: int) -> None:
        part = slice(start, start + CHUNK)
        _tell(learned, tasks.take(part), workers, told.part(part))

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(tell, starts):
            pass
    return told


def _empty(learned: Learned, tasks: int, workers: int) -> Told:
    quantities = [name for name, each in targets().items() if isinstance(each, Quantity)]
    own = [name for name, arm in learned.serves.items() if arm == NetworkArm.name]
    experts = len(learned.network.sharing.experts)
    return Told(
        {name: np.empty((tasks, workers, len(QUANTILES))) for name in quantities},
        np.empty((tasks, workers)),
        np.empty((tasks, workers)),
        {name: np.empty((tasks, experts)) for name in own},
    )


def _tell(learned: Learned, tasks: Inputs, workers: Ints, told: Told) -> None:
    """Fills in what is believed of these tasks."""
    raw = _raw(learned, tasks, workers)
    under = offset_pairs(learned.offsets.ridges, tasks, workers)
    for name, found in told.quantities.items():
        _quantiles(learned, name, raw[name], under[name], tasks, workers, found)
    risk = learned.offsets.risk
    known = risk[tasks.kind, UNKNOWN]
    cost = under["duration"] + np.log(burden(risk))[tasks.kind[:, None], workers]
    odds = np.broadcast_to(np.log(known / (1 - known))[:, None], cost.shape)
    told.failure[:] = _read("failure", raw, odds)
    told.assignment[:] = _read("assignment", raw, cost / -TEMPERATURE)
    for name, gates in learned.gates(tasks).items():
        told.gates[name][:] = gates


def _read(name: str, raw: Mapping[str, "_Raw"], under: Floats) -> Floats:
    said = np.broadcast_to(raw[name].middle, under.shape)[..., None]
    told = targets()[name].read(torch.tensor(said), torch.tensor(under))
    return np.asarray(told.numpy())


@dataclass(frozen=True, eq=False)
class _Raw:
    """What a head says: the middle output, n x m or n x 1, and all outputs, n x outputs (x m)."""

    middle: Floats
    outputs: Floats


def _raw(learned: Learned, tasks: Inputs, workers: Ints) -> dict[str, _Raw]:
    found: dict[str, _Raw] = {}
    serves = learned.serves
    if NetworkArm.name in serves.values():
        with torch.inference_mode():
            said = learned.network.pairs(Rows.of(tasks), torch.from_numpy(workers))
        for name, (outputs, match) in said.items():
            middle = outputs[:, outputs.shape[1] // 2, None] + match
            found[name] = _Raw(middle.double().numpy(), outputs.double().numpy())
    for arm in set(learned.arms.values()):
        names = [name for name, each in learned.arms.items() if each is arm]
        for name, each in arm.pairs(tasks, workers, names).items():
            found[name] = _by_worker(each)
    return {name: found[name] for name in serves}


def _by_worker(said: Floats) -> _Raw:
    middle = said[..., said.shape[-1] // 2]
    return _Raw(middle, said[:, 0] if said.shape[1] == 1 else said)


def _quantiles(
    learned: Learned,
    name: str,
    raw: _Raw,
    under: Floats,
    tasks: Inputs,
    workers: Ints,
    told: Floats,
) -> None:
    """Natural units: the median of each pair, times how far its quantiles lie from it."""
    scale, target = learned.offsets.scale(name), targets()[name]
    assert isinstance(target, Quantity)
    median = raw.middle * scale + under
    np.exp(np.clip(median, -FARTHEST, FARTHEST, out=median), out=median)
    zero = torch.zeros(raw.outputs.shape[:-1], dtype=torch.float64)
    steps = target.read(torch.from_numpy(raw.outputs), zero).numpy()
    far = (steps - steps[..., [MIDDLE]]) * scale
    far = far if far.ndim == 3 else far[:, None]
    of_task, of_worker = _moves(learned.calibration, name, tasks, workers)
    far = np.exp(far + of_task[:, None])  # n x 1 x quantiles, or n x m where an arm tells apart
    told[..., MIDDLE] = median
    for i in (*reversed(range(MIDDLE)), *range(MIDDLE + 1, told.shape[-1])):
        bound, inner = (np.minimum, i + 1) if i < MIDDLE else (np.maximum, i - 1)
        times = far[..., i] * of_worker[:, i]
        np.multiply(bound(times, 1.0, out=times), median, out=told[..., i])
        if inner != MIDDLE:
            bound(told[..., i], told[..., inner], out=told[..., i])
    np.clip(told, target.floor, LARGEST, out=told)


def _moves(
    calibration: Calibration, name: str, tasks: Inputs, workers: Ints
) -> tuple[Floats, Floats]:
    """How quantiles are corrected: logarithms by task, n x quantiles, and factors by worker."""
    nothing = np.zeros((1, len(QUANTILES)))
    by_kind, by_worker = calibration.shifts.get(name), calibration.workers.get(name)
    of_task = nothing if by_kind is None else by_kind[tasks.kind]
    of_worker = nothing if by_worker is None else by_worker[workers]
    return of_task, np.exp(of_worker)
