"""Which classes fill a seam: every concrete subclass in the files of one folder.

A new planner, log format or sharing is found the moment its file exists; nothing is registered.
Names exist only at the doors (command line, settings, dashboard): a class is known by its file.
"""

import importlib
import inspect
import pkgutil
from importlib.metadata import entry_points
from types import ModuleType
from typing import TypeVar

from scheduler.errors import NotFound

Part = TypeVar("Part")


def implementations(package: ModuleType, base: type[Part]) -> dict[str, type[Part]]:
    """The concrete subclasses of `base` defined in the files of `package`, by file name."""
    found: dict[str, type[Part]] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda each: each.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for part in vars(module).values():
            if _fills(part, base) and part.__module__ == module.__name__:
                found[info.name] = part
    return found


def named(name: str, found: dict[str, type[Part]], what: str) -> type[Part]:
    """The class behind a name given at a door.

    Raises NotFound with the names that exist.
    """
    if name not in found:
        raise NotFound(f"There is no {what} named {name!r}; known: {', '.join(sorted(found))}.")
    return found[name]


def plugged(group: str) -> dict[str, object]:
    """What installed packages offer under an entry-point group, loaded, by name."""
    return {each.name: each.load() for each in entry_points(group=group)}


def _fills(part: object, base: type) -> bool:
    return inspect.isclass(part) and issubclass(part, base) and not inspect.isabstract(part)
