"""What is predicted: one file a target, or several that are alike."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from learner.targets.base import Target


def targets() -> Mapping[str, Target]:
    """Every target that is forecast, by name, in the order of names."""
    return _parted()[0]


def auxiliaries() -> Mapping[str, Target]:
    """Every target that is only learned along with others, by name, in the order of names."""
    return _parted()[1]


def target_named(name: str) -> Target:
    """The target of that name, forecast or auxiliary."""
    return (targets() if name in targets() else auxiliaries())[name]


@cache
def _parted() -> tuple[Mapping[str, Target], Mapping[str, Target]]:
    """What the files of this folder define: forecast, and auxiliary."""
    found: dict[str, Target] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for part in vars(module).values():
            if inspect.isclass(part) and issubclass(part, Target) and hasattr(part, "name"):
                found[part.name] = part()
    ordered = sorted(found.items())
    forecast = {name: each for name, each in ordered if not each.auxiliary}
    along = {name: each for name, each in ordered if each.auxiliary}
    return MappingProxyType(forecast), MappingProxyType(along)
