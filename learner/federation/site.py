"""One site of a federation: it holds the records, and answers what may be asked."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from learner.calibration import Calibration
from learner.examples import Examples, Split
from learner.features import UNKNOWN, Columns
from learner.federation.course import Course
from learner.federation.messages import Arrays, packed, unpacked
from learner.federation.names import names_of
from learner.learned import Learned
from learner.offsets.agreed import FEWEST, Said, Tried, offsets_with, said_by, tried_by
from learner.training.settings import TrainingSettings
from scheduler.errors import InvalidInput
from scheduler.records import TaskRecord

Answer = Callable[[dict[str, Any], Arrays], bytes]


class Site:
    """One cluster with records of its own. It answers what the federation asks, and no more.

    `split` says which records it learns from, checks and judges with; by time unless it is given.
    The settings are the federation's; what they say of threads is this site's own.
    """

    def __init__(
        self, records: Sequence[TaskRecord], *, split: Split | None = None, seed: int = 0
    ) -> None:
        self.examples = Examples.of(records, split=split)
        self.rng = np.random.default_rng(seed)
        self._said: Arrays = {}
        self._course: Course | None = None
        self._asked: dict[str, Answer] = {
            "names": self._names,
            "offsets": self._offsets,
            "begin": self._begin,
            "learn": self._learn,
            "check": self._check,
            "end": self._end,
        }

    def answer(self, message: bytes) -> bytes:
        """What it says to one message; raises InvalidInput for a question that it does not know."""
        plain, arrays = unpacked(message)
        if (question := plain.get("ask")) not in self._asked:
            raise InvalidInput(
                f"A site answers to {', '.join(self._asked)}, found {question!r}; "
                "are all sites of the same release?"
            )
        with torch.random.fork_rng(devices=[]):
            return self._asked[question](plain, arrays)

    @property
    def course(self) -> Course:
        """The learning that began here; raises InvalidInput before it did."""
        if self._course is None:
            raise InvalidInput("This site was not told to begin; a federation does that first.")
        return self._course

    def learned(self) -> Learned:
        """What the site forecasts with: the common network on its own offsets, corrected on its
        own records."""
        course = self.course
        columns, network = course.examples.columns, course.network.eval()
        plain = Learned(network, columns, course.offsets, Calibration.none())
        return plain.calibrated(course.examples)

    def _names(self, plain: dict[str, Any], arrays: Arrays) -> bytes:
        del plain, arrays
        return packed(names_of(self.examples.part(self.examples.split.train)))

    def _offsets(self, plain: dict[str, Any], arrays: Arrays) -> bytes:
        """What its own offsets forecast of attempts that never were, on the columns agreed."""
        del arrays
        columns, split = Columns.from_plain(plain["columns"]), self.examples.split
        self.examples = Examples.of(self.examples.records, split=split, columns=columns)
        told = {"failure": vars(tried_by(self.examples))}
        told |= {name: vars(each) for name, each in said_by(self.examples, self.rng).items()}
        self._said = {f"{n}.{part}": a for n, each in told.items() for part, a in each.items()}
        return packed({}, self._said)

    def _begin(self, plain: dict[str, Any], arrays: Arrays) -> bytes:
        """It hears what the others said; how many attempts it learns from, by name too."""
        settings = TrainingSettings.from_plain(plain["settings"])
        others = [_of_site(arrays, place) for place in range(plain["others"])]
        parts = [_parts(each) for each in (*others, self._said)]
        tried = [Tried(**each.pop("failure")) for each in parts]
        said = {name: [Said(**each[name]) for each in parts] for name in parts[0]}
        offsets = offsets_with(self.examples, said, tried)
        self._course = Course(self.examples, offsets, settings, rounds=plain["rounds"])
        return packed({"attempts": len(self.examples.split.train)}, self._counts(settings.forget))

    def _counts(self, forget: float) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
        """How often it learns of each name; rare ones, and the forgotten, are UNKNOWN."""
        inputs = self.examples.inputs.take(self.examples.split.train)
        counts = {}
        for name in ("kind", "worker", "workflow"):
            known = len(getattr(self.examples.columns, f"{name}s"))
            count = np.bincount(getattr(inputs, name), minlength=known).astype(np.float64)
            count[count < FEWEST] = 0.0
            count[UNKNOWN] += forget * len(inputs)
            counts[name] = count
        return counts

    def _learn(self, plain: dict[str, Any], arrays: Arrays) -> bytes:
        """One round on its own records, from these weights on; the weights after it."""
        return packed({}, self.course.learned(arrays, plain["round"]))

    def _check(self, plain: dict[str, Any], arrays: Arrays) -> bytes:
        """The sums of the losses of these weights on the records that it checks with."""
        del plain
        return packed({"losses": self.course.checked(arrays)})

    def _end(self, plain: dict[str, Any], arrays: Arrays) -> bytes:
        """The federation is over, and these are the weights."""
        del plain
        self.course.take(arrays)
        return packed(self.kept())

    def kept(self) -> dict[str, Any]:
        """What becomes of the network here; by default nothing, and nothing is told."""
        return {}


def _of_site(arrays: Arrays, place: int) -> Arrays:
    prefix = f"{place}."
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}


def _parts(arrays: Arrays) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        target, _, part = name.rpartition(".")
        found.setdefault(target, {})[part] = array
    return found
