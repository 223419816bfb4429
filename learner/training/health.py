"""What an epoch tells of itself: losses, gates, and how targets agree."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from learner.targets import targets
from scheduler.store.values import Metric

UNUSED = 0.01  # an expert that has no more weight in any row is dead


def gates(by_target: Mapping[str, Tensor], experts: Sequence[str]) -> dict[tuple[str, str], float]:
    """The normalised entropy of each gate, the mean weight of each expert, how many are dead."""
    found = {}
    for target, weights in by_target.items():
        if len(experts) > 1 and len(weights):
            entropy = -(weights * weights.clamp_min(1e-12).log()).sum(-1).mean()
            found[target, "gate_entropy"] = float(entropy) / math.log(len(experts))
            found[target, "dead_experts"] = float((weights.amax(0) < UNUSED).float().mean())
    return found | loads(by_target, experts)


def loads(
    by_target: Mapping[str, Tensor], experts: Sequence[str], *, name: str = "expert_load"
) -> dict[tuple[str, str], float]:
    """The gate mix of each target: the mean weight that its gate gives each expert."""
    return {
        (target, f"{name}.{expert}"): load
        for target, weights in by_target.items()
        if len(experts) > 1 and len(weights)
        for expert, load in zip(experts, weights.mean(0).tolist(), strict=True)
    }


def agreement(names: Sequence[str], cosine: Tensor) -> dict[tuple[str, str], float]:
    """The cosine of each pair of targets whose gradients are not zero."""
    pairs = ((i, j) for i in range(len(names)) for j in range(i + 1, len(names)))
    return {
        (names[i], f"cosine.{names[j]}"): float(cosine[i, j])
        for i, j in pairs
        if not torch.isnan(cosine[i, j])
    }


def forecast(by_target: Mapping[str, float]) -> float:
    """The sum over targets that are forecast: auxiliary ones do not choose the epoch."""
    return sum(loss for name, loss in by_target.items() if name in targets())


def delta_m(checked: Mapping[str, float], first: Mapping[str, float]) -> float:
    """The mean over the targets that are forecast of `1 - loss / first loss` (Maninis, Radosavovic
    and Kokkinos 2019, eq. 5, against the first epoch): above zero is better than then."""
    told = [n for n in checked if n in targets() and first[n] > 0]
    return sum(1 - checked[n] / first[n] for n in told) / max(len(told), 1)


def metrics(
    epoch: int,
    trained: Mapping[str, float],
    checked: Mapping[str, float],
    first: Mapping[str, float],
    health: Mapping[tuple[str, str], float],
) -> list[Metric]:
    """All numbers of an epoch, as the store keeps them; `first` are the first validation losses."""
    told = [Metric(epoch, "all", "loss", forecast(trained))]
    told += [Metric(epoch, "all", "validation_loss", forecast(checked))]
    told += [Metric(epoch, "all", "delta_m", delta_m(checked, first))]
    told += [Metric(epoch, name, "loss", loss) for name, loss in trained.items()]
    told += [Metric(epoch, name, "validation_loss", loss) for name, loss in checked.items()]
    return told + [Metric(epoch, target, name, v) for (target, name), v in health.items()]
