"""The network as a predictor: every task on every worker in one pass."""

import os
from collections import deque
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from learner.adaptation import Adaptation, adapted, met_since
from learner.features import UNKNOWN, Inputs
from learner.history import TASK_COLUMNS, Past
from learner.learned import Learned
from learner.meta import taught
from learner.pairs import Told, predict_pairs
from learner.registry import Registry
from learner.stand_ins import pace, stand_in
from scheduler.cluster import Cluster
from scheduler.forecast import Forecast
from scheduler.predictors.affinity import TEMPERATURE, able_workers, from_scores
from scheduler.predictors.base import Predictor
from scheduler.store import Store
from scheduler.store.values import ModelVersion
from scheduler.workflow import Workflow

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SUREST = 0.999
NEWEST = 20_000  # attempts that make the past of tasks that wait


class NetworkPredictor(Predictor):
    """Forecasts with a learned network; `source` names the version in each forecast.

    A worker that no log knows is believed to be like the known worker of the cluster whose
    benchmark scores are nearest, and as much faster as they say. Without scores, durations are
    those of an unknown worker divided by its speed. Workers and kinds that logs came to know after
    the training, as `met` tells, are forecast from what they did. Kinds that nobody met borrow from
    those whose names read alike.
    """

    def __init__(
        self,
        learned: Learned,
        source: str,
        met: Adaptation | None = None,
        *,
        past: Past | None = None,
        threads: int = 1,
    ) -> None:
        self.learned, self.source, self.met = learned, source, met or Adaptation(learned)
        self.past, self.threads = past, threads

    def predict(self, workflow: Workflow, cluster: Cluster) -> Forecast:
        """Quantiles, risk, affinity and gate weights of all pairs."""
        tasks = self.learned.columns.encode_tasks(workflow, past=self.past)
        places, paces = self._strangers(workflow, cluster)
        told = predict_pairs(self.learned, tasks, places, threads=self.threads)
        quantities, scores = self._borrowed(workflow, tasks, places, told)
        if self.met.news:
            moves, paces = self._moves(tasks, places, workflow, cluster, paces=paces)
            scores = scores - moves.get("duration", 0.0) / TEMPERATURE
            for name, move in moves.items():
                quantities[name] = quantities[name] * np.exp(move)[..., None]
        if paces.any():
            quantities["duration"] = quantities["duration"] * np.exp(-paces)[..., None]
            scores = scores + paces / TEMPERATURE
        risk = 1 / (1 + np.exp(-told.failure))
        return Forecast(
            tasks=tuple(workflow.index),
            workers=tuple(cluster.index),
            duration=quantities["duration"],
            memory=quantities["memory"],
            cpu=quantities["cpu"],
            failure=np.clip(risk, 0.0, SUREST),
            affinity=from_scores(scores, able_workers(workflow, cluster)),
            source=self.source,
            gates={name: _on_all(each, len(cluster)) for name, each in told.gates.items()},
            experts=self.learned.network.sharing.experts,
        )

    def _borrowed(
        self, workflow: Workflow, tasks: Inputs, places: Ints, told: Told
    ) -> tuple[dict[str, Floats], Floats]:
        """Quantities and scores, those of kinds that nobody met borrowed from kinds alike."""
        quantities, scores = dict(told.quantities), told.assignment
        unknown = np.flatnonzero(tasks.kind == UNKNOWN).tolist()
        if self.learned.neighbours is None or not unknown:
            return quantities, scores
        met = {kind for each in self.met.kinds.values() for kind in each}
        new = [i for i in unknown if workflow.tasks[i].kind not in met]
        kinds = [workflow.tasks[i].kind for i in new]
        said = self.learned.neighbours.on_workers(
            kinds, tasks.take(np.array(new, dtype=np.int64)), places, self._in_logarithms
        )
        if "assignment" in said:
            scores[new] = said["assignment"]
        for name, each in quantities.items():
            if name in said:
                each[new] = np.exp(said[name])
        return quantities, scores

    def _in_logarithms(self, tasks: Inputs, places: Ints) -> dict[str, Floats]:
        """As `Learned.predict` tells them: n x m x quantiles, and the assignment n x m."""
        told = predict_pairs(self.learned, tasks, places, threads=self.threads)
        logs = {name: np.log(each) for name, each in told.quantities.items()}
        return {**logs, "assignment": told.assignment}

    def _moves(
        self,
        tasks: Inputs,
        places: Ints,
        workflow: Workflow,
        cluster: Cluster,
        *,
        paces: Floats,
    ) -> tuple[dict[str, Floats], Floats]:
        """What workers and kinds met since move, and what is left of the declared speeds."""
        pairs = (len(workflow), len(cluster))
        rows = tasks.take(np.repeat(np.arange(pairs[0]), pairs[1])).on(np.tile(places, pairs[0]))
        workers = [worker.name for worker in cluster.workers] * pairs[0]
        kinds = [task.kind for task in workflow.tasks for _ in range(pairs[1])]
        moves = {
            name: self.met.move(name, rows, kinds=kinds, workers=workers).reshape(pairs)
            for name in {**self.met.shift, **self.met.kinds}
        }
        return moves, paces * (1 - self.met.decides(rows, workers).reshape(pairs))

    def _strangers(self, workflow: Workflow, cluster: Cluster) -> tuple[Ints, Floats]:
        """The worker as which each worker is forecast, and how much faster it is in logarithms.

        Shape: places in the vocabulary: m; logarithms: n x m, zero for workers that logs
        know, or 1 x m where all are zero.
        """
        place = {name: i for i, name in enumerate(self.learned.columns.workers) if name}
        known = [worker for worker in cluster.workers if worker.name in place]
        kinds = {name: i for i, name in enumerate({task.kind for task in workflow.tasks})}
        places, paces = np.full(len(cluster), UNKNOWN), np.zeros((len(kinds), len(cluster)))
        for j, worker in enumerate(cluster.workers):
            if worker.name in place:
                places[j] = place[worker.name]
            elif worker.name in self.met.decided:
                paces[:, j] = np.log(worker.speed)
            elif (other := stand_in(worker, known, kinds)) is not None:
                places[j] = place[other.name]
                paces[:, j] = [pace(worker, other, kind, kinds) for kind in kinds]
            else:
                paces[:, j] = np.log(worker.speed)
        if not paces.any():
            return places, np.zeros((1, len(cluster)))
        return places, paces[[kinds[task.kind] for task in workflow.tasks]]


def _on_all(weights: Floats, workers: int) -> Floats:
    """The same gate on every worker, without copies: n x m x experts."""
    return np.broadcast_to(weights[:, None], (len(weights), workers, weights.shape[-1]))


def load(store: Store, name: str = "champion") -> NetworkPredictor:
    """The predictor of a version, by id or alias.

    Raises NotFound where there is none, CorruptVersion where its files are not what was saved.
    """
    version = store.version(name)
    learned = Registry(store.folder).load(version)
    reads = taught if "meta" in _methods(store, version) else adapted
    met, past = met_since(learned, store, reads), _past(learned, store)
    return NetworkPredictor(learned, version.id, met, past=past, threads=os.cpu_count() or 1)


def _methods(store: Store, version: ModelVersion) -> Collection[str]:
    """The further ways of learning that a version's training was asked for.

    They are in its own files: a training may be deleted, its version stays as it is.
    """
    methods: Mapping[str, object] = (
        Registry(store.folder).facts(version).get("settings", {}).get("methods", {})
    )
    return methods


def _past(learned: Learned, store: Store) -> Past | None:
    """What the newest records say of subjects and kinds; None where the network does not ask."""
    columns = learned.columns
    if not any(number.name in TASK_COLUMNS for number in columns.numbers if number.context):
        return None
    return Past.learn(deque(store.records(trusted=True), maxlen=NEWEST), usual=columns.usual)


def champion(store: Store) -> Predictor | None:
    """The champion's predictor; None as long as nothing was promoted."""
    return load(store) if "champion" in store.aliases() else None
