"""The whole network: embeddings, sharing, and a head for each target."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import learner.networks as files
from learner.features import Columns, Inputs
from learner.networks.base import Shape, Sharing
from learner.networks.blocks import Head, NumberEmbedding, squash
from learner.targets import targets
from scheduler.discover import implementations, named

WIDTHS = {"kind": 16, "worker": 8, "workflow": 4}
RANK = 4


class Rows(NamedTuple):
    """Rows as tensors; shapes as in `Inputs`."""

    kind: Tensor
    worker: Tensor
    workflow: Tensor
    numbers: Tensor
    missing: Tensor

    @classmethod
    def of(cls, inputs: Inputs) -> "Rows":
        """Inputs as tensors, numbers in single precision."""
        places = (torch.from_numpy(p) for p in (inputs.kind, inputs.worker, inputs.workflow))
        numbers = (torch.from_numpy(n).float() for n in (inputs.numbers, inputs.missing))
        return cls(*places, *numbers)

    def take(self, rows: Tensor) -> "Rows":
        """Some of the rows."""
        return Rows(*(each[rows] for each in self))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is needed to build a network again: which sharing, how large, over which names."""

    sharing: str
    kinds: int
    workers: int
    workflows: int
    numbers: int
    targets: Mapping[str, int]
    shape: Shape = field(default_factory=Shape)

    @classmethod
    def over(cls, columns: Columns, sharing: str, shape: Shape) -> "Plan":
        """The plan of a network over these columns that predicts every target."""
        return cls(
            sharing=sharing,
            kinds=len(columns.kinds),
            workers=len(columns.workers),
            workflows=len(columns.workflows),
            numbers=len(columns.numbers),
            targets={name: target.outputs for name, target in targets().items()},
            shape=shape,
        )

    def as_plain(self) -> dict[str, Any]:
        """JSON values from which `from_plain` makes the same plan."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Plan":
        """The plan that `as_plain` wrote."""
        return cls(**(dict(plain) | {"shape": Shape(**plain["shape"])}))


class Network(nn.Module):
    """Rows in, the raw outputs of each target's head out.

    The median of the duration also gets a low-rank term, kind . worker: which worker is good at
    which kind, learned from few numbers.

    Shape: Rows of n in; by target: n x outputs out.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        names = {"kind": plan.kinds, "worker": plan.workers, "workflow": plan.workflows}
        self.names = nn.ModuleDict({n: nn.Embedding(names[n], WIDTHS[n]) for n in names})
        self.numbers = NumberEmbedding(plan.numbers)
        inputs = sum(WIDTHS.values()) + self.numbers.outputs + plan.numbers
        self.sharing: Sharing = sharings()[plan.sharing](inputs, tuple(plan.targets), plan.shape)
        self.heads = nn.ModuleList([Head(plan.shape.width, n) for n in plan.targets.values()])
        self.likes, self.skills = nn.Embedding(plan.kinds, RANK), nn.Embedding(plan.workers, RANK)
        for embedding in (*self.names.children(), self.likes, self.skills):
            for weight in embedding.parameters():
                nn.init.normal_(weight, std=0.1)

    def forward(self, rows: Rows) -> dict[str, Tensor]:
        shared = self.sharing(self.embed(rows))
        said = {t: head(shared[t]) for t, head in zip(self.plan.targets, self.heads, strict=True)}
        if "duration" in said:
            match = (self.likes(rows.kind) * self.skills(rows.worker)).sum(-1, keepdim=True)
            middle = torch.zeros(said["duration"].shape[-1])
            middle[len(middle) // 2] = 1
            said["duration"] = said["duration"] + match * middle
        return said

    def embed(self, rows: Rows) -> Tensor:
        """Rows as the experts and gates read them."""
        names = [self.names[name](getattr(rows, name)) for name in self.names]
        return torch.cat([*names, self.numbers(squash(rows.numbers)), rows.missing], dim=-1)

    def gates(self, rows: Rows) -> dict[str, Tensor]:
        """The weight of each expert for each target: n x experts."""
        return self.sharing.gates(self.embed(rows))

    def penalty(self, rows: Rows) -> Tensor:
        """What the sharing adds to the loss."""
        return self.sharing.penalty(self.embed(rows))


def sharings() -> dict[str, type[Sharing]]:
    """Every sharing that the files of this folder define, by file name."""
    return implementations(files, Sharing)  # type: ignore[type-abstract]


def sharing_named(name: str) -> type[Sharing]:
    """The sharing of that name; NotFound with the names that exist."""
    return named(name, sharings(), "sharing")
