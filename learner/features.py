"""What is known before a task starts, as named columns: the same for training and for forecasts."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learner.context import Usual, context_of_records, context_of_workflow, usual_of
from learner.history import Past
from scheduler.cluster import Cluster
from scheduler.errors import InvalidInput
from scheduler.records import TaskRecord
from scheduler.workflow import Task, Workflow

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
UNKNOWN = 0  # the place of every kind, worker and workflow that training never saw
MOST_SIZES = 64
MOST_NAMES = {"kind": 1024, "worker": 256, "workflow": 1024}  # the rarest beyond these are UNKNOWN
REQUESTS = ("requested_cores", "requested_memory")
ENTITIES = ("kind", "worker", "workflow")
FEWEST_CONTEXT = 20  # rows that must know a column of the context for it to be one


@dataclass(frozen=True)
class Known:
    """One task on one worker before it starts.

    `numbers` are sizes and requests; `context` is what its graph and the past say, in logarithms.
    """

    kind: str
    worker: str | None
    workflow: str | None
    numbers: Mapping[str, float]
    context: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of_record(cls, record: TaskRecord, context: Mapping[str, float] | None = None) -> "Known":
        """What was known of an attempt before it started; nothing of what it measured."""
        asked = zip(REQUESTS, (record.requested_cores, record.requested_memory), strict=True)
        numbers = _numbers(record.sizes, asked)
        return cls(record.kind, record.worker, record.workflow, numbers, context or {})


@dataclass(frozen=True, eq=False)
class Inputs:
    """Rows as a network reads them.

    Shape
    - kind, worker, workflow: n, places in the vocabularies, 0 for UNKNOWN
    - numbers: n x columns, logarithms standardised, 0 where missing
    - missing: n x columns, 1 where missing
    """

    kind: Ints
    worker: Ints
    workflow: Ints
    numbers: Floats
    missing: Floats

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: Any) -> "Inputs":
        """Some of the rows, in the order given."""
        return Inputs(
            self.kind[rows],
            self.worker[rows],
            self.workflow[rows],
            self.numbers[rows],
            self.missing[rows],
        )

    def on(self, worker: Ints) -> "Inputs":
        """The same rows on other workers."""
        return Inputs(self.kind, worker, self.workflow, self.numbers, self.missing)


@dataclass(frozen=True)
class Number:
    """One numeric column: standardised = (log1p(value) - centre) / scale.

    What the context says is given in logarithms, so that `log1p` is left out.
    """

    name: str
    centre: float
    scale: float
    context: bool = False


@dataclass(frozen=True)
class Columns:
    """The names behind the columns, learned from training rows only.

    The first place of each vocabulary belongs to UNKNOWN. Sizes and requests come before what the
    context says. `usual` is what each kind usually takes, as the context compares with it.
    """

    kinds: tuple[str, ...]
    workers: tuple[str, ...]
    workflows: tuple[str, ...]
    numbers: tuple[Number, ...]
    usual: Usual = field(default_factory=dict)

    @classmethod
    def learn(
        cls, records: Sequence[TaskRecord], *, known_beforehand: Collection[str] = ()
    ) -> "Columns":
        """Names and scales of what these records knew before they started.

        Raises InvalidInput for a size that the same log also calls measured, unless it is declared
        as known beforehand, and for one that repeats what is to be predicted: both are leaks.
        """
        refuse_leaks(records, known_beforehand)
        rows = [Known.of_record(record) for record in records]
        counts = Counter(name for row in rows for name in row.numbers)
        common = sorted(name for name, _ in counts.most_common(MOST_SIZES))
        usual = usual_of(records)
        return cls(
            kinds=_names((row.kind for row in rows), MOST_NAMES["kind"]),
            workers=_names((row.worker for row in rows), MOST_NAMES["worker"]),
            workflows=_names((row.workflow for row in rows), MOST_NAMES["workflow"]),
            numbers=(
                *(_number(name, rows) for name in common),
                *context_numbers(context_of_records(records, usual)),
            ),
            usual=usual,
        )

    @property
    def sizes(self) -> int:
        """How many columns, the first ones, are sizes and requests."""
        return sum(not each.context for each in self.numbers)

    def encode_records(self, records: Sequence[TaskRecord]) -> Inputs:
        """What was known of each attempt before it started, as columns."""
        told: Sequence[Mapping[str, float]] = [{}] * len(records)
        if self.sizes < len(self.numbers):
            told = context_of_records(records, self.usual)
        pairs = zip(records, told, strict=True)
        return self.encode([Known.of_record(record, context) for record, context in pairs])

    def encode(self, rows: Sequence[Known]) -> Inputs:
        """Rows as columns; names never seen become UNKNOWN, numbers not given are missing."""
        values = np.full((len(rows), len(self.numbers)), np.nan)
        for j, number in enumerate(self.numbers):
            told = [(row.context if number.context else row.numbers) for row in rows]
            values[:, j] = [each.get(number.name, np.nan) for each in told]
        return self._inputs(
            _places((row.kind for row in rows), self.kinds),
            _places((row.worker for row in rows), self.workers),
            _places((row.workflow for row in rows), self.workflows),
            values,
        )

    def _inputs(self, kind: Ints, worker: Ints, workflow: Ints, values: Floats) -> Inputs:
        values[:, : self.sizes] = np.log1p(values[:, : self.sizes])
        scaled = (values - self._centres()) / self._scales()
        missing = np.isnan(values)
        numbers = np.where(missing, 0.0, scaled)
        return Inputs(kind, worker, workflow, numbers, missing.astype(np.float64))

    def encode_tasks(self, workflow: Workflow, *, past: Past | None = None) -> Inputs:
        """Every task of a workflow, on no worker; `past` is what ended until now."""
        told: Sequence[Mapping[str, float]] = ()
        if self.sizes < len(self.numbers):
            told = context_of_workflow(workflow, self.usual, past)
        values = np.empty((len(workflow), len(self.numbers)))
        for j, number in enumerate(self.numbers):
            values[:, j] = _of_tasks(number, workflow.tasks, told)
        place = _places((workflow.name,), self.workflows)[0]
        return self._inputs(
            _places((task.kind for task in workflow.tasks), self.kinds),
            np.zeros(len(workflow), dtype=np.int64),
            np.full(len(workflow), place),
            values,
        )

    def places_of(self, cluster: Cluster) -> Ints:
        """Where each worker stands in the vocabulary; UNKNOWN for those never seen."""
        return _places((worker.name for worker in cluster.workers), self.workers)

    def encode_pairs(
        self, workflow: Workflow, cluster: Cluster, *, past: Past | None = None
    ) -> Inputs:
        """Every task on every worker: row `i * m + j` is task i on worker j."""
        tasks, workers = self.encode_tasks(workflow, past=past), self.places_of(cluster)
        spread = tasks.take(np.repeat(np.arange(len(tasks)), len(workers)))
        return spread.on(np.tile(workers, len(tasks)))

    def as_plain(self) -> dict[str, Any]:
        """JSON values from which `from_plain` makes the same columns."""
        numbers = [[each.name, each.centre, each.scale, each.context] for each in self.numbers]
        names = {"kinds": self.kinds, "workers": self.workers, "workflows": self.workflows}
        usual = {
            k: [None if np.isnan(v) else float(v) for v in each] for k, each in self.usual.items()
        }
        lists: dict[str, Any] = {name: list(each) for name, each in names.items()}
        return lists | {"numbers": numbers, "usual": usual}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Columns":
        """The columns that `as_plain` wrote."""
        numbers = tuple(Number(*each) for each in plain["numbers"])
        kinds, workers, workflows = (tuple(plain[f"{name}s"]) for name in ENTITIES)
        usual = {
            kind: tuple(np.nan if value is None else value for value in each)
            for kind, each in plain["usual"].items()
        }
        return cls(kinds, workers, workflows, numbers, usual)

    def _centres(self) -> Floats:
        return np.array([each.centre for each in self.numbers])

    def _scales(self) -> Floats:
        return np.array([each.scale for each in self.numbers])


def refuse_leaks(records: Sequence[TaskRecord], known_beforehand: Collection[str] = ()) -> None:
    """Raises InvalidInput when a size could only be known after the start."""
    sizes = {name for record in records for name in record.sizes} - set(known_beforehand)
    measured = {name for record in records for name in record.measured}
    for name in sorted(sizes & measured):
        raise InvalidInput(
            f"The size {name!r} must be known before a task starts, but these logs also measure it "
            f"during the run; declare it as known beforehand, or leave it out of the sizes."
        )
    for name in sorted(sizes):
        if (told := _repeats(name, records)) is not None:
            raise InvalidInput(
                f"The size {name!r} must be known before a task starts, but it equals the observed "
                f"{told} of every attempt; leave it out of the sizes."
            )


def _repeats(name: str, records: Sequence[TaskRecord]) -> str | None:
    for observed in ("duration", "peak_memory", "cpu"):
        pairs = [
            (record.sizes[name], value)
            for record in records
            if name in record.sizes and (value := getattr(record, observed)) is not None
        ]
        varied = len({value for _, value in pairs}) >= 3
        if varied and all(size == value for size, value in pairs):
            return observed
    return None


def _of_tasks(
    number: Number, tasks: Sequence[Task], told: Sequence[Mapping[str, float]]
) -> list[float]:
    """One column for every task, NaN where it is not given."""
    name = number.name
    if number.context:
        return [each.get(name, np.nan) for each in told]
    if name == "requested_cores":
        return [task.cores for task in tasks]
    if name == "requested_memory":
        return [np.nan if task.memory is None else task.memory for task in tasks]
    return [task.sizes.get(name, np.nan) for task in tasks]


def _numbers(
    sizes: Mapping[str, float], asked: Iterable[tuple[str, float | None]]
) -> dict[str, float]:
    requests = {name: float(value) for name, value in asked if value is not None}
    return {name: float(size) for name, size in sizes.items()} | requests


def _names(values: Iterable[str | None], most: int) -> tuple[str, ...]:
    counts = Counter(value for value in values if value is not None)
    return ("", *sorted(name for name, _ in counts.most_common(most)))


def _places(values: Iterable[str | None], names: Sequence[str]) -> Ints:
    places = {name: i for i, name in enumerate(names)} | {"": UNKNOWN}
    return np.array([places.get(value or "", UNKNOWN) for value in values], dtype=np.int64)


def _number(name: str, rows: Iterable[Known]) -> Number:
    logs = np.log1p([row.numbers[name] for row in rows if name in row.numbers])
    low, centre, high = np.quantile(logs, (0.25, 0.5, 0.75))
    scale = max((high - low) / 1.349, float(logs.std()))
    return Number(name, float(centre), float(scale) if scale > 1e-6 else 1.0)


def context_numbers(told: Sequence[Mapping[str, float]]) -> list[Number]:
    """The columns of the context that enough rows know, and that tell them apart."""
    found = []
    for name in sorted({name for row in told for name in row}):
        values = np.array([row.get(name, np.nan) for row in told])
        seen = values[~np.isnan(values)]
        if len(seen) >= FEWEST_CONTEXT and float(seen.std()) > 1e-6:
            found.append(Number(name, float(np.median(seen)), float(seen.std()), context=True))
    return found
