"""The work of the wastage benchmark: instances, the split of Sizey, and the accounting."""

import csv
import gzip
import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HISTORY, STREAM = 0.3, 0.7
LEAST_ROWS = 34  # of a kind
SECONDS, BYTES = 3600.0, 1e9  # in the GBh that everything is told in
_FILE_ENDING = re.compile(r"(\.[A-Za-z]+)+$")
_EXCLUDED = "GUNZIP_BINS"  # left out of the published tables: many rows, no memory


@dataclass(frozen=True)
class Task:
    """What is known of an instance before it starts. `size` is None where it is not known.

    Request in bytes, `submitted` in seconds, `subject` is what Nextflow calls the tag.
    """

    kind: str
    cpus: float
    request: float
    subject: str | None
    submitted: float
    size: float | None = None


@dataclass(frozen=True)
class Instance:
    """A task and what was observed of it: peak in bytes, hours, bytes read, its end in seconds."""

    task: Task
    peak: float
    hours: float
    read: float
    ended: float

    def known(self, *, size: bool) -> Task:
        """The task as an arm sees it, with the bytes read as its size or without."""
        return Task(**{**vars(self.task), "size": self.read if size else None})


@dataclass(frozen=True)
class Trial:
    """One split of one workflow: what is known at first, and the stream in order."""

    workflow: str
    history: tuple[Instance, ...]
    stream: tuple[Instance, ...]

    @property
    def usage(self) -> float:
        """GBh in use while the stream ran."""
        return sum(each.peak * each.hours for each in self.stream) / BYTES

    def in_turn(self) -> list[Instance]:
        """The stream with one kind after another, each in the same order."""
        turn = {kind: i for i, kind in enumerate(dict.fromkeys(e.task.kind for e in self.history))}
        return sorted(self.stream, key=lambda each: turn[each.task.kind])


class Arm(ABC):
    """A way to size memory. It sees no peak, run time or end of a task before allocating.

    `observe` gets the task as `allocate` saw it, and the instance as it was observed.
    """

    in_turn = False  # whether it is published for kinds that come one after another

    def begin(self, history: Sequence[tuple[Task, Instance]], streamed: int) -> None:
        """Learns from the history; `streamed` instances follow."""
        del streamed
        for task, instance in history:
            self.observe(task, instance)

    @abstractmethod
    def allocate(self, task: Task) -> float:
        """Bytes for the first attempt."""

    @abstractmethod
    def escalate(self, task: Task, failed: float) -> float:
        """Bytes for the attempt after one that `failed` bytes were too few for."""

    @abstractmethod
    def observe(self, task: Task, instance: Instance) -> None:
        """Learns from an instance that has ended."""


@dataclass
class Spent:
    """What an arm wasted on the instances of one kind, in GBh; failed attempts; instances."""

    waste: float = 0.0
    half: float = 0.0
    usage: float = 0.0
    failures: int = 0
    instances: int = 0


@dataclass(frozen=True)
class Outcome:
    """An arm on a trial, by kind, and the processor time it took."""

    kinds: Mapping[str, Spent] = field(default_factory=dict)
    cpu: float = 0.0


def read_trace(file: Path) -> dict[str, list[Instance]]:
    """The kinds of a trace in file order: rows with a peak; kinds large enough, never at once."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        rows = [row for row in csv.DictReader(text) if _number(row["rss"]) > 0]
    kinds: dict[str, list[Instance]] = {}
    for row in rows:
        kinds.setdefault(row["process"], []).append(_instance(row))
    return {
        kind: group
        for kind, group in kinds.items()
        if len(group) >= LEAST_ROWS
        and all(each.hours != 0 for each in group)
        and not kind.endswith(_EXCLUDED)
    }


def split(workflow: str, kinds: Mapping[str, Sequence[Instance]], seed: int) -> Trial:
    """Sizey's split of each kind by chance; the kinds' streams interleaved by their progress."""
    history: list[Instance] = []
    stream: list[tuple[float, Instance]] = []
    for group in kinds.values():
        order = np.random.RandomState(seed).permutation(len(group))
        count = math.ceil(STREAM * len(group))
        history += [group[i] for i in order[count:]]
        stream += [((place + 0.5) / count, group[i]) for place, i in enumerate(order[:count])]
    stream.sort(key=lambda each: each[0])
    return Trial(workflow, tuple(history), tuple(each for _, each in stream))


def split_in_time(workflow: str, kinds: Mapping[str, Sequence[Instance]]) -> Trial:
    """The first of each kind as history, the rest in the order in which they were submitted."""
    history: list[Instance] = []
    stream: list[Instance] = []
    for group in kinds.values():
        ordered = sorted(group, key=lambda each: each.task.submitted)
        count = math.ceil(STREAM * len(group))
        history += ordered[: len(ordered) - count]
        stream += ordered[len(ordered) - count :]
    stream.sort(key=lambda each: each.task.submitted)
    return Trial(workflow, tuple(history), tuple(stream))


def run(trial: Trial, arm: Arm, *, size: bool) -> Outcome:
    """Sizey's protocol: allocate, retry until it holds, learn at once."""
    began = time.process_time()
    arm.begin([(each.known(size=size), each) for each in trial.history], len(trial.stream))
    kinds: dict[str, Spent] = {}
    for instance in trial.in_turn() if arm.in_turn else trial.stream:
        task = instance.known(size=size)
        attempts = attempted(arm, task, instance.peak)
        _charge(kinds.setdefault(task.kind, Spent()), attempts, instance)
        arm.observe(task, instance)
    return Outcome(kinds, time.process_time() - began)


def run_in_time(trial: Trial, arm: Arm, *, size: bool, limit: float) -> Outcome:
    """The stricter protocol: an instance is learned from when it has ended, and no attempt gets
    more than `limit` bytes."""
    began = time.process_time()
    arm.begin([(each.known(size=size), each) for each in trial.history], len(trial.stream))
    kinds: dict[str, Spent] = {}
    running: list[Instance] = []
    for instance in trial.stream:
        now = instance.task.submitted
        for ended in sorted((r for r in running if r.ended <= now), key=lambda r: r.ended):
            arm.observe(ended.known(size=size), ended)
        running = [each for each in running if each.ended > now]
        task = instance.known(size=size)
        attempts = attempted(arm, task, instance.peak, limit=limit)
        _charge(kinds.setdefault(task.kind, Spent()), attempts, instance)
        running.append(instance)
    return Outcome(kinds, time.process_time() - began)


def attempted(arm: Arm, task: Task, peak: float, *, limit: float = math.inf) -> list[float]:
    """The allocations of all attempts until one holds; raises when an arm does not climb."""
    given = [min(arm.allocate(task), limit)]
    while given[-1] < peak:
        larger = min(arm.escalate(task, given[-1]), limit)
        assert larger > given[-1], f"{type(arm).__name__} gave {larger} after {given[-1]} missed"
        given.append(larger)
    assert given[0] > 0, f"{type(arm).__name__} allocated {given[0]}"
    return given


def _charge(spent: Spent, attempts: Sequence[float], instance: Instance) -> None:
    """A success wastes what it left; a miss its whole allocation for the whole run time."""
    missed, held = sum(attempts[:-1]), attempts[-1] - instance.peak
    spent.waste += (missed + held) * instance.hours / BYTES
    spent.half += (missed / 2 + held) * instance.hours / BYTES
    spent.usage += instance.peak * instance.hours / BYTES
    spent.failures += len(attempts) - 1
    spent.instances += 1


def _instance(row: Mapping[str, str]) -> Instance:
    subject = _FILE_ENDING.sub("", row["tag"].strip())  # a file and what it holds are one subject
    task = Task(
        kind=row["process"],
        cpus=_number(row["cpus"]),
        request=_number(row["memory"]),
        subject=subject if subject not in ("", "-") else None,
        submitted=_number(row["submit"]) / 1000,
    )
    return Instance(
        task,
        peak=_number(row["rss"]),
        hours=_number(row["realtime"]) / 1000 / SECONDS,
        read=_number(row["rchar"]),
        ended=_number(row["complete"]) / 1000,
    )


def _number(text: str) -> float:
    return float(text) if text.strip() not in ("", "-") else math.nan
