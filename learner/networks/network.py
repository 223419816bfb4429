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
from learner.targets import target_named, targets
from scheduler.discover import implementations, named

WIDTHS = {"kind": 16, "workflow": 4}
RANK = 8


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


class Pairs(NamedTuple):
    """The raw outputs of one target for tasks x workers, in two parts.

    Shape: outputs: n x outputs, the same on every worker; match: n x m, what each worker adds to
    the middle output.
    """

    outputs: Tensor
    match: Tensor


class Network(nn.Module):
    """Two towers: what a task takes, and how each worker differs.

    The task's tower embeds a row without its worker, shares experts between targets, and ends in a
    head for each target: outputs, and RANK numbers that say what matters about the worker. The
    worker's tower answers with RANK numbers and a level for each target; their product is added to
    the middle output. So tasks x workers cost two towers and one matrix product.

    Shape: Rows of n in; by target: n x outputs out. With `choices`, c x w places of workers, the
    last c rows are pieces of work that those workers might do: then targets that see attempts
    answer for the others, (n - c) x outputs, and those that see choices c x w x outputs.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.chooses = tuple(target_named(name).sees == "choices" for name in plan.targets)
        names = {"kind": plan.kinds, "workflow": plan.workflows}
        self.names = nn.ModuleDict({n: nn.Embedding(names[n], WIDTHS[n]) for n in names})
        self.numbers = NumberEmbedding(plan.numbers)
        inputs = sum(WIDTHS.values()) + self.numbers.outputs + plan.numbers
        self.sharing: Sharing = sharings()[plan.sharing](inputs, tuple(plan.targets), plan.shape)
        self.heads = nn.ModuleList(
            [Head(plan.shape.width, n + RANK) for n in plan.targets.values()]
        )
        self.skills = nn.Embedding(plan.workers, len(plan.targets) * (RANK + 1))
        for embedding in (*self.names.children(), self.skills):
            for weight in embedding.parameters():
                nn.init.normal_(weight, std=0.1)

    def forward(self, rows: Rows, choices: Tensor | None = None) -> dict[str, Tensor]:
        works = 0 if choices is None else len(choices)
        attempts = len(rows.kind) - works
        skills = self._skills(rows.worker[:attempts, None])
        others = skills[:0] if choices is None else self._skills(choices)
        said = {}
        for i, (target, (outputs, wanted)) in enumerate(self.tasks(rows).items()):
            chooses = choices is not None and self.chooses[i]
            part, skill = (slice(attempts, None), others) if chooses else (slice(attempts), skills)
            match = (wanted[part, None] * skill[:, :, i, :-1]).sum(-1) + skill[:, :, i, -1]
            whole = outputs[part, None] + match[..., None] * middle(outputs)
            said[target] = whole if chooses else whole[:, 0]
        return said

    def pairs(self, tasks: Rows, workers: Tensor) -> dict[str, Pairs]:
        """Every task on every worker, whatever workers the rows name.

        Shape: tasks: Rows of n; workers: m places in the vocabulary.
        """
        skills = self._skills(workers)
        return {
            target: Pairs(outputs, wanted @ skills[:, i, :-1].T + skills[:, i, -1])
            for i, (target, (outputs, wanted)) in enumerate(self.tasks(tasks).items())
        }

    def tasks(self, rows: Rows) -> dict[str, tuple[Tensor, Tensor]]:
        """By target: the outputs, n x outputs, and what matters about the worker, n x RANK."""
        shared = self.sharing(self.embed(rows))
        heads = zip(self.plan.targets.items(), self.heads, strict=True)
        said = {target: (head(shared[target]), outputs) for (target, outputs), head in heads}
        return {
            target: (raw[:, :outputs], raw[:, outputs:]) for target, (raw, outputs) in said.items()
        }

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

    def _skills(self, workers: Tensor) -> Tensor:
        """How workers differ: their shape x targets x (RANK + 1)."""
        skills: Tensor = self.skills(workers)
        return skills.view(*workers.shape, len(self.plan.targets), RANK + 1)


def middle(outputs: Tensor) -> Tensor:
    """One at the middle output, zero at the others."""
    found = outputs.new_zeros(outputs.shape[-1])
    found[len(found) // 2] = 1
    return found


def sharings() -> dict[str, type[Sharing]]:
    """Every sharing that the files of this folder define, by file name."""
    return implementations(files, Sharing)  # type: ignore[type-abstract]


def sharing_named(name: str) -> type[Sharing]:
    """The sharing of that name; NotFound with the names that exist."""
    return named(name, sharings(), "sharing")
