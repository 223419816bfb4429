"""Learning from a log that memory does not hold: all rows for the network, a sample for the rest.

The sample decides what the columns are, carries the offsets and all other arms, the choices between
workers, and the validation and test rows. The network learns from every training row: its features
and offsets are written block by block into files, from which batches are read.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from learner import position
from learner.context import Context
from learner.examples import Examples, Split
from learner.features import Columns, Inputs, Known, context_numbers
from learner.history import TASK_COLUMNS, Past
from learner.networks.network import Rows
from learner.offsets import Offsets
from learner.targets import target_named, targets
from learner.targets.base import AttemptTarget
from learner.training.lesson import FORGETTING, Lesson, forget
from learner.training.mapped import BY_TARGET, arrays_of
from learner.training.snapshot import NEVER, Snapshot
from scheduler.records import TaskRecord

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PLACED = len(position.COLUMNS)
Block = dict[str, NDArray[Any]]
Blocks = Callable[[Snapshot, "Encoder"], Iterator[Block]]


def in_turn(snapshot: Snapshot, encode: "Encoder") -> Iterator[Block]:
    """The blocks of all shards, one after the other in this process."""
    for numbers, records in snapshot.shards():
        yield encode(records, numbers)


@dataclass(frozen=True, eq=False)
class Beyond:
    """A whole log in files; `split` is that of the sample in memory, `sampled` its numbers.

    `told` is a file of what surrounds each record: n x (position, then history), NaN for unknown.
    `blocks` is who encodes the shards.
    """

    snapshot: Snapshot
    columns: Columns
    split: Split
    sampled: Ints
    told: Path
    blocks: Blocks = in_turn

    def lesson(self, sample: Lesson, offsets: Offsets) -> Lesson:
        """The lesson of all training rows, in files; choices are those of the sample's lesson."""
        index = self.snapshot.index
        taught = _in_order(index.place, index.part == 0)
        row = np.full(len(index), -1)
        row[taught] = np.arange(len(taught))
        names = tuple(n for n in sample.truth if target_named(n).sees == "attempts")
        made = _Files(self.snapshot.folder / "lesson", len(taught), sample, names)
        for block in self.blocks(
            self.snapshot, Encoder(self.columns, offsets, names, row, self.told)
        ):
            made.put(block)
        made.correct(row[self.sampled[self.split.train]], sample)
        return made.lesson(sample)

    def seen_by(self, columns: Columns, examples: Examples) -> Examples:
        """The sample in the columns of another network."""
        told = surroundings(self.snapshot, columns, self.snapshot.folder / "other.npy")
        inputs = _encoded(columns, examples.records, read_rows(told, self.sampled))
        return replace(examples, columns=columns, inputs=inputs, beyond=None)


@dataclass(frozen=True, eq=False)
class Encoder:
    """From records to rows of a lesson; it travels to whoever encodes.

    `row` is by number of a record its row in the lesson, -1 for those not to learn from.
    """

    columns: Columns
    offsets: Offsets
    names: tuple[str, ...]
    row: Ints
    told: Path

    def __call__(self, records: Sequence[TaskRecord], numbers: Ints) -> Block:
        """The arrays of a lesson's attempts, by the names of `arrays_of`, and their rows.

        Shape: n values each; an offset n x 4, one for each of FORGETTING.
        """
        mine = self.row[numbers] >= 0
        taught = [record for record, each in zip(records, mine, strict=True) if each]
        inputs = _encoded(self.columns, taught, read_rows(self.told, numbers[mine]))
        block: Block = {"row": self.row[numbers[mine]]}
        for name, tensor in Rows.of(inputs)._asdict().items():
            block[f"attempts-{name}"] = tensor.numpy()
        for name in self.names:
            block |= self._target(name, taught, inputs)
        return block

    def _target(self, name: str, records: Sequence[TaskRecord], inputs: Inputs) -> Block:
        target, scale = target_named(name), self.offsets.scale(name)
        if not isinstance(target, AttemptTarget):
            raise TypeError(f"The target {name} has no truth for each attempt.")
        bounds = [target.at_least(each) if name in targets() else np.nan for each in records]
        offset = [self.offsets.under(name, forget(inputs, *lost)) for lost in FORGETTING]
        return {
            f"truth-{name}": np.array([target.truth(each) for each in records]) / scale,
            f"at_least-{name}": np.array(bounds) / scale,
            f"offset-{name}": np.stack(offset, axis=1),
            f"weight-{name}": np.ones(len(records)),
        }


def sampled(
    snapshot: Snapshot,
    *,
    hold: int,
    seed: int,
    known_beforehand: Sequence[str] = (),
    blocks: Blocks = in_turn,
) -> Examples:
    """A sample of about `hold` records as examples that know of the whole log.

    Tasks are drawn by a hash of their names and the seed, with all their attempts; they keep the
    part of the log in which they stand. `blocks` is who encodes all others, shard by shard. Raises
    InvalidInput as `Examples.of` does.
    """
    index = snapshot.index
    chosen = _in_order(index.place, _drawn(snapshot, hold, seed))
    held = dict(zip(np.sort(chosen).tolist(), snapshot.pick(np.sort(chosen).tolist()), strict=True))
    records = [held[int(number)] for number in chosen]
    part = index.part[chosen]
    split = Split(*(np.flatnonzero(part == each) for each in range(3)))
    plain = Examples.of(records, split=split, known_beforehand=known_beforehand)
    told = surroundings(snapshot, plain.columns, snapshot.folder / "told.npy")
    columns = plain.columns
    if len(chosen) < len(index):
        contexts = [_context(each) for each in read_rows(told, chosen[split.train])]
        sizes = [each for each in columns.numbers if not each.context]
        columns = replace(columns, numbers=(*sizes, *context_numbers(contexts)))
    beyond = Beyond(snapshot, columns, split, chosen, told, blocks)
    inputs = _encoded(columns, records, read_rows(told, chosen))
    return replace(plain, columns=columns, inputs=inputs, beyond=beyond)


def surroundings(snapshot: Snapshot, columns: Columns, file: Path) -> Path:
    """What surrounds each record, as Beyond tells it, written to a file, which is given back.

    It is what `context_of_records` says of the whole log: no record is told of another that had not
    ended when it was asked for.
    """
    shape = (len(snapshot), PLACED + len(TASK_COLUMNS))
    told: NDArray[np.float64] = open_memmap(file, mode="w+", dtype=np.float64, shape=shape)
    told[:] = np.nan
    for number, known in _pasts(snapshot, columns):
        told[number, PLACED:] = [known[name] for name in TASK_COLUMNS]
    for number, placed in _positions(snapshot, columns):
        told[number, :PLACED] = [placed[name] for name in position.COLUMNS]
    return file


def read_rows(file: Path, rows: Ints) -> Floats:
    """Some rows of an array in a file."""
    found: Floats = np.load(file, mmap_mode="r")[rows]
    return found


def _pasts(snapshot: Snapshot, columns: Columns) -> Iterator[tuple[int, Mapping[str, float]]]:
    """The history of each record that says when it was asked for."""
    index, past = snapshot.index, Past(columns.usual, snapshot.index.subjects)
    order = index.place.argsort()
    asked = order[index.asked[order].argsort(kind="stable")]
    ended = order[index.ended[order].argsort(kind="stable")]
    asked, ended = asked[index.asked[asked] < NEVER], ended[index.ended[ended] < NEVER]
    finished, done = snapshot.pick(ended.tolist()), 0
    for number, record in zip(asked.tolist(), snapshot.pick(asked.tolist()), strict=True):
        while done < len(ended) and index.ended[ended[done]] < index.asked[number]:
            past.observe(next(finished))
            done += 1
        yield number, past.of(record.kind, record.task, record.worker)


def _positions(snapshot: Snapshot, columns: Columns) -> Iterator[tuple[int, Mapping[str, float]]]:
    """The place of each record in the graph of its run, a run at a time; runs without graphs have
    none."""
    index = snapshot.index
    with_graph = np.unique(index.run[index.graph])
    seconds = {kind: each[0] for kind, each in columns.usual.items() if not np.isnan(each[0])}
    rows = _in_order(index.place, np.isin(index.run, with_graph))
    rows = rows[index.run[rows].argsort(kind="stable")]
    if not len(rows):
        return
    borders = np.flatnonzero(np.diff(index.run[rows])) + 1
    for run in np.split(rows, borders):
        held = dict(zip(np.sort(run).tolist(), snapshot.pick(np.sort(run).tolist()), strict=True))
        placed = position.of_records([held[int(number)] for number in run], seconds)
        yield from ((int(n), each) for n, each in zip(run, placed, strict=True) if each)


def _encoded(columns: Columns, records: Sequence[TaskRecord], told: Floats) -> Inputs:
    pairs = zip(records, told, strict=True)
    return columns.encode([Known.of_record(record, _context(each)) for record, each in pairs])


def _context(told: Floats) -> Context:
    names = (*position.COLUMNS, *TASK_COLUMNS)
    pairs = zip(names, told.tolist(), strict=True)
    return {name: value for name, value in pairs if not np.isnan(value)}


def _in_order(place: Ints, wanted: NDArray[np.bool_]) -> Ints:
    found = np.flatnonzero(wanted)
    ordered: Ints = found[place[found].argsort()]
    return ordered


def _drawn(snapshot: Snapshot, hold: int, seed: int) -> NDArray[np.bool_]:
    share = min(hold / max(len(snapshot), 1), 1.0)
    drawn = np.zeros(len(snapshot), dtype=bool)
    for numbers, records in snapshot.shards():
        drawn[numbers] = [_uniform(f"{seed}/{r.run}/{r.task}") < share for r in records]
    return drawn


def _uniform(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64


class _Files:
    """The arrays of a lesson's attempts in files, filled block by block."""

    def __init__(self, folder: Path, rows: int, like: Lesson, names: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.names = names
        self.files = {
            name: _file(folder / f"{name}.npy", each, _shape(name, each, rows))
            for name, each in arrays_of(like).items()
            if name.startswith("attempts-") or name.partition("-")[2] in names
        }

    def put(self, block: Block) -> None:
        """Writes some rows."""
        for name, file in self.files.items():
            if name.startswith("offset-"):
                file[:, block["row"]] = block[name].T
            else:
                file[block["row"]] = block[name]

    def correct(self, rows: Ints, sample: Lesson) -> None:
        """The offset saw the sample's rows: of those it says what the others say."""
        for name in self.names:
            self.files[f"offset-{name}"][0, rows] = sample.offset[name][0].numpy()

    def lesson(self, sample: Lesson) -> Lesson:
        """All of it, with the choices of the sample."""
        mine = {name: torch.from_numpy(file) for name, file in self.files.items()}
        parts = (
            {n: mine.get(f"{part}-{n}", each) for n, each in getattr(sample, part).items()}
            for part in BY_TARGET
        )
        attempts = Rows(*(mine[f"attempts-{name}"] for name in Rows._fields))
        return Lesson(attempts, sample.works, sample.workers, *parts)


def _shape(name: str, like: torch.Tensor, rows: int) -> tuple[int, ...]:
    return (len(FORGETTING), rows) if name.startswith("offset-") else (rows, *like.shape[1:])


def _file(file: Path, like: torch.Tensor, shape: tuple[int, ...]) -> NDArray[Any]:
    made: NDArray[Any] = open_memmap(file, mode="w+", dtype=like.numpy().dtype, shape=shape)
    return made
