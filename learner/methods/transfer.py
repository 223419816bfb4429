"""Beginning with what the champion knows: transfer from one training to the next."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from learner.methods.base import Method, Scene, Steering
from learner.methods.champions import Begun, champion_of, started
from scheduler.errors import InvalidInput

FEWEST_EPOCHS = 3
MOST = 10  # times the usual rate


@dataclass(frozen=True)
class Transfer(Method):
    """Starts from the champion's weights, and learns for a sixth of the epochs.

    Weights move by the names behind them: kinds, workers, workflows and columns. With `frozen` 1
    the trunk stays as it is, and heads and names alone learn (feature-based transfer, Pan and Yang
    2010, section 4.2); else all is fine-tuned. `epochs` is the share of the epochs asked for that
    are taken, `rate` what the rate is multiplied with: at the usual one so few steps do not bring
    the weights of an older champion to where newer rows want them (docs/decisions/methods.md).
    """

    from_champion: ClassVar[bool] = True
    frozen: float = 0.0
    epochs: float = 1 / 6
    rate: float = 4.0

    def __post_init__(self) -> None:
        if self.frozen not in (0, 1):
            raise InvalidInput(f"The option frozen of transfer is 0 or 1, found {self.frozen!r}.")
        for name, most in (("epochs", 1), ("rate", MOST)):
            value = getattr(self, name)
            if not 0 < value <= most:
                raise InvalidInput(
                    f"The option {name} of transfer lies in 0..{most}, above 0, found {value!r}."
                )

    def prepared(self, scene: Scene) -> Scene:
        """The same with fewer epochs."""
        settings = scene.settings
        fewer = max(math.floor(self.epochs * settings.epochs), FEWEST_EPOCHS)
        epochs, rate = min(fewer, settings.epochs), self.rate * settings.rate
        return replace(scene, settings=replace(settings, epochs=epochs, rate=rate))

    def steering(self, scene: Scene) -> Steering:
        """The champion's weights under the names of the new plan."""
        weights = started(champion_of(scene, "transfer"), scene)
        return Begun(weights, frozen=bool(self.frozen))
