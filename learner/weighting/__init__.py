"""How targets are balanced against each other: one file a method."""

from collections.abc import Mapping, Sequence

import learner.weighting as files
from learner.weighting.base import Weighting
from learner.weighting.static import Static
from scheduler.discover import implementations, named


def weightings() -> dict[str, type[Weighting]]:
    """Every weighting that the files of this folder define, by file name."""
    return implementations(files, Weighting)  # type: ignore[type-abstract]


def weighting_named(
    name: str, targets: Sequence[str], *, seed: int = 0, given: Mapping[str, float] | None = None
) -> Weighting:
    """The weighting of that name for these targets; `given` are the weights of the static one.

    Raises NotFound with the names that exist, and InvalidInput where a package is missing.
    """
    kind = named(name, weightings(), "weighting")
    return Static(targets, given=given) if kind is Static else kind(targets, seed=seed)
