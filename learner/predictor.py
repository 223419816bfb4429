"""The network as a predictor: every task on every worker in one pass."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from learner.adaptation import Adaptation, met_since
from learner.features import UNKNOWN, Inputs
from learner.learned import Learned
from learner.registry import Registry
from learner.stand_ins import pace, stand_in
from scheduler.cluster import Cluster
from scheduler.forecast import QUANTITIES, Forecast
from scheduler.predictors.affinity import TEMPERATURE, able_workers, from_scores
from scheduler.predictors.base import Predictor
from scheduler.store import Store
from scheduler.workflow import Workflow

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SUREST = 0.999


class NetworkPredictor(Predictor):
    """Forecasts with a learned network; `source` names the version in each forecast.

    A worker that no log knows is believed to be like the known worker of the cluster whose
    benchmark scores are nearest, and as much faster as they say. Without scores, durations are
    those of an unknown worker divided by its speed. Workers and kinds that logs came to know after
    the training, as `met` tells, are forecast from what they did.
    """

    def __init__(self, learned: Learned, source: str, met: Adaptation | None = None) -> None:
        self.learned, self.source, self.met = learned, source, met or Adaptation(learned)

    def predict(self, workflow: Workflow, cluster: Cluster) -> Forecast:
        """Quantiles, risk, affinity and gate weights of all pairs."""
        inputs = self.learned.columns.encode_pairs(workflow, cluster)
        pairs = (len(workflow), len(cluster))
        places, paces = self._strangers(workflow, cluster)
        inputs, faster = inputs.on(np.tile(places, pairs[0])), paces.ravel()
        workers = [worker.name for worker in cluster.workers] * pairs[0]
        kinds = [task.kind for task in workflow.tasks for _ in range(pairs[1])]
        told = self.learned.predict(inputs)
        told = self.met.moved(told, inputs, kinds=kinds, workers=workers)
        faster = faster * (1 - self.met.decides(inputs, workers))
        told["duration"] = told["duration"] - faster[:, None]
        told["assignment"] = told["assignment"] + faster / TEMPERATURE
        quantities = {name: np.exp(told[name]).reshape(*pairs, -1) for name in QUANTITIES}
        risk = 1 / (1 + np.exp(-told["failure"].reshape(pairs)))
        scores = told["assignment"].reshape(pairs)
        return Forecast(
            tasks=tuple(workflow.index),
            workers=tuple(cluster.index),
            duration=quantities["duration"],
            memory=quantities["memory"],
            cpu=quantities["cpu"],
            failure=np.clip(risk, 0.0, SUREST),
            affinity=from_scores(scores, able_workers(workflow, cluster)),
            source=self.source,
            gates=self._gates(inputs, pairs),
            experts=self.learned.network.sharing.experts,
        )

    def _strangers(self, workflow: Workflow, cluster: Cluster) -> tuple[Ints, Floats]:
        """The worker as which each worker is forecast, and how much faster it is in logarithms.

        Shape: places in the vocabulary: m; logarithms: n x m, zero for workers that logs know.
        """
        place = {name: i for i, name in enumerate(self.learned.columns.workers) if name}
        known = [worker for worker in cluster.workers if worker.name in place]
        kinds = {name: i for i, name in enumerate({task.kind for task in workflow.tasks})}
        row = [kinds[task.kind] for task in workflow.tasks]
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
        return places, paces[row]

    def _gates(self, inputs: Inputs, pairs: tuple[int, int]) -> Mapping[str, Floats]:
        gates = self.learned.gates(inputs)
        return {name: weights.reshape(*pairs, -1) for name, weights in gates.items()}


def load(store: Store, name: str = "champion") -> NetworkPredictor:
    """The predictor of a version, by id or alias.

    Raises NotFound where there is none, CorruptVersion where its files are not what was saved.
    """
    version = store.version(name)
    learned = Registry(store.folder).load(version)
    return NetworkPredictor(learned, version.id, met_since(learned, store))


def champion(store: Store) -> Predictor | None:
    """The champion's predictor; None as long as nothing was promoted."""
    return load(store) if "champion" in store.aliases() else None
