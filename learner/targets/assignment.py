"""Which worker is the right one: learned from what each would have cost, never from who was chosen.

`docs/decisions/assignment-target.md` says how, and why.
"""

from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from learner.targets.base import Floats, Scores, Target
from scheduler.predictors.affinity import TEMPERATURE


class Assignment(Target):
    """A score for each worker that might do a piece of work.

    The truth of a choice is the expected cost on each worker in seconds, NaN where it is unknown.
    Scores tell costs up to a factor: `cost ~ exp(-TEMPERATURE * score)`. The loss is the
    Kullback-Leibler divergence from the shares that workers have in the costs to the shares told,
    over TEMPERATURE squared, so that it is in units of scores. Like every Bregman divergence it is
    least at the expectation (Banerjee et al. 2005, proposition 1): where choices weigh as much as
    they are dear (`Choices.weight`), scores come to tell expected costs, and the best score is the
    least of them, not whoever is cheapest most of the time.
    """

    name = "assignment"
    outputs = 1
    sees: ClassVar[Literal["attempts", "choices"]] = "choices"

    def read(self, raw: Tensor, offset: Tensor) -> Tensor:
        """Scores: choices x workers."""
        return raw[..., 0] + offset

    def loss(
        self,
        predicted: Tensor,
        truth: Tensor,
        at_least: Tensor | None = None,  # noqa: ARG002  costs that are not known are not compared
    ) -> Tensor:
        """How far the shares told are from those in the costs; zero below two known costs."""
        known = ~torch.isnan(truth) & self.observed(truth)[..., None]
        wanted = _log_softmax(torch.log(torch.where(known, truth, 1.0)), known)
        told = _log_softmax(-TEMPERATURE * predicted, known)
        parts = torch.where(known, wanted.exp() * (wanted - told), torch.zeros_like(told))
        return parts.sum(-1) / TEMPERATURE**2

    def observed(self, truth: Tensor) -> Tensor:
        """Where at least two workers can be compared."""
        return (~torch.isnan(truth)).sum(-1) >= 2

    def score(self, predicted: Floats, truth: Floats, baseline: Floats) -> Scores:
        """Regret in seconds: the chosen worker's cost minus the best one's, among known costs.

        Shape: predicted (scores), truth (costs) and baseline (the naive scores): choices x workers.
        """
        compared = (~np.isnan(truth)).sum(1) >= 2
        if not compared.any():
            return {"error": None, "baseline_error": None, "regret": None, "rows": 0}
        cost = truth[compared]
        mine, naive = (regret(cost, scores[compared]) for scores in (predicted, baseline))
        anybody = np.nanmean(cost, axis=1) - np.nanmin(cost, axis=1)
        return {
            "error": float(mine.mean()),
            "baseline_error": float(naive.mean()),
            "regret": float(mine.mean()),
            "random_regret": float(anybody.mean()),
            "best_cost": float(np.nanmin(cost, axis=1).mean()),
            "best_chosen": float((mine <= 0).mean()),
            "rows": int(compared.sum()),
        }


def regret(cost: Floats, scores: Floats) -> Floats:
    """The cost of the worker with the highest score minus the least cost, for each choice."""
    choice = np.where(np.isnan(cost), -np.inf, scores).argmax(axis=1)
    chosen: Floats = np.take_along_axis(cost, choice[:, None], axis=1)[:, 0]
    lost: Floats = chosen - np.nanmin(cost, axis=1)
    return lost


def _log_softmax(scores: Tensor, known: Tensor) -> Tensor:
    shown = scores.masked_fill(~known, -1e9)
    return torch.log_softmax(shown, dim=-1)
