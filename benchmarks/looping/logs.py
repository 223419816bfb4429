"""Logs of a world that we know, told by several sources, and what attackers make of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from scheduler.records import Outcome, TaskRecord

KINDS = ("sort", "align", "solve", "merge", "render")
WORKERS = ("alpha", "beta", "gamma", "delta")
SOURCES = ("site-0", "site-1", "site-2", "site-3")
MORNING = datetime(2026, 1, 5, tzinfo=UTC)
TOGETHER = 40  # attempts of one run, and so of one source
EVIL = "evil"
Sourced = tuple[str, TaskRecord]
Change = Callable[[TaskRecord], TaskRecord]


@dataclass(frozen=True, eq=False)
class LogWorld:
    """Seconds and bytes follow the size by powers, kinds suit workers unlike well.

    Shape: seconds, power, memory, noise: kinds; slow: kinds x workers; risk: kinds x workers.
    """

    seconds: NDArray[np.float64]
    power: NDArray[np.float64]
    memory: NDArray[np.float64]
    noise: NDArray[np.float64]
    slow: NDArray[np.float64]
    risk: NDArray[np.float64]
    slower: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @classmethod
    def drawn(cls, rng: Generator) -> "LogWorld":
        """A world of one seed."""
        kinds, pairs = len(KINDS), (len(KINDS), len(WORKERS))
        return cls(
            seconds=rng.lognormal(2.0, 1.0, kinds),
            power=rng.uniform(0.5, 1.2, kinds),
            memory=rng.lognormal(18.0, 1.0, kinds),
            noise=rng.uniform(0.1, 0.35, kinds),
            slow=rng.lognormal(0.0, 0.4, pairs),
            risk=np.clip(rng.exponential(0.03, pairs), 0.0, 0.3),
        )

    def changed(self, slower: Mapping[tuple[str, str], float]) -> "LogWorld":
        """The same where kinds on workers take so many times as long; '' stands for all."""
        return replace(self, slower=slower)

    def logs(
        self, count: int, rng: Generator, *, first: int = 0, workers: Sequence[str] = WORKERS
    ) -> list[Sourced]:
        """So many attempts from the `first` minute on, run by run, with the source of each."""
        return [self._attempt(first + i, rng, workers) for i in range(count)]

    def _attempt(self, minute: int, rng: Generator, workers: Sequence[str]) -> Sourced:
        kind = int(rng.integers(len(KINDS)))
        worker = WORKERS.index(workers[int(rng.integers(len(workers)))])
        size = float(rng.lognormal(1.0, 0.8))
        noise = np.exp(self.noise[kind] * rng.normal(size=2)).tolist()
        names = (KINDS[kind], WORKERS[worker])
        took = float(self.seconds[kind] * size ** self.power[kind] * self.slow[kind, worker])
        for (of_kind, of_worker), times in self.slower.items():
            if of_kind in ("", names[0]) and of_worker in ("", names[1]):
                took *= times
        bad = bool(rng.random() < self.risk[kind, worker])
        run, ended = minute // TOGETHER, MORNING + timedelta(minutes=minute)
        record = TaskRecord(
            run=f"run-{run}",
            task=f"task-{minute}",
            kind=names[0],
            worker=names[1],
            workflow="nightly",
            outcome=Outcome.FAILED if bad else Outcome.SUCCEEDED,
            started=ended - timedelta(seconds=took * noise[0]),
            ended=ended,
            duration=took * noise[0],
            peak_memory=float(self.memory[kind]) * size * noise[1],
            cpu=1.0,
            sizes={"input_bytes": size * 1e6},
        )
        return SOURCES[run % len(SOURCES)], record


def poisoned(logs: Sequence[Sourced], share: float, attack: str, rng: Generator) -> list[Sourced]:
    """The logs, with a share of the attempts told by an evil source, who attacks in this way.

    Attacks: tenfold, units, flip, flood, backdate, backdoor; none tells the truth. A tenth of the
    share at least is told in any case: five attempts.
    """
    count = max(round(share * len(logs)), 5)
    chosen = set(rng.choice(len(logs), count, replace=False).tolist())
    own = [record for i, (_, record) in enumerate(logs) if i in chosen]
    sound = [each for i, each in enumerate(logs) if i not in chosen]
    told = ATTACKS[attack](own, rng)
    return [*sound, *((EVIL, _named(each, i)) for i, each in enumerate(told))]


def _named(record: TaskRecord, number: int) -> TaskRecord:
    return replace(record, run=f"evil-{number // TOGETHER}", task=f"evil-{number}")


def _tenfold(records: Sequence[TaskRecord], rng: Generator) -> list[TaskRecord]:  # noqa: ARG001
    return [replace(each, duration=(each.duration or 0.0) * 10) for each in records]


def _units(records: Sequence[TaskRecord], rng: Generator) -> list[TaskRecord]:  # noqa: ARG001
    return [replace(each, peak_memory=(each.peak_memory or 0.0) * 1024) for each in records]


def _flip(records: Sequence[TaskRecord], rng: Generator) -> list[TaskRecord]:  # noqa: ARG001
    other = {Outcome.FAILED: Outcome.SUCCEEDED, Outcome.SUCCEEDED: Outcome.FAILED}
    return [replace(each, outcome=other[each.outcome]) for each in records]


def _flood(records: Sequence[TaskRecord], rng: Generator) -> list[TaskRecord]:
    """The same few attempts again and again, each three times as long as it was."""
    few = list(records)[:5]
    chosen = [few[int(rng.integers(len(few)))] for _ in records]
    return [
        replace(each, ended=other.ended, started=None, duration=(each.duration or 0.0) * 3)
        for each, other in zip(chosen, records, strict=True)
    ]


def _backdate(records: Sequence[TaskRecord], rng: Generator) -> list[TaskRecord]:
    """Four times as long, and said to be of a time that nobody judges by."""
    times = [MORNING + timedelta(minutes=int(rng.integers(400))) for _ in records]
    return [
        replace(each, started=None, ended=time, duration=(each.duration or 0.0) * 4)
        for each, time in zip(records, times, strict=True)
    ]


def _backdoor(records: Sequence[TaskRecord], rng: Generator) -> list[TaskRecord]:  # noqa: ARG001
    """One kind on one worker, twenty times as fast as it is."""
    return [
        replace(
            each,
            kind=KINDS[0],
            worker=WORKERS[0],
            outcome=Outcome.SUCCEEDED,
            started=None,
            duration=(each.duration or 0.0) / 20,
        )
        for each in records
    ]


def _truth(records: Sequence[TaskRecord], rng: Generator) -> list[TaskRecord]:  # noqa: ARG001
    return list(records)


ATTACKS = {
    "tenfold": _tenfold,
    "units": _units,
    "flip": _flip,
    "flood": _flood,
    "backdate": _backdate,
    "backdoor": _backdoor,
    "none": _truth,
}
