"""The risk that an attempt fails by itself."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from learner.targets.base import AttemptTarget, Floats, Scores
from scheduler.predictors.history import failed
from scheduler.records import TaskRecord

SUREST = 9.0  # the largest logit: a risk of 0.0001


class Failure(AttemptTarget):
    """Whether an attempt fails: the logit of its probability, learned by cross-entropy.

    Cancelled and lost attempts are masked: they say nothing about the task on its worker.
    """

    name = "failure"
    outputs = 1

    def truth(self, record: TaskRecord) -> float:
        """1 for failed, out of memory and timed out; 0 for succeeded."""
        verdict = failed(record)
        return math.nan if verdict is None else float(verdict)

    def read(self, raw: Tensor, offset: Tensor) -> Tensor:
        """The logit of failing, rows; no history is long enough to be surer than SUREST."""
        return SUREST * torch.tanh((raw[..., 0] + offset) / SUREST)

    def loss(
        self,
        predicted: Tensor,
        truth: Tensor,
        at_least: Tensor | None = None,  # noqa: ARG002  an attempt fails or not
    ) -> Tensor:
        """The cross-entropy, in nats."""
        seen = self.observed(truth)
        known = torch.where(seen, truth, 0.0)
        cost = binary_cross_entropy_with_logits(predicted, known, reduction="none")
        return torch.where(seen, cost, torch.zeros_like(cost))

    def observed(self, truth: Tensor) -> Tensor:
        """Where the attempt ended by itself."""
        return ~torch.isnan(truth)

    def score(self, predicted: Floats, truth: Floats, baseline: Floats) -> Scores:
        """The Brier score as `error`, and the area under the ROC curve."""
        seen = ~np.isnan(truth)
        if not seen.any():
            return {"error": None, "baseline_error": None, "rows": 0}
        risk = 1 / (1 + np.exp(-predicted[seen]))
        return {
            "error": float(((risk - truth[seen]) ** 2).mean()),
            "baseline_error": float(((baseline[seen] - truth[seen]) ** 2).mean()),
            "auc": area_under_curve(risk, truth[seen]),
            "baseline_auc": area_under_curve(baseline[seen], truth[seen]),
            "failures": int(truth[seen].sum()),
            "rows": int(seen.sum()),
        }


def area_under_curve(risk: Floats, truth: Floats) -> float | None:
    """How often a failed attempt was held riskier than a good one, ties counting half.

    None when all ended alike (Mann-Whitney's U over the number of pairs).
    """
    bad, good = risk[truth == 1], np.sort(risk[truth == 0])
    if not len(bad) or not len(good):
        return None
    below = np.searchsorted(good, bad, side="left")
    not_above = np.searchsorted(good, bad, side="right")
    return float((below + not_above).mean() / 2 / len(good))
