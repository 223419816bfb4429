"""How good a learned network is on rows it never saw, beside the naive baseline."""

from collections.abc import Mapping

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

from learner.choices import choices_of
from learner.examples import Examples
from learner.learned import Learned
from learner.targets import targets
from learner.targets.base import Scores
from learner.targets.quantities import Quantity
from scheduler.cluster import Worker
from scheduler.predictors.history import HistoryPredictor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def evaluate(
    learned: Learned,
    examples: Examples,
    rows: Ints | None = None,
    *,
    naive: "Naive | None" = None,
) -> dict[str, Scores]:
    """Scores by target on the test rows (or those given).

    The baseline has the same training rows: medians and rates per kind and worker, whatever the
    sizes. Choices count only where the same work was truly observed on two workers or more.
    """
    rows = examples.split.test if rows is None else rows
    predicted = learned.predict(examples.inputs.take(rows))
    naive = naive or Naive.of(examples)
    scores = {}
    for name, target in targets().items():
        if target.sees == "choices":
            scores[name] = _score_choices(learned, examples, rows, naive)
        else:
            truth = examples.truth[name][rows]
            scores[name] = target.score(predicted[name], truth, naive.told(name, examples, rows))
    return scores


class Naive:
    """The baseline: what history alone would say of the same rows."""

    def __init__(self, history: HistoryPredictor) -> None:
        self.history = history

    @classmethod
    def of(cls, examples: Examples) -> "Naive":
        """The baseline that knows the training rows."""
        return cls(HistoryPredictor.learn(examples.part(examples.split.train)))

    def told(self, target: str, examples: Examples, rows: Ints) -> Floats:
        """Log quantiles of a quantity, or the risk of failing, for each row."""
        names = [(record.kind, record.worker) for record in examples.part(rows)]
        if isinstance(targets()[target], Quantity):
            known = {pair: np.log(self._quantiles(target, *pair)) for pair in set(names)}
        else:
            known = {pair: np.array(self.history.risk(*pair)) for pair in set(names)}
        return np.array([known[pair] for pair in names])

    def preference(self, kind: str, worker: str) -> float:
        """The score of a worker: less expected cost, more score."""
        seconds = self._quantiles("duration", kind, worker)[1]
        return float(-np.log(seconds / (1 - self.history.risk(kind, worker))))

    def _quantiles(self, quantity: str, kind: str, worker: str | None) -> Floats:
        place = None if worker is None else Worker(name=worker, cores=1, memory=1)
        return self.history.quantiles(kind, place, quantity)


def _score_choices(learned: Learned, examples: Examples, rows: Ints, naive: Naive) -> Scores:
    choices = choices_of(examples, rows, learned.offsets, rng=default_rng(0))
    told = learned.predict(choices.pairs())["assignment"].reshape(choices.cost.shape)
    baseline = np.full(choices.cost.shape, -np.inf)
    for i, names in enumerate(choices.names):
        kind = learned.columns.kinds[choices.inputs.kind[i]]
        baseline[i, : len(names)] = [naive.preference(kind, name) for name in names]
    return targets()["assignment"].score(told, choices.observed_costs(), baseline)


def relative_error(scores: Mapping[str, Scores]) -> dict[str, float]:
    """Each target's error as a share of the baseline's, where rows can tell."""
    shares = {}
    for name, each in scores.items():
        error, baseline = each["error"], each["baseline_error"]
        if error is not None and baseline:
            shares[name] = error / baseline
    return shares
