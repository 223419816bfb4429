"""What is predicted: one file a target, or several that are alike."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from learner.targets.base import Target


@cache
def targets() -> Mapping[str, Target]:
    """Every target that the files of this folder define, by name, in the order of names."""
    found: dict[str, Target] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for part in vars(module).values():
            if inspect.isclass(part) and issubclass(part, Target) and hasattr(part, "name"):
                found[part.name] = part()
    return MappingProxyType(dict(sorted(found.items())))
