"""How exact forecasts are on real logs, beside what a practitioner would pick."""

from pathlib import Path

from benchmarks.base import Benchmark, Found, combined
from benchmarks.predicting import in_time, local_runs, new_kinds, unseen
from scheduler.errors import NotFound

WORK = (
    "Lotaru's measurements: inputs never seen (three splits by workflow input, five seeds), and "
    "its own protocol (small local runs tell of full runs elsewhere); Sizey's traces in time."
)

PARTS = (unseen.part, local_runs.part, in_time.part, new_kinds.part)


class Prediction(Benchmark):
    """Duration, memory, cpu and bytes: offsets, networks, boosting."""

    title = "forecasts of what tasks take, on real logs"

    def run(self, *, data: Path | None, quick: bool) -> Found:
        """Every part on its own data; raises where baselines do not come out as published."""
        if data is None:
            raise NotFound("This benchmark needs --data DIR with the folders lotaru and sizey.")
        return combined(WORK, [each(data, quick=quick) for each in PARTS])
