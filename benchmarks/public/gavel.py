"""Gavel's measurements: training jobs alone on three kinds of GPU."""

import csv
import gzip
import re
from dataclasses import dataclass
from pathlib import Path

from scheduler.errors import NotFound

GPUS = ("k80", "p100", "v100")
TABLE = "physical_cluster_throughputs"
NAMED = re.compile(r"(?P<family>.*?)(?: \(batch size (?P<batch>\d+)\))?")


@dataclass(frozen=True)
class Job:
    """One kind of training job on one GPU; seconds of a step by kind of GPU."""

    name: str
    family: str
    batch: float | None
    seconds: tuple[float, ...]


def read(data: Path, table: str = TABLE) -> list[Job]:
    """The jobs that ran alone on every kind of GPU; a throughput of zero did not run."""
    file = data / "gavel" / f"{table}.csv.gz"
    if not file.exists():
        raise NotFound(f"There are no measurements at {file}; give --data DIR.")
    speed: dict[str, dict[str, float]] = {}
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            alone = not row["other_job"] and row["gpus"] == "1"
            if alone and row["gpu"] in GPUS and float(row["steps_per_s"]) > 0:
                speed.setdefault(row["job"], {})[row["gpu"]] = float(row["steps_per_s"])
    return [_job(name, each) for name, each in speed.items() if len(each) == len(GPUS)]


def _job(name: str, speed: dict[str, float]) -> Job:
    parts = NAMED.fullmatch(name)
    family, batch = (parts["family"], parts["batch"]) if parts else (name, None)
    seconds = tuple(1 / speed[gpu] for gpu in GPUS)
    return Job(name, family, float(batch) if batch else None, seconds)
