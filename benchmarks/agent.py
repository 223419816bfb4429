"""What the agent adds to the work itself: to one task on Ray, and to each dispatch."""

from pathlib import Path
from typing import ClassVar

from benchmarks.adding import dispatching, on_ray
from benchmarks.base import Benchmark, Found, combined

PARTS = (on_ray, dispatching)


class TheAgent(Benchmark):
    """Seconds and rates that carrying out costs, with the store on."""

    title: ClassVar[str] = "What the agent costs: latency on Ray, dispatches a second"

    def run(self, *, data: Path | None, quick: bool) -> Found:  # noqa: ARG002  makes its own work
        """Each part's figures; raises where a run does not end as it should."""
        work = "tasks that do nothing, on Ray and in the simulator, every event kept in a store"
        return combined(work, [part.measured(quick=quick) for part in PARTS])
