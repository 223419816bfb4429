"""The runs of FlowBench as records: tasks of Pegasus with their times, hosts and graph."""

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scheduler.records import Outcome, TaskRecord

WORKFLOWS = ("eht_difmap", "eht_smili", "pycbc_inference")


def records(folder: Path, workflow: str) -> Iterator[TaskRecord]:
    """Every task of every run, in the order of the file; without what was measured of its data."""
    with gzip.open(folder / f"dag_{workflow}.json.gz", "rt", encoding="utf-8") as file:
        children: Mapping[str, list[str]] = json.load(file)
    before: dict[str, list[str]] = {}
    for task, followers in children.items():
        for each in followers:
            before.setdefault(each, []).append(task)
    with gzip.open(folder / f"{workflow}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield _record(workflow, row, tuple(sorted(before.get(row["task_id"], ()))))


def _record(workflow: str, row: Mapping[str, str], before: tuple[str, ...]) -> TaskRecord:
    started, ended = _time(row["execute_start"]), _time(row["execute_end"])
    known = started is not None and ended is not None and ended >= started
    return TaskRecord(
        run=f"{workflow} {row['run']}",
        task=row["task_id"],
        kind=row["kickstart_transformations"] or row["type"],
        outcome=Outcome.SUCCEEDED,
        worker=row["kickstart_hostname"] or None,
        workflow=workflow,
        submitted=_time(row["ready"]) or _time(row["submit"]),
        started=started if known else None,
        ended=ended if known else None,
        duration=(ended - started).total_seconds() if started and ended and known else None,
        requested_cores=1.0,
        predecessors=before,
    )


def _time(text: str) -> datetime | None:
    seconds = float(text) if text else 0.0
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds) if seconds > 0 else None
