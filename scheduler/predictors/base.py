"""The seam for predictors: who turns a workflow and a cluster into a forecast."""

from abc import ABC, abstractmethod

from scheduler.cluster import Cluster
from scheduler.forecast import Forecast
from scheduler.workflow import Workflow


class Predictor(ABC):
    """Forecasts every task on every worker, also of kinds and on workers never seen."""

    @abstractmethod
    def predict(self, workflow: Workflow, cluster: Cluster) -> Forecast:
        """Quantiles, failure risk and affinity for each task on each worker."""
