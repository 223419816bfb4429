"""A network that stands on no offset: for quantities of which few labels are known.

What an offset leaves over holds no level that a scarce target could borrow from those that are
known in full; without one, shared experts carry it over.
"""

import json
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from learner.arms.base import Arm, Arrays, Floats, head_of
from learner.examples import Examples
from learner.features import Inputs
from learner.networks.base import Shape
from learner.networks.network import Network, Plan, Rows
from learner.offsets import Offsets
from learner.offsets.level import levels
from learner.targets import target_named, targets
from learner.targets.quantities import MIDDLE, Quantity
from learner.training.fit import fit
from learner.training.lesson import lessons_of, measured_along
from learner.training.settings import TrainingSettings

SCARCE = 0.2  # the share of rows with a label, of those of the fullest quantity, that is scarce
SHAPE = Shape(experts=4, width=64)  # it has the sizes to learn as well
CHUNK = 16_384  # rows in one pass, to bound memory


class ScratchArm(Arm):
    """A network over plain levels; `offsets` are those under the other arms.

    It speaks for quantities; other targets stay with the offset. `epochs` is for how many it was
    trained; it is not written down.
    """

    name = "scratch"

    def __init__(
        self, network: Network, level: Offsets, offsets: Offsets, *, epochs: int = 1
    ) -> None:
        self.network, self.level, self.offsets = network.eval(), level, offsets
        self.epochs = epochs

    @classmethod
    def fit(
        cls,
        examples: Examples,
        offsets: Offsets,
        settings: TrainingSettings,
        *,
        like: Self | None = None,
    ) -> Self:
        """Trains on the training rows, with all that logs measure beside, until the validation
        rows say that it is enough; with `like`, for as many epochs as were best for that one."""
        if like is not None:
            settings = replace(settings, epochs=like.epochs, patience=like.epochs)
        along = measured_along(examples)
        level = levels(examples, offsets, along=along)
        lessons = lessons_of(examples, level, seed=settings.seed, along=along)
        wide = {name: target_named(name).outputs for name in along}
        plan = Plan.over(examples.columns, settings.sharing, SHAPE)
        plan = replace(plan, targets={**plan.targets, **wide})
        network = Network(plan)
        found = fit(plan, lessons, settings)
        network.load_state_dict(dict(found.weights))
        epochs = found.epoch + 1 if like is None else like.epochs
        return cls(network, level, offsets, epochs=epochs)

    def raw(self, inputs: Inputs, targets: Collection[str]) -> dict[str, Floats]:
        """What it believes, as a head above the offset would say it."""
        starts = range(0, max(len(inputs), 1), CHUNK)
        with torch.inference_mode():
            parts = [self.network(Rows.of(inputs.take(slice(s, s + CHUNK)))) for s in starts]
        said = {name: torch.cat([part[name] for part in parts]).double() for name in targets}
        return {name: self._above(name, each, inputs) for name, each in said.items()}

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """The weights, the plan as text in bytes, the levels, and the offsets above them."""
        text = json.dumps(self.network.plan.as_plain()).encode()
        weights = {f"weights/{n}": t.numpy() for n, t in self.network.state_dict().items()}
        level = {f"level/{n}": np.asarray(a) for n, a in self.level.as_arrays().items()}
        offsets = {f"offsets/{n}": np.asarray(a) for n, a in self.offsets.as_arrays().items()}
        return {"plan": np.frombuffer(text, dtype=np.uint8), **weights, **level, **offsets}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The arm that `as_arrays` wrote."""
        network = Network(Plan.from_plain(json.loads(arrays["plan"].tobytes())))
        weights = _under("weights/", arrays)
        network.load_state_dict({n: torch.from_numpy(a.copy()) for n, a in weights.items()})
        level, offsets = _under("level/", arrays), _under("offsets/", arrays)
        return cls(network, Offsets.from_arrays(level), Offsets.from_arrays(offsets))

    def _above(self, name: str, said: torch.Tensor, inputs: Inputs) -> Floats:
        target = targets()[name]
        if not isinstance(target, Quantity):
            return np.zeros((len(inputs), target.outputs))
        level = torch.from_numpy(self.level.under(name, inputs))
        logs = target.read(said, level).numpy() * self.level.scale(name)
        scale = self.offsets.scale(name)
        above: Floats = logs / scale - self.offsets.under(name, inputs)[:, None]
        return head_of(above, MIDDLE)


def scarce(examples: Examples) -> bool:
    """Whether some quantity has far fewer labels among the training rows than the fullest has."""
    rows = examples.split.train
    counts = [
        int((~np.isnan(examples.truth[name][rows])).sum())
        for name, each in targets().items()
        if isinstance(each, Quantity)
    ]
    return any(0 < count < SCARCE * max(counts) for count in counts)


def _under(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
