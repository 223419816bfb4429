"""Allot's sizing as an arm, and the same with shuffled truth as a control."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.rivals.wastage_work import SECONDS, Arm, Instance, Task
from scheduler.sizing import InheritedSizes, Ladder, MemorySizing


class Ours(Arm):
    """`MemorySizing` by the task's size if it is told, else by the size its subject inherits.

    What a finished attempt read is known, and says how large its subject is. The subject's name
    says which group it belongs to.
    """

    inherits = True

    def __init__(self) -> None:
        self._sizing, self._inherited = MemorySizing(), InheritedSizes()
        self._ladder = Ladder((1.0,))
        self._sizes: dict[Task, dict[str, float]] = {}

    def begin(self, history: Sequence[tuple[Task, Instance]], streamed: int) -> None:
        del streamed
        for task, instance in history:
            self._inherit(task, instance)
        for task, instance in history:
            self._learn(task, instance, self._known(task))

    def allocate(self, task: Task) -> float:
        self._sizes[task] = sizes = self._known(task)
        self._ladder = self._sizing.allocate(
            task.kind, sizes=sizes, subject=self._subject(task), request=task.request
        )
        return self._ladder.first

    def escalate(self, task: Task, failed: float) -> float:
        del task
        larger = self._ladder.after(failed)
        assert larger is not None
        return larger

    def observe(self, task: Task, instance: Instance) -> None:
        self._learn(task, instance, self._sizes.pop(task))
        self._inherit(task, instance)

    def _subject(self, task: Task) -> str | None:
        return task.subject if self.inherits else None

    def _known(self, task: Task) -> dict[str, float]:
        """A finite size as told; else what the subject's earlier tasks say, if they say it."""
        if task.size is not None:
            return {"read": task.size}
        if not self.inherits or task.subject is None:
            return {}
        size = self._inherited.size(task.kind, task.subject, submitted=task.submitted)
        return {} if size is None else {"inherited": size}

    def _learn(self, task: Task, instance: Instance, sizes: dict[str, float]) -> None:
        self._sizing.observe(
            task.kind,
            memory=instance.peak,
            duration=instance.hours * SECONDS,
            sizes=sizes,
            subject=self._subject(task),
        )

    def _inherit(self, task: Task, instance: Instance) -> None:
        if task.subject is not None:
            self._inherited.observe(
                task.kind, task.subject, read=instance.read, ended=instance.ended
            )


class KindAlone(Ours):
    """`MemorySizing` by the kind alone: nothing that tells one of its tasks from another."""

    inherits = False


class Shuffled(Ours):
    """A control: it is told the peak of some other instance of the workflow."""

    def __init__(self, peaks: Sequence[float], seed: int) -> None:
        super().__init__()
        self._peaks, self._chance = peaks, np.random.default_rng(seed)

    def _learn(self, task: Task, instance: Instance, sizes: dict[str, float]) -> None:
        other = self._peaks[int(self._chance.integers(len(self._peaks)))]
        super()._learn(task, replace(instance, peak=other), sizes)
