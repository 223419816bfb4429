"""The forecast of somebody who only remembers: quantiles per kind and worker, no learning."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scheduler.cluster import Cluster, Worker
from scheduler.forecast import QUANTILES, Forecast
from scheduler.predictors.affinity import able_workers, from_cost
from scheduler.predictors.base import Predictor
from scheduler.records import Outcome, TaskRecord
from scheduler.workflow import Task, Workflow

Quantiles = NDArray[np.float64]
FAILURES = (Outcome.FAILED, Outcome.OUT_OF_MEMORY, Outcome.TIMED_OUT)
FIELDS = {"duration": "duration", "memory": "peak_memory", "cpu": "cpu"}
SMALLEST = {"duration": 1e-3, "memory": 1.0, "cpu": 1e-2}
PRIOR_RISK = 0.05  # how often an attempt fails, before anything was seen
PRIOR_WEIGHT = 4.0  # attempts that a prior counts for


@dataclass(frozen=True, eq=False)
class Belief:
    """What is remembered of a group of attempts: quantiles of what succeeded, and how often it did.

    A quantity never observed is missing from `quantities`.
    """

    quantities: Mapping[str, Quantiles]
    attempts: int = 0
    failures: int = 0

    def risk(self, prior: float) -> float:
        """The mean of the Beta posterior of failing, with `prior` as its mean before."""
        return (self.failures + PRIOR_WEIGHT * prior) / (self.attempts + PRIOR_WEIGHT)


NOTHING = Belief({})
DEFAULT = Belief(
    {
        "duration": np.array([10.0, 60.0, 600.0]),
        "memory": np.array([0.25, 1.0, 4.0]) * 2**30,
        "cpu": np.array([0.5, 1.0, 1.0]),
    }
)


@dataclass(frozen=True, eq=False)
class HistoryPredictor(Predictor):
    """Quantiles by kind and worker; else by kind, else of everything, else of `DEFAULT`.

    Durations of a kind on a worker where it never ran are those of the kind divided by the
    worker's speed. It is the fallback of every forecast, and the naive baseline of the learner.
    """

    pairs: Mapping[tuple[str, str | None], Belief] = field(default_factory=dict)
    kinds: Mapping[str, Belief] = field(default_factory=dict)
    overall: Belief = NOTHING

    @classmethod
    def learn(cls, records: Iterable[TaskRecord]) -> "HistoryPredictor":
        """Sums up the attempts that were observed."""
        kept = list(records)
        pairs, kinds = defaultdict(list), defaultdict(list)
        for record in kept:
            pairs[record.kind, record.worker].append(record)
            kinds[record.kind].append(record)
        return cls(
            pairs={key: _belief(group) for key, group in pairs.items()},
            kinds={key: _belief(group) for key, group in kinds.items()},
            overall=_belief(kept),
        )

    def predict(self, workflow: Workflow, cluster: Cluster) -> Forecast:
        """The same belief for all tasks of a kind on a worker, whatever their sizes."""
        kinds = {kind: i for i, kind in enumerate(dict.fromkeys(t.kind for t in workflow.tasks))}
        row = np.array([kinds[task.kind] for task in workflow.tasks])
        believed = {
            name: np.array(
                [[self.quantiles(kind, w, name) for w in cluster.workers] for kind in kinds]
            )
            for name in FIELDS
        }
        failure = np.array([[self.risk(kind, w.name) for w in cluster.workers] for kind in kinds])
        cost = believed["duration"][..., 1] / (1 - failure)
        return Forecast(
            tasks=tuple(workflow.index),
            workers=tuple(cluster.index),
            duration=believed["duration"][row],
            memory=_known_requests(believed["memory"][row], workflow.tasks, self.kinds),
            cpu=believed["cpu"][row],
            failure=failure[row],
            affinity=from_cost(cost[row], able_workers(workflow, cluster)),
        )

    def quantiles(self, kind: str, worker: Worker | None, quantity: str) -> Quantiles:
        """The quantiles of `duration`, `memory` or `cpu` of a kind on a worker; never crossing."""
        here = self.pairs.get((kind, worker.name if worker else None), NOTHING)
        if quantity in here.quantities:
            return here.quantities[quantity]
        levels = (self.kinds.get(kind, NOTHING), self.overall, DEFAULT)
        wider = next(each.quantities[quantity] for each in levels if quantity in each.quantities)
        return wider / worker.speed if worker and quantity == "duration" else wider

    def risk(self, kind: str, worker: str | None) -> float:
        """The probability that an attempt fails, each level shrunk to the wider one; below one."""
        overall = self.overall.risk(PRIOR_RISK)
        of_kind = self.kinds.get(kind, NOTHING).risk(overall)
        return min(self.pairs.get((kind, worker), NOTHING).risk(of_kind), 0.999)


def failed(record: TaskRecord) -> bool | None:
    """Whether the attempt failed by itself; None when it was cancelled or lost."""
    if record.outcome is Outcome.SUCCEEDED:
        return False
    return True if record.outcome in FAILURES else None


def _belief(group: Iterable[TaskRecord]) -> Belief:
    verdicts = [(record, failed(record)) for record in group]
    good = [record for record, verdict in verdicts if verdict is False]
    quantities = {}
    for quantity, name in FIELDS.items():
        seen = [value for record in good if (value := getattr(record, name)) is not None]
        if seen:
            quantities[quantity] = np.quantile(np.maximum(seen, SMALLEST[quantity]), QUANTILES)
    judged = [verdict for _, verdict in verdicts if verdict is not None]
    return Belief(quantities, attempts=len(judged), failures=sum(judged))


def _known_requests(
    memory: Quantiles, tasks: Iterable[Task], kinds: Mapping[str, Belief]
) -> Quantiles:
    """Where a kind was never measured, its memory is what the task's owner asks for."""
    asked = np.array([_asked(task, kinds) for task in tasks])
    return np.where(np.isnan(asked)[:, None, None], memory, asked[:, None, None])


def _asked(task: Task, kinds: Mapping[str, Belief]) -> float:
    measured = "memory" in kinds.get(task.kind, NOTHING).quantities
    return np.nan if measured or task.memory is None else float(task.memory)
