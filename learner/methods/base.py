"""The seam for methods: what one adds to the plain training loop."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

if TYPE_CHECKING:
    from learner.examples import Examples
    from learner.learned import Learned
    from learner.networks.network import Network, Plan
    from learner.offsets import Offsets
    from learner.training.lesson import Batch, Lesson
    from learner.training.settings import TrainingSettings


@dataclass(frozen=True, eq=False)
class Scene:
    """What a training is about to begin with; `champion` is who serves now, where somebody does.

    `lessons` are `train` and `validation`, in the order of the rows of the examples' split.
    """

    plan: "Plan"
    examples: "Examples"
    offsets: "Offsets"
    lessons: Mapping[str, "Lesson"]
    settings: "TrainingSettings"
    champion: "Learned | None" = None


class Steering:
    """What one method does in the loop; each training worker has its own copy.

    It holds nothing that steps change, so that a training that was cut off goes on as it would
    have: what varies comes from the network and from `progress`, the share of steps done. It
    travels to the training workers and is part of what a checkpoint is about: `told` gives all
    that it depends on, as plain values and tensors.
    """

    def told(self) -> object:
        """All values that what it does depends on."""
        return (type(self).__name__, vars(self))

    def begin(self, network: "Network") -> None:
        """Before the first step: other weights to start from, parts that no longer learn."""

    def losses(
        self, network: "Network", batch: "Batch", plain: Mapping[str, Tensor], progress: float
    ) -> Mapping[str, Tensor]:
        """What is minimised instead of the plain losses, by target, with their graphs.

        Losses are this worker's share in the mean over the whole batch, as the plain ones are.
        """
        del network, batch, progress
        return plain


class Method(ABC):
    """One way of learning; a frozen dataclass whose fields are its options.

    `from_champion` says that it needs one. Fits that must not have seen some rows go without it.
    """

    from_champion: ClassVar[bool] = False

    def prepared(self, scene: Scene) -> Scene:
        """The scene with other lessons or settings, where it takes other rows or epochs to learn.

        Methods are asked one after the other, before the first of them steers.
        """
        return scene

    @abstractmethod
    def steering(self, scene: Scene) -> Steering:
        """What it does in this training; raises InvalidInput where it cannot be used there."""
