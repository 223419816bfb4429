"""Adds to a store what operators act on: a run that goes on, one cut off, questions, a queue."""

from datetime import datetime, timedelta

import numpy as np

from scheduler.documents import cluster_document, workflow_document
from scheduler.execution.events import (
    Action,
    AttemptEnded,
    AttemptStarted,
    Controlled,
    Event,
    Observation,
    Output,
    PlanChanged,
)
from scheduler.planning.planners.heft import Heft
from scheduler.records import Outcome
from scheduler.store import Store
from scheduler.store.values import Drift
from tests.dashboard.filler import a_problem, begin

PASSED = 0.4  # the share of the plan that has happened
LATER = 1.25  # how many times what was planned attempts take
LINES = "".join(f"line {i}: step {i} of the work\n" for i in range(400))


def operate(
    store: Store, now: datetime, *, seed: int = 11, tasks: int = 40, hostile: str = ""
) -> int:
    """The number of a run that goes on; the one after it was cut off. All the same for a seed."""
    problem = a_problem(np.random.default_rng(seed), tasks, hostile=hostile)
    plan = Heft().plan(problem)
    passed = PASSED * plan.makespan
    live = begin(
        store, problem, plan, label="live" + hostile, at=now - timedelta(seconds=passed),
        owner="ann" + hostile,
    )  # fmt: skip
    at, events, first = now - timedelta(seconds=passed), list[Event](), plan.placements[0]
    for number, each in enumerate(plan.placements):
        if each.start > passed / LATER:
            continue
        start, end = each.start * LATER, each.end * LATER
        where = (each.task, 1, each.worker)
        began = at + timedelta(seconds=start)
        events.append(AttemptStarted(*where, start, began, each.allocation))
        if end < passed:
            fails = number == 1
            output = Output("stderr", LINES + f"error: no space left{hostile}\n", 12_000)
            seen = Observation(
                Outcome.FAILED if fails else Outcome.SUCCEEDED, duration=end - start,
                peak_memory=each.allocation.memory * 0.7, cpu=each.allocation.cores * 0.8,
                message="no space left on the device" + hostile if fails else "",
                outputs=(output,) if number < 3 else (),
            )  # fmt: skip
            events.append(AttemptEnded(*where, end, at + timedelta(seconds=end), seen))
    paused = (Controlled(Action.PAUSE, 0.2, at, "ann" + hostile, "lunch" + hostile),
              Controlled(Action.RESUME, 0.4, at, "ann" + hostile, ""))  # fmt: skip
    changed = PlanChanged(
        passed * 0.9, at, ("an attempt failed",), 0, (), plan.makespan, plan.makespan * 1.2
    )
    events = sorted([*events, *paused, changed], key=lambda each: each.at)
    store.append_events(live, events, at=now)
    store.put_question(
        "tasks", "tasks with the label 'personal'" + hostile, answers=("approve", "refuse"),
        reasons=["tasks with the label 'personal' need an approval" + hostile], at=now, run=live,
        details={"tasks": [plan.placements[-1].task]},
    )  # fmt: skip
    old = now - timedelta(hours=5)
    lost = begin(store, problem, plan, label="cut off" + hostile, at=old)
    cut = AttemptStarted(first.task, 1, first.worker, 0.0, old, first.allocation)
    store.append_events(lost, [cut], at=old)
    payload = {
        "token": "t" * 32, "workflow": workflow_document(problem.workflow),
        "cluster": cluster_document(problem.cluster), "objective": {}, "priority": 3, "how": {},
    }  # fmt: skip
    store.ask("run", payload, by="cem" + hostile, at=now)
    store.note_drift(
        Drift("duration", "sort" + hostile, "w1" + hostile, 1.8, 40, 6.5, "cgc-3", old, now)
    )
    return live
