"""Many runs as operators watch them: how far, how late, and what workers hold; no streamlit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scheduler.asked import CUT_OFF, GOES_ON
from scheduler.planning.schedule import Placement
from scheduler.store import Store
from scheduler.store.summaries import Progress, Use
from scheduler.store.values import RunSummary

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RunLine:
    """One run as a list shows it. Seconds since it began.

    `planned_end` is what the newest plan says, `deadline` the last of its tasks' deadlines.
    """

    run: RunSummary
    progress: Progress
    planned_end: float
    deadline: float | None

    @property
    def goes_on(self) -> bool:
        """Whether something can be asked of it."""
        return self.run.state in GOES_ON

    @property
    def cut_off(self) -> bool:
        """Whether it has ended before its work had, so that the agent can go on with it."""
        return self.run.state in CUT_OFF and self.done() < 1.0

    def done(self) -> float:
        """The share of its tasks that are over."""
        if self.run.state == "succeeded":
            return 1.0
        over = self.progress.succeeded + self.progress.given_up
        return min(1.0, over / self.run.tasks) if self.run.tasks else 1.0

    def elapsed(self, now: datetime) -> float:
        """How long it has taken so far, or took."""
        if self.run.makespan is not None:
            return self.run.makespan
        return max(0.0, ((self.run.ended or now) - self.run.started).total_seconds())

    def expected_end(self, now: datetime) -> float:
        """When it ended, or will at the earliest: as planned, and not before now."""
        took = self.elapsed(now)
        return took if self.run.ended is not None else max(took, self.planned_end)

    def late(self, now: datetime) -> float | None:
        """By how much it ends after what was first planned; None where it never ended its work."""
        if self.run.state in ("interrupted", "lost"):
            return None
        return self.expected_end(now) - self.run.planned_makespan

    def misses(self, now: datetime) -> float | None:
        """By how much it ends after its deadline, zero where it keeps it; None without one."""
        if self.deadline is None:
            return None
        return max(0.0, self.expected_end(now) - self.deadline)


def run_lines(
    store: Store, runs: Sequence[RunSummary], deadlines: Mapping[int, float | None]
) -> tuple[RunLine, ...]:
    """These runs with how far they are, in two queries for all of them."""
    ids = [each.id for each in runs]
    progress = store.progress_of(ids)
    ends = store.planned_ends([each.id for each in runs if each.ended is None])
    return tuple(
        RunLine(
            each,
            progress[each.id],
            ends.get(each.id, each.planned_makespan),
            deadlines.get(each.id),
        )
        for each in runs
    )


def deadline_of(workflow: Mapping[str, Any]) -> float | None:
    """The last deadline of a workflow's tasks, by its document; None where none has one."""
    found = [each["deadline"] for each in workflow["tasks"] if each.get("deadline") is not None]
    return max(found, default=None)


def frame(lines: Iterable[RunLine], now: datetime) -> pd.DataFrame:
    """One row for each run, in SI; `done` is a share."""
    return pd.DataFrame.from_records(
        [
            {
                "run": each.run.id, "workflow": each.run.workflow, "label": each.run.label,
                "state": each.run.state, "done": each.done(), "tasks": each.run.tasks,
                "given up": each.progress.given_up, "failed tries": each.progress.failed,
                "questions": each.progress.questions, "started": each.run.started,
                "took": None if each.run.state == "lost" else each.elapsed(now),
                "planned": each.run.planned_makespan,
                "late": each.late(now), "after deadline": each.misses(now),
                "owner": each.run.owner, "planner": each.run.planner, "message": each.run.message,
            }
            for each in lines
        ]
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Held:
    """What attempts or plans hold of workers: one entry each, in seconds of the clock (epoch)."""

    worker: NDArray[np.str_]
    start: Floats
    end: Floats
    cores: Floats
    memory: Floats
    failed: NDArray[np.bool_]
    open: NDArray[np.bool_]

    def of(self, chosen: NDArray[np.bool_]) -> "Held":
        """Those that are chosen."""
        return Held(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def within(self, since: float, until: float) -> "Held":
        """Those that lie in this time, at least in part."""
        return self.of((self.start < until) & (self.end > since))


def held(uses: Sequence[Use], started: datetime, *, now: datetime, goes_on: bool) -> Held:
    """What the attempts of a run held; what has no end is held until now if the run goes on.

    In a run that is over, what has no end was held to an end that nobody saw: it is left out.
    """
    known = [each for each in uses if each.end is not None or goes_on]
    zero, last = started.timestamp(), now.timestamp()
    return Held(
        np.array([each.worker for each in known], dtype=np.str_),
        np.array([zero + each.start for each in known], np.float64),
        np.array([last if each.end is None else zero + each.end for each in known], np.float64),
        np.array([each.cores for each in known], np.float64),
        np.array([each.memory for each in known], np.float64),
        np.array([each.end is not None and each.outcome != "succeeded" for each in known], bool),
        np.array([each.end is None for each in known], bool),
    )


def to_come(placed: Iterable[Placement], started: datetime, *, now: datetime) -> Held:
    """What a plan will hold from now on."""
    zero, first = started.timestamp(), now.timestamp()
    left = [each for each in placed if zero + each.end > first]
    return Held(
        np.array([each.worker for each in left], dtype=np.str_),
        np.maximum(np.array([zero + each.start for each in left], np.float64), first),
        np.array([zero + each.end for each in left], np.float64),
        np.array([each.allocation.cores for each in left], np.float64),
        np.array([float(each.allocation.memory) for each in left], np.float64),
        np.zeros(len(left), bool),
        np.zeros(len(left), bool),
    )


def together(parts: Sequence[Held]) -> Held:
    """All of them as one."""
    none = np.zeros(0)
    empty = Held(np.zeros(0, np.str_), none, none, none, none, none.astype(bool), none.astype(bool))
    every, names = (empty, *parts), Held.__dataclass_fields__
    return Held(*(np.concatenate([getattr(each, name) for each in every]) for name in names))


def mean_use(found: Held, amount: Floats, edges: Floats) -> Floats:
    """The mean of the amount that is held between each two edges: exact, not sampled.

    What has been held until an edge is a sum of ramps; its differences are what lies between.
    """
    if not len(found.start):
        return np.zeros(len(edges) - 1)
    until = np.array(
        [
            float(np.sum(amount * np.clip(each - found.start, 0.0, found.end - found.start)))
            for each in edges
        ]
    )
    mean: Floats = np.diff(until) / np.diff(edges)
    return mean


def load(found: Held, sizes: Mapping[str, float], edges: Floats) -> pd.DataFrame:
    """The share of each worker's cores that is held between the edges: a row for each worker."""
    rows = {
        name: mean_use(one := found.of(found.worker == name), one.cores, edges) / cores
        for name, cores in sizes.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(edges[:-1]))


def current_plan(store: Store, run: int) -> tuple[Placement, ...]:
    """Where and when the tasks of a run are to run by its newest plan."""
    placed = dict(store.run_schedule(run).by_task)
    for plan in store.run_plans(run):
        placed |= {each.task: each for each in plan.placements}
    return tuple(placed.values())


PERIODS: Mapping[str, timedelta | None] = {
    "all": None,
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}
