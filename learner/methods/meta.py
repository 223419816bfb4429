"""Meta-learning: known workers teach the version how to meet new ones."""

from dataclasses import dataclass

from learner.methods.base import Method, Scene, Steering


@dataclass(frozen=True)
class Meta(Method):
    """Nothing changes in the training; the version meets new workers as `learner/meta.py` says.

    That is where a version serves: forecasts for workers that newer logs came to know are those of
    mixtures of known workers, found by episodes, in place of the shrunken shift by kind.
    """

    def steering(self, scene: Scene) -> Steering:
        """Nothing to do while it trains."""
        del scene
        return Steering()
