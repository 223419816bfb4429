"""Sizing without a fit over several kinds: the largest seen, Tovar, Witt, and plain quantiles.

Tovar et al., "A Job Sizing Strategy for High-Throughput Scientific Workflows", TPDS 2018.
Witt et al., "Learning Low-Wastage Memory Allocations for Scientific Workflows at IceCube",
HPCS 2019. Written from the protocol as Sizey's experiments apply it.
"""

from collections import defaultdict

import numpy as np

from benchmarks.rivals.wastage_work import Arm, Instance, Task

DOUBLE = 2.0
NOTHING = 1.0  # the least that can be allocated, in bytes
WHOLE_MACHINE = 128e9  # what Tovar's rule ends with


class _ByKind(Arm):
    """Keeps what was observed, by kind, in order."""

    def __init__(self) -> None:
        self.peaks: dict[str, list[float]] = defaultdict(list)
        self.hours: dict[str, list[float]] = defaultdict(list)
        self.reads: dict[str, list[float]] = defaultdict(list)

    def observe(self, task: Task, instance: Instance) -> None:
        self.peaks[task.kind].append(instance.peak)
        self.hours[task.kind].append(instance.hours)
        self.reads[task.kind].append(instance.read)

    def escalate(self, task: Task, failed: float) -> float:
        del task
        return failed * DOUBLE


class MaxSeen(_ByKind):
    """The largest peak of the kind so far; twice as much after a miss."""

    def allocate(self, task: Task) -> float:
        return max(self.peaks[task.kind])


class WittPercentile(_ByKind):
    """The 95th percentile of all peaks of the kind; twice as much after a miss."""

    def allocate(self, task: Task) -> float:
        return float(np.percentile(self.peaks[task.kind], 95))


class History(_ByKind):
    """What `HistoryPredictor` believes at .9, and what dispatch does after a miss."""

    def allocate(self, task: Task) -> float:
        return float(np.quantile(np.maximum(self.peaks[task.kind], 1.0), 0.9))


class Tovar(_ByKind):
    """The first allocation of least expected cost when the second is the largest seen."""

    def allocate(self, task: Task) -> float:
        order = np.argsort(self.peaks[task.kind])
        peaks, hours = (
            np.array(self.peaks[task.kind])[order],
            np.array(self.hours[task.kind])[order],
        )
        later = hours.sum() - np.cumsum(hours)
        last = np.append(peaks[1:] > peaks[:-1], True)  # above an allocation lie larger ones only
        cost = peaks * hours.mean() + peaks[-1] * later / len(peaks)
        return float(peaks[np.where(last, cost, np.inf).argmin()])

    def escalate(self, task: Task, failed: float) -> float:
        largest = max(self.peaks[task.kind])
        return largest if failed < largest else WHOLE_MACHINE


class WittLine(_ByKind):
    """A line on the bytes read, raised by the spread of all relative errors so far.

    As published: one list of errors for all kinds of a workflow, which come one after another, and
    a twin of this rule writes each kind's errors into it once more. A prediction below zero gets
    nothing, and the largest seen after that.
    """

    in_turn = True

    def __init__(self) -> None:
        super().__init__()
        self._errors: list[float] = []
        self._of_kind: list[float] = []
        self._kind = ""
        self._said = 0.0

    def allocate(self, task: Task) -> float:
        if task.kind != self._kind:
            self._errors += self._of_kind
            self._kind, self._of_kind = task.kind, []
        self._said = self._line(task)
        spread = float(np.std(self._errors)) if self._errors else 0.0
        return max(self._said * (1 + spread), NOTHING)

    def escalate(self, task: Task, failed: float) -> float:
        return max(self.peaks[task.kind]) if failed <= NOTHING else failed * DOUBLE

    def observe(self, task: Task, instance: Instance) -> None:
        if task.kind == self._kind:
            error = (self._said - instance.peak) / instance.peak
            self._errors.append(error)
            self._of_kind.append(error)
        super().observe(task, instance)

    def _line(self, task: Task) -> float:
        assert task.size is not None
        reads, peaks = np.array(self.reads[task.kind]), np.array(self.peaks[task.kind])
        apart = reads - reads.mean()
        slope = (apart * peaks).sum() / max((apart**2).sum(), 1e-9)
        return float(peaks.mean() + slope * (task.size - reads.mean()))
