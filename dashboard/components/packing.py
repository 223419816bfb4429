"""What the Gantt draws, packed into flat arrays: pure."""

import base64
import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dashboard.frames import failed, outcome
from dashboard.reading import RunView
from dashboard.words import cores, size

PLANNED, ACTUAL = 0, 1
FINE, FAILED, RUNNING = 0, 1, 2


@dataclass(frozen=True)
class Bar:
    """One rectangle: seconds since the run began, and whose."""

    task: str
    worker: str
    start: float
    end: float
    layer: int
    state: int = FINE
    note: str = ""


@dataclass(frozen=True)
class Chart:
    """A Gantt ready to draw. `lanes` are workers with the number of rows each needs."""

    bars: tuple[Bar, ...]
    row: tuple[int, ...]  # of each bar, within its worker
    lanes: Mapping[str, int]
    kind: Mapping[str, str]
    kinds: tuple[str, ...]
    end: float
    now: float | None = None
    marks: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)


def planned_bars(view: RunView) -> list[Bar]:
    """A bar for each placement."""
    placed = view.plan.schedule.placements
    return [Bar(each.task, each.worker, each.start, each.end, PLANNED) for each in placed]


def actual_bars(view: RunView, *, until: float) -> list[Bar]:
    """A bar for each attempt; what has not ended reaches until then."""
    bars = []
    for each in view.attempts:
        end = max(until, each.start) if each.end is None else each.end
        state = RUNNING if each.end is None else FAILED if failed(each) else FINE
        note = f"attempt {each.attempt}, {outcome(each, running=view.running)}"
        bars.append(Bar(each.task, each.worker, each.start, end, ACTUAL, state, note))
    return bars


def chart(view: RunView, bars: Sequence[Bar], *, now: float | None = None) -> Chart:
    """Bars in rows: no two of one layer share a row at one time."""
    kind = {task.id: task.kind for task in view.plan.workflow.tasks}
    rows, lanes = _rows(bars, [each.name for each in view.plan.cluster.workers])
    plan, summary = view.plan.schedule, view.summary
    marks = {"planned end": plan.makespan, "lower bound": plan.lower_bound}
    last = max((each.end for each in bars), default=plan.makespan)
    return Chart(
        bars=tuple(bars),
        row=rows,
        lanes=lanes,
        kind=kind,
        kinds=by_frequency(kind.values()),
        end=max(last, plan.makespan, summary.makespan or 0.0, now or 0.0),
        now=now,
        marks={name: at for name, at in marks.items() if at > 0},
        details={
            each.name: f"{cores(each.cores)} · {size(each.memory)}"
            for each in view.plan.cluster.workers
        },
    )


def by_frequency(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, the most frequent first; ties by name. A kind's colour is its place here."""
    count: dict[str, int] = {}
    for each in names:
        count[each] = count.get(each, 0) + 1
    return tuple(sorted(count, key=lambda each: (-count[each], each)))


def packed(drawn: Chart) -> dict[str, Any]:
    """The chart as the browser takes it: six float32 for each bar, in base64.

    Of each bar: start, end, row from the top, kind, layer, state. Names stand in lists beside it.
    """
    first, rows = {}, 0
    for lane, count in drawn.lanes.items():
        first[lane] = rows
        rows += count
    place = {kind: i for i, kind in enumerate(drawn.kinds)}
    flat = [
        (bar.start, bar.end, first[bar.worker] + row, place.get(drawn.kind.get(bar.task, ""), 0),
         bar.layer, bar.state)
        for bar, row in zip(drawn.bars, drawn.row, strict=True)
    ]  # fmt: skip
    return {
        "bars": base64.b64encode(np.array(flat, dtype="<f4").tobytes()).decode(),
        "tasks": [bar.task for bar in drawn.bars],
        "notes": [bar.note for bar in drawn.bars],
        "lanes": [
            {"name": name, "rows": count, "detail": drawn.details.get(name, "")}
            for name, count in drawn.lanes.items()
        ],
        "kinds": list(drawn.kinds),
        "end": drawn.end,
        "now": drawn.now,
        "marks": [{"name": name, "at": at} for name, at in drawn.marks.items()],
    }


def _rows(bars: Sequence[Bar], workers: Sequence[str]) -> tuple[tuple[int, ...], dict[str, int]]:
    """The lowest row that is free, bar by bar in order of start; and the rows of each worker."""
    lanes = dict.fromkeys(workers, 1)
    free: dict[tuple[str, int], tuple[list[tuple[float, int]], list[int]]] = {}
    row = [0] * len(bars)
    for i in sorted(range(len(bars)), key=lambda i: (bars[i].start, bars[i].end, bars[i].task)):
        bar = bars[i]
        busy, idle = free.setdefault((bar.worker, bar.layer), ([], []))
        while busy and busy[0][0] <= bar.start + 1e-9:
            heapq.heappush(idle, heapq.heappop(busy)[1])
        row[i] = heapq.heappop(idle) if idle else len(busy)
        heapq.heappush(busy, (bar.end, row[i]))
        lanes[bar.worker] = max(lanes.get(bar.worker, 1), row[i] + 1)
    return tuple(row), lanes
