"""Duration, peak memory and cpu: quantiles of logs that cannot cross."""

import math
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from learner.targets.base import AttemptTarget, Floats, Scores
from scheduler.forecast import QUANTILES
from scheduler.records import Outcome, TaskRecord

MIDDLE = QUANTILES.index(0.5)


class Quantity(AttemptTarget):
    """A positive quantity, learned as its natural logarithm.

    A head gives the median and one step to each other quantile; a softplus keeps the steps from
    going back. The loss is the pinball loss (Koenker and Bassett 1978, eq. 1.6), masked where the
    attempt did not succeed: what a failed attempt took says little about a good one.

    Outside the sizes seen it may go on at most like `size ** growth`.
    """

    field: ClassVar[str]
    floor: ClassVar[float]
    growth: ClassVar[float] = 1.0
    outputs = len(QUANTILES)

    def truth(self, record: TaskRecord) -> float:
        """The logarithm of what a succeeded attempt took; zero counts as not observed."""
        value = getattr(record, self.field)
        if record.outcome is not Outcome.SUCCEEDED or not value:
            return math.nan
        return math.log(max(value, self.floor))

    def read(self, raw: Tensor, offset: Tensor) -> Tensor:
        """Quantiles, rising: rows x quantiles."""
        steps = softplus(raw)
        middle = raw[..., MIDDLE] + offset
        below = [steps[..., i:MIDDLE].sum(-1) for i in range(MIDDLE)]
        above = [steps[..., MIDDLE + 1 : i + 1].sum(-1) for i in range(MIDDLE + 1, self.outputs)]
        lower, upper = [middle - step for step in below], [middle + step for step in above]
        return torch.stack([*lower, middle, *upper], dim=-1)

    def loss(self, predicted: Tensor, truth: Tensor, at_least: Tensor | None = None) -> Tensor:
        """The mean pinball loss over the quantiles.

        A truth known only to exceed a bound costs `level * max(bound - prediction, 0)` (censored
        regression quantiles, Powell 1986): it pulls up to the bound, and never down.
        """
        seen = self.observed(truth)
        levels = predicted.new_tensor(QUANTILES)
        miss = torch.where(seen, truth, 0.0)[..., None] - predicted
        cost = torch.maximum(levels * miss, (levels - 1) * miss).mean(-1)
        cost = torch.where(seen, cost, torch.zeros_like(cost))
        if at_least is None:
            return cost
        cut = ~seen & ~torch.isnan(at_least)
        short = torch.where(cut, at_least, 0.0)[..., None] - predicted
        below = (levels * short.clamp_min(0.0)).mean(-1)
        return cost + torch.where(cut, below, torch.zeros_like(below))

    def observed(self, truth: Tensor) -> Tensor:
        """Where the quantity was measured."""
        return ~torch.isnan(truth)

    def score(self, predicted: Floats, truth: Floats, baseline: Floats) -> Scores:
        """Mean |log error| of the median, pinball loss, share inside the outer quantiles."""
        seen = ~np.isnan(truth)
        if not seen.any():
            return {"error": None, "baseline_error": None, "rows": 0}
        told, known, naive = predicted[seen], truth[seen], baseline[seen]
        inside = (known >= told[:, 0]) & (known <= told[:, -1])
        return {
            "error": float(np.abs(known - told[:, MIDDLE]).mean()),
            "baseline_error": float(np.abs(known - naive[:, MIDDLE]).mean()),
            "pinball": pinball(told, known),
            "baseline_pinball": pinball(naive, known),
            "coverage": float(inside.mean()),
            "below": float((known < told[:, 0]).mean()),
            "above": float((known > told[:, -1]).mean()),
            "rows": int(seen.sum()),
        }


class Duration(Quantity):
    """Seconds that a succeeded attempt runs."""

    name, field, floor = "duration", "duration", 1e-3

    def at_least(self, record: TaskRecord) -> float:
        """A timed-out attempt would have run longer than it was allowed to."""
        ran = record.duration or record.time_limit
        timed_out = record.outcome is Outcome.TIMED_OUT and ran
        return math.log(max(ran, self.floor)) if timed_out and ran else math.nan


class Memory(Quantity):
    """Bytes that a succeeded attempt holds at its peak."""

    name, field, floor = "memory", "peak_memory", 4096.0

    def at_least(self, record: TaskRecord) -> float:
        """An attempt that ran out of memory would have taken more than it had."""
        had = record.allocated_memory or record.peak_memory
        ran_out = record.outcome is Outcome.OUT_OF_MEMORY and had
        return math.log(max(had, self.floor)) if ran_out and had else math.nan


class Cpu(Quantity):
    """Cores that a succeeded attempt keeps busy on the average."""

    name, field, floor, growth = "cpu", "cpu", 1e-2, 0.0


class Transfer(Quantity):
    """Bytes that a succeeded attempt moves, under the first of its `names` that its log measures.

    Auxiliary: a forecast holds none, but what work reads and writes says how long it takes.
    """

    names: ClassVar[tuple[str, ...]]
    auxiliary = True

    def truth(self, record: TaskRecord) -> float:
        """The logarithm of the bytes; none counts as not observed."""
        found = [record.measured[name] for name in self.names if record.measured.get(name)]
        if record.outcome is not Outcome.SUCCEEDED or not found:
            return math.nan
        return math.log(max(found[0], self.floor))


class BytesRead(Transfer):
    """Bytes read, through the operating system rather than from the disk where both are known."""

    name, field, floor = "bytes_read", "measured", 1.0
    names = ("rchar", "bytes_read", "read_bytes")


class BytesWritten(Transfer):
    """Bytes written, through the operating system rather than to the disk."""

    name, field, floor = "bytes_written", "measured", 1.0
    names = ("wchar", "bytes_written", "written_bytes", "write_bytes")


def pinball(quantiles: Floats, truth: Floats) -> float:
    """The mean pinball loss of quantiles, n x q, against n truths."""
    levels = np.array(QUANTILES)
    miss = truth[:, None] - quantiles
    return float(np.maximum(levels * miss, (levels - 1) * miss).mean())
