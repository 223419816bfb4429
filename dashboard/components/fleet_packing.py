"""What the Gantt draws of many runs at once, packed into flat arrays: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard import frames
from dashboard.arrays import Spans
from dashboard.components.packing import KIND, WORKER, Ints, Lane, base, ordered, usage_packed
from dashboard.components.rows import rows
from dashboard.components.usage import Usage, usages
from dashboard.fleet import Fleet
from dashboard.words import cores, count, size

RUN = "run"
LANES = (WORKER, RUN, KIND)
STATE = "state"
COLOURS = (RUN, STATE, KIND)
DONE, COMING = "done", "coming"
BOTH = (DONE, COMING)
CLOCK = 1e-6  # seconds that are not late yet
Mask = NDArray[np.bool_]
Near = tuple[Sequence[int], Sequence[int]]


@dataclass(frozen=True)
class FleetWanted:
    """What is asked for; what is empty leaves everything in. Runs are numbers as text."""

    runs: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    workers: frozenset[str] = frozenset()
    late: bool = False

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self == FleetWanted()


@dataclass(frozen=True, eq=False)
class FleetChart:
    """A Gantt of many runs, ready to pack: bars, each with its row from the top."""

    fleet: Fleet
    bars: Spans
    row: Ints
    lanes: tuple[Lane, ...]
    usage: tuple[Usage, ...]
    colour: str

    @property
    def tasks(self) -> Ints:
        """The places of the tasks that have a bar."""
        return np.unique(self.bars.task)


def chart(
    fleet: Fleet, *, layers: Sequence[str] = BOTH, lanes: str = WORKER, colour: str = RUN,
    asked: FleetWanted | None = None,
) -> FleetChart:  # fmt: skip
    """The bars that are asked for, in rows: no two of a row are at one time.

    Usage is of all that the workers asked for do, whatever else is left out.
    """
    asked = asked or FleetWanted()
    on, coming = workers(fleet, asked), fleet.to_come
    layer = (DONE in layers) & ~coming | (COMING in layers) & coming
    there = on[fleet.bars.worker] & layer
    bars = fleet.bars.of(there & tasks(fleet, asked)[fleet.bars.task])
    lane, named = _laned(fleet, lanes, on, bars)
    row, tall = rows(lane, bars.start, bars.end, lanes=len(named))
    first = np.cumsum(tall) - tall
    bands = tuple(Lane(name, int(n), detail) for (name, detail), n in zip(named, tall, strict=True))
    known = [
        fleet.sizes[each] for each in np.array(fleet.workers, object)[on] if each in fleet.sizes
    ]
    used = usages(
        fleet.bars.of(there & coming), fleet.bars.of(there & ~coming),
        cores=sum(each.cores for each in known), memory=sum(each.memory for each in known),
    )  # fmt: skip
    return FleetChart(fleet, bars, first[lane] + row, bands, used, colour)


def tasks(fleet: Fleet, asked: FleetWanted) -> Mask:
    """Which tasks are wanted; on which worker they are does not count here."""
    chosen = np.ones(len(fleet.names), bool)
    if asked.runs or asked.owners:
        fine = [
            (not asked.runs or str(run.id) in asked.runs)
            and (not asked.owners or owner in asked.owners)
            for run, owner in zip(fleet.runs, fleet.owners, strict=True)
        ]
        chosen &= np.array(fine, bool)[fleet.run]
    for wanted, names, of in (
        (asked.kinds, fleet.kinds, fleet.kind),
        (asked.states, frames.STATES, fleet.state),
    ):
        if wanted:
            chosen &= np.array([each in wanted for each in names], bool)[of]
    if asked.late:
        chosen &= late(fleet)
    return chosen


def workers(fleet: Fleet, asked: FleetWanted) -> Mask:
    """Which workers are wanted, in the order of the fleet's."""
    return np.array([not asked.workers or each in asked.workers for each in fleet.workers], bool)


def late(fleet: Fleet) -> Mask:
    """Which tasks end after their deadline, or will by what is known now."""
    ends = np.full(len(fleet.names), -np.inf)
    np.maximum.at(ends, fleet.bars.task, fleet.bars.end)
    found: Mask = ends > fleet.deadline + CLOCK
    return found


def packed(
    drawn: FleetChart, *, selected: int | None = None, near: Near = ((), ())
) -> dict[str, Any]:
    """The chart as the browser takes it; as of one run, with the run of each task beside.

    `selected` is the place of a task in the fleet, `near` the places of those that it waits for
    and of those that wait for it.
    """
    fleet, bars, coming = drawn.fleet, drawn.bars, drawn.bars.attempt == 0
    shown = drawn.tasks
    place = np.full(len(fleet.names), -1)
    place[shown] = np.arange(len(shown))
    held = np.zeros((2, len(fleet.names)))
    held[0, bars.task], held[1, bars.task] = bars.cores, bars.memory
    due = fleet.deadline[shown]
    here = -1 if selected is None else int(place[selected])
    return {
        "planned": _layer(bars.of(coming), drawn.row[coming], place, ("low", "high")),
        "actual": _layer(bars.of(~coming), drawn.row[~coming], place, ("state", "attempt")),
        "tasks": base(
            fleet.kind[shown], np.where(np.isfinite(due), due, np.nan), np.zeros(len(shown)),
            held[0, shown], held[1, shown], fleet.state[shown], fleet.run[shown],
        ),
        "names": [fleet.names[each] for each in shown.tolist()], "kinds": list(fleet.kinds),
        "states": list(frames.STATES), "workers": list(fleet.workers), "runs": run_names(fleet),
        "colour": drawn.colour,
        "lanes": [
            {"name": each.name, "rows": each.rows, "detail": each.detail} for each in drawn.lanes
        ],
        "end": fleet.end, "now": fleet.now, "marks": [], "critical": [],
        "selected": here if here >= 0 else None,
        "arrows": _arrows(here, place, near),
        "usage": [usage_packed(each) for each in drawn.usage],
    }  # fmt: skip


def run_names(fleet: Fleet) -> list[dict[str, Any]]:
    """The runs as the browser names them."""
    return [
        {"id": run.id, "name": f"#{run.id} {run.workflow}", "state": run.state, "owner": owner}
        for run, owner in zip(fleet.runs, fleet.owners, strict=True)
    ]


def _layer(bars: Spans, row: Ints, place: Ints, more: Sequence[str]) -> str:
    columns = [bars.start, bars.end, row, place[bars.task], bars.worker]
    return ordered(row, [*columns, *(getattr(bars, name) for name in more)])


def _laned(fleet: Fleet, lanes: str, on: Mask, bars: Spans) -> tuple[Ints, list[tuple[str, str]]]:
    """The lane of each bar, and the name and the detail of each lane."""
    if lanes == WORKER:
        names = [name for name, wanted in zip(fleet.workers, on.tolist(), strict=True) if wanted]
        return (np.cumsum(on) - 1)[bars.worker], [(each, _size(fleet, each)) for each in names]
    of, names, details = _runs(fleet) if lanes == RUN else _kinds(fleet)
    present = np.unique(of[bars.task])
    place = np.zeros(len(names), np.int64)
    place[present] = np.arange(len(present))
    return place[of[bars.task]], [(names[each], details[each]) for each in present.tolist()]


def _runs(fleet: Fleet) -> tuple[Ints, list[str], list[str]]:
    """A lane for each run, those of one workflow beside one another, by when they began."""
    order = sorted(
        range(len(fleet.runs)),
        key=lambda k: (fleet.runs[k].workflow, fleet.runs[k].started, fleet.runs[k].id),
    )
    rank = np.zeros(len(order), np.int64)
    rank[order] = np.arange(len(order))
    named = run_names(fleet)
    details = [
        " · ".join(filter(None, (fleet.owners[k], fleet.runs[k].label, fleet.runs[k].state)))
        for k in order
    ]
    return rank[fleet.run], [named[k]["name"] for k in order], details


def _kinds(fleet: Fleet) -> tuple[Ints, list[str], list[str]]:
    many = np.bincount(fleet.kind, minlength=len(fleet.kinds)).tolist()
    return fleet.kind, list(fleet.kinds), [count(each, "task") for each in many]


def _size(fleet: Fleet, name: str) -> str:
    known = fleet.sizes.get(name)
    return f"{cores(known.cores)} · {size(known.memory)}" if known else "not known"


def _arrows(here: int, place: Ints, near: Near) -> list[list[int]]:
    """From what the selected task waits for to it, and from it to what waits for it."""
    if here < 0:
        return []
    before, after = ([int(place[k]) for k in some if place[k] >= 0] for some in near)
    return [*([each, here] for each in before), *([here, each] for each in after)]
