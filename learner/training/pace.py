"""How long epochs take on a training worker, and how much memory it holds."""

import resource
import sys
import time
from dataclasses import dataclass, field

from scheduler.store.values import Metric

UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in which a system tells its peak memory


@dataclass(eq=False)
class Pace:
    """Measures from one report to the next."""

    wall: float = field(default_factory=time.perf_counter)
    cpu: float = field(default_factory=time.process_time)

    def told(self, epoch: int) -> list[Metric]:
        """Seconds and CPU seconds since the report before, and the peak memory so far in bytes."""
        wall, cpu = time.perf_counter(), time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
        found = {"seconds": wall - self.wall, "cpu_seconds": cpu - self.cpu, "peak_memory": peak}
        self.wall, self.cpu = wall, cpu
        return [Metric(epoch, "all", name, float(value)) for name, value in found.items()]
