"""Many teachers into one student: knowledge distillation with teacher annealing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from learner.arms.base import Arm
from learner.arms.boosted import BoostedArm, installed
from learner.methods.base import Method, Scene, Steering
from learner.methods.teaching import (
    Said,
    distances,
    heads_of,
    inputs_of,
    pairs_of,
    read,
    standing,
)
from learner.networks.network import Network
from learner.targets import target_named
from learner.training.fit import fit
from learner.training.lesson import Batch, Lesson
from learner.training.settings import TrainingSettings
from scheduler.errors import InvalidInput
from scheduler.numbers import finite

APART = 7_919  # between the seeds of two teachers


@dataclass(frozen=True)
class Distillation(Method):
    """One network learns from many teachers, and less and less from them.

    Born-again multi-task networks (Clark and others 2019, eq. 2-3): the loss is `share * truth +
    (1 - share) * teacher`, and the share rises from 0 to 1 over the training. Teachers are an
    ensemble of `networks` like the student, with `single` 1 a network whose targets share nothing,
    and with `trees` 1 LightGBM on the offset, where it is installed; what they say on the mean is
    taught, the networks of the ensemble counting as one.
    """

    networks: float = 4
    single: float = 1
    trees: float = 1

    def __post_init__(self) -> None:
        finite(self.networks, "networks", InvalidInput)
        if self.networks < 0 or self.networks != int(self.networks):
            raise InvalidInput(
                f"The option networks of distillation is a whole number, found {self.networks!r}."
            )
        for name in ("single", "trees"):
            if getattr(self, name) not in (0, 1):
                raise InvalidInput(
                    f"The option {name} of distillation is 0 or 1, found {getattr(self, name)!r}."
                )
        if not self.networks + self.single + self.trees:
            raise InvalidInput("Distillation needs a teacher; leave one of its options above 0.")

    def steering(self, scene: Scene) -> Steering:
        """Trains the teachers in this process, and keeps what they say of the lesson."""
        return Annealed(Faculty.of(scene, self).told(scene.lessons["train"])["all"])


@dataclass(frozen=True, eq=False)
class Faculty:
    """Those who teach: networks that are asked together, and the others by name."""

    networks: Sequence[Network]
    single: Network | None
    trees: Arm | None

    @classmethod
    def of(cls, scene: Scene, asked: Distillation) -> "Faculty":
        """Fits all teachers on the lessons of the scene, none of them with a method."""
        plain = replace(scene.settings, methods={})
        own = [
            replace(plain, seed=(plain.seed + APART * (i + 1)) % 2**32)
            for i in range(int(asked.networks))
        ]
        trees = None
        if asked.trees and installed():
            seed, threads = plain.seed, plain.threads
            trees = BoostedArm.fit(scene.examples, scene.offsets, seed=seed, threads=threads)
        alone = _trained(scene, replace(plain, sharing="separate")) if asked.single else None
        if not own and alone is None and trees is None:
            raise InvalidInput(
                "Distillation was told to learn from LightGBM alone, which is not installed; "
                "install it with: pip install 'allot[boosted]', or ask for networks."
            )
        return cls([_trained(scene, each) for each in own], alone, trees)

    def told(self, lesson: Lesson) -> dict[str, Said]:
        """What each teacher says of a lesson, read, and the mean of `all` of them.

        The networks' mean counts as one teacher.
        """
        found: dict[str, Said] = {}
        if self.networks:
            every = [read(heads_of(each, lesson), lesson) for each in self.networks]
            found["networks"] = _mean(every)
        if self.single is not None:
            found["single"] = read(heads_of(self.single, lesson), lesson)
        if self.trees is not None:
            found["trees"] = read(_asked(self.trees, lesson), lesson)
        found["all"] = _mean(list(found.values()))
        return found


class Annealed(Steering):
    """Less and less of the teacher, more and more of the truth.

    Shape: taught: by target, what the teacher says of each row of the lesson, read.
    """

    def __init__(self, taught: Mapping[str, Tensor]) -> None:
        self.taught = dict(taught)

    def losses(
        self, network: Network, batch: Batch, plain: Mapping[str, Tensor], progress: float
    ) -> Mapping[str, Tensor]:
        """The truth's share of the loss is the share of the steps that are done."""
        said = network(batch.rows, batch.workers)
        told = {
            name: standing(each, batch.places[target_named(name).sees])
            for name, each in self.taught.items()
        }
        off = distances(said, told, batch)
        return {
            name: progress * each + (1 - progress) * off[name] if name in off else each
            for name, each in plain.items()
        }


def _trained(scene: Scene, settings: TrainingSettings) -> Network:
    plan = replace(scene.plan, sharing=settings.sharing)
    network = Network(plan)
    network.load_state_dict(dict(fit(plan, scene.lessons, settings).weights))
    return network


def _asked(arm: Arm, lesson: Lesson) -> dict[str, Tensor]:
    """What an arm that is no network says of a lesson, as heads would."""
    names = {sees: list(_seeing(lesson, sees)) for sees in ("attempts", "choices")}
    attempts = arm.raw(inputs_of(lesson.attempts), names["attempts"])
    pairs = arm.raw(pairs_of(lesson), names["choices"])
    shaped = {n: each.reshape(*lesson.workers.shape, -1) for n, each in pairs.items()}
    return {n: torch.from_numpy(each).float() for n, each in (attempts | shaped).items()}


def _seeing(lesson: Lesson, sees: str) -> Iterator[str]:
    """Targets that are forecast: arms know no others."""
    for name in lesson.truth:
        target = target_named(name)
        if target.sees == sees and not target.auxiliary:
            yield name


def _mean(told: Sequence[Said]) -> dict[str, Tensor]:
    """The mean, by target, over those who speak of it."""
    names = dict.fromkeys(name for each in told for name in each)
    return {n: torch.stack([each[n] for each in told if n in each]).mean(0) for n in names}
