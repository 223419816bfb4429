"""The network as an arm: all its targets are learned together."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from learner.arms.base import Arm, Arrays, Floats
from learner.examples import Examples
from learner.features import Inputs
from learner.methods import method_named
from learner.methods.base import Scene, Steering
from learner.networks.network import Network, Plan, Rows
from learner.offsets import Offsets
from learner.targets import target_named
from learner.training.fit import Fitted, fit
from learner.training.lesson import Lesson, lessons_of, measured_along
from learner.training.settings import TrainingSettings

if TYPE_CHECKING:
    from learner.learned import Learned

CHUNK = 16_384  # rows in one pass, to bound memory
Learn = Callable[[Plan, Mapping[str, Lesson], TrainingSettings, Sequence[Steering]], Fitted]


class NetworkArm(Arm):
    """A trained network, and for how many epochs it was trained."""

    name = "network"

    def __init__(self, network: Network, epochs: int = 1) -> None:
        self.network, self.epochs = network.eval(), epochs

    @classmethod
    def fit(
        cls,
        examples: Examples,
        offsets: Offsets,
        settings: TrainingSettings,
        *,
        learn: Learn = fit,
        like: Self | None = None,
        champion: "Learned | None" = None,
    ) -> Self:
        """Trains on the training rows until the validation rows say that it is enough.

        With `like`, for as many epochs as were best for that one. `learn` is the loop. Methods may
        begin with what the `champion` knows.
        """
        plan = Plan.over(examples.columns, settings.sharing, settings.shape)
        along = measured_along(examples) if settings.auxiliary else {}
        wide = {name: target_named(name).outputs for name in along}
        plan = replace(plan, targets={**plan.targets, **wide})
        lessons = lessons_of(examples, offsets, seed=settings.seed, along=along)
        scene = Scene(plan, examples, offsets, lessons, settings, champion)
        asked = [method_named(*each) for each in settings.methods.items()]
        for method in asked:
            scene = method.prepared(scene)
        if like is not None:
            as_long = replace(scene.settings, epochs=like.epochs, patience=like.epochs)
            scene = replace(scene, settings=as_long)
        steering = [method.steering(scene) for method in asked]
        found = learn(plan, scene.lessons, scene.settings, steering)
        network = Network(plan)
        own = network.state_dict().keys()  # methods may have had others learn beside it
        network.load_state_dict({name: found.weights[name] for name in own})
        return cls(network, found.epoch + 1 if like is None else like.epochs)

    def raw(self, inputs: Inputs, targets: Collection[str]) -> dict[str, Floats]:
        """What the heads say."""
        with torch.inference_mode():
            parts = [self.network(Rows.of(each)) for each in _chunks(inputs)]
        return _joined(parts, targets)

    def gates(self, inputs: Inputs, targets: Collection[str]) -> dict[str, Floats]:
        """The weight of each expert: by target, n x experts."""
        with torch.inference_mode():
            parts = [self.network.gates(Rows.of(each)) for each in _chunks(inputs)]
        return _joined(parts, targets)

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """The weights, and the plan as text in bytes."""
        plain = {"plan": self.network.plan.as_plain(), "epochs": self.epochs}
        text = json.dumps(plain).encode()
        weights = {name: each.numpy() for name, each in self.network.state_dict().items()}
        return {**weights, "": np.frombuffer(text, dtype=np.uint8)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The arm that `as_arrays` wrote."""
        plain = json.loads(arrays[""].tobytes())
        network = Network(Plan.from_plain(plain["plan"]))
        weights = {name: torch.from_numpy(each) for name, each in arrays.items() if name}
        network.load_state_dict(weights)
        return cls(network, plain["epochs"])


def _chunks(inputs: Inputs) -> list[Inputs]:
    starts = range(0, max(len(inputs), 1), CHUNK)
    return [inputs.take(slice(start, start + CHUNK)) for start in starts]


def _joined(parts: list[dict[str, torch.Tensor]], targets: Collection[str]) -> dict[str, Floats]:
    return {
        name: torch.cat([part[name] for part in parts]).double().numpy()
        for name in parts[0]
        if name in targets
    }
