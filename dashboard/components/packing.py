"""What the Gantt draws, packed into flat arrays: pure."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard import frames, wanted
from dashboard.arrays import Spans, until
from dashboard.components.layout import stages
from dashboard.components.rows import rows
from dashboard.components.usage import Usage, usages
from dashboard.reading import RunView
from dashboard.wanted import Wanted
from dashboard.words import by_frequency, cores, count, size

PLANNED, ACTUAL = 0, 1
BOTH = (PLANNED, ACTUAL)
WORKER, KIND, STAGE = LANES = ("worker", "kind", "stage")
MOST_STEPS = 8000  # of a strip of usage; beyond, the most within equal times is kept
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Lane:
    """A named band of rows."""

    name: str
    rows: int
    detail: str = ""


@dataclass(frozen=True, eq=False)
class Chart:
    """A Gantt ready to pack: spans of the plan and of attempts, each with its row from the top."""

    view: RunView
    planned: Spans
    actual: Spans
    rows: tuple[Ints, Ints]
    lanes: tuple[Lane, ...]
    usage: tuple[Usage, ...]
    end: float
    now: float | None
    marks: Mapping[str, float]

    @property
    def tasks(self) -> int:
        """How many tasks have a bar."""
        return len(np.union1d(self.planned.task, self.actual.task))


def chart(
    view: RunView, *, now: float, layers: Sequence[int] = BOTH, lanes: str = WORKER,
    asked: Wanted | None = None,
) -> Chart:  # fmt: skip
    """The bars that are asked for, in rows: no two of one layer share a row at one time.

    `now` is in seconds since the run began, where what still runs reaches to. Usage is of all that
    the workers asked for do, whatever else is left out.
    """
    asked = asked or Wanted()
    tasks, workers = wanted.tasks(view, asked, now=now), wanted.workers(view, asked)
    layer = {PLANNED: view.plan.spans, ACTUAL: until(view.spans, now)}
    there = {each: spans.of(workers[spans.worker]) for each, spans in layer.items()}
    none = np.zeros(len(workers), bool)
    for each, spans in there.items():
        if each not in layers:
            there[each] = spans.of(none[spans.worker])
    shown = {each: spans.of(tasks[spans.task]) for each, spans in there.items()}
    places, named = _laned(view, lanes, workers, list(shown.values()))
    placed, bands = _rows(list(shown.values()), places, named)
    last = max((float(spans.end.max(initial=0.0)) for spans in layer.values()), default=0.0)
    return Chart(
        view, shown[PLANNED], shown[ACTUAL], placed, bands,
        usages(there[PLANNED], there[ACTUAL], **_capacity(view, workers)),
        end=max(last, view.summary.makespan or 0.0, now if view.running else 0.0),
        now=now if view.running else None,
        marks=_marks(view),
    )  # fmt: skip


def packed(drawn: Chart, *, selected: str | None = None) -> dict[str, Any]:
    """The chart as the browser takes it: columns of float32, one after the other, in base64.

    Of planned bars: start, end, row, task, worker, low, high; of attempts: start, end, row, task,
    worker, state, attempt; of tasks: kind, deadline (NaN for none), on the critical path, cores,
    memory, state. Bars lie by row and time. Names stand in lists beside them.
    """
    plan, tried = drawn.planned, drawn.actual
    tasks = np.union1d(plan.task, tried.task)
    place = np.zeros(len(drawn.view.plan.workflow), np.int64)
    place[tasks] = np.arange(len(tasks))
    named = [drawn.view.plan.workflow.tasks[each].id for each in tasks]
    index = {name: i for i, name in enumerate(named)}
    first, second = (
        ordered(row, [s.start, s.end, row, place[s.task], s.worker, *more])
        for s, row, more in (
            (plan, drawn.rows[0], (plan.low, plan.high)),
            (tried, drawn.rows[1], (tried.state, tried.attempt)),
        )
    )
    kinds, columns = _of_tasks(drawn, tasks)
    return {
        "planned": first, "actual": second, "tasks": columns, "names": named, "kinds": kinds,
        "states": list(frames.STATES), "workers": list(drawn.view.workers),
        "lanes": [
            {"name": each.name, "rows": each.rows, "detail": each.detail} for each in drawn.lanes
        ],
        "end": drawn.end, "now": drawn.now,
        "marks": [{"name": name, "at": at} for name, at in drawn.marks.items()],
        "critical": [index[each] for each in drawn.view.plan.critical if each in index],
        "selected": index.get(selected) if selected is not None else None,
        "arrows": _arrows(drawn.view, selected, index),
        "usage": [usage_packed(each) for each in drawn.usage],
    }  # fmt: skip


def base(*columns: Any) -> str:
    """Columns of numbers as float32, one after the other, in base64."""
    flat = [np.asarray(each, dtype="<f4") for each in columns]
    return base64.b64encode(np.concatenate(flat).tobytes() if flat else b"").decode()


def thinned(
    time: NDArray[np.float64], value: NDArray[np.float64], *, most: int = MOST_STEPS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps as they are, or where they are many the greatest value in each of so many times."""
    if len(time) <= most:
        return time, value
    edges = np.linspace(time[0], time[-1], most, endpoint=False)
    first = np.searchsorted(time, edges, side="right") - 1  # what holds at the edge counts too
    last = np.append(np.searchsorted(time, edges[1:], side="left"), len(time))
    most_in = np.maximum.reduceat(value, np.stack([first, last - 1], axis=1).ravel())[::2]
    return edges, np.maximum(most_in, value[last - 1])


def _laned(
    view: RunView, lanes: str, workers: NDArray[np.bool_], shown: Sequence[Spans]
) -> tuple[list[Ints], list[tuple[str, str]]]:
    """The lane of each bar, layer by layer; and the name and detail of each lane."""
    if lanes == WORKER:
        place = np.cumsum(workers) - 1
        named = [(name, _detail(view, name)) for name in np.array(view.workers)[workers].tolist()]
        return [place[each.worker] for each in shown], named
    group = _groups(view, lanes)
    present = np.union1d(*(group.of[each.task] for each in shown))
    place = np.zeros(len(group.names), np.int64)
    place[present] = np.arange(len(present))
    many = np.bincount(group.of, minlength=len(group.names))
    named = [(group.names[each], count(int(many[each]), "task")) for each in present]
    return [place[group.of[each.task]] for each in shown], named


@dataclass(frozen=True, eq=False)
class _Groups:
    of: Ints
    names: Sequence[str]


def _groups(view: RunView, lanes: str) -> _Groups:
    workflow = view.plan.workflow
    if lanes == STAGE:
        return _Groups(*stages(workflow))
    kinds = by_frequency(task.kind for task in workflow.tasks)
    index = {kind: place for place, kind in enumerate(kinds)}
    return _Groups(np.array([index[task.kind] for task in workflow.tasks], np.int64), kinds)


def _rows(
    shown: Sequence[Spans], places: Sequence[Ints], named: Sequence[tuple[str, str]]
) -> tuple[tuple[Ints, Ints], tuple[Lane, ...]]:
    """Attempts first; a planned bar stands below the attempt of its task wherever it can."""
    (plan, tried), lanes = shown, len(named)
    row, tall = rows(places[1], tried.start, tried.end, lanes=lanes)
    wish = _rows_of_attempts(shown, places, row)
    below, more = rows(places[0], plan.start, plan.end, lanes=lanes, rather=wish)
    tall = np.maximum(tall, more)
    first = np.cumsum(tall) - tall
    bands = tuple(Lane(name, int(n), detail) for (name, detail), n in zip(named, tall, strict=True))
    return (first[places[0]] + below, first[places[1]] + row), bands


def _rows_of_attempts(shown: Sequence[Spans], places: Sequence[Ints], row: Ints) -> Ints:
    """Of each planned bar the row of its task's last attempt in the same lane; -1 without one."""
    plan, tried = shown
    tasks = 1 + max(int(each.task.max(initial=0)) for each in shown)
    of_task, lane = np.full((2, tasks), -1)
    of_task[tried.task], lane[tried.task] = row, places[1]
    found: Ints = np.where(lane[plan.task] == places[0], of_task[plan.task], -1)
    return found


def _detail(view: RunView, name: str) -> str:
    if name not in view.plan.cluster.index:
        return "not of this plan"
    worker = view.plan.cluster.worker(name)
    return f"{cores(worker.cores)} · {size(worker.memory)}"


def _capacity(view: RunView, workers: NDArray[np.bool_]) -> dict[str, float]:
    names = np.array(view.workers)[workers].tolist()
    there = [each for each in view.plan.cluster.workers if each.name in set(names)]
    return {
        "cores": sum(each.cores for each in there),
        "memory": float(sum(each.memory for each in there)),
    }


def _marks(view: RunView) -> dict[str, float]:
    plan = view.plan.schedule
    marks = {"planned end": plan.makespan, "lower bound": plan.lower_bound}
    return {name: at for name, at in marks.items() if at > 0}


def ordered(row: Ints, columns: Sequence[Any]) -> str:
    """Columns by row and then by the first of them, as the browser takes them."""
    order = np.lexsort((columns[0], row))
    return base(*(np.asarray(each)[order] for each in columns))


def _of_tasks(drawn: Chart, tasks: Ints) -> tuple[list[str], str]:
    view = drawn.view
    workflow, critical = view.plan.workflow, set(view.plan.critical)
    kinds = by_frequency(task.kind for task in workflow.tasks)
    index = {kind: place for place, kind in enumerate(kinds)}
    state = {name: place for place, name in enumerate(frames.STATES)}
    states = list(frames.states(view).values())
    held = np.zeros((2, len(workflow)))
    for spans in (view.plan.spans, view.spans):
        held[0, spans.task], held[1, spans.task] = spans.cores, spans.memory
    found = [workflow.tasks[each] for each in tasks]
    return list(kinds), base(
        [index[each.kind] for each in found],
        [np.nan if each.deadline is None else each.deadline for each in found],
        [each.id in critical for each in found],
        held[0, tasks], held[1, tasks],
        [state[states[each]] for each in tasks],
    )  # fmt: skip


def _arrows(view: RunView, selected: str | None, index: Mapping[str, int]) -> list[list[int]]:
    """From what the selected task waits for to it, and from it to what waits for it."""
    if selected is None or selected not in index:
        return []
    here, workflow = index[selected], view.plan.workflow
    before = [[index[each], here] for each in workflow.predecessors(selected) if each in index]
    return before + [[here, index[each]] for each in workflow.successors(selected) if each in index]


def usage_packed(each: Usage) -> dict[str, Any]:
    """Usage as the browser takes it."""
    return {
        "name": each.name, "capacity": each.capacity, "peak": each.peak,
        "planned": base(*thinned(*each.planned)), "actual": base(*thinned(*each.actual)),
    }  # fmt: skip
