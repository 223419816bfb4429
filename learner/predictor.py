"""The network as a predictor: every task on every worker in one pass."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from learner.features import UNKNOWN, Inputs
from learner.learned import Learned
from learner.registry import Registry
from scheduler.cluster import Cluster
from scheduler.forecast import QUANTITIES, Forecast
from scheduler.predictors.affinity import TEMPERATURE, able_workers, from_scores
from scheduler.predictors.base import Predictor
from scheduler.store import Store
from scheduler.workflow import Workflow

Floats = NDArray[np.float64]
SUREST = 0.999


class NetworkPredictor(Predictor):
    """Forecasts with a learned network; `source` names the version in each forecast.

    On a worker that no log knows, durations are those of an unknown worker divided by its speed.
    """

    def __init__(self, learned: Learned, source: str) -> None:
        self.learned, self.source = learned, source

    def predict(self, workflow: Workflow, cluster: Cluster) -> Forecast:
        """Quantiles, risk, affinity and gate weights of all pairs."""
        inputs = self.learned.columns.encode_pairs(workflow, cluster)
        pairs = (len(workflow), len(cluster))
        told = self.learned.predict(inputs)
        pace = self._pace(inputs, cluster, pairs)
        told["duration"] = told["duration"] - pace[:, None]
        told["assignment"] = told["assignment"] + pace / TEMPERATURE
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

    def _pace(self, inputs: Inputs, cluster: Cluster, pairs: tuple[int, int]) -> Floats:
        """The logarithm of each row's speed where its worker is unknown, zero elsewhere."""
        speed = np.log([worker.speed for worker in cluster.workers])
        known = inputs.worker != UNKNOWN
        return np.where(known, 0.0, np.tile(speed, pairs[0]))

    def _gates(self, inputs: Inputs, pairs: tuple[int, int]) -> Mapping[str, Floats]:
        gates = self.learned.gates(inputs)
        return {name: weights.reshape(*pairs, -1) for name, weights in gates.items()}


def load(store: Store, name: str = "champion") -> NetworkPredictor:
    """The predictor of a version, by id or alias.

    Raises NotFound where there is none, CorruptVersion where its files are not what was saved.
    """
    version = store.version(name)
    return NetworkPredictor(Registry(store.folder).load(version), version.id)


def champion(store: Store) -> Predictor | None:
    """The champion's predictor; None as long as nothing was promoted."""
    return load(store) if "champion" in store.aliases() else None
