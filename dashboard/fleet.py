"""What all runs of a window of time did, do and are to do, as flat arrays; no streamlit here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from dashboard.arrays import FAILED, FINE, RUNNING, Floats, Ints, Spans
from dashboard.frames import STATES
from dashboard.words import by_frequency
from scheduler.store import Store
from scheduler.store.values import RunSummary
from scheduler.store.windows import GIVEN_UP, PLANNED, UNKNOWN, Bar, Described

MOST_RUNS, MOST_BARS = 200, 50_000  # of a window that are shown
SHELVED = 500_000  # bars of runs that are over and that are remembered
TO_COME = frozenset(("waiting", "retrying"))
LIVES = frozenset(("running", "waiting"))  # states of runs of which more is to come
GOOD = "succeeded"
LONG = 600  # seconds from which times are counted from a whole minute on
Mask = NDArray[np.bool_]
NONE = Spans(*(np.zeros(0, np.int64 if each in ("task", "worker", "state", "attempt") else float)
               for each in Spans.__dataclass_fields__))  # fmt: skip


@dataclass(frozen=True)
class Size:
    """The cores and the memory (bytes) of a worker."""

    cores: float
    memory: float


@dataclass(frozen=True, eq=False)
class RunBars:
    """One run: its tasks that have a bar, and the bars, in seconds since it began.

    `owner` is the one that all of its tasks have, if they have one. Of tasks: `names`, `kinds`,
    `states` (one of STATES) and `deadline` (infinite without one). Of
    bars: whose task, where, from when to when (infinite for what has no end); `attempt` is zero of
    what a plan says. Of runs that are over, what was planned and never began is left out.
    """

    run: RunSummary
    owner: str
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    states: tuple[str, ...]
    deadline: Floats
    task: Ints
    worker: tuple[str, ...]
    start: Floats
    end: Floats
    cores: Floats
    memory: Floats
    state: Ints
    attempt: Ints
    sizes: Mapping[str, Size]


@dataclass(frozen=True, eq=False)
class Fleet:
    """Many runs at once; seconds since `zero` (seconds of the clock, since 1970).

    Of tasks, in the order of their runs: name, place of the run, kind, state (places in `kinds`
    and STATES) and deadline. `bars` have zero as attempt where they are to come. `now` is None
    where it is not in the window, or nothing goes on. `left_out` counts runs and bars that are too
    many to be shown.
    """

    zero: float
    end: float
    now: float | None
    runs: tuple[RunSummary, ...]
    owners: tuple[str, ...]
    workers: tuple[str, ...]
    sizes: Mapping[str, Size]
    kinds: tuple[str, ...]
    names: tuple[str, ...]
    run: Ints
    kind: Ints
    state: Ints
    deadline: Floats
    bars: Spans
    left_out: int = 0

    @property
    def to_come(self) -> Mask:
        """Which bars only a plan has."""
        found: Mask = self.bars.attempt == 0
        return found

    def place_of(self, run: int, task: str) -> int | None:
        """The place of a task of a run; None where it has no bar here."""
        at = next((k for k, each in enumerate(self.runs) if each.id == run), None)
        if at is None:
            return None
        first, last = np.searchsorted(self.run, [at, at + 1]).tolist()
        return next((k for k in range(first, last) if self.names[k] == task), None)


@dataclass
class Shelf:
    """What was read of runs: all of those that are over, and what others are made of."""

    over: dict[tuple[int, datetime, datetime | None], RunBars] = field(default_factory=dict)
    made_of: dict[tuple[int, datetime, int], Described] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def put(self, found: RunBars) -> None:
        """Remembers a run that is over; the ones remembered first are forgotten."""
        with self.lock:
            self.over[_over(found.run)] = found
            while len(self.over) > 1 and sum(len(e.start) for e in self.over.values()) > SHELVED:
                self.over.pop(next(iter(self.over)))

    def describe(self, found: Mapping[tuple[int, datetime, int], Described]) -> None:
        """Remembers what runs that go on are made of."""
        with self.lock:
            for run, started, _ in found:
                for old in [each for each in self.made_of if each[:2] == (run, started)]:
                    self.made_of.pop(old)
            self.made_of.update(found)
            while len(self.made_of) > MOST_RUNS:
                self.made_of.pop(next(iter(self.made_of)))


def read(store: Store, shelf: Shelf, runs: Sequence[RunSummary]) -> tuple[RunBars, ...]:
    """These runs; those that are over once, all others in as many queries as one of them."""
    known = {each.id: shelf.over.get(_over(each)) for each in runs if each.ended}
    fresh = [each for each in runs if known.get(each.id) is None]
    bars: dict[int, list[Bar]] = {each.id: [] for each in fresh}
    going = [each.id for each in fresh if each.state in LIVES]
    for bar in store.bars_of(bars, coming=going) if fresh else ():
        bars[bar.run].append(bar)
    described = _described(store, shelf, fresh)
    for run in fresh:
        found = run_bars(run, bars[run.id], described[run.id])
        known[run.id] = found
        if run.ended is not None:
            shelf.put(found)
    return tuple(each for run in runs if (each := known[run.id]) is not None)


def _described(store: Store, shelf: Shelf, runs: Sequence[RunSummary]) -> Mapping[int, Described]:
    changes = store.changes_of([each.id for each in runs]) if runs else {}
    keys = {each.id: (each.id, each.started, changes.get(each.id, 0)) for each in runs}
    known = {run: each for run, key in keys.items() if (each := shelf.made_of.get(key))}
    missing = [run for run in keys if run not in known]
    found = store.described(missing) if missing else {}
    living = {each.id for each in runs if each.ended is None}
    shelf.describe({keys[run]: each for run, each in found.items() if run in living})
    return known | found


def _over(run: RunSummary) -> tuple[int, datetime, datetime | None]:
    """Which run it is, and which end of it: one that was cut off may go on, and end again."""
    return run.id, run.started, run.ended


def run_bars(run: RunSummary, bars: Sequence[Bar], made_of: Described) -> RunBars:
    """A run as the store tells of it."""
    lives = run.state in LIVES
    tasks = {each["id"]: each for each in made_of.workflow["tasks"]}
    last: dict[str, Bar] = {}
    given_up: dict[str, float] = {}
    for each in bars:
        if each.outcome == GIVEN_UP:
            given_up[each.task] = max(each.start, given_up.get(each.task, 0.0))
        elif each.outcome != PLANNED and each.attempt >= last.get(each.task, each).attempt:
            last[each.task] = each
    states = {
        name: _state(last.get(name), given_up.get(name), lives=lives)
        for name in dict.fromkeys(each.task for each in bars)
    }
    shown = [e for e in bars if e.outcome != GIVEN_UP and (e.attempt or states[e.task] in TO_COME)]
    names = tuple(dict.fromkeys(each.task for each in shown))
    place = {name: i for i, name in enumerate(names)}
    known = [tasks.get(name, {}) for name in names]
    due = [each.get("deadline") for each in known]
    owned = {str(each.get("owner", "")) for each in tasks.values()}
    return RunBars(
        run, owned.pop() if len(owned) == 1 else "", names,
        tuple(str(each.get("kind", "")) for each in known),
        tuple(states[name] for name in names),
        np.array([np.inf if each is None else each for each in due], np.float64),
        np.array([place[each.task] for each in shown], np.int64),
        tuple(each.worker for each in shown),
        np.array([each.start for each in shown], np.float64),
        np.array([np.inf if each.end is None else each.end for each in shown], np.float64),
        np.array([each.cores for each in shown], np.float64),
        np.array([each.memory for each in shown], np.float64),
        np.array([_code(each, lives=lives) for each in shown], np.int64),
        np.array([each.attempt for each in shown], np.int64),
        {each["name"]: Size(float(each.get("cores", 1.0)), float(each.get("memory", 0)))
         for each in made_of.cluster["workers"]},
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Shown:
    """What of a run lies in the window: `inside` of its bars; from when to when, by the clock."""

    part: RunBars
    start: Floats
    end: Floats
    inside: Mask

    @cached_property
    def tasks(self) -> Ints:
        """The places of its tasks that have a bar here."""
        return np.unique(self.part.task[self.inside])

    @cached_property
    def workers(self) -> tuple[str, ...]:
        """Where each of the bars here is."""
        return tuple(self.part.worker[k] for k in np.flatnonzero(self.inside).tolist())

    def due(self, zero: float) -> Floats:
        """The deadlines of the tasks here."""
        found: Floats = self.part.deadline[self.tasks] + self.part.run.started.timestamp() - zero
        return found

    def spans(self, workers: Sequence[str], zero: float, first: int) -> Spans:
        """The bars here; the first of the tasks has that place."""
        part, inside = self.part, self.inside
        where = {name: place for place, name in enumerate(workers)}
        end = self.end[inside] - zero
        return Spans(
            np.searchsorted(self.tasks, part.task[inside]) + first,
            _places([where[each] for each in self.workers]),
            self.start[inside] - zero, end, end, end, part.cores[inside], part.memory[inside],
            part.state[inside], part.attempt[inside],
        )  # fmt: skip


def joined(parts: Sequence[RunBars], *, since: datetime, until: datetime, now: datetime) -> Fleet:
    """All that lies in the window, at least in part, from the first bar in it to the last.

    What runs reaches to now; what is to come begins now at the earliest.
    """
    low, high, moment = since.timestamp(), until.timestamp(), now.timestamp()
    kept, bars, left_out = list[_Shown](), 0, 0
    for part in parts:
        start, end = _clocked(part, moment)
        found = _Shown(part, start, end, (start < high) & (end > low))
        if not (many := int(found.inside.sum())):
            continue
        if bars and bars + many > MOST_BARS:
            left_out += 1
            continue
        bars += many
        kept.append(found)
    first = min((float(each.start[each.inside].min()) for each in kept), default=low)
    last = max((float(each.end[each.inside].max()) for each in kept), default=high)
    goes_on = any(each.part.run.state in LIVES for each in kept)
    last = min(high, max(last, moment) if goes_on else last)
    grain = 60 if last - first > LONG else 1  # of a run that grows the beginning stays
    zero = max(low, first // grain * grain)
    return _together(kept, zero, last, moment if goes_on else None, left_out)


def _together(
    kept: Sequence[_Shown], zero: float, end: float, now: float | None, left_out: int
) -> Fleet:
    parts = [each.part for each in kept]
    workers = tuple(sorted({name for each in kept for name in each.workers}))
    kinds = by_frequency(kind for each in parts for kind in each.kinds)
    begin = np.cumsum([0, *(len(each.tasks) for each in kept)])
    bars = [each.spans(workers, zero, int(at)) for each, at in zip(kept, begin, strict=False)]
    sizes: dict[str, Size] = {}
    for part in reversed(parts):  # the newest run knows best
        sizes |= part.sizes
    shown = now is not None and zero <= now <= end
    return Fleet(
        zero, end - zero, now - zero if shown and now is not None else None,
        tuple(each.run for each in parts),
        tuple(each.run.owner or each.owner for each in parts),
        workers, {name: sizes[name] for name in workers if name in sizes}, kinds,
        tuple(each.part.names[k] for each in kept for k in each.tasks.tolist()),
        _places([k for k, each in enumerate(kept) for _ in each.tasks]),
        _places([kinds.index(e.part.kinds[k]) for e in kept for k in e.tasks.tolist()]),
        _places([STATES.index(e.part.states[k]) for e in kept for k in e.tasks.tolist()]),
        np.concatenate([each.due(zero) for each in kept]) if kept else np.zeros(0),
        Spans(*(np.concatenate([getattr(each, name) for each in (NONE, *bars)])
                for name in Spans.__dataclass_fields__)),
        left_out,
    )  # fmt: skip


def _clocked(part: RunBars, now: float) -> tuple[Floats, Floats]:
    """From when to when each bar is, by the clock."""
    zero, coming = part.run.started.timestamp(), part.attempt == 0
    closed = np.isfinite(part.end)
    start, end = part.start + zero, part.end + zero
    lives = part.run.state in LIVES
    heard = float(np.max(np.where(closed, end, start), initial=zero))
    last = now if lives else max(heard, zero + (part.run.makespan or 0.0))
    end = np.where(closed, end, np.maximum(start, last))
    later = np.where(coming, np.maximum(now - start, 0.0), 0.0)
    return start + later, end + later


def _state(last: Bar | None, given_up: float | None, *, lives: bool) -> str:
    if given_up is not None and (last is None or last.start <= given_up):
        return "given up"
    if last is None:
        return "waiting" if lives else "interrupted"
    if last.end is None:
        return "running" if lives else "interrupted"
    if last.outcome == GOOD:
        return GOOD
    if last.outcome == UNKNOWN:
        return "interrupted"
    return "retrying" if lives else "failed"


def _code(bar: Bar, *, lives: bool) -> int:
    if bar.end is None:
        return RUNNING if lives else FINE
    return FINE if bar.outcome in (GOOD, PLANNED, UNKNOWN) else FAILED


def _places(values: Sequence[int]) -> Ints:
    return np.array(values, np.int64)
