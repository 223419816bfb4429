"""Further ways of learning, each on the work where it must show its benefit."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path

import benchmarks.teaching as files
from benchmarks.base import Benchmark, Found, Part, combined

WORK = (
    "Lotaru's measurements, inputs never seen, and Sizey's traces in time; each method beside the "
    "plain loop on the same rows and offsets, goals as the issue asks them. On offsets is what the "
    "product does; without offsets a network learns everything itself, so that more shows."
)


class Methods(Benchmark):
    """Every file of `benchmarks/teaching` that has a part."""

    title = "further ways of learning"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        """All parts, in the order of their names."""
        return combined(WORK, [part(data, quick=quick) for part in parts()])


def parts() -> Iterator[Callable[..., Part]]:
    """The parts that the files define, in the order of their names."""
    for name in sorted(info.name for info in pkgutil.iter_modules(files.__path__)):
        module = importlib.import_module(f"{files.__name__}.{name}")
        if hasattr(module, "part"):
            yield module.part
