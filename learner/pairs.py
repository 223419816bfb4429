"""What is believed of every task on every worker, in one pass.

A task's tower, its quantiles' steps and its bends are computed once; workers add a product and a
level. The same as `Learned.predict` row by row; of many tasks to half a percent.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from learner.arms.network import NetworkArm
from learner.arms.offset import OffsetArm
from learner.calibration import Calibration
from learner.features import UNKNOWN, Inputs
from learner.learned import LARGEST, Learned
from learner.networks.network import Rows
from learner.offsets.offsets import burden
from learner.offsets.pairs import offset_pairs
from learner.targets import targets
from learner.targets.quantities import MIDDLE, Quantity
from scheduler.predictors.affinity import TEMPERATURE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CHUNK = 8192  # tasks in one pass, to bound memory


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


def predict_pairs(learned: Learned, tasks: Inputs, workers: Ints, *, threads: int = 1) -> Told:
    """Every task on each of the workers, places in the vocabulary; `threads` share the tasks."""
    starts = range(0, max(len(tasks), 1), CHUNK)
    chunks = [tasks.take(slice(start, start + CHUNK)) for start in starts]
    if len(chunks) == 1:
        return _told(learned, chunks[0], workers)
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(lambda chunk: _told(learned, chunk, workers), chunks))
    return _joined(parts)


def _told(learned: Learned, tasks: Inputs, workers: Ints) -> Told:
    raw = _raw(learned, tasks, workers)
    under = offset_pairs(learned.offsets.ridges, tasks, workers)
    quantities = {
        name: _quantiles(learned, name, raw[name], under[name], tasks, workers)
        for name, target in targets().items()
        if isinstance(target, Quantity)
    }
    risk = learned.offsets.risk
    known = risk[tasks.kind, UNKNOWN]
    cost = under["duration"] + np.log(burden(risk[tasks.kind[:, None], workers]))
    failure = _read("failure", raw, np.log(known / (1 - known))[:, None] + 0 * cost)
    scores = _read("assignment", raw, -cost / TEMPERATURE)
    return Told(quantities, failure, scores, learned.gates(tasks))


def _read(name: str, raw: Mapping[str, "_Raw"], under: Floats) -> Floats:
    said = np.broadcast_to(raw[name].middle, under.shape)[..., None]
    told = targets()[name].read(torch.tensor(said), torch.from_numpy(under))
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
        alone = isinstance(arm, OffsetArm)  # says the same on every worker
        rows = tasks if alone else _spread(tasks, workers)
        for name, each in arm.raw(rows, names).items():
            found[name] = _by_worker(each, 1 if alone else len(workers))
    return {name: found[name] for name in serves}


def _spread(tasks: Inputs, workers: Ints) -> Inputs:
    every = tasks.take(np.repeat(np.arange(len(tasks)), len(workers)))
    return every.on(np.tile(workers, len(tasks)))


def _by_worker(said: Floats, workers: int) -> _Raw:
    outputs = said.reshape(-1, workers, said.shape[-1])
    middle = outputs[..., said.shape[-1] // 2]
    return _Raw(middle, outputs[:, 0] if workers == 1 else outputs)


def _quantiles(
    learned: Learned, name: str, raw: _Raw, under: Floats, tasks: Inputs, workers: Ints
) -> Floats:
    """Natural units: the median of each pair, times how far its quantiles lie from it."""
    scale, target = learned.offsets.scale(name), targets()[name]
    assert isinstance(target, Quantity)
    median = np.exp(np.clip(raw.middle * scale + under, np.log(target.floor), np.log(LARGEST)))
    zero = torch.zeros(raw.outputs.shape[:-1], dtype=torch.float64)
    steps = target.read(torch.from_numpy(raw.outputs), zero).numpy()
    far = (steps - steps[..., [MIDDLE]]) * scale
    far = far if far.ndim == 3 else far[:, None]
    far = far + _moves(learned.calibration, name, tasks, workers)
    far[..., :MIDDLE] = np.minimum(far[..., :MIDDLE], 0.0)
    far[..., MIDDLE + 1 :] = np.maximum(far[..., MIDDLE + 1 :], 0.0)
    far[..., MIDDLE] = 0.0
    told = median[..., None] * np.exp(np.sort(far, axis=-1))
    return np.asarray(np.clip(told, target.floor, LARGEST, out=told))


def _moves(calibration: Calibration, name: str, tasks: Inputs, workers: Ints) -> Floats:
    """How far each pair's quantiles are corrected: n x m x quantiles, or n x 1 x quantiles."""
    if name not in calibration.shifts:
        return np.zeros((len(tasks), 1, 1))
    moves = calibration.shifts[name][tasks.kind][:, None]
    if name in calibration.workers:
        moves = moves + calibration.workers[name][workers]
    return moves


def _joined(parts: Sequence[Told]) -> Told:
    def both(*each: Mapping[str, Floats]) -> dict[str, Floats]:
        return {name: np.concatenate([part[name] for part in each]) for name in each[0]}

    return Told(
        both(*(part.quantities for part in parts)),
        np.concatenate([part.failure for part in parts]),
        np.concatenate([part.assignment for part in parts]),
        both(*(part.gates for part in parts)),
    )
