"""What a champion knows, in the names and columns of the network that is to learn."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from learner.features import ENTITIES, UNKNOWN
from learner.methods.base import Scene, Steering
from learner.methods.teaching import inputs_of
from learner.networks.network import RANK, WIDTHS, Network, Plan, Rows
from scheduler.errors import InvalidInput

if TYPE_CHECKING:
    from learner.features import Columns
    from learner.learned import Learned

AS_BEGUN = float("nan")  # a weight that no champion tells


def champion_of(scene: Scene, method: str) -> "Learned":
    """The champion, where its network is of the same make; else InvalidInput says why not."""
    champion = scene.champion
    if champion is None:
        raise InvalidInput(
            f"The method {method} begins with what the champion knows, and none serves yet; "
            "train once without it."
        )
    plan, columns = champion.network.plan, champion.columns
    theirs, ours = _make(plan), _make(scene.plan)
    if theirs != ours:
        raise InvalidInput(
            f"The method {method} needs a champion whose network is made like the new one, found "
            f"{theirs} beside {ours}; train with the champion's settings, or without the method."
        )
    sizes = len(columns.kinds), len(columns.workers), len(columns.workflows), len(columns.numbers)
    if sizes != (plan.kinds, plan.workers, plan.workflows, plan.numbers):
        raise InvalidInput(
            f"The method {method} needs a champion whose network knows its names, found one over "
            f"other names; train once without {method}."
        )
    return champion


def carried(champion: "Learned", plan: Plan, columns: "Columns") -> dict[str, Tensor]:
    """The champion's weights under new names; NaN where it says nothing.

    Kinds and workers that it did not know start as UNKNOWN does there, workflows as the mean of
    those it knew. New columns say nothing at first.
    """
    grown: dict[str, list[int]] = {}
    weights = {n: each.clone() for n, each in champion.network.state_dict().items()}
    known = weights["names.workflow.weight"]
    known[UNKNOWN] = known[1:].mean(0) if len(known) > 1 else known[UNKNOWN]
    for entity in ENTITIES:
        names = f"{entity}s"
        grown[names] = _places(getattr(champion.columns, names), getattr(columns, names))
    mine = _columns(champion.columns, columns)
    for what, known_places in grown.items():
        for name, dim in _grow(plan, what).items():
            weights[name] = weights[name].index_select(dim, torch.tensor(known_places))
    for name, dim in _grow(plan, "numbers").items():
        if name.startswith("sharing."):
            places = _inputs(mine, champion.network, weights[name].shape[dim])
            weights[name] = _taken(weights[name], dim, places, rest=0.0)
        else:
            weights[name] = _taken(weights[name], dim, mine, rest=AS_BEGUN)
    return weights


def units(champion: "Learned", scene: Scene) -> dict[str, tuple[float, float]]:
    """By quantity, how many of the new head's units one of the champion's is, and how far its
    offset lies above the new one, on the median of the training rows whose kind it knows."""
    columns, offsets, rows = scene.examples.columns, scene.offsets, scene.examples.split.train
    known = np.isin(columns.kinds, champion.columns.kinds)
    inputs = scene.examples.inputs.take(rows)
    inputs = inputs.take(known[inputs.kind])
    seen = inputs_of(translated(Rows.of(inputs), columns, champion.columns))
    found = {}
    for name in champion.offsets.ridges.keys() & offsets.ridges.keys():
        ratio = champion.offsets.scale(name) / offsets.scale(name)
        above = champion.offsets.under(name, seen) * ratio - offsets.under(name, inputs)
        found[name] = ratio, float(np.median(above)) if len(above) else 0.0
    return found


def started(champion: "Learned", scene: Scene) -> dict[str, Tensor]:
    """The champion's weights for the network of a scene: its names, its units, its offsets."""
    weights, told = carried(champion, scene.plan, scene.examples.columns), units(champion, scene)
    skills = weights["skills.weight"].view(-1, len(scene.plan.targets), RANK + 1)
    for i, (name, outputs) in enumerate(scene.plan.targets.items()):
        ratio, shift = told.get(name, (1.0, 0.0))
        middle = outputs // 2
        moved = [middle, *range(outputs, outputs + RANK)]  # the median, and what workers add to it
        for part in ("weight", "bias"):
            weights[f"heads.{i}.last.{part}"][moved] *= ratio
        weights[f"heads.{i}.last.bias"][middle] += shift
        skills[:, i, -1] *= ratio
    return weights


class Begun(Steering):
    """Weights to start from; `frozen` are those that all targets share, and the numbers' own."""

    def __init__(self, weights: Mapping[str, Tensor], *, frozen: bool = False) -> None:
        self.weights, self.frozen = dict(weights), frozen

    def begin(self, network: Network) -> None:
        """Puts the weights in place; what is NaN stays as it was drawn."""
        with torch.no_grad():
            for name, own in network.state_dict().items():
                given = self.weights.get(name, own)
                own.copy_(torch.where(torch.isnan(given), own, given))
        if self.frozen:
            for part in (network.sharing, network.numbers):
                part.requires_grad_(requires_grad=False)


def translated(rows: Rows, columns: "Columns", known: "Columns") -> Rows:
    """Rows in other columns: names that those do not know become UNKNOWN, numbers missing."""
    kind, worker, workflow = (
        torch.tensor(_places(getattr(known, f"{e}s"), getattr(columns, f"{e}s"))) for e in ENTITIES
    )
    numbers = rows.numbers.new_zeros((len(rows.kind), len(known.numbers)))
    missing = torch.ones_like(numbers)
    for i, j in enumerate(_columns(known, columns)):
        if j is not None:
            ours, theirs = columns.numbers[i], known.numbers[j]
            told = (rows.numbers[:, i] * ours.scale + ours.centre - theirs.centre) / theirs.scale
            missing[:, j] = rows.missing[:, i]
            numbers[:, j] = torch.where(rows.missing[:, i] > 0, 0.0, told)
    return Rows(kind[rows.kind], worker[rows.worker], workflow[rows.workflow], numbers, missing)


def worker_places(columns: "Columns", known: "Columns") -> Tensor:
    """Where each worker of the columns stands in others; UNKNOWN where it does not."""
    return torch.tensor(_places(known.workers, columns.workers))


def _make(plan: Plan) -> tuple[object, ...]:
    return plan.sharing, vars(plan.shape), dict(plan.targets)


def _places(known: Sequence[str], names: Sequence[str]) -> list[int]:
    place = {name: i for i, name in enumerate(known)}
    return [place.get(name, UNKNOWN) for name in names]


def _columns(known: "Columns", columns: "Columns") -> list[int | None]:
    place = {number.name: i for i, number in enumerate(known.numbers)}
    return [place.get(number.name) for number in columns.numbers]


def _grow(plan: Plan, what: str) -> Mapping[str, int]:
    """The weights that grow with the names or columns of a sort, and along which dimension."""
    larger = replace(plan, **{what: getattr(plan, what) + 1})
    one, two = _shapes(plan), _shapes(larger)
    return {
        name: next(
            i for i, pair in enumerate(zip(each, two[name], strict=True)) if len({*pair}) > 1
        )
        for name, each in one.items()
        if each != two[name]
    }


def _shapes(plan: Plan) -> dict[str, torch.Size]:
    with torch.device("meta"):  # nothing is allocated and nothing drawn
        return {name: each.shape for name, each in Network(plan).state_dict().items()}


def _inputs(columns: Sequence[int | None], network: Network, size: int) -> list[int | None]:
    """Where the inputs of the sharing stood in the champion: names, numbers, what is missing.

    A layer of this size may read more beside them, which stays in its order at the end.
    """
    first, count = sum(WIDTHS.values()), network.plan.numbers
    width = network.numbers.outputs // count
    embedded = [None if j is None else first + j * width + i for j in columns for i in range(width)]
    missing = [None if j is None else first + count * width + j for j in columns]
    return [*range(first), *embedded, *missing, *range(network.sharing.inputs, size)]


def _taken(weight: Tensor, dim: int, places: Sequence[int | None], *, rest: float) -> Tensor:
    """The weight at these places along a dimension, something else where there is no place."""
    found = weight.index_select(dim, torch.tensor([place or 0 for place in places]))
    for i, place in enumerate(places):
        if place is None:
            found.select(dim, i).fill_(rest)
    return found
