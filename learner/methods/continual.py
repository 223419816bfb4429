"""New kinds without forgetting old ones: replay, and distillation from the champion."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from learner.features import UNKNOWN
from learner.methods.base import Method, Scene
from learner.methods.champions import Begun, champion_of, started, translated, units, worker_places
from learner.methods.teaching import Said, distances_above, heads_of, relative, standing
from learner.networks.network import Network
from learner.training.lesson import Batch, Lesson
from scheduler.errors import InvalidInput
from scheduler.numbers import finite

if TYPE_CHECKING:
    from learner.features import Columns
    from learner.learned import Learned


@dataclass(frozen=True)
class Continual(Method):
    """Goes on from the champion with the kinds that it does not know, and a `memory` of the others.

    The memory is the share of the rows of known kinds that is looked at again (experience replay);
    all others of known kinds are left out, which is what makes it cheaper than a retraining. Where
    no kind is new, every row is. `weight` is how much it counts to still say what the champion said
    of known kinds: of the rows in memory (dark experience replay, Buzzega and others 2020, eq. 6),
    and of each new row as if it were of a known kind (learning without forgetting, Li and Hoiem
    2017, eq. 2).
    """

    from_champion: ClassVar[bool] = True
    memory: float = 0.1
    weight: float = 1.0

    def __post_init__(self) -> None:
        finite(self.weight, "weight", InvalidInput)
        finite(self.memory, "memory", InvalidInput)
        if not 0 <= self.memory <= 1 or self.weight < 0:
            raise InvalidInput(
                "The options of continual are a memory in 0..1 and a weight not below 0, found "
                f"{self.memory!r} and {self.weight!r}."
            )

    def prepared(self, scene: Scene) -> Scene:
        """The same with fewer training rows; the seed says which are in memory."""
        champion = champion_of(scene, "continual")
        lesson, columns = scene.lessons["train"], scene.examples.columns
        known = _known(champion.columns, columns)
        drawn = torch.Generator().manual_seed(scene.settings.seed)
        rows, works = (self._kept(known[each.kind], drawn) for each in lesson.rows)
        return replace(scene, lessons={**scene.lessons, "train": lesson.take(rows, works)})

    def _kept(self, known: Tensor, drawn: torch.Generator) -> Tensor:
        """The places of the new rows, and of as many of the known ones as memory holds."""
        if known.all():
            return torch.arange(len(known))
        in_memory = torch.rand(len(known), generator=drawn) < self.memory
        return (~known | in_memory).nonzero()[:, 0]

    def steering(self, scene: Scene) -> "Remembering":
        """The champion's weights, and what it says of the rows."""
        champion = champion_of(scene, "continual")
        lesson, columns = scene.lessons["train"], scene.examples.columns
        drawn = torch.Generator().manual_seed(scene.settings.seed)
        asked = _as_known(lesson, champion.columns, columns, drawn)
        heads = heads_of(champion.network, _seen_by(asked, champion, columns))
        told = dict.fromkeys(heads, (1.0, 0.0)) | units(champion, scene)
        said = {n: relative(n, each, told[n][0]) + told[n][1] for n, each in heads.items()}
        return Remembering(started(champion, scene), asked=asked, said=said, weight=self.weight)


class Remembering(Begun):
    """Begins where the champion is, and is held to what it said.

    Shape: said: by target, what the champion said of each row of `asked`, without an offset.
    """

    def __init__(
        self, weights: Mapping[str, Tensor], *, asked: Lesson, said: Said, weight: float
    ) -> None:
        super().__init__(weights)
        attempts, works = asked.rows
        self.kind, self.worker = {"attempts": attempts.kind, "choices": works.kind}, attempts.worker
        self.said, self.weight = dict(said), weight

    def losses(
        self, network: Network, batch: Batch, plain: Mapping[str, Tensor], progress: float
    ) -> Mapping[str, Tensor]:
        """The plain losses, and how far the network is from the champion."""
        del progress
        if not self.weight:
            return plain
        kinds = [standing(self.kind[sees], places) for sees, places in batch.places.items()]
        worker = batch.rows.worker.clone()
        worker[: batch.attempts] = standing(self.worker, batch.places["attempts"])
        said = network(batch.rows._replace(kind=torch.cat(kinds), worker=worker), batch.workers)
        off = distances_above(said, self.said, batch)
        return {n: each + self.weight * off[n] if n in off else each for n, each in plain.items()}


def _known(old: "Columns", new: "Columns") -> Tensor:
    """Which kinds of the new columns the champion knows."""
    return torch.tensor([name in old.kinds for name in new.kinds])


def _as_known(lesson: Lesson, old: "Columns", new: "Columns", drawn: torch.Generator) -> Lesson:
    """The lesson as if each row of a new kind were of a known one, drawn by chance."""
    known = _known(old, new)
    able = known.nonzero()[:, 0]
    able = able[able != UNKNOWN]
    if not len(able):
        return lesson
    rows = []
    for each in lesson.rows:
        chance = able[torch.randint(len(able), each.kind.shape, generator=drawn)]
        rows.append(each._replace(kind=torch.where(known[each.kind], each.kind, chance)))
    return replace(lesson, attempts=rows[0], works=rows[1])


def _seen_by(lesson: Lesson, champion: "Learned", columns: "Columns") -> Lesson:
    """The lesson in the names and columns of the champion."""
    attempts, works = (translated(each, columns, champion.columns) for each in lesson.rows)
    workers = worker_places(columns, champion.columns)[lesson.workers]
    return replace(lesson, attempts=attempts, works=works, workers=workers)
