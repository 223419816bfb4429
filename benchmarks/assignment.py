"""Which worker should take which work: solvers on instances, tasks in batches, GPU kinds."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.base import Benchmark, Found, Part, combined
from scheduler.errors import NotFound

PARTS = ("solvers",)
WORK = (
    "Solvers: ASlib, one solver is chosen for each instance of {solvers}, learned from the other "
    "nine of the scenario's own ten folds; a run without an answer costs ten cut-offs (PAR10); "
    "features cost nothing. Gap closed: the share of the way from the solver that was best on the "
    "training folds (0) to the best solver of each instance (1); means over seeds, intervals by "
    "drawing instances again."
)


class Assignment(Benchmark):
    """Every part on the work that its file tells."""

    title = "choosing workers: what it costs beside the best choice"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        """All parts, in their order. Quick is less work and one seed."""
        if data is None:
            raise NotFound("This benchmark needs --data DIR with the folders aslib.")
        parts = [each(data, quick) for each in _parts()]
        return combined(WORK.format(solvers="eight scenarios"), parts)


def _parts() -> Sequence[Callable[[Path, bool], Part]]:
    return [import_module(f"benchmarks.assigning.{name}").part for name in PARTS]
