"""How large a task's input is, told by what earlier tasks on the same subject read."""

from collections import defaultdict

import numpy as np

from scheduler.errors import InvalidInput
from scheduler.numbers import not_negative

USUAL = 1e6  # the size of a subject whose tasks read as much as is usual for their kinds


class InheritedSizes:
    """Learns from finished attempts how much was read for a subject (a sample, a file, a user).

    What an attempt reads is measured while it runs, so it says nothing about itself beforehand;
    but once it has ended it says much about the tasks after it on the same subject.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
        self._subjects: dict[str, list[tuple[str, float, float]]] = defaultdict(list)

    def observe(self, kind: str, subject: str, *, read: float, ended: float) -> None:
        """An attempt of a kind on a subject read so many bytes and ended then (seconds)."""
        not_negative(read, f"InheritedSizes: bytes read by {kind!r}", InvalidInput)
        amount = float(np.log1p(read))
        total, count = self._kinds[kind]
        self._kinds[kind] = (total + amount, count + 1)
        self._subjects[subject].append((kind, amount, ended))

    def size(self, kind: str, subject: str, *, submitted: float) -> float | None:
        """The subject's size, `USUAL` being usual, by tasks of other kinds that had ended by then.

        None when there are none.
        """
        apart = [
            amount - self._usual(other)
            for other, amount, ended in self._subjects.get(subject, ())
            if other != kind and ended <= submitted
        ]
        return USUAL * float(np.exp(np.mean(apart))) if apart else None

    def _usual(self, kind: str) -> float:
        total, count = self._kinds[kind]
        return total / count
