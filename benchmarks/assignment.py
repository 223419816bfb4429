"""Which worker should take which work: solvers on instances, tasks in batches, GPU kinds."""

from pathlib import Path

from benchmarks.assigning import accelerators, batches, solvers
from benchmarks.base import Benchmark, Found, combined
from scheduler.errors import NotFound

PARTS = (solvers, batches, accelerators)


class Assignment(Benchmark):
    """Every part on the work that its file tells."""

    title = "choosing workers: what it costs beside the best choice"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        """All parts, in their order. Quick is less work and one seed."""
        if data is None:
            raise NotFound(
                "This benchmark needs --data DIR with the folders aslib, lotaru and gavel."
            )
        parts = [each.part(data, quick) for each in PARTS]
        work = " ".join(" ".join((each.__doc__ or "").split()) for each in PARTS)
        return combined(work, parts)
